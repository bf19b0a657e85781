"""The way in: submissions from the inbox become events in order, ready to be claimed.

In: submissions; events that were deferred. Out: arrivals, each of one generation and one input.
"""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from engine.event import REJECTED, Event, Submission, encoded
from engine.metrics import Ledger
from engine.pipeline.deduplicate import Deduplicator
from engine.pipeline.deferred import DeferredQueue
from engine.pipeline.generation import Generation
from engine.pipeline.inbox import Inbox
from engine.pipeline.order import Orderer
from engine.pipeline.owner import StoreHealth
from engine.ports import Clock

_ENOUGH: Final = 256
"""Events of a batch from which on more of them make each hardly cheaper."""


class Arrival(NamedTuple):
    """Events that may go through the stages together; none is a copy of another in flight.

    A deferred arrival is on the egress and answered already: it is only to be claimed and counted.
    """

    generation: Generation
    events: list[Event]
    watermark_ms: int | None
    deferred: bool = False


class Intake:
    """Takes what waits, up to `max_batch` events at a time.

    An idle engine delays nothing for a fuller batch; while `on_their_way()` says that batches are, the next one gathers as many events as
    they have together, or enough for what a batch costs by itself to be little of it, or until they have ended. When the `input_over`, nothing earlier can come
    and what is held goes on. With `ack_received`, a submission is answered here, once it is known which of its items are events.
    """

    def __init__(
        self,
        inbox: Inbox,
        orderer: Orderer,
        deduplicator: Deduplicator,
        deferred: DeferredQueue,
        health: StoreHealth,
        ledger: Ledger,
        clock: Clock,
        generation: Generation,
        max_batch: int,
        *,
        ack_received: bool = False,
    ) -> None:
        self.generation = generation
        self.draining = False
        self.input_over = False
        self.inbox = inbox
        self.on_idle: Callable[[], None] = lambda: None
        self.on_their_way: Callable[[], int] = lambda: 0
        self.orderer = orderer
        self.deferred = deferred
        self.returned = DeferredQueue(inbox.max_events, inbox.max_bytes)
        self.ack_received = ack_received
        self._deduplicator = deduplicator
        self._health = health
        self._ledger = ledger
        self._clock = clock
        self._max_batch = max_batch

    async def next(self) -> Arrival | None:
        """The next arrival, waiting for one if need be; None once everything is through and nothing more may come."""
        while True:
            if self.deferred.ready and not self._health.down:
                events, watermark_ms = self.deferred.take(self._max_batch)
                return Arrival(self.generation, events, watermark_ms, deferred=True)
            if self.returned.ready and not self._health.down:
                return Arrival(self.generation, *self.returned.take(self._max_batch))
            if self._gathers():
                await self._something_to_do()
                continue
            arrival = self._arrange(self.inbox.take(self._max_batch))
            if arrival.events:
                return arrival
            if self.draining and self.is_empty:
                return None
            if not self.inbox.events and not self._holds_for_nothing():
                self.on_idle()
                await self._something_to_do()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits here."""
        return not (self.inbox.events or self.orderer.held or len(self.deferred) or len(self.returned))

    def _gathers(self) -> bool:
        """Whether what waits is to wait for more. Events that are held go on in their time."""
        waiting = self.inbox.events
        if not waiting or waiting >= _ENOUGH or self.draining or self.orderer.is_holding or self._health.down:
            return False
        return waiting < self.on_their_way()

    def _holds_for_nothing(self) -> bool:
        """Whether events are held for earlier ones that cannot come."""
        return self.orderer.is_holding and (self.draining or self.input_over)

    def _arrange(self, submissions: list[Submission]) -> Arrival:
        generation, wait_ms = self.generation, self.generation.plan.ruleset.events.wait_ms
        now_ms = self._clock.monotonic_ms()
        events: list[Event] = []
        for submission in submissions:
            submission.ruleset = generation.plan.id
            decoded = generation.decode(submission)
            self._ledger.ended[REJECTED] += len(submission.items) - len(decoded)
            events += decoded
            if self.ack_received:
                _answer(submission, decoded)
        watermark_ms = self.orderer.watermark_ms(submissions[0].input, wait_ms) if submissions else None
        events = self._deduplicator.join(events, now_ms)
        if self._holds_for_nothing() and not submissions:
            return Arrival(generation, self.orderer.release(None), watermark_ms)
        return Arrival(generation, self.orderer.arrange(events, wait_ms, now_ms), watermark_ms)

    async def _something_to_do(self) -> None:
        """Return when the inbox or the store's health changed, or a held event has waited long enough."""
        changed = self.inbox.changed
        due_ms = self.orderer.due_ms()
        if due_ms is None:
            await changed.wait()
        else:
            waits = [
                asyncio.ensure_future(changed.wait()),
                asyncio.ensure_future(self._clock.sleep(max(0, due_ms - self._clock.monotonic_ms()))),
            ]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        changed.clear()


def _answer(submission: Submission, events: list[Event]) -> None:
    """Answer the sender, and keep what was sent: nobody else has it from here on."""
    for event in events:
        if event.raw is None:
            event.raw = encoded(event.data)
    submission.take()
