"""What a committed claim takes in Redis, exact and compact: memory, and the processor time of Redis and of the engine.

In: how many keys. Out: a table. Rule of the file: both forms get the same keys in one run, over a server of their own; a bucket is measured twice, as
the first one, which grows from one set, and as one that follows on a full one.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import redis

from engine.ports import Claim, CommittedClaim
from engine.settings import RedisSettings
from engine.settings_values import RedisAddress
from engine.state.redis import RedisStateStore
from engine.state.redis_compact import CompactRedisStateStore
from tools.servers.redis import RedisServer

_DAY_MS: Final = 86_400_000
_BATCH: Final = 500
_PREFIX: Final = "bench"


class Cost(NamedTuple):
    """What one key costs; microseconds are of processor time."""

    bytes: float
    redis_us: float
    engine_us: float


async def _commit(store: RedisStateStore, first: int, number: int) -> None:
    for start in range(first, first + number, _BATCH):
        keys = [f"answer:6f9619ff-8b86-d011-b42d-{place:012}" for place in range(start, start + _BATCH)]
        found = await store.claim("o", start, keys, range(_BATCH), [_DAY_MS] * _BATCH)
        if any(found):
            raise SystemExit("a new key was taken for a copy")
        await store.compact([CommittedClaim(key, Claim("o", start, place), _DAY_MS) for place, key in enumerate(keys)])


async def _cost(admin: redis.Redis, store: RedisStateStore, first: int, number: int) -> Cost:
    before, redis_s, engine_s = _used(admin), _redis_s(admin), time.process_time()
    await _commit(store, first, number)
    engine_s, redis_s = time.process_time() - engine_s, _redis_s(admin) - redis_s
    return Cost((_used(admin) - before) / number, redis_s / number * 1e6, engine_s / number * 1e6)


def _age(admin: redis.Redis) -> None:
    """Give every bucket the number before its own, as if that much time had gone by."""
    for directory in [name for name in admin.scan_iter(f"{_PREFIX}:d:*", count=10_000) if admin.type(name) == b"hash"]:
        fields: Any = admin.hgetall(directory)
        admin.hdel(directory, *fields)
        for field, levels in sorted(fields.items()):
            width, number = field.split(b":")
            admin.hset(directory, width + b":" + str(int(number) - 1).encode(), levels)
    sets: list[Any] = [name for name in admin.scan_iter(f"{_PREFIX}:d:*", count=10_000) if admin.type(name) == b"set"]
    for name in sorted(sets):
        parts = name.split(b":")
        parts[5] = str(int(parts[5]) - 1).encode()
        admin.rename(name, b":".join(parts))


def _used(admin: redis.Redis) -> int:
    said: Any = admin.info("memory")
    return int(said["used_memory"])


def _redis_s(admin: redis.Redis) -> float:
    said: Any = admin.info("cpu")
    return float(said["used_cpu_user"] + said["used_cpu_sys"])


async def _measure(server: RedisServer, number: int, buckets: int) -> None:
    settings = RedisSettings(address=(RedisAddress(server.address),), prefix=_PREFIX, timeout_ms=60_000)
    with server.client(settings.deduplication_db) as admin:
        said: Any = admin.info("server") | admin.info("memory")
        print(f"Redis {said['redis_version']}, {said['mem_allocator']}; {number:,} keys of 43 characters a row, ttl 24 h\n")
        print("| claims | bytes/key | Redis µs/key | engine µs/key |\n| --- | --- | --- | --- |")
        for kind in (RedisStateStore, CompactRedisStateStore):
            store = kind(settings)
            for bucket in range(buckets if store.compacts else 1):
                cost = await _cost(admin, store, bucket * number, number)
                name = f"compact, bucket {bucket + 1}" if store.compacts else "exact"
                print(f"| {name} | {cost.bytes:.1f} | {cost.redis_us:.1f} | {cost.engine_us:.1f} |", flush=True)
                if store.compacts:
                    _age(admin)
            await store.close()
            admin.flushall()


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="tools/bench claims", description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000, help="keys in each row (default %(default)s)")
    parser.add_argument("--buckets", type=int, default=3, help="buckets that live at the same time (default %(default)s)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, RedisServer(Path(directory), appendonly="no") as server:
        asyncio.run(_measure(server, given.keys, given.buckets))


if __name__ == "__main__":
    main()
