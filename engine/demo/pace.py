"""The demo's traffic at the pace of a clock: nobody sends what has not happened yet.

In: the time. Out: what was sent since the last time. Rule of the file: a pure generator, as the traffic that it is made of.
"""

from collections.abc import Iterator
from heapq import merge
from operator import itemgetter
from typing import Final

from engine.demo.traffic import timed_events
from engine.event import JsonObject

_LONGEST_GAP_MS: Final = 10_000


class PacedTraffic:
    """Traffic of several crowds, each of them all users of the world at work: about 17 events a second."""

    def __init__(self, crowds: int, now_ms: int) -> None:
        self._crowds = crowds
        self._asked_ms = now_ms
        self._traffic = self._from(now_ms)
        self._next = next(self._traffic)

    def due(self, now_ms: int) -> list[JsonObject]:
        """What was sent up to now, in its order. After a gap, of a machine that slept say, the traffic begins anew: nothing is made up for."""
        if not 0 <= now_ms - self._asked_ms <= _LONGEST_GAP_MS:
            self._traffic = self._from(now_ms)
            self._next = next(self._traffic)
        self._asked_ms = now_ms
        found = []
        while self._next[0] <= now_ms:
            found.append(self._next[1])
            self._next = next(self._traffic)
        return found

    def _from(self, begin_ms: int) -> Iterator[tuple[int, JsonObject]]:
        crowds = [timed_events(seed=begin_ms + number, start_ms=begin_ms) for number in range(self._crowds)]
        return merge(*crowds, key=itemgetter(0))
