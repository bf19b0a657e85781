"""The network between a process and what it talks to, one step at a time.

Every request waits here until the scheduler says what becomes of it: it is carried out and answered, carried out with
its answer lost, lost itself, or reported as failed and carried out later.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.errors import StoreUnavailable
from engine.ports import Change, Claim, CommittedClaim, Group, Judgement, Partial, StateStore, StoredPartial, Swept, Told


@dataclass(eq=False)
class Request:
    """One request under way."""

    process: str
    name: str
    args: tuple[Any, ...]
    carry_out: Callable[[], Awaitable[Any]]
    answer: asyncio.Future[Any]


@dataclass
class Network:
    """Requests under way, and late ones whose senders were told that they failed."""

    waiting: list[Request] = field(default_factory=list)
    late: list[Request] = field(default_factory=list)

    async def send(self, process: str, name: str, args: tuple[Any, ...], carry_out: Callable[[], Awaitable[Any]]) -> Any:
        """Wait for the scheduler's word on this request."""
        request = Request(process, name, args, carry_out, asyncio.get_running_loop().create_future())
        self.waiting.append(request)
        return await request.answer

    async def deliver(self, request: Request, *, lose_answer: bool = False) -> None:
        """Carry the request out."""
        self.waiting.remove(request)
        result = await request.carry_out()
        if request.answer.done():
            return
        if lose_answer:
            request.answer.set_exception(StoreUnavailable(f"the answer to {request.name} was lost"))
        else:
            request.answer.set_result(result)

    def lose(self, request: Request, *, arrives_late: bool = False) -> None:
        """Tell the sender that nothing came back; perhaps carry the request out later."""
        self.waiting.remove(request)
        if not request.answer.done():
            request.answer.set_exception(StoreUnavailable(f"{request.name} timed out"))
        if arrives_late:
            self.late.append(request)

    async def arrive(self, request: Request) -> None:
        """A late request arrives after all."""
        self.late.remove(request)
        await request.carry_out()

    def cut(self, process: str, *, requests_may_arrive: bool) -> None:
        """A process died: nobody waits for its requests; some of them may be on their way."""
        for request in [request for request in self.waiting if request.process == process]:
            self.waiting.remove(request)
            if requests_may_arrive:
                self.late.append(request)


class RemoteStore:
    """A store behind the network, as one process sees it."""

    def __init__(self, process: str, store: StateStore, network: Network) -> None:
        self._process = process
        self._store = store
        self._network = network
        self.dead = False

    @property
    def compacts(self) -> bool:
        """See StateStore."""
        return self._store.compacts

    async def _send(self, name: str, *args: Any) -> Any:
        if self.dead:
            raise StoreUnavailable("a dead process sends nothing")
        return await self._network.send(self._process, name, args, lambda: getattr(self._store, name)(*args))

    async def open(self, owner: str, lease_ms: int) -> bool:
        """See StateStore."""
        return bool(await self._send("open", owner, lease_ms))

    async def claim(
        self, owner: str, seq: int, keys: Sequence[str], checksums: Sequence[int], ttls_ms: Sequence[int]
    ) -> list[Claim | None]:
        """See StateStore."""
        found: list[Claim | None] = await self._send("claim", owner, seq, keys, checksums, ttls_ms)
        return found

    async def settle(self, changes: Sequence[Change]) -> list[Claim | None]:
        """See StateStore."""
        found: list[Claim | None] = await self._send("settle", changes)
        return found

    async def compact(self, claims: Sequence[CommittedClaim]) -> None:
        """See StateStore."""
        await self._send("compact", claims)

    async def judge(self, owner: str) -> Judgement:
        """See StateStore."""
        judgement: Judgement = await self._send("judge", owner)
        return judgement

    async def keep(self, owner: str, seq: int, lease_ms: int, expires_ms: int) -> int | None:
        """See StateStore."""
        committed: int | None = await self._send("keep", owner, seq, lease_ms, expires_ms)
        return committed

    async def write_partials(self, owner: str, partials: Sequence[Partial]) -> None:
        """See StateStore."""
        await self._send("write_partials", owner, partials)

    async def own_partials(self, owner: str, groups: Sequence[Group]) -> list[StoredPartial | None]:
        """See StateStore."""
        found: list[StoredPartial | None] = await self._send("own_partials", owner, groups)
        return found

    async def partials(self, aggregation: str, key: str, from_ms: int, to_ms: int) -> list[StoredPartial]:
        """See StateStore."""
        found: list[StoredPartial] = await self._send("partials", aggregation, key, from_ms, to_ms)
        return found

    def scan(self, aggregation: str, from_ms: int, to_ms: int) -> AsyncIterator[list[StoredPartial]]:
        """See StateStore."""
        return self._store.scan(aggregation, from_ms, to_ms)

    async def partials_of(self, groups: Sequence[Group]) -> list[list[StoredPartial]]:
        """See StateStore."""
        found: list[list[StoredPartial]] = await self._send("partials_of", groups)
        return found

    async def announce(self, windows: Sequence[Group], expires_ms: int) -> None:
        """See StateStore."""
        await self._send("announce", windows, expires_ms)

    async def announced(self, aggregation: str, through_ms: int, limit: int) -> list[Group]:
        """See StateStore."""
        found: list[Group] = await self._send("announced", aggregation, through_ms, limit)
        return found

    async def last_announced(self, aggregation: str) -> int | None:
        """See StateStore."""
        found: int | None = await self._send("last_announced", aggregation)
        return found

    async def withdraw(self, told: Sequence[Told]) -> None:
        """See StateStore."""
        await self._send("withdraw", told)

    async def committed(self, owners: Sequence[str]) -> dict[str, int]:
        """See StateStore."""
        found: dict[str, int] = await self._send("committed", owners)
        return found

    async def end(self, owner: str) -> None:
        """See StateStore."""
        await self._send("end", owner)

    async def sweep(self, limit: int) -> Swept:
        """See StateStore."""
        return await self._store.sweep(limit)

    async def close(self) -> None:
        """See StateStore."""
