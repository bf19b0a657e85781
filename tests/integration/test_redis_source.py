"""The Redis source against a real server and a real cluster."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import MovedError

from engine.enrichment.kinds import build_place
from engine.errors import LookupFailed, SettingsInvalid
from engine.ports import LookupSource
from engine.rules.model import SourceSpec
from engine.rules.source_settings import BUILT_IN_SOURCES
from engine.settings import RedisSettings
from engine.settings_values import RedisAddress
from engine.testing import ManualClock
from tests.redis_servers import need_redis, own_prefix
from tools.servers.redis import RedisCluster, RedisServer

DEFAULTS = {name: setting.default for name, setting in BUILT_IN_SOURCES["redis"].settings.items() if setting.default is not None}


@asynccontextmanager
async def source(redis: RedisSettings, **settings: Any) -> AsyncIterator[LookupSource]:
    built = build_place(SourceSpec("redis", {**DEFAULTS, **settings}), ManualClock(), redis)
    try:
        yield built
    finally:
        await built.close()


def own(server: RedisServer, **others: Any) -> RedisSettings:
    return RedisSettings(address=(RedisAddress(server.address),), **others)


async def test_an_object_is_an_answer_and_what_is_not_there_or_null_is_one_too(redis_server: RedisServer) -> None:
    prefix = own_prefix()
    with redis_server.client(db=1) as admin:
        admin.set(f"{prefix}:u1", '{"plan": "free", "visits": 3}')
        admin.set(f"{prefix}:u2", "null")
        admin.set(f"{prefix}:ü", "{}")
    async with source(own(redis_server), key=f"{prefix}:{{key}}") as users:
        assert await users.lookup(["u1", "u2", "nobody", "ü", ""]) == {"u1": {"plan": "free", "visits": 3}, "ü": {}}


@pytest.mark.parametrize(
    ("value", "found"),
    [("hash", {"plan": "free", "visits": "3"}), ("hash_of_json", {"plan": "free", "visits": 3})],
)
async def test_a_hash_is_an_answer_of_text_or_of_json(redis_server: RedisServer, value: str, found: dict[str, Any]) -> None:
    prefix = own_prefix()
    plan = "free" if value == "hash" else '"free"'
    with redis_server.client(db=1) as admin:
        admin.hset(f"{prefix}:u1", mapping={"plan": plan, "visits": "3"})
    async with source(own(redis_server), key=f"{prefix}:{{key}}", value=value) as users:
        assert await users.lookup(["u1", "nobody"]) == {"u1": found}


@pytest.mark.parametrize(
    ("text", "value", "message"),
    [
        ("{", "json", "the value cannot be read"),
        (b"\xff", "json", "the value cannot be read"),
        ("{}", "hash", "WRONGTYPE"),
        (None, "json", "WRONGTYPE"),
    ],
)
async def test_what_is_there_and_is_not_what_the_rule_says_is_no_answer_for_its_key_alone(
    redis_server: RedisServer, text: str | bytes | None, value: str, message: str
) -> None:
    prefix = own_prefix()
    with redis_server.client(db=1) as admin:
        if text is None:
            admin.hset(f"{prefix}:u1", "plan", "free")
        else:
            admin.set(f"{prefix}:u1", text)
        if value == "hash":
            admin.hset(f"{prefix}:u2", "plan", "paid")
        else:
            admin.set(f"{prefix}:u2", '{"plan": "paid"}')
    async with source(own(redis_server), key=f"{prefix}:{{key}}", value=value) as users:
        found = dict(await users.lookup(["u1", "u2", "nobody"]))

    why = found.pop("u1")
    assert isinstance(why, LookupFailed)
    assert message in str(why)
    assert found == {"u2": {"plan": "paid"}}


async def test_a_url_names_another_server_and_its_database(redis_server: RedisServer) -> None:
    prefix = own_prefix()
    with redis_server.client(db=5) as admin:
        admin.set(f"{prefix}:u1", '{"db": 5}')
        admin.acl_setuser("cache", enabled=True, passwords=["+p@ss"], commands=["+get", "+select"], keys=["*"])
    away = RedisSettings(address=(RedisAddress("localhost:1"),))
    url = f"redis://cache:p%40ss@{redis_server.address}/5"
    async with source(away, key=f"{prefix}:{{key}}", url=url) as users:
        assert await users.lookup(["u1"]) == {"u1": {"db": 5}}


@pytest.mark.parametrize("url", ["redis://host:99999", "redis://host:6379/x"])
def test_a_url_that_cannot_be_used_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="the URL of an enrichment source in Redis cannot be used") as refused:
        build_place(SourceSpec("redis", {**DEFAULTS, "key": "{key}", "url": url}), ManualClock(), RedisSettings())
    assert url not in str(refused.value)


async def test_a_cluster_is_asked_wherever_its_keys_are(redis_cluster: RedisCluster) -> None:
    prefix = own_prefix()
    redis = RedisSettings(address=(RedisAddress(redis_cluster.nodes[0].address),), cluster=True)
    names = [f"u{number}" for number in range(60)]
    for node in redis_cluster.nodes:
        with node.client() as admin:
            for name in names:
                with suppress(MovedError):
                    admin.set(f"{prefix}:{name}", json.dumps({"name": name}))
    async with source(redis, key=f"{prefix}:{{key}}") as users:
        assert await users.lookup([*names, "nobody"]) == {name: {"name": name} for name in names}


async def test_a_server_that_is_gone_or_stands_still_is_no_answer_and_one_that_is_back_is_one(tmp_path: Path) -> None:
    need_redis()
    with RedisServer(tmp_path, appendfsync="no") as server:
        with server.client(db=1) as admin:
            admin.set("user:u1", "{}")
        redis = own(server, timeout_ms=200, retries=0)
        async with source(redis, key="user:{key}") as users:
            assert await users.lookup(["u1"]) == {"u1": {}}
            server.pause()
            with pytest.raises(LookupFailed, match="no answer"):
                await users.lookup(["u1"])
            server.resume()
            assert await users.lookup(["u1"]) == {"u1": {}}
            server.kill()
            with pytest.raises(LookupFailed, match="no answer"):
                await users.lookup(["u1"])
            await asyncio.to_thread(server.start)
            assert await users.lookup(["u1"]) == {"u1": {}}
