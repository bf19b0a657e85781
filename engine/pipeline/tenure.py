"""An owner at work: its lease, the batches it carries, its commits, and its end.

Rule of the file: when the lease has gone, everything done under the owner's name stops at once; then the producer is
purged, the owner ended, and only then are senders told to send again.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine

from engine.errors import EgressUnavailable, OwnerGone, StoreUnavailable
from engine.event import RETRY, Outcome
from engine.pipeline.batch import Batch
from engine.pipeline.commit import Committer
from engine.pipeline.emission import Emission
from engine.pipeline.owner import Owner
from engine.pipeline.stages import Stages

_log = logging.getLogger(__name__)
_RETRY_RETIRED = Outcome(RETRY, "owner_retired", "the worker lost its lease before this event was committed; send it again")


class Tenure:
    """One owner from its first claim to its end. At most `max_batches` are on their way at once.

    `on_change` is called when a batch may start that could not before, and when the owner has gone.
    """

    def __init__(
        self,
        owner: Owner,
        committer: Committer,
        emission: Emission,
        stages: Stages,
        max_batches: int,
        on_change: Callable[[], None],
    ) -> None:
        self.owner = owner
        self.committer = committer
        self._emission = emission
        self._stages = stages
        self._max_batches = max_batches
        self._on_change = on_change
        self._tasks: asyncio.TaskGroup | None = None
        self._ending = False

    async def serve(self) -> None:
        """Hold the lease, carry batches and commit them, until the owner is gone: then retire it and return.

        Cancelled, it retires the owner as well.
        """
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._part(self.owner.keep_lease(self._refresh_claims)))
                self._tasks.create_task(self._part(self.committer.run()))
                self._tasks.create_task(self._part(self._emission.run()))
                self._on_change()
        except* (OwnerGone, EgressUnavailable) as gone:
            self._stages.counters.owners_retired += 1
            _log.warning("retiring: %s", "; ".join(str(error) for error in gone.exceptions))
        finally:
            self._tasks = None
            await self._retire()
            self._on_change()

    @property
    def has_room(self) -> bool:
        """Whether another batch may start now."""
        return self._tasks is not None and not self._ending and len(self.owner.batches) < self._max_batches

    def events_on_their_way(self) -> int:
        """How many events are in batches that will end without more to come. What a commit has yet to gather for is not counted."""
        return sum(batch.size for batch in (*self.owner.batches.values(), *self.committer.committing()))

    def start(self, batch: Batch, work: Coroutine[None, None, None]) -> None:
        """Carry a batch as part of this tenure: where it loses the lease, all end."""
        if self._tasks is None:
            raise RuntimeError("a batch was started under an owner that does not serve")
        self._tasks.create_task(self._part(self._carry(batch, work)))

    def done(self, batch: Batch) -> None:
        """Take a batch whose events have all ended, or hand it to the committer."""
        if batch.counted:
            self.committer.ready(batch)
        else:
            self.owner.settled(batch)
            self.committer.changed.set()

    def unfinished(self) -> list[Batch]:
        """The batches that hold events not yet ended."""
        batches = {id(batch): batch for batch in (*self.owner.batches.values(), *self.committer.uncommitted())}
        return list(batches.values())

    async def _part(self, work: Coroutine[None, None, None]) -> None:
        """What fails ends the tenure: from that moment nothing new may start, though others have yet to hear of it."""
        try:
            await work
        except BaseException:
            self._ending = True
            raise

    async def _carry(self, batch: Batch, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        finally:
            batch.handed_over.set()
            self._on_change()

    async def _refresh_claims(self) -> None:
        stages = self._stages
        if not await stages.deduplicator.refresh(self.owner, stages.clock.monotonic_ms()):
            raise OwnerGone(f"owner `{self.owner.id}`: a claim that it held is another's now")

    async def _retire(self) -> None:
        stages = self._stages
        await stages.egress.purge()
        try:
            await stages.store.end(self.owner.id)
        except StoreUnavailable:
            _log.warning("owner `%s` could not be ended; its lease will run out", self.owner.id)
        for batch in self.unfinished():
            self._give_back(batch)

    def _give_back(self, batch: Batch) -> None:
        """Tell senders to try again; events whose senders were answered go to a queue.

        What is surely out is only to be counted; the rest goes through the stages once more, and may then be out twice.
        """
        stages = self._stages
        for event, outcome in batch.counted:
            if event.outcome is None and event.submission.taken:
                stages.answers.tell(event, outcome)
        counting, returned = [], []
        for event in batch.held():
            if event.outcome is not None:
                counting.append(event)
            elif event.submission.taken:
                event.begin_again()
                returned.append(event)
            else:
                stages.answers.end(event, _RETRY_RETIRED)
        stages.deferred.put_back(counting, batch.watermark_ms)
        stages.intake.returned.put_back(returned, batch.watermark_ms)
