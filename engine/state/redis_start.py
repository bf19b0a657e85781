"""Whether a Redis is fit to keep state, asked once, at the start.

In: the settings. Out: nothing, or SettingsInvalid. Rule of the file: what would lose or refuse state later is refused now, with what to change; what
Redis merely may lose in a crash is logged.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

from redis.exceptions import AuthenticationError, AuthenticationWrongNumberOfArgsError, NoPermissionError

from engine.errors import SettingsInvalid
from engine.redis_client import REDIS_FAILURES, cluster_client, failure_text, server_client
from engine.settings import RedisSettings
from engine.settings_values import RedisAddress
from engine.state.redis_keys import RedisKeys

_log = logging.getLogger(__name__)
_OLDEST: Final = (6, 2)
_NO_LOGIN: Final = "it wants a password"
_TLS_HINT: Final = {True: ", `redis.tls` (REDIS_TLS), which is on", False: ", `redis.tls` (REDIS_TLS), which is off"}
_SECTIONS: Final = ("server", "memory", "replication", "persistence", "cluster")


async def check_redis(settings: RedisSettings) -> None:
    """Ask the server, or every master of the cluster. Raises SettingsInvalid where one cannot be used, with the reason and what to do."""
    if not settings.cluster:
        await _check_server(settings, settings.address[0])
        for name in ("deduplication_db", "aggregation_db"):
            await _check_database(settings, name)
        return
    address, info = await _first_that_answers(settings)
    _check_form(info, address, cluster=True)
    for master in await _masters(settings):
        await _check_server(settings, master)


async def _first_that_answers(settings: RedisSettings) -> tuple[RedisAddress, Mapping[str, Any]]:
    faults = []
    for address in settings.address:
        try:
            return address, await _info(settings, address)
        except SettingsInvalid as error:
            faults.append(error)
    raise faults[0]


async def _masters(settings: RedisSettings) -> list[RedisAddress]:
    client = cluster_client(settings)
    try:
        await client.initialize()
        nodes = client.get_primaries()
    except REDIS_FAILURES as error:
        raise SettingsInvalid(
            f"redis: the cluster at `{','.join(settings.address)}` cannot be used: {failure_text(error)}; "
            "see `CLUSTER INFO` and `CLUSTER SLOTS` there"
        ) from None
    finally:
        await client.aclose()
    return [RedisAddress.of(node.host, int(node.port)) for node in nodes]


async def _check_database(settings: RedisSettings, name: str) -> None:
    address, db = settings.address[0], getattr(settings, name)
    client = server_client(settings, address, db)
    try:
        await client.exists(RedisKeys(settings.prefix).owner("nobody"))
    except REDIS_FAILURES as error:
        raise SettingsInvalid(
            f"redis: database {db} of the server at `{address}` cannot be used: {failure_text(error)}; "
            f"look at `redis.{name}` (REDIS_{name.upper()})"
        ) from None
    finally:
        await client.aclose()


async def _check_server(settings: RedisSettings, address: RedisAddress) -> None:
    info = await _info(settings, address)
    _check_form(info, address, cluster=settings.cluster)
    version = str(info.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        raise SettingsInvalid(f"redis: the server at `{address}` is version {version}; 6.2 or newer is needed")
    if info.get("role") != "master":
        raise SettingsInvalid(
            f"redis: the server at `{address}` is a replica, of `{info.get('master_host')}:{info.get('master_port')}`; "
            "name its master in `redis.address` (REDIS_ADDRESS)"
        )
    if (policy := info.get("maxmemory_policy")) != "noeviction":
        raise SettingsInvalid(
            f"redis: the server at `{address}` has the maxmemory-policy `{policy}`, by which it forgets claims and aggregates when "
            "memory is short; set it to `noeviction`: `redis-cli config set maxmemory-policy noeviction`, and in redis.conf"
        )
    if not info.get("aof_enabled"):
        _log.warning(
            "redis: the server at `%s` keeps no append-only file: what was answered may be forgotten when it restarts; "
            "`appendonly yes` keeps it",
            address,
        )


def _check_form(info: Mapping[str, Any], address: RedisAddress, *, cluster: bool) -> None:
    is_cluster = bool(info.get("cluster_enabled"))
    if is_cluster and not cluster:
        raise SettingsInvalid(
            f"redis: the server at `{address}` is a node of a cluster; set `redis.cluster: true` (REDIS_CLUSTER)"
        )
    if cluster and not is_cluster:
        raise SettingsInvalid(
            f"redis: the server at `{address}` is no node of a cluster; set `redis.cluster: false` (REDIS_CLUSTER)"
        )


async def _info(settings: RedisSettings, address: RedisAddress) -> dict[str, Any]:
    """What the server says of itself. Raises SettingsInvalid where it says nothing."""
    client = server_client(settings, address, 0)
    said: dict[str, Any] = {}
    try:
        for section in _SECTIONS:
            said |= await client.info(section)
    except (AuthenticationError, AuthenticationWrongNumberOfArgsError) as error:
        why = failure_text(error)
        raise SettingsInvalid(
            f"redis: the server at `{address}` does not let us in: {_NO_LOGIN if why.startswith('HELLO must be') else why}; "
            "look at `redis.password` (REDIS_PASSWORD), `redis.password_file` and `redis.username` (REDIS_USERNAME)"
        ) from None
    except NoPermissionError as error:
        raise SettingsInvalid(f"redis: the server at `{address}` forbids what is needed: {failure_text(error)}") from None
    except REDIS_FAILURES as error:
        raise SettingsInvalid(
            f"redis: the server at `{address}` cannot be used: {failure_text(error)}; "
            f"look at `redis.address` (REDIS_ADDRESS){_TLS_HINT[settings.tls]}, and whether it runs"
        ) from None
    finally:
        await client.aclose()
    return said
