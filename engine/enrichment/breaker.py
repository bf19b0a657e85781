"""A circuit breaker: a place that fails is left alone for a while, then tried with one call.

In: how calls ended. Out: whether the next one may be made. Rule of the file: a call counts only while the state it was admitted in
lasts; what comes back late from before the breaker opened changes nothing.
"""

from collections import deque
from typing import Final

from engine.ports import Clock
from engine.rules.model import Breaker

_SLICES: Final = 10


class CircuitBreaker:
    """Closed: all calls pass. Open: none does. Half open: one does, and decides; if it fails, the rest is twice as long."""

    def __init__(self, rule: Breaker, clock: Clock) -> None:
        self._rule = rule
        self._clock = clock
        self._era = 0
        self._in_a_row = 0
        self._recent = _RecentCalls(rule.window_ms)
        self._open_until_ms: int | None = None
        self._open_for_ms = rule.open_for_ms
        self._probing = False

    @property
    def state(self) -> str:
        """`closed`, `open` or `half_open`."""
        if self._open_until_ms is None:
            return "closed"
        return "open" if self._clock.monotonic_ms() < self._open_until_ms else "half_open"

    @property
    def refuses(self) -> bool:
        """Whether `admit` would say no."""
        return self._open_until_ms is not None and (self._probing or self.state == "open")

    def admit(self) -> int | None:
        """The number to give to `ended` when the call is over; None where it must not be made."""
        if self.refuses:
            return None
        self._probing = self._open_until_ms is not None
        return self._era

    def ended(self, admitted: int, *, well: bool) -> None:
        """A call that was admitted has ended."""
        if admitted != self._era:
            return
        if self._open_until_ms is not None:
            if well:
                self._close()
            else:
                self._open(min(2 * self._open_for_ms, self._rule.max_open_for_ms))
            return
        self._in_a_row = 0 if well else self._in_a_row + 1
        self._recent.add(self._clock.monotonic_ms(), well=well)
        if not well and (self._in_a_row >= self._rule.failures or self._too_many()):
            self._open(self._rule.open_for_ms)

    def _too_many(self) -> bool:
        calls, failures = self._recent.counts()
        return calls >= self._rule.min_calls and failures >= calls * self._rule.failure_rate

    def _open(self, open_for_ms: int) -> None:
        self._era += 1
        self._probing = False
        self._open_for_ms = open_for_ms
        self._open_until_ms = self._clock.monotonic_ms() + open_for_ms

    def _close(self) -> None:
        self._era += 1
        self._probing = False
        self._open_until_ms = None
        self._in_a_row = 0
        self._recent.clear()


class _RecentCalls:
    """Calls and failures of a sliding window, by its tenths."""

    def __init__(self, window_ms: int) -> None:
        self._slice_ms = max(1, window_ms // _SLICES)
        self._slices: deque[list[int]] = deque()

    def add(self, now_ms: int, *, well: bool) -> None:
        number = now_ms // self._slice_ms
        while self._slices and self._slices[0][0] <= number - _SLICES:
            self._slices.popleft()
        if not self._slices or self._slices[-1][0] != number:
            self._slices.append([number, 0, 0])
        self._slices[-1][1] += 1
        self._slices[-1][2] += not well

    def counts(self) -> tuple[int, int]:
        return sum(calls for _, calls, _ in self._slices), sum(failures for _, _, failures in self._slices)

    def clear(self) -> None:
        self._slices.clear()
