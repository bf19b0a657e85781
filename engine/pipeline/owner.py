"""One run of this process under one name: its lease, its batch numbers, its requests to the store.

Rule of the file: a request whose outcome is unknown is sent again as it was, until it is answered or the lease is
gone. Nothing is skipped, shortened or guessed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self, TypeVar

from engine.errors import OwnerGone, StoreUnavailable
from engine.event import ACCEPTED
from engine.metrics import Counters
from engine.pipeline.batch import Batch
from engine.ports import HELD, Claim, Clock, CommittedClaim, StateStore

_log = logging.getLogger(__name__)

T = TypeVar("T")
AnyBatch = TypeVar("AnyBatch", bound=Batch)

_FIRST_RETRY_MS = 20
_LAST_RETRY_MS = 1_000
_OWNER_OUTLIVES_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """How long an owner may be silent before another takes over, in ms.

    The owner itself gives up `margin_ms` earlier, counted from sending its last successful renewal.
    """

    lease_ms: int = 15_000
    renew_ms: int = 5_000
    margin_ms: int = 2_000

    @classmethod
    def of(cls, lease_ms: int) -> Self:
        """The times in the proportions of the usual ones: renewed three times a lease, given up 2/15 of it before its end."""
        return cls(lease_ms, lease_ms // 3, lease_ms * 2 // 15)


class StoreHealth:
    """Whether the store answers, as the last request to it found."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.on_change: Callable[[], None] = lambda: None

    @property
    def down(self) -> bool:
        """True from a request's failure to the next one's success."""
        return self.reason is not None

    def note(self, reason: str | None) -> None:
        """Keep what a request found: None is success, anything else says what went wrong."""
        changed = (reason is None) != (self.reason is None)
        self.reason = reason
        if changed:
            if reason is None:
                _log.warning("the state store answers again")
            else:
                _log.error("the state store does not answer: %s; asking again until it does", reason)
            self.on_change()


class Owner:
    """A lease and everything claimed under it. Open it, and see the answer, before the first claim."""

    def __init__(
        self, name: str, store: StateStore, clock: Clock, health: StoreHealth, counters: Counters, times: LeaseTimes
    ) -> None:
        self.id = name
        self.store = store
        self.committed = 0
        self.batches: dict[int, Batch] = {}
        self._clock = clock
        self._health = health
        self._counters = counters
        self._times = times
        self._deadline_ms = clock.monotonic_ms() + times.lease_ms - times.margin_ms
        self._last_seq = 0
        self._last_handed_over: asyncio.Event | None = None
        self._expires_ms = 0

    @property
    def alive(self) -> bool:
        """False once our own count of the lease has run out: publish and commit nothing more."""
        return self._clock.monotonic_ms() < self._deadline_ms

    def check_lease(self) -> None:
        """Raises OwnerGone where our own count of the lease has run out."""
        if not self.alive:
            raise OwnerGone(f"owner `{self.id}`: its lease ran out before it published")

    def number(self, make: Callable[[int], AnyBatch]) -> AnyBatch:
        """The next batch of this owner, in line behind the one before it."""
        self._last_seq += 1
        batch = make(self._last_seq)
        batch.before, self._last_handed_over = self._last_handed_over, batch.handed_over
        self.batches[batch.seq] = batch
        return batch

    @property
    def first_seq(self) -> int:
        """The number of the first batch that has not ended; 0 where all have. They were put in by number, so the first is the lowest."""
        return next(iter(self.batches), 0)

    async def insist(self, request: Callable[[], Awaitable[T]]) -> T:
        """Send the request until it is answered. Raises OwnerGone when the lease has gone first.

        Whoever was cancelled meanwhile goes no further, whatever the store's client made of that: redis-py for a cluster, up to Python 3.11,
        may have kept it to itself while it wrote the request (`engine/redis_client.py` says why, and sees to it for other clients).
        """
        wait_ms = _FIRST_RETRY_MS
        while True:
            try:
                answer = await request()
            except StoreUnavailable as error:
                self._health.note(str(error))
                _go_no_further()
            else:
                self._health.note(None)
                _go_no_further()
                return answer
            if not self.alive:
                raise OwnerGone(f"owner `{self.id}`: the store did not answer within the lease")
            await self._clock.sleep(wait_ms)
            wait_ms = min(wait_ms * 2, _LAST_RETRY_MS)

    async def commit(self, seq: int, expires_ms: int) -> None:
        """Commit every batch up to `seq` and renew the lease; 0 only renews. Raises OwnerGone where the store refuses."""
        self._expires_ms = max(self._expires_ms, expires_ms + _OWNER_OUTLIVES_MS)
        lease_ms, expires_ms = self._times.lease_ms, self._expires_ms
        sent_ms = 0

        async def keep() -> int | None:
            nonlocal sent_ms
            sent_ms = self._clock.monotonic_ms()
            known = self.committed
            if not seq or self._health.down:  # a store that was away may lack its last writes: look before the number is raised
                found = await self.store.keep(self.id, 0, lease_ms, expires_ms)
                if found is None or (not seq and found >= known):
                    return found
                self._counters.lost_writes += found < known
            return await self.store.keep(self.id, max(seq, known), lease_ms, expires_ms)

        committed = await self.insist(keep)
        if committed is None:
            await self._look_for_losses()
            raise OwnerGone(f"owner `{self.id}`: its lease had ended at the store")
        self.committed = max(self.committed, committed)
        self._deadline_ms = max(self._deadline_ms, sent_ms + lease_ms - self._times.margin_ms)

    async def _look_for_losses(self) -> None:
        """Count it where the store has an older number of ours than we know, or none any more: it has lost what it acknowledged."""
        with suppress(StoreUnavailable):
            judged = await self.store.judge(self.id)
            if judged.committed < self.committed:
                self._counters.lost_writes += 1

    async def keep_lease(self, before_renewal: Callable[[], Awaitable[None]]) -> None:
        """Renew the lease for ever. Runs on the loop that runs the batches: a stuck loop must lose it."""
        while True:
            await self._clock.sleep(self._times.renew_ms)
            await before_renewal()
            await self.commit(0, 0)

    def claims_of(self, batch: Batch) -> list[CommittedClaim]:
        """The claims of the events that a committed batch published."""
        return [
            CommittedClaim(event.claim_key, Claim(self.id, batch.seq, event.checksum, HELD, event.takeovers), event.ttl_ms)
            for event, outcome in batch.counted
            if event.claim_key is not None and outcome.status == ACCEPTED
        ]

    def settled(self, batch: Batch) -> None:
        """Take a batch out: every event of it has ended."""
        self.batches.pop(batch.seq, None)


def _go_no_further() -> None:
    """Raises CancelledError where the task was cancelled and something on the way kept that to itself: a tenure would never end."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
