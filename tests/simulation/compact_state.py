"""Stores of the simulated world that keep what is committed in a short form, with everything in them open to the laws."""

from collections.abc import Sequence
from typing import Any

from engine.ports import COMMITTED, OTHER_CONTENT, Change, Claim, CommittedClaim
from engine.state.fingerprints import Fingerprints
from engine.state.redis_compact import CompactRedisStateStore
from tests.simulation.redis_state import SharedRedis
from tests.simulation.world import SharedStore

_COMMITTED_ROW = ("", 0, COMMITTED)


class CompactSharedStore(SharedStore):
    """The plainest one, in memory: of a committed claim the checksum is left."""

    compacts = True

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._committed_checksums: dict[str, int] = {}

    async def claim(
        self, owner: str, seq: int, keys: Sequence[str], checksums: Sequence[int], ttls_ms: Sequence[int]
    ) -> list[Claim | None]:
        """See StateStore."""
        answers: dict[str, Claim | None] = {}
        for key, checksum, ttl_ms in zip(keys, checksums, ttls_ms, strict=True):
            committed = self._committed_claim(key, checksum)
            answers[key] = committed or (await super().claim(owner, seq, [key], [checksum], [ttl_ms]))[0]
        return [answers[key] for key in keys]

    async def settle(self, changes: Sequence[Change]) -> list[Claim | None]:
        """See StateStore."""
        return [
            self._committed_claim(change.key, change.expected.checksum)
            or (await super(CompactSharedStore, self).settle([change]))[0]
            for change in changes
        ]

    async def compact(self, claims: Sequence[CommittedClaim]) -> None:
        """See StateStore."""
        for key, claim, _ in claims:
            if key in self._claims and Claim(*self._claims[key][1:]) == claim:
                del self._claims[key]
                self._committed_checksums[key] = claim.checksum

    def claim_rows(self) -> dict[str, tuple[object, ...]]:
        """See SharedState."""
        return super().claim_rows() | dict.fromkeys(self._committed_checksums, _COMMITTED_ROW)

    def _committed_claim(self, key: str, checksum: int) -> Claim | None:
        if key not in self._committed_checksums:
            return None
        return Claim("", 0, checksum if self._committed_checksums[key] == checksum else OTHER_CONTENT, COMMITTED)


class SharedCompactRedis(SharedRedis, CompactRedisStateStore):
    """A real Redis that keeps committed claims in buckets."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._ever = set[str]()

    def claim_rows(self) -> dict[str, tuple[object, ...]]:
        """See SharedState."""
        there = super().claim_rows()
        self._ever |= there.keys()
        return there | {key: _COMMITTED_ROW for key in self._ever - there.keys() if self._in_a_bucket(key)}

    def _in_a_bucket(self, key: str) -> bool:
        number, place, _ = Fingerprints().of(key, 0).split(" ")
        directory = self._keys.directory(self._keys.claim(key)[0], key).decode()
        fields: Any = self._look_at_claims.hgetall(directory)
        sets = [
            f"{directory}:{field.decode()}:{count}:{int(place) % int(count)}"
            for field, counts in fields.items()
            for count in counts.decode().split(" ")
        ]
        return any(self._look_at_claims.sismember(name, number) for name in sets)
