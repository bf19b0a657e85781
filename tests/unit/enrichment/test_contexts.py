"""A source with everything around it: what is asked, how often, and what every event is told, whatever the source does."""

import asyncio

import pytest

from engine.event import JsonObject
from engine.metrics import SourceCounts
from engine.ports import Context
from engine.rules.model import Breaker, Cache
from engine.testing import ManualClock
from tests.unit.enrichment.scripted import BUDGET_MS, ScriptedSource, contexts, until

KEPT = Cache(local_ttl_ms=1_000, local_max_entries=100, negative_ttl_ms=100, stale_if_error_ms=5_000)
ROW: JsonObject = {"plan": "free"}
FRESH, STALE, TIMEOUT = Context(ROW, "fresh"), Context(ROW, "stale"), Context(None, "timeout")
NEGATIVE, LEFT_ALONE = Context(None, "negative"), Context(None, "breaker_open")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def ended(counts: SourceCounts) -> dict[str, int]:
    """How look-ups ended, without what did not occur."""
    names = ("hits_local", "hits_shared", "fetched", "negative", "defaults", "stale", "timeouts", "breaker_open")
    found = {name: getattr(counts, name) for name in names if getattr(counts, name)}
    assert counts.lookups == sum(found.values())
    return found


async def test_a_hundred_misses_of_one_key_at_the_same_time_are_one_call(clock: ManualClock) -> None:
    source = ScriptedSource({"u1": ROW})
    user = contexts(clock, source)
    source.gate.clear()
    waiting = [asyncio.ensure_future(user.fetch(["u1"])) for _ in range(100)]
    await until(lambda: source.calls)
    source.gate.set()

    assert await asyncio.gather(*waiting) == [{"u1": FRESH}] * 100
    assert source.calls == [["u1"]]
    assert ended(user.counts) == {"fetched": 100}


async def test_a_source_says_which_place_fails_and_why_until_that_answers_again(clock: ManualClock) -> None:
    source, other = ScriptedSource({"u1": ROW}), ScriptedSource()
    user = contexts(clock, source, other)
    problems = [user.problem]
    source.fail("it has\n moved")
    for _ in range(3):
        await user.fetch(["u1"])
        problems.append(user.problem)
    source.recover()
    await user.fetch(["u1"])

    assert problems == [None, None, None, "scripted: it has moved"]
    assert user.problem is None


async def test_what_was_found_is_at_hand_for_its_time_and_asked_for_again_after_it(clock: ManualClock) -> None:
    source = ScriptedSource({"u1": ROW})
    user = contexts(clock, source, cache=KEPT)
    await user.fetch(["u1"])
    assert user.at_hand == {"u1": FRESH}
    assert user.entries == 1
    clock.advance(1_000)
    assert dict(user.at_hand) == {}
    source.rows["u1"] = {"plan": "paid"}

    assert (await user.fetch(["u1"]))["u1"] == Context({"plan": "paid"}, "fresh")
    assert source.calls == [["u1"], ["u1"]]


async def test_only_the_fields_wanted_are_kept(clock: ManualClock) -> None:
    user = contexts(clock, ScriptedSource({"u1": {"a": 1, "b": 2}}), cache=KEPT, fields=("b", "c"))
    await user.fetch(["u1"])

    assert user.at_hand == {"u1": Context({"b": 2}, "fresh")}


async def test_that_a_key_is_not_there_is_kept_for_a_time_of_its_own(clock: ManualClock) -> None:
    source = ScriptedSource()
    user = contexts(clock, source, cache=KEPT)
    assert await user.fetch(["u1"]) == {"u1": NEGATIVE}
    assert user.at_hand == {"u1": NEGATIVE}
    clock.advance(100)
    source.rows["u1"] = ROW

    assert dict(user.at_hand) == {}
    assert await user.fetch(["u1"]) == {"u1": FRESH}


async def test_a_default_stands_in_for_what_is_not_there_and_for_what_nobody_could_say(clock: ManualClock) -> None:
    source = ScriptedSource()
    user = contexts(clock, source, default={"plan": "?"})

    assert await user.fetch(["u1"]) == {"u1": Context({"plan": "?"}, "default")}
    source.fail()
    assert await user.fetch(["u1"]) == {"u1": Context({"plan": "?"}, "timeout")}
    assert ended(user.counts) == {"defaults": 1, "timeouts": 1}


