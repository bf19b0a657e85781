"""Claims in Redis in two forms: as they are while they may change, and once committed as a fingerprint in a bucket.

In: the store's requests. Out: calls of scripts. Rule of the file: a claim and its fingerprint change places in one step, and who looks for a
claim looks for both; so a claim that is committed is found by whoever comes, until its time is over.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from engine.ports import COMMITTED, FREE, OTHER_CONTENT, Change, Claim, CommittedClaim
from engine.settings import RedisSettings
from engine.state.fingerprints import Fingerprints
from engine.state.redis import RedisStateStore, in_order
from engine.state.redis_keys import read_claim, write_claim
from engine.state.redis_nodes import Call
from engine.state.redis_scripts import CLAIM_COMPACT, COMPACT, SETTLE_COMPACT

BUCKETS_A_TTL: Final = 4
"""A bucket is this part of its keys' time to live: that much longer some of them are known."""

_FREE_MS: Final = 600_000
"""How long a free claim is kept at most: no request comes later than the shortest time to live that rules may give."""

_MOST_KEYS: Final = 1_000
_SAME: Final = b"same"
_OTHER: Final = b"other"


class CompactRedisStateStore(RedisStateStore):
    """Claims, owners and partials in Redis, with committed claims as fingerprints of 64 bits.

    Of a committed claim it is known that there was one, and whether its content was the same; not whose it was. A key lasts at least its
    time to live and at most a quarter longer. Two keys with one fingerprint are one: see docs/redis.md for the odds.
    """

    compacts = True

    def __init__(self, settings: RedisSettings, fingerprints: Fingerprints | None = None) -> None:
        super().__init__(settings)
        self._fingerprints = fingerprints or Fingerprints()

    async def claim(
        self, owner: str, seq: int, keys: Sequence[str], checksums: Sequence[int], ttls_ms: Sequence[int]
    ) -> list[Claim | None]:
        """See StateStore."""
        tagged = [self._keys.claim(key) for key in keys]
        parts, calls = self._parts(self._claims, tagged, _MOST_KEYS), []
        for part in parts:
            names, directories = [tagged[place][1] for place in part], _Directories()
            columns = []
            for place in part:
                number = directories.number(self._keys.directory(tagged[place][0], keys[place]))
                taken = self._fingerprints.of(keys[place], checksums[place])
                columns.append(f"{checksums[place]} {ttls_ms[place]} {taken} {number}")
            arguments = [f"{owner} {seq} ", " ".join(columns), *directories]
            calls.append(Call(names[0], CLAIM_COMPACT.call(names, arguments)))
        found: list[Claim | None] = [None] * len(keys)
        for part, answer in zip(parts, await self._claims.write(calls), strict=True):
            for number, value in zip(answer[::2], answer[1::2], strict=True):
                place = part[number - 1]
                there = _read(value, checksums[place])
                if (there.owner, there.seq) != (owner, seq):
                    found[place] = there
        return found

    async def settle(self, changes: Sequence[Change]) -> list[Claim | None]:
        """See StateStore. The time of a claim that is freed is cut to ten minutes, in which every late request has come."""
        tagged = [self._keys.claim(change.key) for change in changes]
        parts, calls = self._parts(self._claims, tagged, _MOST_KEYS), []
        for part in parts:
            names, directories = [tagged[place][1] for place in part], _Directories()
            columns, values = [], list[str]()
            for place in part:
                change = changes[place]
                number = directories.number(self._keys.directory(tagged[place][0], change.key))
                columns.append(f"{self._fingerprints.of(change.key, change.expected.checksum)} {number}")
                values += _change(change)
            arguments = [" ".join(columns), len(directories), *directories, *values]
            calls.append(Call(names[0], SETTLE_COMPACT.call(names, arguments)))
        found = in_order(parts, await self._claims.write(calls))
        return [
            None if value is None else _read(value, change.expected.checksum)
            for change, value in zip(changes, found, strict=True)
        ]

    async def compact(self, claims: Sequence[CommittedClaim]) -> None:
        """See StateStore."""
        tagged = [self._keys.claim(committed.key) for committed in claims]
        calls = []
        for part in self._parts(self._claims, tagged, _MOST_KEYS):
            names, directories = [tagged[place][1] for place in part], _Directories()
            columns, values = [], []
            for place in part:
                key, claim, ttl_ms = claims[place]
                number = directories.number(self._keys.directory(tagged[place][0], key))
                columns.append(f"{ttl_ms} {self._fingerprints.of(key, claim.checksum)} {number}")
                values.append(write_claim(claim))
            arguments = [" ".join(columns), len(directories), *directories, BUCKETS_A_TTL, *values]
            calls.append(Call(names[0], COMPACT.call(names, arguments)))
        await self._claims.write(calls)


class _Directories(dict[bytes, int]):
    """The directories that one call is about, in the order in which they were first named."""

    def number(self, name: bytes) -> int:
        """Which one it is, from 1."""
        return self.setdefault(name, len(self) + 1)


def _read(value: bytes, checksum: int) -> Claim:
    if value in (_SAME, _OTHER):
        return Claim("", 0, checksum if value == _SAME else OTHER_CONTENT, COMMITTED)
    return read_claim(value)


def _change(change: Change) -> Iterable[str]:
    ttl_ms = change.ttl_ms
    if change.new is not None and change.new.mark == FREE and ttl_ms is None:
        ttl_ms = -_FREE_MS
    return (
        write_claim(change.expected),
        "" if change.new is None else write_claim(change.new),
        "" if ttl_ms is None else str(ttl_ms),
    )
