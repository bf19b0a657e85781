"""Parts for tests, of this engine and of those who extend it: honest, and under the test's control."""

import asyncio
import heapq
from collections.abc import Awaitable, Sequence
from itertools import count

from engine.event import DeadLetter, Record, Refusal


class ManualClock:
    """Time that moves when it is told to."""

    def __init__(self, now_ms: int = 1_772_442_000_000) -> None:
        self._now_ms = now_ms
        self._monotonic_ms = 0
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    def now_ms(self) -> int:
        """See Clock."""
        return self._now_ms

    def monotonic_ms(self) -> int:
        """See Clock."""
        return self._monotonic_ms

    def monotonic_ns(self) -> int:
        """See Clock."""
        return self._monotonic_ms * 1_000_000

    async def sleep(self, delay_ms: int) -> None:
        """See Clock. Returns when `advance` has moved the clock that far, and with nothing to wait for at the loop's next turn."""
        if delay_ms <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic_ms + delay_ms, next(self._order), future))
        await future

    def advance(self, delay_ms: int) -> None:
        """Move both clocks on, and wake whoever has slept long enough."""
        self._now_ms += delay_ms
        self._monotonic_ms += delay_ms
        while self._sleepers and self._sleepers[0][0] <= self._monotonic_ms:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)

    def step_wall(self, delay_ms: int) -> None:
        """Move the wall clock alone, back as well as on, as a correction of the time does."""
        self._now_ms += delay_ms

    def next_due_ms(self) -> int | None:
        """How long until the next sleeper wakes; None where nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] - self._monotonic_ms if self._sleepers else None


class RecordingEgress:
    """Keeps every record; takes them at once."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def send(self, records: Sequence[Record]) -> Awaitable[list[Refusal]]:
        """See Egress."""
        self.records.extend(records)
        future: asyncio.Future[list[Refusal]] = asyncio.get_running_loop().create_future()
        future.set_result([])
        return future

    async def purge(self) -> None:
        """See Egress."""

    async def close(self) -> None:
        """See Egress."""


class RecordingDeadLetters:
    """Keeps every letter in a list."""

    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        """See DeadLetters."""
        self.letters.extend(letters)
