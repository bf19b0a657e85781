"""The time of a replay: that of the events, which it follows and never runs ahead of.

In: the times of events as they come. Out: a clock for processors, and steps, each of which goes through at one time. Rule of the file: nothing depends on
how fast the machine is, so that two replays of one recording are the same.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from statistics import median_low

from engine.replays.items import Item

_SMALLEST = 4


class ReplayClock:
    """Stands still until it is moved on. Whoever sleeps, sleeps to the end: in a replay nobody waits for time to pass."""

    def __init__(self) -> None:
        self._now_ms = 0

    def now_ms(self) -> int:
        """See Clock."""
        return self._now_ms

    def monotonic_ms(self) -> int:
        """See Clock."""
        return self._now_ms

    def monotonic_ns(self) -> int:
        """See Clock."""
        return self._now_ms * 1_000_000

    async def sleep(self, delay_ms: int) -> None:  # noqa: ARG002 - however long
        """See Clock."""
        await asyncio.get_running_loop().create_future()

    def follow(self, times_ms: Sequence[int]) -> None:
        """Move on to the middle one of these times, and never back: one wrong time moves nothing."""
        if times_ms:
            self._now_ms = max(self._now_ms, median_low(times_ms))


Step = tuple[Sequence[Item], Sequence[int]]
"""Items that go through at one time, and the times that those have which have one."""


def steps(items: Sequence[Item], time_of: Callable[[Item], int | None], longest_ms: int | None) -> Iterator[Step]:
    """The items in pieces of which none is much longer than `longest_ms`; all of them where that is None.

    A piece of 4 is not cut any more: what is far apart there may be a clock that was wrong.
    """
    times_ms = [time_of(item) for item in items]
    yield from _cut(items, times_ms, longest_ms)


def _cut(items: Sequence[Item], times_ms: Sequence[int | None], longest_ms: int | None) -> Iterator[Step]:
    half = len(items) // 2
    if longest_ms is not None and len(items) > _SMALLEST:
        earlier, later = _known(times_ms[:half]), _known(times_ms[half:])
        if earlier and later and median_low(later) - median_low(earlier) > longest_ms // 2:
            yield from _cut(items[:half], times_ms[:half], longest_ms)
            yield from _cut(items[half:], times_ms[half:], longest_ms)
            return
    yield items, _known(times_ms)


def _known(times_ms: Sequence[int | None]) -> list[int]:
    return [time_ms for time_ms in times_ms if time_ms is not None]
