"""Clients made from settings, against a real server and a real cluster."""

import asyncio
import os
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis.exceptions import ResponseError

from engine.errors import SettingsInvalid
from engine.redis_client import REDIS_FAILURES, cluster_client, failure_text, redis_client, server_client
from engine.settings import RedisSettings
from engine.settings_values import RedisAddress
from tests.integration.answer_dropping_proxy import proxy_to
from tests.redis_servers import own_prefix
from tools.servers.redis import RedisCluster, RedisServer


def settings(*addresses: str, **others: Any) -> RedisSettings:
    return RedisSettings(address=tuple(map(RedisAddress, addresses)), **others)


async def test_databases_of_one_server_keep_apart(redis_server: RedisServer) -> None:
    key = own_prefix()
    first, second = (redis_client(settings(redis_server.address), db) for db in (1, 2))
    try:
        await first.set(key, "one")

        assert await first.get(key) == b"one"
        assert await second.get(key) is None
    finally:
        await first.aclose()
        await second.aclose()


@pytest.mark.parametrize("turns", range(12))
async def test_a_request_that_is_cancelled_ends_so_at_whichever_moment_that_comes(redis_server: RedisServer, turns: int) -> None:
    client = redis_client(settings(redis_server.address), 1)
    try:
        await client.set(own_prefix(), "a connection is open now")
        asking = asyncio.ensure_future(client.set(own_prefix(), "one"))
        for _ in range(turns):
            await asyncio.sleep(0)
        in_time = asking.cancel()
        await asyncio.wait([asking])

        assert asking.cancelled() == in_time
        key = own_prefix()
        await client.set(key, "two")
        assert await client.get(key) == b"two"
    finally:
        await client.aclose()


async def test_one_node_is_enough_to_reach_every_key_of_a_cluster(redis_cluster: RedisCluster) -> None:
    prefix = own_prefix()
    client = redis_client(settings(redis_cluster.nodes[1].address, cluster=True), 3)
    try:
        for number in range(20):
            await client.set(f"{prefix}:{number}", number)

        assert [await client.get(f"{prefix}:{number}") for number in range(20)] == [b"%d" % number for number in range(20)]
    finally:
        await client.aclose()


async def test_a_user_with_a_password_is_let_in(redis_server: RedisServer) -> None:
    with redis_server.client() as admin:
        admin.acl_setuser("anna", enabled=True, passwords=["+secret"], commands=["+acl|whoami"])
    as_anna = settings(redis_server.address, username="anna", password=SecretStr("secret"))
    anna = server_client(as_anna, RedisAddress(redis_server.address), 0)
    try:
        assert await anna.acl_whoami() in (b"anna", "anna")
    finally:
        await anna.aclose()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for this machine that vouches for itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        assert not os.environ.get("CI"), "CI needs `openssl`"
        pytest.skip("no `openssl`: no certificate can be made")
    made, key = tmp_path / "redis.pem", tmp_path / "redis.key"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=redis", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    return made, key


async def test_with_tls_only_a_server_with_a_trusted_certificate_is_talked_to(
    redis_server: RedisServer, certificate: tuple[Path, Path]
) -> None:
    made, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    async with proxy_to(redis_server.port, context) as proxy:
        trusting = redis_client(settings(proxy.address, tls=True, tls_ca_file=made), 0)
        doubting = redis_client(settings(proxy.address, tls=True), 0)
        plain = redis_client(settings(proxy.address, retries=0), 0)
        try:
            assert await trusting.ping()
            with pytest.raises(REDIS_FAILURES, match="certificate verify failed"):
                await doubting.ping()
            with pytest.raises(REDIS_FAILURES):
                await plain.ping()
        finally:
            for client in (trusting, doubting, plain):
                await client.aclose()


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"wait_replicas": 1, "wait_timeout": 3_000}, "redis.wait_timeout is 3000ms and redis.timeout 2000ms"),
        ({"tls": True, "tls_ca_file": Path("no-such-file")}, "`redis.tls_ca_file` is `no-such-file`"),
        ({"tls": True, "tls_key_file": Path("a.key")}, "redis.tls_cert_file and redis.tls_key_file go together"),
        ({"tls_ca_file": Path("ca.pem")}, "are for `redis.tls: true`"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(others: dict[str, Any], message: str) -> None:
    for make in (lambda one: redis_client(one, 0), cluster_client):
        with pytest.raises(SettingsInvalid, match=message):
            make(settings("localhost", **others))


async def test_an_answer_may_be_waited_for_as_briefly_as_one_likes_where_no_replicas_are(redis_server: RedisServer) -> None:
    client = redis_client(settings(redis_server.address, timeout=500, wait_timeout=500, wait_replicas=0), 0)
    try:
        assert await client.ping()
    finally:
        await client.aclose()


def test_several_servers_have_to_be_a_cluster() -> None:
    with pytest.raises(SettingsInvalid, match=r"names 2 servers, `a:1,b:2`.*REDIS_CLUSTER"):
        redis_client(settings("a:1", "b:2"), 0)


def test_a_failure_is_one_short_line() -> None:
    assert failure_text(OSError("no\nroute ")) == "no route"
    assert failure_text(TimeoutError()) == "TimeoutError"
    assert len(failure_text(OSError("x" * 10_000))) == 201


@pytest.mark.parametrize(
    "said",
    [
        "Error running script (call to f_8965b97340346d08): @user_script:5: @user_script: 5: -OOM command not allowed when used memory > 'maxmemory'.",
        "OOM command not allowed when used memory > 'maxmemory'. script: f_8965b97340346d08, on @user_script:5.",
        "OOM command not allowed when used memory > 'maxmemory'.",
    ],
    ids=["Redis 6", "Redis 7", "no script"],
)
def test_a_fault_in_a_script_is_told_without_the_script(said: str) -> None:
    assert failure_text(ResponseError(said)) == "OOM command not allowed when used memory > 'maxmemory'"
