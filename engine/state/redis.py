"""State in Redis, one server or a cluster: shared by the workers of all machines.

Rule of the file: a request is one script call for each tag of its keys, on one server one for all of them, and never one for each event. Claims
and owners are in one database, partials in another; a cluster has one for both.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from engine.errors import StoreUnavailable
from engine.ports import Change, Claim, CommittedClaim, Group, Judgement, Partial, StoredPartial, Swept, Told
from engine.redis_client import REDIS_FAILURES, failure_text
from engine.settings import RedisSettings
from engine.state.redis_keys import (
    TAGS,
    RedisKeys,
    read_claim,
    read_note,
    read_partial,
    read_partials,
    write_claim,
    write_note,
    write_partial,
)
from engine.state.redis_nodes import Call, Cluster, Nodes, OneServer
from engine.state.redis_scripts import ANNOUNCE, CLAIM, END, GROUPS, JUDGE, KEEP, OPEN, OWN, PARTIALS, SETTLE, WITHDRAW

OUTLIVES_MS: Final = 3_600_000
"""How much longer than its lease an owner's record is kept."""

MOST_KEYS: Final = 5_000
"""Keys in one call: Redis does nothing else meanwhile, for about 25 ms."""

_NAMES_A_PASS: Final = 50_000
_KEYS_A_LOOK: Final = 100
_SCAN_COUNT: Final = 1_000

_Tagged = tuple[int, bytes] | tuple[int, bytes, bytes]
"""A key or two, after the tag that says where a cluster has them."""


