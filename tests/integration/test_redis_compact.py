"""Committed claims as fingerprints: how much they take, how often they are wrong, and that nobody reads them who cannot."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.errors import SettingsInvalid
from engine.ports import FREE, HELD, Change, Claim, CommittedClaim
from engine.settings import RedisSettings, Settings
from engine.settings_values import RedisAddress
from engine.state.fingerprints import Fingerprints
from engine.state.opening import open_store
from engine.state.redis_compact import CompactRedisStateStore
from tests.integration.redis_engines import redis_settings
from tests.redis_servers import own_prefix
from tools.servers.redis import RedisCluster, RedisServer

DAY_MS = 86_400_000


@asynccontextmanager
async def store_at(server: RedisServer, prefix: str, bits: int = 64, **others: Any) -> AsyncIterator[CompactRedisStateStore]:
    store = CompactRedisStateStore(redis_settings([server.address], prefix, timeout=10_000, **others), Fingerprints(bits))
    try:
        yield store
    finally:
        await store.close()


async def commit(store: CompactRedisStateStore, keys: list[str]) -> None:
    """Claim these keys, and hand them over as committed."""
    for start in range(0, len(keys), 5_000):
        part = keys[start : start + 5_000]
        await store.claim("o", 1, part, [7] * len(part), [DAY_MS] * len(part))
        await store.compact([CommittedClaim(key, Claim("o", 1, 7), DAY_MS) for key in part])


async def new_ones(store: CompactRedisStateStore, keys: list[str]) -> int:
    """How many of these keys nobody has claimed, as the store sees it."""
    return (await store.claim("other", 1, keys, [8] * len(keys), [DAY_MS] * len(keys))).count(None)


async def test_a_committed_claim_takes_at_most_twenty_bytes(redis_server: RedisServer) -> None:
    prefix, keys = own_prefix(), [f"answer:6f9619ff-8b86-d011-b42d-{number:012}" for number in range(60_000)]
    async with store_at(redis_server, prefix, deduplication_db=9) as store:
        await commit(store, keys)
        assert await new_ones(store, keys[::100]) == 0

    with redis_server.client(9) as claims:
        names = list(claims.scan_iter(f"{prefix}:*", count=10_000))
        sizes: list[Any] = [claims.memory_usage(name) for name in names]
        encodings = {claims.object("encoding", name) for name in names if b":d:" in name and claims.type(name) == b"set"}
        kinds = {name.split(b":")[1] for name in names}
        lasts: list[Any] = [claims.pttl(name) for name in names]
    assert sum(sizes) / len(keys) <= 20
    assert encodings == {b"intset"}
    assert kinds == {b"d"}
    assert all(0 < ms <= DAY_MS * 5 // 4 + 10_000 for ms in lasts)


@pytest.mark.parametrize("bits", [14, 16])
async def test_false_copies_are_as_rare_as_the_width_of_fingerprints_says(redis_server: RedisServer, bits: int) -> None:
    prefix = own_prefix()
    async with store_at(redis_server, prefix, bits, deduplication_db=9) as store:
        await commit(store, [f"answer:known-{number}" for number in range(20_000)])
        tried = 20_000
        false = tried - await new_ones(store, [f"answer:fresh-{number}" for number in range(tried)])

    with redis_server.client(9) as claims:
        met = 0.0
        for directory in claims.scan_iter(f"{prefix}:d:{{*}}:answer", count=10_000):
            levels: list[Any] = claims.hvals(directory)
            fields: list[Any] = claims.hkeys(directory)
            for field, counts in zip(fields, levels, strict=True):
                for count in map(int, counts.split(b" ")):
                    sets = [f"{directory.decode()}:{field.decode()}:{count}:{place}" for place in range(count)]
                    met += sum(int(claims.scard(name)) for name in sets) / count / 64
    expected = tried * met / 2**bits
    assert expected > 50
    assert abs(false - expected) < 6 * math.sqrt(expected)


async def test_with_whole_fingerprints_nothing_new_is_taken_for_a_copy(redis_server: RedisServer) -> None:
    async with store_at(redis_server, own_prefix()) as store:
        await commit(store, [f"answer:known-{number}" for number in range(10_000)])

        assert await new_ones(store, [f"answer:fresh-{number}" for number in range(10_000)]) == 10_000


async def test_a_claim_that_is_freed_is_kept_for_ten_minutes_at_most(redis_server: RedisServer) -> None:
    prefix, held = own_prefix(), Claim("o", 1, 7, HELD)
    async with store_at(redis_server, prefix) as store:
        await store.claim("o", 1, ["answer:1"], [7], [DAY_MS])
        await store.settle([Change("answer:1", held, held._replace(mark=FREE))])

    with redis_server.client(3) as claims:
        (left,) = [claims.pttl(name) for name in claims.scan_iter(f"{prefix}:c:*", count=1_000)]
    assert 0 < int(left) <= 600_000


@pytest.mark.parametrize("cluster", [False, True])
async def test_who_keeps_claims_exact_does_not_start_where_they_are_compact(
    redis_server: RedisServer, redis_cluster: RedisCluster, *, cluster: bool
) -> None:
    prefix = own_prefix()
    address = RedisAddress(redis_cluster.nodes[0].address if cluster else redis_server.address)
    exact = RedisSettings(address=(address,), prefix=prefix, cluster=cluster)
    compact = RedisSettings(address=(address,), prefix=prefix, cluster=cluster, claims="compact")
    for settings in (exact, compact, compact):
        await (await open_store(Settings(store="redis", redis=settings), SystemClock())).close()

    with pytest.raises(SettingsInvalid, match=r"are compact; set `redis\.claims: compact`"):
        await open_store(Settings(store="redis", redis=exact), SystemClock())