async def test_while_the_source_fails_what_was_known_stands_in_but_not_for_ever(clock: ManualClock) -> None:
    source = ScriptedSource({"u1": ROW})
    user = contexts(clock, source, cache=KEPT)
    await user.fetch(["u1"])
    source.fail()
    clock.advance(1_000 + 4_999)
    assert await user.fetch(["u1"]) == {"u1": STALE}
    clock.advance(1)

    assert await user.fetch(["u1"]) == {"u1": TIMEOUT}
    assert ended(user.counts) == {"fetched": 1, "stale": 1, "timeouts": 1}
    assert (user.counts.fetches, user.counts.errors) == (3, 2)


async def test_an_open_breaker_spares_the_source_and_its_events_the_wait(clock: ManualClock) -> None:
    source = ScriptedSource({"old": ROW})
    user = contexts(clock, source, cache=KEPT, breaker=Breaker(failures=2, open_for_ms=30_000))
    await user.fetch(["old"])
    clock.advance(1_000)
    source.fail()
    for key in ("u1", "u2"):
        assert await user.fetch([key]) == {key: TIMEOUT}
    calls = len(source.calls)

    assert user.breaker == "open"
    assert await user.fetch(["old", "u3"]) == {"old": STALE, "u3": LEFT_ALONE}
    assert len(source.calls) == calls
    assert ended(user.counts) == {"fetched": 1, "timeouts": 2, "stale": 1, "breaker_open": 1}


async def test_after_its_rest_one_look_up_finds_out_whether_the_source_is_back(clock: ManualClock) -> None:
    source = ScriptedSource({f"u{n}": ROW for n in range(9)})
    user = contexts(clock, source, breaker=Breaker(failures=1, open_for_ms=30_000))
    source.fail()
    await user.fetch(["u1"])
    source.recover()
    source.gate.clear()
    clock.advance(30_000)
    assert user.breaker == "half_open"
    probe = asyncio.ensure_future(user.fetch(["u1"]))
    await until(lambda: len(source.calls) == 2)
    assert await user.fetch(["u2"]) == {"u2": LEFT_ALONE}
    source.gate.set()

    assert await probe == {"u1": FRESH}
    assert user.breaker == "closed"
    assert await user.fetch(["u2"]) == {"u2": FRESH}


async def test_what_is_used_is_asked_for_again_before_its_end_behind_the_scenes(clock: ManualClock) -> None:
    source = ScriptedSource({"u1": ROW})
    user = contexts(clock, source, cache=Cache(local_ttl_ms=1_000, refresh_ahead=0.8))
    await user.fetch(["u1"])
    source.rows["u1"] = {"plan": "paid"}
    source.gate.clear()
    clock.advance(800)
    assert dict(user.at_hand) == {}
    assert [await user.fetch(["u1"]) for _ in range(10)] == [{"u1": FRESH}] * 10
    assert user.at_hand == {"u1": FRESH}
    source.gate.set()
    await until(lambda: user.at_hand == {"u1": Context({"plan": "paid"}, "fresh")})
    clock.advance(799)

    assert "u1" in user.at_hand
    assert source.calls == [["u1"], ["u1"]]
    assert user.counts.refreshes == 1
    assert ended(user.counts) == {"fetched": 1, "hits_local": 10}


async def test_a_refresh_that_fails_leaves_the_answer_to_its_end_and_is_not_tried_for_each_event(clock: ManualClock) -> None:
    source = ScriptedSource({"u1": ROW})
    user = contexts(clock, source, cache=Cache(local_ttl_ms=1_000, refresh_ahead=0.5))
    await user.fetch(["u1"])
    source.fail()
    for _ in range(499):
        clock.advance(1)
        if "u1" not in user.at_hand:
            assert await user.fetch(["u1"]) == {"u1": FRESH}
            await until(lambda: not source.at_once)
    clock.advance(499)
    if "u1" not in user.at_hand:
        assert await user.fetch(["u1"]) == {"u1": FRESH}
    clock.advance(2)

    assert await user.fetch(["u1"]) == {"u1": TIMEOUT}
    assert user.counts.refreshes <= 10