class RedisStateStore:
    """Claims, owners and partials in Redis.

    Time is the server's. What has expired goes by itself. A commit is as safe as Redis keeps it: see docs/redis.md on `appendfsync` and
    `wait_replicas`. Nothing is connected before the first request.
    """

    compacts = False

    def __init__(self, settings: RedisSettings) -> None:
        self._keys = RedisKeys(settings.prefix)
        self._claims: Nodes
        self._aggregates: Nodes
        if settings.cluster:
            self._claims = self._aggregates = Cluster(settings, self._keys)
        else:
            self._claims = OneServer(settings, self._keys, settings.deduplication_db)
            self._aggregates = OneServer(settings, self._keys, settings.aggregation_db)

    async def open(self, owner: str, lease_ms: int) -> bool:
        """See StateStore."""
        name = self._keys.owner(owner)
        (made,) = await self._claims.write([Call(name, OPEN.call([name], [lease_ms, OUTLIVES_MS]))])
        return bool(made)

    async def claim(
        self, owner: str, seq: int, keys: Sequence[str], checksums: Sequence[int], ttls_ms: Sequence[int]
    ) -> list[Claim | None]:
        """See StateStore."""
        tagged = [self._keys.claim(key) for key in keys]
        parts, calls = self._parts(self._claims, tagged), []
        for part in parts:
            columns = " ".join(f"{checksums[place]} {ttls_ms[place]}" for place in part)
            names = [tagged[place][1] for place in part]
            calls.append(Call(names[0], CLAIM.call(names, [f"{owner} {seq} ", columns])))
        found: list[Claim | None] = [None] * len(keys)
        for part, answer in zip(parts, await self._claims.write(calls), strict=True):
            for number, value in zip(answer[::2], answer[1::2], strict=True):
                there = read_claim(value)
                if (there.owner, there.seq) != (owner, seq):
                    found[part[number - 1]] = there
        return found

    async def settle(self, changes: Sequence[Change]) -> list[Claim | None]:
        """See StateStore."""
        tagged = [self._keys.claim(change.key) for change in changes]
        parts, calls = self._parts(self._claims, tagged), []
        for part in parts:
            names = [tagged[place][1] for place in part]
            arguments = [argument for place in part for argument in _change(changes[place])]
            calls.append(Call(names[0], SETTLE.call(names, arguments)))
        values = in_order(parts, await self._claims.write(calls))
        return [None if value is None else read_claim(value) for value in values]

    async def compact(self, claims: Sequence[CommittedClaim]) -> None:
        """See StateStore. There is no shorter form here; `CompactRedisStateStore` has one."""

    async def judge(self, owner: str) -> Judgement:
        """See StateStore."""
        name = self._keys.owner(owner)
        ((gone, committed),) = await self._claims.write([Call(name, JUDGE.call([name], []))])
        return Judgement(bool(gone), committed)

    async def keep(self, owner: str, seq: int, lease_ms: int, expires_ms: int) -> int | None:
        """See StateStore."""
        name = self._keys.owner(owner)
        call = Call(name, KEEP.call([name], [seq, lease_ms, OUTLIVES_MS, expires_ms]))
        committed: int
        (committed,) = await self._claims.write([call])
        return None if committed < 0 else committed

    async def write_partials(self, owner: str, partials: Sequence[Partial]) -> None:
        """See StateStore."""
        tagged = [self._keys.group_and_windows(partial.group) for partial in partials]
        calls = []
        for part in self._parts(self._aggregates, tagged):
            written = [partials[place] for place in part]
            names = [name for place in part for name in tagged[place][1:]]
            columns = " ".join([f"{row.group.start_ms} {row.expires_ms} {row.base.place if row.base else 0}" for row in written])
            bases = [row.base.value for row in written if row.base]
            calls.append(Call(names[0], PARTIALS.call(names, [owner, columns, *map(write_partial, written), *bases])))
        await self._aggregates.write(calls)

    async def own_partials(self, owner: str, groups: Sequence[Group]) -> list[StoredPartial | None]:
        """See StateStore."""
        tagged = [self._keys.group(group) for group in groups]
        parts, calls = self._parts(self._aggregates, tagged), []
        for part in parts:
            names = [tagged[place][1] for place in part]
            calls.append(Call(names[0], OWN.call(names, [owner])))
        values = in_order(parts, await self._aggregates.ask(calls))
        return [
            None if value is None else read_partial(group, owner, value, (first or b"", second or b""))
            for group, (value, first, second) in zip(groups, values, strict=True)
        ]

    async def partials(self, aggregation: str, key: str, from_ms: int, to_ms: int) -> list[StoredPartial]:
        """See StateStore."""
        groups = await self._groups(aggregation, [key], from_ms, to_ms)
        return [partial for rows in await self._read(groups) for partial in rows]

    async def scan(self, aggregation: str, from_ms: int, to_ms: int) -> AsyncIterator[list[StoredPartial]]:
        """See StateStore. Memory holds the names of 50,000 keys at most; for each as many, Redis looks once at all keys it has."""
        after: str | None = None
        while True:
            keys = await self._next_keys(aggregation, after)
            for start in range(0, len(keys), _KEYS_A_LOOK):
                groups = await self._groups(aggregation, keys[start : start + _KEYS_A_LOOK], from_ms, to_ms)
                for first in range(0, len(groups), _SCAN_COUNT):
                    for rows in await self._read(groups[first : first + _SCAN_COUNT]):
                        if rows:
                            yield rows
            if len(keys) < _NAMES_A_PASS:
                return
            after = keys[-1]

    async def partials_of(self, groups: Sequence[Group]) -> list[list[StoredPartial]]:
        """See StateStore."""
        return await self._read(groups)

    async def announce(self, windows: Sequence[Group], expires_ms: int) -> None:
        """See StateStore."""
        tagged = [self._keys.note(window) for window in windows]
        calls = []
        for part in self._parts(self._aggregates, tagged):
            names = [tagged[place][1] for place in part]
            notes = [argument for place in part for argument in (windows[place].start_ms, write_note(windows[place]))]
            calls.append(Call(names[0], ANNOUNCE.call(names, [expires_ms, *notes])))
        await self._aggregates.write(calls)

    async def announced(self, aggregation: str, through_ms: int, limit: int) -> list[Group]:
        """See StateStore. Each of the 64 lists gives its earliest, as many as are its share."""
        share = -(-limit // TAGS)
        names = self._keys.all_notes(aggregation)
        lists = await self._aggregates.ask(
            [Call(name, ("ZRANGEBYSCORE", name, "-inf", through_ms, "LIMIT", 0, share)) for name in names]
        )
        found = [read_note(aggregation, value) for values in lists for value in values]
        return sorted(found, key=lambda window: window.start_ms)[:limit]

    async def last_announced(self, aggregation: str) -> int | None:
        """See StateStore."""
        names = self._keys.all_notes(aggregation)
        lists = await self._aggregates.ask([Call(name, ("ZRANGE", name, -1, -1)) for name in names])
        return max((read_note(aggregation, value).start_ms for values in lists for value in values), default=None)

    async def withdraw(self, told: Sequence[Told]) -> None:
        """See StateStore."""
        tagged = [self._keys.note(window) for window, _ in told]
        calls = []
        for part in self._parts(self._aggregates, tagged):
            names: list[bytes] = []
            arguments: list[str | bytes | int] = []
            for place in part:
                window, panes = told[place]
                names.append(tagged[place][1])
                arguments += (write_note(window), len(panes))
                for pane, seqs in panes.items():
                    names.append(self._keys.group(pane)[1])
                    arguments += (len(seqs), *(argument for seen in seqs.items() for argument in seen))
            calls.append(Call(names[0], WITHDRAW.call(names, arguments)))
        await self._aggregates.write(calls)

    async def committed(self, owners: Sequence[str]) -> dict[str, int]:
        """See StateStore."""
        names = [self._keys.owner(owner) for owner in owners]
        numbers = await self._claims.ask([Call(name, ("HGET", name, "c")) for name in names])
        return {owner: int(number or 0) for owner, number in zip(owners, numbers, strict=True)}

    async def end(self, owner: str) -> None:
        """See StateStore."""
        name = self._keys.owner(owner)
        await self._claims.write([Call(name, END.call([name], []))])

    async def sweep(self, limit: int) -> Swept:
        """See StateStore. Redis removes what has expired by itself: there is never anything to do."""
        del limit
        return Swept(removed=0, through=True)

    async def close(self) -> None:
        """See StateStore."""
        await self._claims.close()
        if self._aggregates is not self._claims:
            await self._aggregates.close()

    @staticmethod
    def _parts(nodes: Nodes, tagged: Sequence[_Tagged], most: int = MOST_KEYS) -> list[Sequence[int]]:
        """The places that go into a call each: of one tag in a cluster, never too many."""
        if not nodes.spread:
            return [range(start, min(start + most, len(tagged))) for start in range(0, len(tagged), most)]
        by_tag: dict[int, list[int]] = {}
        for place, (tag, *_) in enumerate(tagged):
            by_tag.setdefault(tag, []).append(place)
        return [places[start : start + most] for places in by_tag.values() for start in range(0, len(places), most)]

    async def _groups(self, aggregation: str, keys: Sequence[str], from_ms: int, to_ms: int) -> list[Group]:
        """The groups of these keys whose windows start in the range, by key and start."""
        names = [self._keys.windows(aggregation, key)[1] for key in keys]
        lists = await self._aggregates.ask([Call(name, ("ZRANGE", name, 0, -1)) for name in names])
        return [
            Group(aggregation, key, start_ms)
            for key, starts in zip(keys, lists, strict=True)
            for start_ms in sorted(map(int, starts))
            if from_ms <= start_ms < to_ms
        ]

    async def _read(self, groups: Sequence[Group]) -> list[list[StoredPartial]]:
        """The partials of each group, in order; none where it is gone by now."""
        tagged = [self._keys.group(group) for group in groups]
        parts, calls = self._parts(self._aggregates, tagged), []
        for part in parts:
            names = [tagged[place][1] for place in part]
            calls.append(Call(names[0], GROUPS.call(names, [])))
        fields = in_order(parts, await self._aggregates.ask(calls))
        return [
            read_partials(group, dict(zip(row[::2], row[1::2], strict=True))) for group, row in zip(groups, fields, strict=True)
        ]

    async def _next_keys(self, aggregation: str, after: str | None) -> list[str]:
        """The first keys of an aggregation behind one, in order."""
        found: set[str] = set()
        try:
            for master in await self._aggregates.masters():
                async for name in master.scan_iter(match=self._keys.all_windows(aggregation), count=_SCAN_COUNT):
                    key = self._keys.key_of_windows(aggregation, name)
                    if after is None or key > after:
                        found.add(key)
                    if len(found) > 2 * _NAMES_A_PASS:
                        found = set(sorted(found)[:_NAMES_A_PASS])
        except REDIS_FAILURES as error:
            raise StoreUnavailable(f"redis: {failure_text(error)}") from error
        return sorted(found)[:_NAMES_A_PASS]


def _change(change: Change) -> tuple[str, str, str]:
    new = "" if change.new is None else write_claim(change.new)
    return write_claim(change.expected), new, "" if change.ttl_ms is None else str(change.ttl_ms)


def in_order(parts: Sequence[Sequence[int]], answers: Sequence[Sequence[Any]]) -> list[Any]:
    """One answer for each place, from the answers of the parts."""
    by_place = {
        place: value for part, answer in zip(parts, answers, strict=True) for place, value in zip(part, answer, strict=True)
    }
    return [by_place[place] for place in range(len(by_place))]
