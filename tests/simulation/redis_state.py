"""A real Redis as the one store of the simulated world, with everything in it open to the laws."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import redis

from engine.ports import Group, StoredPartial
from engine.settings import RedisSettings
from engine.settings_values import RedisAddress
from engine.state.redis import RedisStateStore
from engine.state.redis_keys import read_claim, read_partials
from engine.state.redis_nodes import Call, Nodes


class Owner(NamedTuple):
    """An owner's record."""

    committed: int
    ended: bool
    deadline_ms: int


class Picture(NamedTuple):
    """Everything that the store holds at one moment."""

    owners: dict[str, Owner]
    claims: dict[str, tuple[object, ...]]
    partials: list[StoredPartial]


class Watched:
    """Nodes that say when something may have changed."""

    def __init__(self, nodes: Nodes, changed: Callable[[], None]) -> None:
        self._nodes = nodes
        self._changed = changed
        self.spread = nodes.spread
        self.ask = nodes.ask
        self.masters = nodes.masters
        self.close = nodes.close

    async def write(self, calls: Sequence[Call]) -> list[Any]:
        """See Nodes."""
        self._changed()
        try:
            return await self._nodes.write(calls)
        finally:
            self._changed()


class SharedRedis(RedisStateStore):
    """The one store of the world; a lease may end at any time."""

    def __init__(self, address: str, prefix: str, claims: redis.Redis, aggregates: redis.Redis) -> None:
        super().__init__(RedisSettings(address=(RedisAddress(address),), prefix=prefix))
        self._prefix = prefix
        self._look_at_claims = claims
        self._look_at_aggregates = aggregates
        self._picture: Picture | None = None
        self._claims = Watched(self._claims, self._forget)
        self._aggregates = Watched(self._aggregates, self._forget)

    def expire(self, owner: str) -> None:
        """End a lease, as a pause of its owner or a jump of the clock does."""
        if owner in self._seen.owners:
            self._look_at_claims.hset(self._keys.owner(owner), "d", 0)
            self._forget()

    def living(self) -> list[str]:
        """Owners whose lease has not ended."""
        return [name for name in self._seen.owners if not self.gone(name)]

    def gone(self, owner: str) -> bool:
        """Whether the owner has no lease."""
        record = self._seen.owners.get(owner)
        return record is None or record.ended or not record.deadline_ms

    def claim_rows(self) -> dict[str, tuple[object, ...]]:
        """Every claim's value, without its time."""
        return self._seen.claims

    def partial_rows(self) -> list[StoredPartial]:
        """See SharedState."""
        return self._seen.partials

    def committed_of(self, owner: str) -> int:
        """The committed number of an owner."""
        record = self._seen.owners.get(owner)
        return record.committed if record else 0

    def _forget(self) -> None:
        self._picture = None

    @property
    def _seen(self) -> Picture:
        if self._picture is None:
            self._picture = self._look()
        return self._picture

    def _look(self) -> Picture:
        claims, aggregates = self._look_at_claims, self._look_at_aggregates
        owners, values, partials = dict[str, Owner](), dict[str, tuple[object, ...]](), list[StoredPartial]()
        for name in claims.scan_iter(f"{self._prefix}:o:*", count=1_000):
            record: Any = claims.hgetall(name)
            owners[name.decode().partition("{")[2][:-1]] = Owner(int(record[b"c"]), b"e" in record, int(record[b"d"]))
        for name in claims.scan_iter(f"{self._prefix}:c:*", count=1_000):
            value: Any = claims.get(name)
            values[name.decode().partition("}:")[2]] = tuple(read_claim(value))
        for name in aggregates.scan_iter(f"{self._prefix}:a:*", count=1_000):
            aggregation, _, rest = name.decode().partition("}:")[2].partition(":")
            key, _, start = rest.rpartition(":")
            group = Group(aggregation, key, int(start))
            fields: Any = aggregates.hgetall(name)
            partials += read_partials(group, fields)
        return Picture(owners, values, partials)
