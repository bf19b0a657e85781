"""Where requests to Redis go: to the one server, or to the masters of a cluster, all at the same time.

In: commands, each with a key that says where it goes. Out: their answers in order, or StoreUnavailable. Rule of the file: what one node is
asked goes over one connection in one piece; anything that is not an answer leaves the outcome unknown, and the caller asks again.
"""

import asyncio
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, Protocol

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import AskError, ClusterDownError, NoScriptError, TryAgainError

from engine.errors import StoreUnavailable
from engine.redis_client import REDIS_FAILURES, cluster_client, failure_text, server_client, with_password
from engine.settings import RedisSettings
from engine.settings_values import RedisAddress
from engine.state.redis_keys import RedisKeys
from engine.state.redis_scripts import SCRIPTS, Command

_FENCE_MS = 60_000


class Call(NamedTuple):
    """A command, and one of the keys that it is about."""

    key: bytes
    command: Command


class Nodes(Protocol):
    """A server or a cluster. `spread` says whether one call may not be about keys of several tags."""

    @property
    def spread(self) -> bool:
        """See above."""

    async def ask(self, calls: Sequence[Call]) -> list[Any]:
        """The answers to reads, in order."""

    async def write(self, calls: Sequence[Call]) -> list[Any]:
        """The answers to writes, in order; as many replicas as are asked for have them, and what was read to decide on them."""

    async def masters(self) -> Sequence[Redis]:
        """A client for each node that has keys of its own."""

    async def close(self) -> None:
        """Close every connection."""


class OneServer:
    """One Redis; the keys are in its database `db`."""

    spread = False

    def __init__(self, settings: RedisSettings, keys: RedisKeys, db: int) -> None:
        self._client = server_client(settings, settings.address[0], db)
        self._fences = _Fences(settings, keys)

    async def ask(self, calls: Sequence[Call]) -> list[Any]:
        """See Nodes."""
        return await _run(self._client, [call.command for call in calls])

    async def write(self, calls: Sequence[Call]) -> list[Any]:
        """See Nodes."""
        return await self._fences.write(self._client, calls)

    async def masters(self) -> Sequence[Redis]:
        """See Nodes."""
        return [self._client]

    async def close(self) -> None:
        """See Nodes."""
        await self._client.aclose()