async def test_a_slow_source_costs_an_event_the_budget_and_no_more_and_its_answer_is_there_for_the_next(
    clock: ManualClock,
) -> None:
    source = ScriptedSource({"u1": ROW})
    user = contexts(clock, source, cache=KEPT)
    source.gate.clear()
    fetching = asyncio.ensure_future(user.fetch(["u1"]))
    await until(lambda: clock.next_due_ms() == BUDGET_MS)
    clock.advance(BUDGET_MS - 1)
    await asyncio.sleep(0)
    assert not fetching.done()
    clock.advance(1)
    assert await fetching == {"u1": TIMEOUT}
    source.gate.set()
    await until(lambda: user.at_hand == {"u1": FRESH})

    assert source.calls == [["u1"]]


async def test_what_came_within_the_budget_is_used_although_the_rest_did_not(clock: ManualClock) -> None:
    quick, slow = ScriptedSource({"u1": ROW}, max_keys=10), ScriptedSource({"u2": ROW})
    slow.gate.clear()
    user = contexts(clock, quick, slow)
    fetching = asyncio.ensure_future(user.fetch(["u1", "u2"]))
    await until(lambda: slow.calls)
    clock.advance(BUDGET_MS)

    assert await fetching == {"u1": FRESH, "u2": TIMEOUT}
    await user.close()


async def test_the_old_answer_stands_in_for_one_that_does_not_come_in_time(clock: ManualClock) -> None:
    source = ScriptedSource({"u1": ROW})
    user = contexts(clock, source, cache=KEPT)
    await user.fetch(["u1"])
    clock.advance(1_000)
    source.gate.clear()
    fetching = asyncio.ensure_future(user.fetch(["u1"]))
    await until(lambda: len(source.calls) == 2)
    clock.advance(BUDGET_MS)

    assert await fetching == {"u1": STALE}
    await user.close()


async def test_keys_are_asked_for_together_as_far_as_the_source_takes_them_and_so_many_times_at_once(clock: ManualClock) -> None:
    source = ScriptedSource({f"u{n}": ROW for n in range(25)}, max_keys=4, concurrency=2)
    user = contexts(clock, source)
    source.gate.clear()
    fetching = asyncio.ensure_future(user.fetch([f"u{n}" for n in range(25)]))
    await until(lambda: source.at_once == 2)
    source.gate.set()
    found = await fetching

    assert list(found.values()) == [FRESH] * 25
    assert [len(keys) for keys in source.calls] == [4, 4, 4, 4, 4, 4, 1]
    assert source.most_at_once == 2


async def test_more_keys_than_may_wait_are_not_asked_for(clock: ManualClock) -> None:
    source = ScriptedSource({f"u{n}": ROW for n in range(5)}, max_keys=10)
    user = contexts(clock, source, max_waiting=3)
    found = await user.fetch([f"u{n}" for n in range(5)])

    assert [found[f"u{n}"] for n in range(5)] == [FRESH, FRESH, FRESH, TIMEOUT, TIMEOUT]
    assert source.calls == [["u0", "u1", "u2"]]
    assert (await user.fetch(["u4"]))["u4"] == FRESH


async def test_a_fallback_is_asked_for_what_the_one_before_has_not_or_fails_to_say(clock: ManualClock) -> None:
    first, second, third = ScriptedSource({"u1": {"of": 1}}), ScriptedSource(), ScriptedSource({"u2": {"of": 3}})
    user = contexts(clock, first, second, third)
    second.fail()

    found = await user.fetch(["u1", "u2"])
    assert [found["u1"].value, found["u2"].value] == [{"of": 1}, {"of": 3}]
    first.fail()
    assert (await user.fetch(["u2"]))["u2"] == Context({"of": 3}, "fresh")


async def test_what_a_place_failed_to_say_is_not_known_to_be_nowhere(clock: ManualClock) -> None:
    first, second = ScriptedSource(), ScriptedSource()
    user = contexts(clock, first, second, cache=KEPT)
    first.fail()

    assert await user.fetch(["u1"]) == {"u1": TIMEOUT}
    assert dict(user.at_hand) == {}
    first.recover()
    assert await user.fetch(["u1"]) == {"u1": NEGATIVE}


