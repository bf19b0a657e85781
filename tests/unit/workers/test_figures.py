"""The figures of all workers: what they count never goes back, whatever becomes of a worker."""

from dataclasses import replace

import pytest

from engine.event import JsonObject
from engine.operations.snapshot import RulesLoad, Snapshot
from engine.rules.changes import Changes, Difference
from engine.testing import ManualClock
from engine.workers.channel import NoAnswer
from engine.workers.figures import FiguresOfAll, Known, as_json, from_json
from tests.unit.operations.samples import NOW_MS, STARTED_MS, aggregation, rule, snapshot, source

LOAD = RulesLoad(successful=True, at_ms=STARTED_MS)
NONE = Difference((), (), (), ())


class Crew:
    """Two workers that say what they are told to, or nothing."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.figures = FiguresOfAll(2, self.clock)
        self.says: dict[int, Snapshot | None] = {}
        self.asked = 0
        self.known = [self.add(number) for number in (1, 2)]

    def add(self, number: int) -> Known:
        async def ask(_: int) -> JsonObject:
            self.asked += 1
            said = self.says[number]
            if said is None:
                raise NoAnswer("it took too long")
            return as_json(said)

        self.says[number] = snapshot()
        return self.figures.add(number, ask)

    async def all(self) -> Snapshot:
        return await self.figures.all(LOAD, [])


@pytest.fixture
def crew() -> Crew:
    return Crew()


def test_a_snapshot_goes_to_another_process_and_comes_back_the_same() -> None:
    assert from_json(as_json(snapshot())) == snapshot()


async def test_the_figures_of_all_workers_add_up(crew: Crew) -> None:
    shown = await crew.all()

    assert (shown.workers, shown.workers_wanted, shown.ledger["received"], shown.reasons) == (2, 2, 40, [])


async def test_bounds_of_a_worker_that_is_gone_go_with_it_and_its_counts_stay(crew: Crew) -> None:
    queue = replace(snapshot().queue, held_early=3)
    person = replace(source(), max_entries=100, waiting=4, max_waiting=50)
    for number in (1, 2):
        crew.says[number] = snapshot(queue=queue, sources={"person": person}, kept={"connections": 5})
    await crew.all()

    crew.figures.remove(crew.known[0])

    shown = await crew.all()
    assert (shown.sources["person"].max_entries, shown.sources["person"].waiting, shown.sources["person"].max_waiting) == (
        100,
        4,
        50,
    )
    assert (shown.kept, shown.queue.held_early) == ({"connections": 5}, 6)


async def test_counts_of_a_worker_that_is_gone_are_kept_and_what_it_was_is_not(crew: Crew) -> None:
    before = await crew.all()

    crew.figures.remove(crew.known[0])
    crew.figures.deaths += 1
    after = await crew.all()

    assert after.counters == before.counters
    assert after.durations == before.durations
    assert after.filters == before.filters
    assert after.sources["person"].counts == before.sources["person"].counts
    assert after.aggregations["by_user"].counts["events"] == before.aggregations["by_user"].counts["events"]
    assert after.process["process_cpu_seconds_total"] == before.process["process_cpu_seconds_total"]
    assert after.started_ms == before.started_ms
    one = snapshot()
    assert (after.queue, after.busy, after.events_per_second) == (one.queue, one.busy, one.events_per_second)
    assert after.sources["person"].entries == one.sources["person"].entries
    assert after.aggregations["by_user"].counts["groups"] == one.aggregations["by_user"].counts["groups"]
    assert after.process["process_resident_memory_bytes"] == one.process["process_resident_memory_bytes"]
    assert (after.rulesets, after.workers, after.worker_deaths) == ({"abc": 1}, 1, 1)
    assert after.reasons == ["workers: 1 of 2 run"]


async def test_events_that_a_worker_held_when_it_died_are_to_be_sent_again(crew: Crew) -> None:
    before = (await crew.all()).ledger

    crew.figures.remove(crew.known[0])
    after = (await crew.all()).ledger

    assert after == {**before, "retry": before["retry"] + 1, "in_flight": before["in_flight"] - 1}


async def test_a_worker_that_does_not_answer_is_shown_as_it_was_and_named(crew: Crew) -> None:
    before = await crew.all()
    crew.says[1] = None
    crew.clock.advance(1_500)

    after = await crew.all()

    assert after.ledger == before.ledger
    assert after.reasons == ["workers: worker 1 has not answered for 1.5 s; its figures are those of then"]
    crew.says[1] = snapshot()
    crew.clock.advance(5_000)
    assert (await crew.all()).reasons == []


async def test_questions_do_not_pile_up_at_a_worker_that_does_not_answer(crew: Crew) -> None:
    await crew.all()
    crew.says[1] = None
    for _ in range(50):
        await crew.all()
        crew.clock.advance(100)

    assert crew.asked - 2 <= 50 + 2


async def test_the_service_is_stopping_when_all_its_workers_are(crew: Crew) -> None:
    crew.says[1] = snapshot(stopping=1)
    assert (await crew.all()).stopping == 0

    crew.says[2] = snapshot(stopping=1)
    assert (await crew.all()).stopping == 1


async def test_before_any_worker_has_answered_there_are_no_figures(crew: Crew) -> None:
    crew.says = {1: None, 2: None}

    with pytest.raises(NoAnswer):
        await crew.all()


async def test_event_time_is_unknown_while_a_worker_is_missing_or_has_seen_none(crew: Crew) -> None:
    crew.says = {1: snapshot(watermarks_ms={"http": 5}), 2: snapshot(watermarks_ms={"http": 7, "demo": 3})}
    assert (await crew.all()).watermarks_ms == {"http": 5, "demo": 3}

    crew.says[2] = snapshot(watermarks_ms={})
    assert (await crew.all()).watermarks_ms == {}

    crew.figures.remove(crew.known[1])
    assert (await crew.all()).watermarks_ms == {}


async def test_what_a_changed_rule_had_counted_in_workers_that_are_gone_is_dropped(crew: Crew) -> None:
    await crew.all()
    crew.figures.remove(crew.known[0])
    new = snapshot(
        filters={"quick": rule(matched=1)}, sources={"person": source(lookups=1)}, aggregations={"by_user": aggregation()}
    )
    crew.says[2] = new
    changed = Difference((), (), ("quick",), ())

    crew.figures.forget(Changes(changed, NONE, NONE, NONE))

    shown = await crew.all()
    assert shown.filters == new.filters
    assert shown.sources["person"].counts["lookups"] == 1 + snapshot().sources["person"].counts["lookups"]


async def test_what_nobody_has_any_more_is_not_shown(crew: Crew) -> None:
    crew.says[1] = snapshot(routes={"old": 3}, filters={"gone": rule(NOW_MS, matched=2)})
    await crew.all()
    crew.figures.remove(crew.known[0])

    shown = await crew.all()

    assert shown.routes == snapshot().routes
    assert set(shown.filters) == set(snapshot().filters)


async def test_workers_that_end_one_after_the_other_all_count(crew: Crew) -> None:
    total = (await crew.all()).counters["commits"]
    for known in list(crew.known):
        crew.figures.remove(known)
        crew.add(known.number)
        crew.says[known.number] = replace(snapshot(), counters=dict.fromkeys(snapshot().counters, 0))

    assert (await crew.all()).counters["commits"] == total