class Cluster:
    """A Redis Cluster. Which node has which keys is asked for at the first request, and again after each that failed."""

    spread = True

    def __init__(self, settings: RedisSettings, keys: RedisKeys) -> None:
        self._settings = with_password(settings)
        self._fences = _Fences(settings, keys)
        self._map: RedisCluster | None = None
        self._clients: dict[RedisAddress, Redis] = {}
        self._looking = asyncio.Lock()
        self._failed_looks = 0

    async def ask(self, calls: Sequence[Call]) -> list[Any]:
        """See Nodes."""
        return await self._scatter(calls, writes=False)

    async def write(self, calls: Sequence[Call]) -> list[Any]:
        """See Nodes."""
        return await self._scatter(calls, writes=True)

    async def masters(self) -> Sequence[Redis]:
        """See Nodes."""
        found = await self._look()
        return [self._client(node.host, int(node.port)) for node in found.get_primaries()]

    async def close(self) -> None:
        """See Nodes."""
        await self._forget()
        for client in self._clients.values():
            await client.aclose()

    async def _scatter(self, calls: Sequence[Call], *, writes: bool) -> list[Any]:
        try:
            return await self._answers(await self._look(), calls, writes=writes)
        except (StoreUnavailable, *REDIS_FAILURES) as error:
            await self._forget()
            raise error if isinstance(error, StoreUnavailable) else _unavailable(error) from error

    async def _answers(self, found: RedisCluster, calls: Sequence[Call], *, writes: bool) -> list[Any]:
        places: dict[Redis, list[int]] = {}
        for place, call in enumerate(calls):
            node = found.get_node_from_key(call.key.decode())
            if node is None:
                raise StoreUnavailable(f"redis: no node of the cluster has `{call.key.decode()}`")
            places.setdefault(self._client(node.host, int(node.port)), []).append(place)
        work = [self._part(client, [calls[place] for place in some], writes=writes) for client, some in places.items()]
        by_place: dict[int, Any] = {}
        for some, answers in zip(places.values(), await asyncio.gather(*work, return_exceptions=True), strict=True):
            if isinstance(answers, BaseException):
                raise answers
            by_place.update(zip(some, answers, strict=True))
        return [by_place[place] for place in range(len(calls))]

    async def _part(self, client: Redis, calls: Sequence[Call], *, writes: bool) -> list[Any]:
        if writes:
            return await self._fences.write(client, calls)
        return await _run(client, [call.command for call in calls])

    async def _look(self) -> RedisCluster:
        """The cluster's map of itself. Who waited for a look that failed is told so, and does not look once more."""
        failed = self._failed_looks
        async with self._looking:
            if self._map is None:
                if self._failed_looks != failed:
                    raise StoreUnavailable("redis: no node of the cluster says who has what")
                fresh = cluster_client(self._settings, self._clients)
                try:
                    await fresh.initialize()
                except REDIS_FAILURES as error:
                    self._failed_looks += 1
                    await fresh.aclose()
                    raise _unavailable(error) from error
                self._map = fresh
                await self._keep_only({RedisAddress.of(node.host, int(node.port)) for node in fresh.get_nodes()})
            return self._map

    async def _keep_only(self, addresses: AbstractSet[RedisAddress]) -> None:
        """Close the connections to nodes that have left."""
        for address in self._clients.keys() - addresses:
            await self._clients.pop(address).aclose()

    async def _forget(self) -> None:
        """Ask again who has what before the next request."""
        old, self._map = self._map, None
        if old is not None:
            await old.aclose()

    def _client(self, host: str, port: int) -> Redis:
        address = RedisAddress.of(host, port)
        if address not in self._clients:
            self._clients[address] = server_client(self._settings, address, 0)
        return self._clients[address]


class _Fences:
    """Writes that wait for replicas, where the settings ask for any.

    `WAIT` counts the replicas that have the last write of its own connection. A request that only finds what an earlier one wrote over another
    connection would wait for nothing; so each ends in a write of its own, the fence.
    """

    def __init__(self, settings: RedisSettings, keys: RedisKeys) -> None:
        self._replicas = settings.wait_replicas
        self._wait_ms = settings.wait_timeout_ms
        self._keys = keys

    async def write(self, client: Redis, calls: Sequence[Call]) -> list[Any]:
        commands = [call.command for call in calls]
        if not self._replicas or not calls:
            return await _run(client, commands)
        fence = ("SET", self._keys.fence(calls[0].key), 1, "PX", _FENCE_MS)
        *answers, _, reached = await _run(client, [*commands, fence, ("WAIT", self._replicas, self._wait_ms)])
        if reached < self._replicas:
            raise StoreUnavailable(
                f"redis: {reached} of {self._replicas} replicas had a write within {self._wait_ms} ms (`redis.wait_replicas`)"
            )
        return answers


def _unavailable(error: BaseException) -> StoreUnavailable:
    changing = isinstance(error, AskError | TryAgainError | ClusterDownError)
    return StoreUnavailable(f"redis: {'the cluster is changing: ' if changing else ''}{failure_text(error)}")


async def _run(client: Redis, commands: Iterable[Command]) -> list[Any]:
    """The answers of one node. Scripts that it does not know are loaded, and everything asked again: every request may be repeated."""
    sent = list(commands)
    if not sent:
        return []
    try:
        answers = await _send(client, sent)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            await _send(client, [("SCRIPT", "LOAD", script.text) for script in SCRIPTS])
            answers = await _send(client, sent)
    except REDIS_FAILURES as error:
        raise _unavailable(error) from error
    for answer in answers:
        if isinstance(answer, Exception):
            raise _unavailable(answer) from answer
    return answers


async def _send(client: Redis, commands: Sequence[Command]) -> list[Any]:
    async with client.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)
        return await pipe.execute(raise_on_error=False)
