"""What is refused at the start: servers that would lose or refuse state later, and those that are not there."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from engine.clock import SystemClock
from engine.errors import SettingsInvalid
from engine.ports import FREE, Change, Claim, Group, Partial, StateStore, StoredPartial
from engine.settings import RedisSettings, Settings
from engine.settings_values import RedisAddress
from engine.state.opening import open_store
from tests.redis_servers import own_prefix
from tools.servers.ports import free_ports
from tools.servers.redis import RedisCluster, RedisServer


def redis_settings_of(address: str, **others: Any) -> Settings:
    return Settings(store="redis", redis=RedisSettings(address=(RedisAddress(address),), **others))


@asynccontextmanager
async def store(address: str, **others: Any) -> AsyncIterator[None]:
    opened = await open_store(redis_settings_of(address, **others), SystemClock())
    try:
        yield
    finally:
        await opened.close()


async def refusal(address: str, **others: Any) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        async with store(address, **others):
            pass
    return str(caught.value)


async def test_a_server_that_is_fit_is_taken(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async with store(redis_server.address):
        assert not caplog.records


async def test_a_cluster_that_is_fit_is_taken(redis_cluster: RedisCluster, caplog: pytest.LogCaptureFixture) -> None:
    async with store(redis_cluster.nodes[2].address, cluster=True):
        assert not caplog.records


async def test_a_server_that_forgets_when_memory_is_short_is_refused(redis_server: RedisServer) -> None:
    with redis_server.client() as admin:
        admin.config_set("maxmemory-policy", "allkeys-lru")
        try:
            said = await refusal(redis_server.address)
        finally:
            admin.config_set("maxmemory-policy", "noeviction")

    assert said.startswith(f"redis: the server at `{redis_server.address}` has the maxmemory-policy `allkeys-lru`")
    assert "config set maxmemory-policy noeviction" in said


async def test_one_master_of_a_cluster_that_forgets_is_enough_to_refuse(redis_cluster: RedisCluster) -> None:
    with redis_cluster.nodes[2].client() as admin:
        admin.config_set("maxmemory-policy", "volatile-ttl")
        try:
            said = await refusal(redis_cluster.nodes[0].address, cluster=True)
        finally:
            admin.config_set("maxmemory-policy", "noeviction")

    assert f"`{redis_cluster.nodes[2].address}` has the maxmemory-policy `volatile-ttl`" in said


async def test_a_replica_is_refused_and_its_master_named(redis_server: RedisServer, tmp_path: Path) -> None:
    with RedisServer(tmp_path, replicaof=f"127.0.0.1 {redis_server.port}") as replica:
        said = await refusal(replica.address)

    assert f"`{replica.address}` is a replica, of `{redis_server.address}`; name its master" in said


async def test_a_wrong_password_is_told_as_one(redis_server: RedisServer, tmp_path: Path) -> None:
    del redis_server
    with RedisServer(tmp_path, requirepass="right") as server:
        without, wrong = await refusal(server.address), await refusal(server.address, password=SecretStr("wrong"))
        (tmp_path / "password").write_text("right\n")
        async with store(server.address, password_file=tmp_path / "password"):
            pass
        async with store(server.address, password=SecretStr("right")):
            pass

    for said in (without, wrong):
        assert said.startswith(f"redis: the server at `{server.address}` does not let us in: ")
        assert "REDIS_PASSWORD" in said
        assert "wrong;" not in said


async def test_a_user_that_may_not_ask_is_told_as_one(redis_server: RedisServer) -> None:
    with redis_server.client() as admin:
        admin.acl_setuser("poor", enabled=True, passwords=["+secret"], commands=["+get", "+hello"])
    said = await refusal(redis_server.address, username="poor", password=SecretStr("secret"))

    assert f"`{redis_server.address}` forbids what is needed: " in said


async def test_the_user_of_the_documentation_may_do_what_is_needed(
    checkout: Path, redis_server: RedisServer, redis_cluster: RedisCluster
) -> None:
    page = (checkout / "docs" / "redis.md").read_text("utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith("ACL SETUSER ")]
    prefix = own_prefix()
    for server in (redis_server, *redis_cluster.nodes):
        with server.client() as admin:
            admin.execute_command(*line.replace("rulemill", prefix).split())
    as_user = {"username": prefix, "password": SecretStr("PASSWORD"), "prefix": prefix}

    for server, cluster in ((redis_server, False), (redis_cluster.nodes[0], True)):
        settings = redis_settings_of(server.address, cluster=cluster, **as_user)
        opened = await open_store(settings, SystemClock())
        try:
            await use_everything(opened)
        finally:
            await opened.close()


async def use_everything(store: StateStore) -> None:
    group, held = Group("hits@1", "user:1", 0), Claim("o1", 1, 7)
    assert await store.open("o1", 60_000)
    assert await store.claim("o1", 1, ["a"], [7], [60_000]) == [None]
    assert await store.settle([Change("a", held, held._replace(mark=FREE))]) == [held._replace(mark=FREE)]
    await store.write_partials("o1", [Partial(group, 1, b"", 0, b"", 1 << 50)])
    assert await store.keep("o1", 1, 60_000, 0) == 1
    assert await store.own_partials("o1", [group]) == [StoredPartial(group, "o1", 1, b"", 0, b"")]
    assert [len(rows) async for rows in store.scan("hits@1", 0, 1)] == [1]
    assert await store.committed(["o1"]) == {"o1": 1}
    await store.end("o1")
    assert (await store.judge("o1")).gone


async def test_a_server_that_is_not_there_is_told_as_that() -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"

    for cluster in (False, True):
        said = await refusal(address, cluster=cluster)
        assert said.startswith(f"redis: the server at `{address}` cannot be used: ")
        assert "REDIS_ADDRESS" in said


async def test_a_cluster_is_not_taken_for_a_server_nor_a_server_for_a_cluster(
    redis_server: RedisServer, redis_cluster: RedisCluster
) -> None:
    node, alone = redis_cluster.nodes[0].address, redis_server.address

    assert (
        await refusal(node) == f"redis: the server at `{node}` is a node of a cluster; set `redis.cluster: true` (REDIS_CLUSTER)"
    )
    assert "is no node of a cluster; set `redis.cluster: false`" in await refusal(alone, cluster=True)


async def test_a_database_that_the_server_does_not_have_is_refused(redis_server: RedisServer) -> None:
    said = await refusal(redis_server.address, aggregation_db=99)

    assert "DB index is out of range" in said
    assert "redis.aggregation_db" in said


async def test_a_server_that_forgets_when_it_restarts_is_taken_with_a_warning(
    redis_server: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    del redis_server
    with RedisServer(tmp_path, appendonly="no") as server, caplog.at_level(logging.WARNING):
        async with store(server.address):
            pass

    assert any(f"`{server.address}` keeps no append-only file" in record.getMessage() for record in caplog.records)
