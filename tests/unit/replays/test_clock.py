"""The time of a replay follows that of the events."""

from collections.abc import Sequence
from typing import cast

from engine.replays.clock import ReplayClock, steps
from engine.replays.items import Item

DAY_MS = 86_400_000


def cut(times_ms: Sequence[int | None], longest_ms: int | None) -> list[list[int]]:
    items = [Item(number, {"at": time_ms}) for number, time_ms in enumerate(times_ms)]
    pieces = steps(items, lambda item: cast("int | None", (item.data or {})["at"]), longest_ms)
    return [[int(item.place) for item in step] for step, _ in pieces]


def test_what_lies_close_together_goes_through_at_once() -> None:
    assert cut([n * 10 for n in range(100)], 10_000) == [list(range(100))]
    assert cut([n * DAY_MS for n in range(100)], None) == [list(range(100))]
    assert cut([], 10) == [[]]


def test_what_lies_far_apart_is_cut_so_that_time_passes_between() -> None:
    assert cut([0] * 8 + [DAY_MS] * 8, 3_600_000) == [list(range(8)), list(range(8, 16))]
    assert cut([n * DAY_MS for n in range(8)], 3_600_000) == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_a_wrong_time_and_items_without_one_cut_nothing() -> None:
    times_ms: list[int | None] = [n * 10 for n in range(20)]
    times_ms[7], times_ms[12] = 1 << 60, None

    assert cut(times_ms, 10_000) == [list(range(20))]


def test_the_clock_stands_in_the_middle_of_the_times_and_never_goes_back() -> None:
    clock = ReplayClock()
    seen = []
    for times_ms in ([100, 200, 1 << 60], [], [150, 160], [300]):
        clock.follow(times_ms)
        seen.append((clock.now_ms(), clock.monotonic_ms(), clock.monotonic_ns()))

    assert seen == [(now, now, now * 1_000_000) for now in (200, 200, 200, 300)]
