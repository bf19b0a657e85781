"""A store and an egress in memory that fail when they are told to.

Rule of the file: a fault is what the real part would do; apart from faults they are the engine's own parts.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Final

from engine.errors import EgressUnavailable, StoreUnavailable
from engine.event import Record, Refusal
from engine.ports import Change, Claim, Group, Judgement, Partial, StoredPartial, Swept, Told
from engine.state.memory import MemoryStateStore
from engine.testing import RecordingEgress

STORE_WORDS: Final = ("up", "down")
EGRESS_WORDS: Final = ("up", "down", "refuse")


class TrialStore(MemoryStateStore):
    """Answers nothing while it is `down`. What the pipeline asks of it fails; readers are let through."""

    down = False

    def _answer(self) -> None:
        if self.down:
            raise StoreUnavailable("the test has the store down")

    async def open(self, owner: str, lease_ms: int) -> bool:
        """See StateStore."""
        self._answer()
        return await super().open(owner, lease_ms)

    async def claim(
        self, owner: str, seq: int, keys: Sequence[str], checksums: Sequence[int], ttls_ms: Sequence[int]
    ) -> list[Claim | None]:
        """See StateStore."""
        self._answer()
        return await super().claim(owner, seq, keys, checksums, ttls_ms)

    async def settle(self, changes: Sequence[Change]) -> list[Claim | None]:
        """See StateStore."""
        self._answer()
        return await super().settle(changes)

    async def judge(self, owner: str) -> Judgement:
        """See StateStore."""
        self._answer()
        return await super().judge(owner)

    async def keep(self, owner: str, seq: int, lease_ms: int, expires_ms: int) -> int | None:
        """See StateStore."""
        self._answer()
        return await super().keep(owner, seq, lease_ms, expires_ms)

    async def write_partials(self, owner: str, partials: Sequence[Partial]) -> None:
        """See StateStore."""
        self._answer()
        await super().write_partials(owner, partials)

    async def announce(self, windows: Sequence[Group], expires_ms: int) -> None:
        """See StateStore."""
        self._answer()
        await super().announce(windows, expires_ms)

    async def withdraw(self, told: Sequence[Told]) -> None:
        """See StateStore."""
        self._answer()
        await super().withdraw(told)

    async def own_partials(self, owner: str, groups: Sequence[Group]) -> list[StoredPartial | None]:
        """See StateStore."""
        self._answer()
        return await super().own_partials(owner, groups)

    async def end(self, owner: str) -> None:
        """See StateStore."""
        self._answer()
        await super().end(owner)

    async def sweep(self, limit: int) -> Swept:
        """See StateStore."""
        self._answer()
        return await super().sweep(limit)


class TrialEgress(RecordingEgress):
    """Takes every record; while `word` is `down` none, and the engine cannot know; while it is `refuse` none, for good."""

    word = "up"

    def send(self, records: Sequence[Record]) -> Awaitable[list[Refusal]]:
        """See Egress."""
        if self.word == "up" or not records:
            return super().send(records)
        answer: asyncio.Future[list[Refusal]] = asyncio.get_running_loop().create_future()
        if self.word == "refuse":
            answer.set_result([Refusal(record, "the test has the egress refuse it") for record in records])
        else:
            answer.set_exception(EgressUnavailable("the test has the egress down"))
        return answer
