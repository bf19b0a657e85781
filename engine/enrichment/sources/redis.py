"""A source of context in Redis: a key for each key that is looked up, as JSON or as a hash.

In: keys. Out: an object for each that is there. Rule of the file: nothing is ever written; what is there and is not what the rule says is no
answer, so that it cannot pass for a key that is not known.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

import orjson
from pydantic import SecretStr
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import ResponseError

from engine.errors import LookupFailed, SettingsInvalid
from engine.event import JsonObject
from engine.ports import Clock, LookupLimits
from engine.redis_client import REDIS_FAILURES, failure_text, redis_client
from engine.rules.model import SourceSpec
from engine.settings import RedisSettings
from engine.settings_values import RedisAddress

JSON: Final = "json"
HASH: Final = "hash"
HASH_OF_JSON: Final = "hash_of_json"


def build(spec: SourceSpec, _clock: Clock, redis: RedisSettings) -> "RedisSource":
    """The source of a rule, in the Redis of its URL or in the engine's own. Raises SettingsInvalid where that cannot be used."""
    given = cast("Mapping[str, Any]", spec.settings)
    limits = LookupLimits(given["batch_size"], given["concurrency"], given["timeout"])
    url = given.get("url")
    client = redis_client(redis, redis.enrichment_db) if url is None else _client_of(url, redis, limits)
    return RedisSource(client, given["key"], given["value"], limits)


class RedisSource:
    """Reads what `key` names, `{key}` in it replaced. It owns the client, which connects with the first look-up."""

    def __init__(self, client: "Redis | RedisCluster", key: str, value: str, limits: LookupLimits) -> None:
        self.limits = limits
        self._client = client
        self._key = key
        self._is_hash = value != JSON
        self._read_member = orjson.loads if value == HASH_OF_JSON else bytes.decode

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, JsonObject | LookupFailed]:
        """See LookupSource."""
        try:
            values = await self._ask([self._key.replace("{key}", key).encode() for key in keys])
        except REDIS_FAILURES as error:
            raise LookupFailed(f"no answer: {failure_text(error)}") from error
        rows = {key: self._row_or_why_not(value) for key, value in zip(keys, values, strict=True)}
        return {key: row for key, row in rows.items() if row is not None}

    async def close(self) -> None:
        """See LookupSource."""
        await self._client.aclose()

    async def _ask(self, names: Sequence[bytes]) -> list[Any]:
        """All in one request, to a cluster in one to each node that has some of them."""
        if isinstance(self._client, RedisCluster):
            pipeline: Any = self._client.pipeline()
        else:
            pipeline = self._client.pipeline(transaction=False)
        for name in names:
            if self._is_hash:
                pipeline.hgetall(name)
            else:
                pipeline.get(name)
        values: list[Any] = await pipeline.execute(raise_on_error=False)
        for value in values:
            if isinstance(value, Exception) and not _is_of_one_key(value):
                raise value
        return values

    def _row_or_why_not(self, value: Any) -> JsonObject | LookupFailed | None:
        if isinstance(value, Exception):
            return LookupFailed(f"the value is of another kind than the rule says: {value}")
        try:
            if self._is_hash:
                return {name.decode(): self._read_member(text) for name, text in value.items()} or None
            row: JsonObject | None = None if value is None else orjson.loads(value)
        except ValueError as error:
            return LookupFailed(f"the value cannot be read: {error}")
        return row


def _is_of_one_key(error: Exception) -> bool:
    """Whether an error says something of what a key holds, and nothing of the server."""
    return isinstance(error, ResponseError) and str(error).startswith("WRONGTYPE")


def _client_of(url: str, redis: RedisSettings, limits: LookupLimits) -> "Redis | RedisCluster":
    """A client for another Redis than the engine's; how it connects is set as for that one."""
    try:
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
        db = int(parts.path.strip("/") or 0)
        others = {
            "address": (RedisAddress(f"{host}:{parts.port or 6379}"),),
            "cluster": False,
            "username": unquote(parts.username) if parts.username else None,
            "password": SecretStr(unquote(parts.password)) if parts.password else None,
            "password_file": None,
            "tls": parts.scheme == "rediss",
            "pool_size": limits.concurrency,
        }
    except ValueError as error:
        raise SettingsInvalid(f"the URL of an enrichment source in Redis cannot be used: {error}") from error
    if parts.scheme != "rediss":
        others |= {"tls_ca_file": None, "tls_cert_file": None, "tls_key_file": None}
    return redis_client(redis.model_copy(update=others), db)
