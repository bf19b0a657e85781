"""The SQL source: context from rows of a database, a key a query or many.

In: keys. Out: rows as JSON. Rule of the file: the key is bound, never pasted into the query; drivers block, so queries run on threads of their
own, as many as the rule says; nothing is ever committed.
"""

import asyncio
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from typing import Any, Final, cast

import sqlalchemy
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, SQLAlchemyError

from engine.errors import LookupFailed, SettingsInvalid
from engine.event import JsonObject
from engine.ports import Clock, LookupLimits
from engine.rules.model import SourceSpec
from engine.rules.source_settings import PARAMETER
from engine.settings import RedisSettings

_RECYCLE_S: Final = 1_800
_UNACKNOWLEDGED_MS: Final = 10_000
_INTEGERS: Final = range(-(1 << 63), 1 << 64)


@dataclass(frozen=True, slots=True)
class SqlSettings:
    """What to ask. A query with `:keys` answers several at once, and `id_column` says which row is whose."""

    url: str
    query: str
    id_column: str
    limits: LookupLimits


def build(spec: SourceSpec, _clock: Clock, _redis: RedisSettings) -> "SqlSource":
    """The source of a rule. Raises SettingsInvalid where there is no driver for the URL, or it cannot be read."""
    given = cast("Mapping[str, Any]", spec.settings)
    batched = "keys" in PARAMETER.findall(given["query"])
    limits = LookupLimits(given["batch_size"] if batched else 1, given["concurrency"], given["timeout"])
    return SqlSource(SqlSettings(given["url"], given["query"], given["id"], limits))


class SqlSource:
    """Asks a database. Connections are opened by look-ups, one a thread, and kept."""

    def __init__(self, settings: SqlSettings) -> None:
        self.limits = settings.limits
        self._id_column = settings.id_column
        self._query = sqlalchemy.text(settings.query)
        self._batched = "keys" in PARAMETER.findall(settings.query)
        if self._batched:
            self._query = self._query.bindparams(sqlalchemy.bindparam("keys", expanding=True))
        self._engine = _engine(settings.url, self.limits)
        self._threads = ThreadPoolExecutor(self.limits.concurrency, thread_name_prefix="enrichment-sql")
        self._free = threading.Semaphore(self.limits.concurrency)

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, JsonObject]:
        """See LookupSource. A query whose time is over keeps its thread until the database lets go of it."""
        if not self._free.acquire(blocking=False):
            raise LookupFailed(f"all {self.limits.concurrency} connections still wait for earlier queries")
        running = self._threads.submit(self._answer, list(keys))
        running.add_done_callback(lambda _: self._free.release())
        return await asyncio.wrap_future(running)

    async def close(self) -> None:
        """See LookupSource. Queries under way are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._engine.dispose)

    def _answer(self, keys: list[str]) -> dict[str, JsonObject]:
        """On a thread. Tries once more where the connection turns out to be dead, as all are after a restart of the database."""
        try:
            try:
                return self._rows(keys)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return self._rows(keys)
        except DBAPIError as error:
            raise LookupFailed(f"{type(error.orig).__name__}: {error.orig}") from error
        except SQLAlchemyError as error:
            raise LookupFailed(str(error)) from error

    def _rows(self, keys: list[str]) -> dict[str, JsonObject]:
        """The rows of these keys. A key that the database cannot even compare, such as a word where ids are numbers, has none."""
        try:
            return self._select_many(keys) if self._batched else self._select_one(keys[0])
        except DataError:
            return {} if len(keys) == 1 else {key: row for one in keys for key, row in self._rows([one]).items()}

    def _select_one(self, key: str) -> dict[str, JsonObject]:
        with self._engine.connect() as connection:
            row = connection.execute(self._query, {"key": key}).mappings().first()
        return {} if row is None else {key: _object(row.items())}

    def _select_many(self, keys: Sequence[str]) -> dict[str, JsonObject]:
        with self._engine.connect() as connection:
            rows = connection.execute(self._query, {"keys": list(keys)}).mappings().fetchmany(len(keys) + 1)
        if len(rows) > len(keys):
            raise LookupFailed(f"the query answers with more rows than keys; `{self._id_column}` must be unique")
        if rows and self._id_column not in rows[0]:
            raise LookupFailed(f"the query answers without a column `{self._id_column}`")
        objects = [_object(row.items()) for row in rows]
        return {str(row[self._id_column]): row for row in objects}


def _engine(text: str, limits: LookupLimits) -> Engine:
    try:
        url = make_url(text)
        if url.drivername in {"postgres", "postgresql"}:
            url = url.set(drivername="postgresql+psycopg")
        return sqlalchemy.create_engine(
            url,
            connect_args=_connect_args(url, limits.timeout_ms),
            hide_parameters=True,
            max_overflow=0,
            pool_recycle=_RECYCLE_S,
            pool_size=limits.concurrency,
            poolclass=sqlalchemy.QueuePool,
        )
    except (ArgumentError, ImportError) as error:
        raise SettingsInvalid(
            f"the URL of an enrichment source of kind `sql` cannot be used: {error}; is its driver installed? "
            "For PostgreSQL: pip install 'rulemill[postgresql]'"
        ) from error


def _connect_args(url: URL, timeout_ms: int) -> dict[str, Any]:
    """Have the database itself give up when nobody waits any more, so that the thread is free again; and let it refuse to write."""
    if url.get_backend_name() == "sqlite":
        return {"timeout": timeout_ms / 1000}
    if url.drivername not in {"postgresql+psycopg", "postgresql+psycopg2"}:
        return {}
    arguments: dict[str, Any] = {"connect_timeout": max(2, -(-timeout_ms // 1000)), "tcp_user_timeout": _UNACKNOWLEDGED_MS}
    if "options" not in url.query:
        arguments["options"] = f"-c statement_timeout={timeout_ms} -c default_transaction_read_only=on"
    return arguments


def _object(members: Iterable[tuple[Any, Any]]) -> JsonObject:
    return {str(name): _plain(value) for name, value in members}


def _plain(value: Any) -> Any:
    """A value of a column as JSON has it: numbers as numbers, times and whatever else as text, bytes as hexadecimal."""
    match value:
        case None | bool() | float() | str():
            return value
        case Decimal() if not value.is_finite() or value != value.to_integral_value():
            return float(value)
        case Decimal() | int():
            return int(value) if int(value) in _INTEGERS else float(value)
        case date() | time():
            return value.isoformat()
        case bytes() | memoryview():
            return value.hex()
        case dict():
            return _object(value.items())
        case list() | tuple():
            return [_plain(item) for item in value]
    return str(value)
