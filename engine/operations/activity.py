"""How busy a worker has been of late.

In: the clocks, and how many events have ended. Out: shares and rates over the last minute. Rule of the file: it looks twelve times a
minute, whatever the load.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from engine.ports import Clock

SAMPLE_MS: Final = 5_000
_SAMPLES: Final = 12


class _Sample(NamedTuple):
    at_ns: int
    busy_ns: int
    ended: int


class Activity:
    """Samples of one worker over the last minute, or since it started.

    `busy_ns` is how long the worker has been computing, since an arbitrary start; `ended` is how many events have ended.
    """

    def __init__(self, clock: Clock, busy_ns: Callable[[], int], ended: Callable[[], int]) -> None:
        self._clock = clock
        self._busy_ns = busy_ns
        self._ended = ended
        self._samples = deque([self._sample()], maxlen=_SAMPLES)

    async def watch(self) -> None:
        """Keep looking, for ever."""
        while True:
            await self._clock.sleep(SAMPLE_MS)
            self._samples.append(self._sample())

    def busy(self) -> float:
        """The share of the time that the worker was computing: 1 where it never waited."""
        return self._rate(lambda sample: sample.busy_ns)

    def events_per_second(self) -> float:
        """How many events ended a second."""
        return self._rate(lambda sample: sample.ended) * 1e9

    def _rate(self, figure: Callable[[_Sample], int]) -> float:
        """How much the figure grew for each nanosecond."""
        first, now = self._samples[0], self._sample()
        passed_ns = now.at_ns - first.at_ns
        return (figure(now) - figure(first)) / passed_ns if passed_ns else 0.0

    def _sample(self) -> _Sample:
        return _Sample(self._clock.monotonic_ns(), self._busy_ns(), self._ended())
