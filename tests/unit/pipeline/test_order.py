"""Ordering: events of one key go on in the order of their own times."""

import tracemalloc

import orjson
from hypothesis import given
from hypothesis import strategies as st

from engine.event import Event, Submission
from engine.metrics import Counters
from engine.pipeline.batch import Batch
from engine.pipeline.order import Orderer, apply_late_policy
from engine.rules.model import Events, LatePolicy, Path, Route

_TYPE, _TIME = Path("type", ("type",)), Path("time", ("time",))


def event(time_ms: int, key: str | None = "u", input_name: str = "http") -> Event:
    submission = Submission([b"{}"], input_name=input_name, received_ms=0, size_bytes=2, done=lambda _: None)
    return Event({}, None, "answer", time_ms, key, f"answer:{time_ms}", 0, 0, submission, 0)


def times(events: list[Event]) -> list[int]:
    return [one.time_ms for one in events]


def test_events_of_a_batch_go_on_in_the_order_of_their_times_and_as_they_came_where_those_are_equal() -> None:
    first, second = event(5, "a"), event(5, "b")

    assert Orderer(10).arrange([event(9), first, event(7), second], 0, now_ms=0)[:2] == [first, second]


def test_an_event_is_late_when_a_later_one_of_its_key_has_gone_on() -> None:
    orderer = Orderer(10)
    orderer.arrange([event(9, "a")], 0, now_ms=0)

    going = orderer.arrange([event(8, "a"), event(9, "a"), event(3, "b"), event(2, None)], 0, now_ms=0)

    assert {(one.key, one.time_ms): one.late for one in going} == {
        (None, 2): False,
        ("b", 3): False,
        ("a", 8): True,
        ("a", 9): False,
    }


def test_an_event_waits_for_earlier_ones_until_its_input_has_moved_on_past_it() -> None:
    orderer = Orderer(10)

    assert orderer.arrange([event(1_000)], 500, now_ms=0) == []
    assert orderer.arrange([event(800)], 500, now_ms=1) == []
    assert times(orderer.arrange([event(1_500)], 500, now_ms=2)) == [800, 1_000]
    assert times(orderer.held) == [1_500]


def test_an_event_waits_no_longer_than_it_is_told_to_and_takes_earlier_ones_with_it() -> None:
    orderer = Orderer(10)
    orderer.arrange([event(1_000)], 500, now_ms=0)
    orderer.arrange([event(900)], 500, now_ms=100)

    assert orderer.due_ms() == 500
    assert orderer.release(499) == []
    assert times(orderer.release(500)) == [900, 1_000]
    assert orderer.due_ms() is None


def test_a_drain_lets_everything_go_in_order() -> None:
    orderer = Orderer(10)
    orderer.arrange([event(1_000), event(800)], 500, now_ms=0)

    assert times(orderer.release(None)) == [800, 1_000]
    assert orderer.held == []


def test_a_replay_is_released_by_its_own_progress_however_old_it_is() -> None:
    orderer = Orderer(10)
    orderer.arrange([event(1_000_000, "live")], 500, now_ms=0)

    going = orderer.arrange([event(at, "old", "replay") for at in (100, 50, 700)], 500, now_ms=1)

    assert times(going) == [50, 100]
    watermarks_ms = [orderer.watermark_ms(name, 500) for name in ("replay", "http", "none")]
    assert watermarks_ms == [200, 700, None]


def test_times_are_kept_for_a_bounded_number_of_keys() -> None:
    orderer = Orderer(2)
    for number in range(10):
        orderer.arrange([event(9, f"k{number}")], 0, now_ms=0)

    going = orderer.arrange([event(1, "k0"), event(1, "k9")], 0, now_ms=0)

    assert [one.late for one in going] == [False, True]


def late_batch() -> Batch:
    batch = Batch(1, [event(1), event(2)], None, 0)
    batch.events[0].late = True
    return batch


def test_late_events_are_counted_and_flagged_dropped_or_routed_as_the_rules_say() -> None:
    routes = {"stragglers": Route("stragglers", "events.late")}
    for policy, going, topics, dropped in (
        (LatePolicy("flag"), [1, 2], [None, None], 0),
        (LatePolicy("drop"), [2], [None], 1),
        (LatePolicy("route", "stragglers"), [1, 2], ["events.late", None], 0),
    ):
        batch, counters = late_batch(), Counters()
        apply_late_policy(batch, Events(_TYPE, _TIME, None, late=policy), routes, counters)

        assert (times(batch.events), [one.topic for one in batch.events]) == (going, topics)
        assert (counters.late_events, counters.late_dropped) == (1, dropped)
        assert [outcome.code for _, outcome in batch.freeing] == ["late"] * dropped


