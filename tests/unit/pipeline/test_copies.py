"""What becomes of an event that came before, and of what is left of it: claims, conflicts, takeovers and refusals."""

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from engine.ports import FREE, HELD, Change, Claim
from engine.state.reader import read_range
from tests.unit.pipeline.workers import EVENT_TIME_MS, World, event

RULES = """
version: 1
events: {type: kind, time: at, key: user, max_skew: {future: none, past: none}, types: {flagged: {}, strict: {}, longest: {}}}
deduplication:
  flagged: {key: id, ttl: 10m}
  strict: {key: id, ttl: 1h, on_conflict: reject}
  longest: {key: id, ttl: 2h}
routes: {second: {topic: second}}
filters: {copied: {when: {copied: true}, then: {route: {to: second, mode: copy}}}}
aggregations:
  users: {key: {user: user}, window: {tumbling: 1h}, retain: 7d, max_keys: 100, measures: {events: count}}
"""
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path, RULES)
    yield world
    await world.close()


async def looked_at(world: World, key: str) -> Claim | None:
    (claim,) = await world.store.settle([Change(key, Claim("nobody", 0, 0), None)])
    return claim


@pytest.mark.parametrize(("kind", "copy_status"), [("flagged", "duplicate"), ("strict", "rejected")])
@pytest.mark.parametrize("first_is", ["in flight", "remembered", "in the store"])
async def test_a_copy_of_other_content_is_a_conflict_wherever_the_first_is(
    world: World, kind: str, copy_status: str, first_is: str
) -> None:
    worker = await world.worker()
    other = await world.worker() if first_is == "in the store" else worker
    worker.send(event(kind, "a", n=1))
    await world.react()
    if first_is != "in flight":
        worker.egress.gate.set()
        await world.react()

    other.send(event(kind, "a", n=2))
    await world.react()
    worker.egress.gate.set()
    await world.react()

    assert sorted(outcome.status for one in {worker, other} for outcome in one.outcomes) == ["accepted", copy_status]
    assert other.counters.conflicts == 1
    assert worker.published + (0 if other is worker else other.published) == 1


async def test_an_event_of_a_dead_worker_is_taken_over_counted_and_marked(world: World) -> None:
    await world.store.claim("dead", 1, ["flagged:a"], [0], [10 * MINUTE_MS])
    worker = await world.worker()
    worker.egress.gate.set()

    worker.send(event("flagged", "a"))
    await world.react()

    assert worker.told == ["accepted"]
    assert (worker.counters.takeovers, worker.counters.conflicts) == (1, 1), "the dead worker's had another content"
    assert orjson.loads(worker.egress.records[0].value)["processing"]["takeover"] is True


@pytest.mark.parametrize(("deaths", "told"), [(3, "accepted"), (4, "poison")])
async def test_an_event_that_each_worker_died_of_is_kept_as_a_dead_letter(world: World, deaths: int, told: str) -> None:
    await world.store.claim("dead", 1, ["flagged:a"], [0], [10 * MINUTE_MS])
    once = Claim("dead", 1, 0, HELD, 0)
    await world.store.settle([Change("flagged:a", once, once._replace(takeovers=deaths - 1))])
    worker = await world.worker()
    worker.egress.gate.set()

    worker.send(event("flagged", "a"))
    await world.react()

    assert worker.told == [told]
    assert [letter.code for letter in worker.dead_letters.letters] == (["poison"] if told == "poison" else [])
    assert worker.published == (told == "accepted")


@pytest.mark.parametrize("refused", [{"second"}, {"out"}, {"out", "second"}])
async def test_an_event_is_accepted_where_one_of_its_records_is_out_and_the_others_are_dead_letters(
    world: World, refused: set[str]
) -> None:
    worker = await world.worker()
    worker.egress.gate.set()
    worker.egress.refuses = refused

    worker.send(event("flagged", "a", copied=True))
    await world.react()

    assert worker.told == ["refused" if len(refused) == 2 else "accepted"]
    assert [(letter.code, letter.id) for letter in worker.dead_letters.letters] == [("refused", "a")]


async def test_the_claim_of_a_refused_event_is_free_only_when_its_dead_letter_is_kept(world: World) -> None:
    worker = await world.worker()
    worker.egress.gate.set()
    worker.egress.refuses = {"out"}
    worker.dead_letters.gate.clear()
    worker.send(event("flagged", "a"))
    await world.react()
    claim = await looked_at(world, "flagged:a")
    assert (claim and claim.mark, worker.told) == (HELD, [])

    worker.dead_letters.gate.set()
    await world.react()

    claim = await looked_at(world, "flagged:a")
    assert (claim and claim.mark, worker.told) == (FREE, ["refused"])


async def test_a_copy_is_known_for_the_time_to_live_and_no_longer(world: World) -> None:
    worker = await world.worker()
    worker.egress.gate.set()
    for at_ms in (0, 9 * MINUTE_MS, 11 * MINUTE_MS):
        await world.wait(at_ms, step_ms=5_000)
        worker.send(event("flagged", "a"))
        await world.react()

    assert worker.told == ["accepted", "duplicate", "accepted"]


async def test_an_owners_record_outlives_its_claims(world: World) -> None:
    """Else a copy of what is out would pass for one that its worker did not finish."""
    worker = await world.worker()
    worker.egress.gate.set()
    worker.send(event("strict", "a"), event("longest", "b"))
    await world.react()
    await worker.stop()
    world.clock.advance(2 * HOUR_MS - MINUTE_MS)
    while not (await world.store.sweep(100)).through:
        pass

    other = await world.worker()
    other.send(event("longest", "b"))
    await world.react()

    assert (other.told, other.published) == (["duplicate"], 0)


async def test_an_owners_record_outlives_its_partials(world: World) -> None:
    worker = await world.worker()
    worker.egress.gate.set()
    worker.send(event("flagged", "a"))
    await world.react()
    await worker.stop()
    world.clock.advance(7 * DAY_MS - MINUTE_MS)
    while not (await world.store.sweep(100)).through:
        pass

    state_id = world.plan.aggregations["users"].state_id
    (partial,), committed = await read_range(world.store, state_id, "user:u", EVENT_TIME_MS - DAY_MS, EVENT_TIME_MS + DAY_MS)
    assert committed[partial.owner] >= partial.seq


async def test_a_store_that_goes_back_on_what_another_owner_had_committed_is_counted(world: World) -> None:
    await world.store.open("other", HOUR_MS)
    await world.store.claim("other", 5, ["flagged:a"], [0], [HOUR_MS])
    await world.store.claim("other", 6, ["flagged:b"], [0], [HOUR_MS])
    await world.store.keep("other", 5, HOUR_MS, 0)
    worker = await world.worker()
    worker.send(event("flagged", "a"))
    await world.react()
    assert worker.counters.lost_writes == 0

    world.store.lose_writes("other", 3)
    worker.send(event("flagged", "b"))
    await world.react()

    assert worker.counters.lost_writes == 1
    assert worker.told == ["conflict", "in_flight_elsewhere"]
