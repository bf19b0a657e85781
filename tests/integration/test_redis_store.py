"""How the store uses Redis: few calls however many keys, two databases, nothing that stays for ever."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import redis

from engine.errors import StoreUnavailable
from engine.ports import Change, Claim, Group, Partial
from engine.state.redis import RedisStateStore
from engine.state.redis_keys import RedisKeys
from tests.integration.redis_engines import redis_settings
from tests.redis_servers import own_prefix
from tests.redis_time import ServerTime
from tools.servers.redis import HOST, RedisCluster, RedisServer

HOUR_MS = 3_600_000
KEYS = [f"answer:{number}" for number in range(1_000)]


@asynccontextmanager
async def store_at(address: str, prefix: str, **others: Any) -> AsyncIterator[RedisStateStore]:
    store = RedisStateStore(redis_settings([address], prefix, timeout=10_000, connect_timeout=10_000, **others))
    try:
        yield store
    finally:
        await store.close()


async def claim(store: RedisStateStore, owner: str, keys: list[str] = KEYS) -> list[Claim | None]:
    return await store.claim(owner, 1, keys, [7] * len(keys), [HOUR_MS] * len(keys))


def partials(now_ms: int, number: int = 1_000) -> list[Partial]:
    return [Partial(Group("hits@1", f"user:{n}", 0), 1, b"now", 0, b"", now_ms + HOUR_MS) for n in range(number)]


def calls(client: redis.Redis) -> int:
    """How many scripts the server has run."""
    said: Any = client.info("commandstats")
    return int(said.get("cmdstat_evalsha", {"calls": 0})["calls"])


async def use(store: RedisStateStore) -> None:
    """One request of each kind that has many keys."""
    now_ms = ServerTime([], "").now_ms()
    held = Claim("o1", 1, 7)
    await claim(store, "o1")
    await store.settle([Change(key, held, held) for key in KEYS])
    await store.write_partials("o1", partials(now_ms))
    await store.own_partials("o1", [partial.group for partial in partials(now_ms)])


async def test_one_server_is_called_once_for_all_keys_of_a_request(redis_server: RedisServer) -> None:
    with redis_server.client() as admin:
        async with store_at(redis_server.address, own_prefix()) as store:
            await use(store)
            before = calls(admin)
            await use(store)

        assert calls(admin) - before == 4


async def test_a_cluster_is_called_at_most_64_times_for_all_keys_of_a_request(redis_cluster: RedisCluster) -> None:
    clients = [node.client() for node in redis_cluster.nodes]
    async with store_at(redis_cluster.nodes[0].address, own_prefix(), cluster=True) as store:
        await use(store)
        before = [calls(client) for client in clients]
        await use(store)
    spent = [calls(client) - number for client, number in zip(clients, before, strict=True)]
    for client in clients:
        client.close()

    assert sum(spent) == 4 * 64
    assert min(spent) > 4 * 10, "every node has a share"


async def test_claims_and_owners_are_in_one_database_and_partials_in_another(redis_server: RedisServer) -> None:
    prefix = own_prefix()
    async with store_at(redis_server.address, prefix, deduplication_db=5, aggregation_db=6) as store:
        await store.open("o1", HOUR_MS)
        await claim(store, "o1", ["a"])
        await store.write_partials("o1", partials(ServerTime([], "").now_ms(), 1))

    kinds = {}
    for db in range(16):
        with redis_server.client(db) as client:
            kinds[db] = {key.split(b":")[1] for key in client.scan_iter(f"{prefix}:*", count=1_000)}
    assert {db: found for db, found in kinds.items() if found} == {5: {b"o", b"c"}, 6: {b"a", b"w"}}


async def test_nothing_that_is_written_stays_for_ever(redis_server: RedisServer) -> None:
    prefix = own_prefix()
    async with store_at(redis_server.address, prefix) as store:
        await store.open("o1", HOUR_MS)
        await store.open("o2", HOUR_MS)
        await use(store)
        await store.keep("o1", 1, HOUR_MS, 0)
        await store.end("o2")
        await store.end("never")

    with redis_server.client(2) as aggregates, redis_server.client(3) as claims:
        left = [client.pttl(key) for client in (aggregates, claims) for key in client.scan_iter(f"{prefix}:*", count=1_000)]
    assert len(left) == 1_000 + 2 * 1_000 + 2
    assert all(ms > 0 for ms in left)


async def test_the_list_of_a_keys_windows_loses_those_that_have_expired(redis_server: RedisServer) -> None:
    prefix = own_prefix()
    with redis_server.client(2) as aggregates:
        clock = ServerTime([aggregates], prefix)
        async with store_at(redis_server.address, prefix) as store:
            for start_ms in range(5):
                group = Group("hits@1", "user:1", start_ms)
                await store.write_partials("o1", [Partial(group, 1, b"", 0, b"", clock.now_ms() + HOUR_MS)])
                clock.advance(HOUR_MS // 2)

            (windows,) = aggregates.scan_iter(f"{prefix}:w:*", count=1_000)
            assert aggregates.zcard(windows) == 2
            assert [partial.group.start_ms for partial in await store.partials("hits@1", "user:1", 0, 10)] == [4]


async def test_a_server_that_forgot_its_scripts_gets_them_again(redis_server: RedisServer) -> None:
    async with store_at(redis_server.address, own_prefix()) as store:
        await claim(store, "o1")
        with redis_server.client() as admin:
            admin.script_flush()

        assert await claim(store, "o2", KEYS[:1]) == [Claim("o1", 1, 7)]


async def test_more_requests_than_connections_wait_for_one(redis_server: RedisServer) -> None:
    async with store_at(redis_server.address, own_prefix(), pool_size=1) as store:
        answers = await asyncio.gather(*(claim(store, f"o{number}", [f"k{number}"]) for number in range(50)))

    assert answers == [[None]] * 50


async def test_a_slot_that_moves_is_refused_meanwhile_and_found_again_afterwards(redis_cluster: RedisCluster) -> None:
    prefix = own_prefix()
    async with store_at(redis_cluster.nodes[0].address, prefix, cluster=True) as store:
        assert await claim(store, "o1", ["a"]) == [None]
        tag, _ = RedisKeys(prefix).claim("a")
        others = [key for key in KEYS if RedisKeys(prefix).claim(key)[0] == tag]
        move = Move(redis_cluster, f"{{{tag:02}}}")
        with move.under_way():
            with pytest.raises(StoreUnavailable, match="the cluster is changing"):
                await claim(store, "o2", ["a", *others])
            assert await store.committed(["o1"]) == {"o1": 0}, "others are answered; what it knows of the cluster is old now"
        with pytest.raises(StoreUnavailable, match="the cluster is changing"):
            await claim(store, "o2", ["a", *others])  # it is told where the slot is now

        assert await claim(store, "o2", ["a", *others]) == [Claim("o1", 1, 7), *[None] * len(others)]


class Move:
    """A slot that goes from the master that has it to another."""

    def __init__(self, cluster: RedisCluster, tag: str) -> None:
        clients: list[Any] = [node.client() for node in cluster.nodes]
        self._slot: Any = clients[0].execute_command("CLUSTER KEYSLOT", tag)
        ids = [client.execute_command("CLUSTER MYID").decode() for client in clients]
        (source,) = [n for n, client in enumerate(clients) if client.execute_command("CLUSTER COUNTKEYSINSLOT", self._slot)]
        target = (source + 1) % len(clients)
        self._clients = clients
        self._source, self._target = clients[source], clients[target]
        self._source_id, self._target_id = ids[source], ids[target]
        self._target_port = cluster.nodes[target].port

    @contextmanager
    def under_way(self) -> Iterator[None]:
        self._target.execute_command("CLUSTER SETSLOT", self._slot, "IMPORTING", self._source_id)
        self._source.execute_command("CLUSTER SETSLOT", self._slot, "MIGRATING", self._target_id)
        yield
        while keys := self._source.execute_command("CLUSTER GETKEYSINSLOT", self._slot, 100):
            self._source.execute_command("MIGRATE", HOST, self._target_port, "", 0, 5_000, "KEYS", *keys)
        for client in (self._target, *self._clients):
            client.execute_command("CLUSTER SETSLOT", self._slot, "NODE", self._target_id)
        for client in self._clients:
            client.close()
