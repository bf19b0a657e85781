"""State in this process's memory: for trials, backfills and tests. It ends with the process.

Rule of the file: the plainest reading of the store's contract; a request is one step, nothing is awaited inside it.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from engine.ports import (
    HELD,
    NO_BASES,
    Base,
    Change,
    Claim,
    Clock,
    CommittedClaim,
    Group,
    Judgement,
    Partial,
    StoredPartial,
    Swept,
    Told,
)

_ClaimRow = tuple[int, str, int, int, str, int]
"""expires_ms, then the fields of a Claim; a plain tuple, because there is one for each event of a day."""


class _OwnerRow:
    __slots__ = ("committed", "deadline_ms", "ended", "expires_ms")

    def __init__(self, deadline_ms: int) -> None:
        self.committed = 0
        self.deadline_ms = deadline_ms
        self.ended = False
        self.expires_ms = deadline_ms


class _PartialRow(NamedTuple):
    stored: StoredPartial
    expires_ms: int


class MemoryStateStore:
    """Claims, owners and partials in dicts; that of the claims has those that were set last at its end.

    At most `max_claims` claims are kept: past that the oldest are forgotten, and a sixteenth of all with them; those that had not
    expired are counted in `claims_forgotten`. A copy of a forgotten event is new.
    """

    compacts = False

    def __init__(self, clock: Clock, max_claims: int = 1_000_000) -> None:
        self._clock = clock
        self._max_claims = max_claims
        self._claims: dict[str, _ClaimRow] = {}
        self._owners: dict[str, _OwnerRow] = {}
        self._partials: dict[str, dict[tuple[int, str], dict[str, _PartialRow]]] = {}
        self._announced: dict[str, dict[int, dict[str, int]]] = {}
        self._looks = self._round()
        self.claims_forgotten = 0

    def kept(self) -> dict[str, int]:
        """Claims that are kept, and how many may be."""
        return {"memory_claims": len(self._claims), "memory_max_claims": self._max_claims}

    async def open(self, owner: str, lease_ms: int) -> bool:
        """See StateStore."""
        if owner in self._owners:
            return False
        self._owners[owner] = _OwnerRow(self._clock.now_ms() + lease_ms)
        return True

    async def claim(
        self, owner: str, seq: int, keys: Sequence[str], checksums: Sequence[int], ttls_ms: Sequence[int]
    ) -> list[Claim | None]:
        """See StateStore."""
        now_ms = self._clock.now_ms()
        claims = self._claims
        found: list[Claim | None] = []
        for key, checksum, ttl_ms in zip(keys, checksums, ttls_ms, strict=True):
            row = claims.get(key)
            if row is not None and row[0] > now_ms:
                found.append(None if row[1] == owner and row[2] == seq else Claim(*row[1:]))
            else:
                if row is not None:
                    del claims[key]
                claims[key] = (now_ms + ttl_ms, owner, seq, checksum, HELD, 0)
                found.append(None)
        if len(claims) > self._max_claims:
            self._forget_oldest(now_ms)
        return found

    async def settle(self, changes: Sequence[Change]) -> list[Claim | None]:
        """See StateStore."""
        now_ms = self._clock.now_ms()
        found: list[Claim | None] = []
        for key, expected, new, ttl_ms in changes:
            row = self._claims.get(key)
            current = Claim(*row[1:]) if row is not None and row[0] > now_ms else None
            if row is not None and new is not None and current == expected:
                if ttl_ms is not None:
                    del self._claims[key]
                self._claims[key] = (row[0] if ttl_ms is None else now_ms + ttl_ms, *new)
                current = new
            found.append(current)
        return found

    async def compact(self, claims: Sequence[CommittedClaim]) -> None:
        """See StateStore. There is no shorter form here."""

    async def judge(self, owner: str) -> Judgement:
        """See StateStore."""
        row = self._owners.get(owner)
        if row is None:
            return Judgement(gone=True, committed=0)
        row.ended = row.ended or row.deadline_ms < self._clock.now_ms()
        return Judgement(row.ended, row.committed)

    async def keep(self, owner: str, seq: int, lease_ms: int, expires_ms: int) -> int | None:
        """See StateStore."""
        if (await self.judge(owner)).gone:
            return None
        row = self._owners[owner]
        row.committed = max(row.committed, seq)
        row.deadline_ms = self._clock.now_ms() + lease_ms
        row.expires_ms = max(row.expires_ms, expires_ms)
        return row.committed

    async def write_partials(self, owner: str, partials: Sequence[Partial]) -> None:
        """See StateStore."""
        for partial in partials:
            group = partial.group
            rows = self._partials.setdefault(group.aggregation, {}).setdefault((group.start_ms, group.key), {})
            there = rows.get(owner)
            if there is None or there.stored.seq <= partial.seq:
                bases = _bases(partial.base, NO_BASES if there is None else there.stored.bases)
                stored = StoredPartial(group, owner, partial.seq, partial.now, partial.prev_seq, partial.prev, bases)
                rows[owner] = _PartialRow(stored, partial.expires_ms)

    async def own_partials(self, owner: str, groups: Sequence[Group]) -> list[StoredPartial | None]:
        """See StateStore."""
        found: list[StoredPartial | None] = []
        for group in groups:
            row = self._rows(group).get(owner)
            found.append(None if row is None else row.stored)
        return found

    async def partials(self, aggregation: str, key: str, from_ms: int, to_ms: int) -> list[StoredPartial]:
        """See StateStore."""
        panes = self._partials.get(aggregation, {})
        starts = sorted(start_ms for start_ms, other in panes if other == key and from_ms <= start_ms < to_ms)
        return [row.stored for start in starts for row in panes[start, key].values()]

    async def scan(self, aggregation: str, from_ms: int, to_ms: int) -> AsyncIterator[list[StoredPartial]]:
        """See StateStore."""
        panes = self._partials.get(aggregation, {})
        for place in sorted([place for place in panes if from_ms <= place[0] < to_ms], key=itemgetter(1, 0)):
            if rows := panes.get(place):
                yield [row.stored for row in rows.values()]

    async def partials_of(self, groups: Sequence[Group]) -> list[list[StoredPartial]]:
        """See StateStore."""
        return [[row.stored for row in self._rows(group).values()] for group in groups]

    async def announce(self, windows: Sequence[Group], expires_ms: int) -> None:
        """See StateStore."""
        for aggregation, key, start_ms in windows:
            keys = self._announced.setdefault(aggregation, {}).setdefault(start_ms, {})
            keys[key] = max(expires_ms, keys.get(key, expires_ms))

    async def announced(self, aggregation: str, through_ms: int, limit: int) -> list[Group]:
        """See StateStore."""
        noted = self._announced.get(aggregation, {})
        starts = sorted(start_ms for start_ms in noted if start_ms <= through_ms)
        return list(islice((Group(aggregation, key, start_ms) for start_ms in starts for key in noted[start_ms]), limit))

    async def last_announced(self, aggregation: str) -> int | None:
        """See StateStore."""
        return max(self._announced.get(aggregation, ()), default=None)

    async def withdraw(self, told: Sequence[Told]) -> None:
        """See StateStore."""
        for window, panes in told:
            rows = [
                (seqs.get(owner, -1), row.stored.seq) for pane, seqs in panes.items() for owner, row in self._rows(pane).items()
            ]
            if all(there <= looked_at for looked_at, there in rows):
                self._strike_out(window)

    async def committed(self, owners: Sequence[str]) -> dict[str, int]:
        """See StateStore."""
        rows = self._owners
        return {owner: rows[owner].committed if owner in rows else 0 for owner in owners}

    async def end(self, owner: str) -> None:
        """See StateStore."""
        if owner in self._owners:
            self._owners[owner].ended = True

    async def sweep(self, limit: int) -> Swept:
        """See StateStore."""
        looks = list(islice(self._looks, limit))
        through = len(looks) < limit
        if through:
            self._looks = self._round()
        return Swept(sum(looks), through)

    async def close(self) -> None:
        """See StateStore."""

    def _rows(self, group: Group) -> dict[str, _PartialRow]:
        return self._partials.get(group.aggregation, {}).get((group.start_ms, group.key), {})

    def _strike_out(self, window: Group) -> None:
        noted = self._announced.get(window.aggregation, {})
        keys = noted.get(window.start_ms, {})
        keys.pop(window.key, None)
        if not keys:
            noted.pop(window.start_ms, None)

    def _round(self) -> Iterator[bool]:
        """Look at each row there is now, and say of each whether it had expired and was removed. Between two looks anything may change."""
        now_ms = self._clock.now_ms()
        for key in list(self._claims):
            claim = self._claims.get(key)
            due = claim is not None and claim[0] <= now_ms
            if due:
                del self._claims[key]
            yield due
        for aggregation, panes in list(self._partials.items()):
            for place in list(panes):
                due = max(row.expires_ms for row in panes[place].values()) < now_ms
                if due:
                    del panes[place]
                yield due
            if not panes:
                del self._partials[aggregation]
        yield from self._sweep_announced(now_ms)
        for owner, owner_row in list(self._owners.items()):
            due = max(owner_row.expires_ms, owner_row.deadline_ms) < now_ms
            if due:
                del self._owners[owner]
            yield due

    def _sweep_announced(self, now_ms: int) -> Iterator[bool]:
        for aggregation, noted in list(self._announced.items()):
            for start_ms, keys in list(noted.items()):
                for key in list(keys):
                    due = keys.get(key, now_ms) < now_ms
                    if due:
                        self._strike_out(Group(aggregation, key, start_ms))
                    yield due
            if not noted:
                del self._announced[aggregation]

    def _forget_oldest(self, now_ms: int) -> None:
        most = self._max_claims
        for key in list(islice(self._claims, len(self._claims) - most + most // 16)):
            if self._claims.pop(key)[0] > now_ms:
                self.claims_forgotten += 1


def _bases(written: Base | None, there: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    if written is None:
        return there
    return (written.value, there[1]) if written.place == 1 else (there[0], written.value)