async def test_each_place_has_a_breaker_of_its_own_and_the_worst_one_is_shown(clock: ManualClock) -> None:
    first, second = ScriptedSource(), ScriptedSource({"u1": ROW})
    user = contexts(clock, first, second, breaker=Breaker(failures=1))
    first.fail()
    await user.fetch(["u1"])

    assert await user.fetch(["u1", "u2"]) == {"u1": FRESH, "u2": LEFT_ALONE}
    assert len(first.calls) == 1
    assert user.breaker == "open"


async def test_a_place_that_is_being_tried_again_is_passed_over_at_once(clock: ManualClock) -> None:
    first, second = ScriptedSource(concurrency=1), ScriptedSource({"u2": ROW})
    user = contexts(clock, first, second, breaker=Breaker(failures=1, open_for_ms=1_000))
    first.fail()
    await user.fetch(["u1"])
    clock.advance(1_000)
    first.gate.clear()
    probe = asyncio.ensure_future(user.fetch(["u1"]))
    await until(lambda: first.at_once)

    assert await user.fetch(["u2"]) == {"u2": FRESH}
    first.gate.set()
    await probe


@pytest.mark.parametrize("failure", [RuntimeError("boom"), KeyError("x"), OSError("gone"), ValueError()])
async def test_whatever_a_plug_in_raises_is_a_failed_look_up(clock: ManualClock, failure: Exception) -> None:
    source = ScriptedSource()
    source.failure = failure
    user = contexts(clock, source)

    assert await user.fetch(["u1"]) == {"u1": TIMEOUT}
    assert user.counts.errors == 1


async def test_a_look_up_that_takes_longer_than_the_place_may_is_ended_and_counted(clock: ManualClock) -> None:
    source = ScriptedSource(timeout_ms=20)
    source.gate.clear()
    user = contexts(clock, source, breaker=Breaker(failures=1))

    assert await user.fetch(["u1"]) == {"u1": TIMEOUT}
    assert (source.at_once, user.counts.errors, user.breaker) == (0, 1, "open")


async def test_an_outage_is_a_line_in_the_log_when_it_begins_and_one_when_it_ends(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    source = ScriptedSource({"u1": ROW})
    user = contexts(clock, source)
    for down in (True, True, False, True, False):
        source.failure = None
        if down:
            source.fail("no route\nto host")
        await user.fetch(["u1"])
        clock.advance(1_000)
    clock.advance(10_000)
    await user.fetch(["u1"])

    assert caplog.messages == [
        "enrichment source `user` (scripted) fails: no route to host",
        "enrichment source `user` (scripted) answers again, after 15 s and 3 failures",
    ]


async def test_a_key_of_absurd_length_is_known_nowhere_and_not_asked_for(clock: ManualClock) -> None:
    source = ScriptedSource()
    user = contexts(clock, source, cache=KEPT)
    key = "u" * 1_001

    assert await user.fetch([key]) == {key: NEGATIVE}
    assert (source.calls, user.entries) == ([], 0)


async def test_each_look_up_is_counted_once_also_where_many_ask_for_one_key(clock: ManualClock) -> None:
    source = ScriptedSource({"u1": ROW})
    user = contexts(clock, source, cache=KEPT)
    await user.fetch(["u1", "u1", "u1", "u2"])
    await user.fetch(["u1", "u2", "u2"])

    assert ended(user.counts) == {"fetched": 3, "negative": 3, "hits_local": 1}
    assert user.counts.fetches == 2
    assert sum(user.counts.latency.counts) == 2


async def test_closing_ends_what_is_under_way_and_closes_every_place(clock: ManualClock) -> None:
    first, second = ScriptedSource(), ScriptedSource()
    user = contexts(clock, first, second)
    first.gate.clear()
    fetching = asyncio.ensure_future(user.fetch(["u1"]))
    await until(lambda: first.calls)
    await user.close()

    assert await fetching == {"u1": TIMEOUT}
    assert (first.at_once, first.closed, second.closed) == (0, True, True)


async def test_a_place_that_cannot_be_closed_keeps_no_other_from_being_closed(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Stubborn(ScriptedSource):
        async def close(self) -> None:
            raise RuntimeError("no")

    second = ScriptedSource()
    await contexts(clock, Stubborn(), second).close()

    assert second.closed
    assert caplog.messages == ["enrichment source `user` (scripted) could not be closed"]
