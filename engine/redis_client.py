"""Clients of Redis, made from the settings: the one place that knows how this service connects.

In: the settings and the number of a database. Out: clients of redis-py, which answer in bytes. Rule of the file: nothing is connected here;
connections are made by the first request, and again whenever they are gone.
"""

import asyncio
import re
from collections.abc import Awaitable, Iterable
from typing import Any, Final

from pydantic import SecretStr
from redis.asyncio import BlockingConnectionPool, Connection, Redis, RedisCluster, SSLConnection
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError

from engine.errors import SettingsInvalid
from engine.settings import RedisSettings
from engine.settings_values import RedisAddress, secret_given

REDIS_FAILURES: Final = (RedisError, RedisClusterException, OSError)
"""Everything that redis-py raises where a request was not answered as it should be."""

_OF_SCRIPTS: Final = re.compile(
    r"^Error running script \(call to f_[0-9a-f]+\): |@user_script: ?[0-9]+: (?:-(?=[A-Z]))?| script: f_[0-9a-f]+, on @user_script:[0-9]+\.?$"
)
"""What Redis says of a script before its fault, up to version 6, or after it."""

_FIRST_WAIT_S: Final = 0.02
_LONGEST_WAIT_S: Final = 0.5


async def _cancelled_in_truth(connection: Connection, written: Awaitable[None]) -> None:
    """Wait for a request to be written, and raise CancelledError where the task was cancelled meanwhile.

    redis-py writes by `asyncio.wait_for`, which up to Python 3.11 keeps a cancellation to itself where it comes in the same turn of the loop
    as the end of the write (https://github.com/python/cpython/issues/86296): a third of all that come soon after a request was begun.
    """
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    try:
        await written
    finally:
        if task is not None and task.cancelling() > before:
            await connection.disconnect(nowait=True)  # nobody reads the answer: the next request would take it for its own
            raise asyncio.CancelledError


class _Connection(Connection):
    async def send_packed_command(self, *command: Any, **options: Any) -> None:
        await _cancelled_in_truth(self, super().send_packed_command(*command, **options))


class _TlsConnection(SSLConnection):
    async def send_packed_command(self, *command: Any, **options: Any) -> None:
        await _cancelled_in_truth(self, super().send_packed_command(*command, **options))


def redis_client(settings: RedisSettings, db: int) -> "Redis | RedisCluster":
    """A client for one database of the server, or for the cluster, which has but one and takes no number.

    The caller closes it. Raises SettingsInvalid where settings do not go together.
    """
    return cluster_client(settings) if settings.cluster else server_client(settings, settings.address[0], db)


def server_client(settings: RedisSettings, address: RedisAddress, db: int) -> Redis:
    """A client for one server. It has at most `pool_size` connections; a request beyond them waits, as long as for an answer."""
    _check(settings)
    tls = _tls(settings)
    pool = BlockingConnectionPool(
        max_connections=settings.pool_size,
        timeout=settings.timeout_ms / 1000,
        connection_class=_TlsConnection if tls else _Connection,
        host=address.host,
        port=address.port,
        db=db,
        **_common(settings),
        **tls,
    )
    return Redis.from_pool(pool)


def cluster_client(settings: RedisSettings, known: Iterable[RedisAddress] = ()) -> RedisCluster:
    """A client for a cluster, which it gets to know through the nodes in the settings, or others that are `known`. `pool_size` is for each node."""
    _check(settings)
    tls = _tls(settings)
    return RedisCluster(
        startup_nodes=[ClusterNode(address.host, address.port) for address in dict.fromkeys((*settings.address, *known))],
        max_connections=settings.pool_size,
        ssl=bool(tls),
        **_common(settings),
        **tls,
    )


def with_password(settings: RedisSettings) -> RedisSettings:
    """The settings with the password itself where a file has it: for who makes clients in service, when the file may be gone.

    Raises SettingsInvalid where the file cannot be used.
    """
    if settings.password_file is None:
        return settings
    password = secret_given("redis.password", settings.password, settings.password_file)
    return settings.model_copy(update={"password": SecretStr(password or ""), "password_file": None})


def failure_text(error: BaseException) -> str:
    """What went wrong, in one line, without the request that it happened to, or the script and its line."""
    text = _OF_SCRIPTS.sub("", " ".join(str(error).split())).rstrip(". ") or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}…"


def _common(settings: RedisSettings) -> dict[str, Any]:
    return {
        "username": settings.username,
        "password": secret_given("redis.password", settings.password, settings.password_file),
        "socket_connect_timeout": settings.connect_timeout_ms / 1000,
        "socket_timeout": settings.timeout_ms / 1000,
        "retry": Retry(ExponentialBackoff(_LONGEST_WAIT_S, _FIRST_WAIT_S), settings.retries, (RedisConnectionError,)),
    }


def _tls(settings: RedisSettings) -> dict[str, Any]:
    """What redis-py wants to be told of TLS; nothing where there is none."""
    if not settings.tls:
        return {}
    options = {"tls_ca_file": "ssl_ca_certs", "tls_cert_file": "ssl_certfile", "tls_key_file": "ssl_keyfile"}
    files = {name: path for name in options if (path := getattr(settings, name)) is not None}
    for name, path in files.items():
        if not path.is_file():
            raise SettingsInvalid(f"`redis.{name}` is `{path}` (REDIS_{name.upper()}): there is no such file")
    return {"ssl_cert_reqs": "required"} | {options[name]: str(path) for name, path in files.items()}


def _check(settings: RedisSettings) -> None:
    """Raises SettingsInvalid where settings do not go together."""
    if len(settings.address) > 1 and not settings.cluster:
        raise SettingsInvalid(
            f"redis.address names {len(settings.address)} servers, `{','.join(settings.address)}`; "
            "name one, or say that they are a cluster: `redis.cluster: true` (REDIS_CLUSTER)"
        )
    if settings.wait_replicas and settings.wait_timeout_ms >= settings.timeout_ms:
        raise SettingsInvalid(
            f"redis.wait_timeout is {settings.wait_timeout_ms}ms and redis.timeout {settings.timeout_ms}ms; "
            "an answer takes as long as the wait for replicas: make the first one shorter"
        )
    if (settings.tls_cert_file is None) != (settings.tls_key_file is None):
        raise SettingsInvalid("redis.tls_cert_file and redis.tls_key_file go together; set both or none")
    if not settings.tls and (settings.tls_ca_file or settings.tls_cert_file):
        raise SettingsInvalid("redis.tls_ca_file and redis.tls_cert_file are for `redis.tls: true` (REDIS_TLS), which is off")