def test_where_too_many_are_held_the_earliest_go_on_before_their_time_in_their_order() -> None:
    orderer = Orderer(10, max_held=2)

    going = orderer.arrange([event(at) for at in (1_030, 1_010, 1_020, 1_040)], 500, now_ms=0)

    assert times(going) == [1_010, 1_020]
    assert sorted(times(orderer.held)) == [1_030, 1_040]
    assert orderer.crowded_out == 2
    assert [one.late for one in orderer.arrange([event(1_015)], 500, now_ms=0)] == [True]


def test_what_is_held_is_bounded_in_bytes_as_well_and_the_account_of_them_is_kept_however_events_leave() -> None:
    orderer = Orderer(10, max_held_bytes=5)

    assert times(orderer.arrange([event(1_010), event(1_020), event(1_030)], 500, now_ms=0)) == [1_010]
    assert orderer.held_bytes == 4
    orderer.take_out([held for held in orderer.held if held.time_ms == 1_020])
    assert orderer.held_bytes == 2
    assert times(orderer.release(500)) == [1_030]
    assert orderer.held_bytes == 0
    orderer.arrange([event(2_000)], 500, now_ms=600)
    orderer.release(None)
    assert (orderer.held_bytes, orderer.crowded_out) == (0, 1)


def test_what_is_held_takes_no_more_memory_than_it_has_contents() -> None:
    orderer = Orderer(10)
    tracemalloc.start()
    try:
        for number in range(1_000):
            held = event(number, f"u{number}")
            held.body = orjson.dumps({"number": number})
            orderer.arrange([held], 10_000, now_ms=0)
        size_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(orderer.held) == 1_000
    assert size_bytes / 1_000 < 2_048


def test_events_that_leave_early_leave_nothing_behind() -> None:
    orderer = Orderer(10, max_held=10)
    many = [event(1_000 + place, None) for place in range(20_000)]
    tracemalloc.start()
    try:
        for start in range(0, len(many), 20):
            orderer.arrange(many[start : start + 20], 3_600_000, now_ms=start)
        left_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert left_bytes < 20_000


class _Slow:
    """The same rules, read off the text: whatever is due, or passed, takes everything earlier with it."""

    def __init__(self) -> None:
        self.held: list[tuple[int, int, int]] = []
        self.arrived = 0
        self.highest_ms = 0

    def arrange(self, times_ms: list[int], wait_ms: int, now_ms: int) -> list[int]:
        self.highest_ms = max(self.highest_ms, *times_ms)
        for time_ms in times_ms:
            self.arrived += 1
            self.held.append((time_ms, self.arrived, now_ms + wait_ms))
        return self.leave(self.highest_ms - wait_ms, now_ms)

    def leave(self, passed_ms: int, now_ms: int) -> list[int]:
        ends = [entry[:2] for entry in self.held if entry[0] <= passed_ms or entry[2] <= now_ms]
        last = max(ends, default=(-1, 0))
        going = sorted(entry for entry in self.held if entry[:2] <= last)
        self.held = [entry for entry in self.held if entry[:2] > last]
        return [entry[0] for entry in going]


@given(st.lists(st.tuples(st.lists(st.integers(0, 16), max_size=3), st.sampled_from([2, 9]), st.integers(0, 3)), max_size=12))
def test_what_leaves_when_is_what_the_rules_say_also_where_the_wait_changes(steps: list[tuple[list[int], int, int]]) -> None:
    orderer, slow, now_ms = Orderer(1_000), _Slow(), 0
    for times_ms, wait_ms, later_ms in steps:
        now_ms += later_ms
        if times_ms:
            going = orderer.arrange([event(time_ms, None) for time_ms in times_ms], wait_ms, now_ms)
            assert times(going) == slow.arrange(times_ms, wait_ms, now_ms)
        else:
            assert times(orderer.release(now_ms)) == slow.leave(-1, now_ms)
            assert orderer.due_ms() == min((entry[2] for entry in slow.held), default=None)
