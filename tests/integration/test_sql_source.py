"""The SQL source against real databases: SQLite and PostgreSQL."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy

from engine.enrichment.kinds import build_place
from engine.enrichment.sources.sql import SqlSource
from engine.errors import LookupFailed, SettingsInvalid
from engine.rules.model import SourceSpec
from engine.rules.source_settings import BUILT_IN_SOURCES
from engine.settings import RedisSettings
from engine.testing import ManualClock

DEFAULTS = {name: setting.default for name, setting in BUILT_IN_SOURCES["sql"].settings.items() if setting.default is not None}
ONE = "select * from users where id = :key"
MANY = "select * from users where id in :keys"


def with_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://")


def run(url: str, *statements: str) -> None:
    engine = sqlalchemy.create_engine(with_driver(url))
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sqlalchemy.text(statement))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with a table of users."""
    url = f"sqlite:///{tmp_path / 'users.db'}" if request.param == "sqlite" else str(request.getfixturevalue("postgresql"))
    run(
        url,
        "create table users (id varchar(20) primary key, plan varchar(20), sessions integer)",
        "insert into users values ('u1', 'free', 3), ('u2', 'paid', null)",
        "create table numbered (id integer primary key, name varchar(20))",
        "insert into numbered values (7, 'seven'), (8, 'eight')",
    )
    yield url
    run(url, "drop table users", "drop table numbered")


@asynccontextmanager
async def source(url: str, query: str = ONE, **settings: Any) -> AsyncIterator[SqlSource]:
    built = build_place(SourceSpec("sql", {**DEFAULTS, "url": url, "query": query, **settings}), ManualClock(), RedisSettings())
    try:
        yield cast("SqlSource", built)
    finally:
        await built.close()


async def test_a_row_is_an_answer_and_so_is_none(database: str) -> None:
    async with source(database) as users:
        assert await users.lookup(["u1"]) == {"u1": {"id": "u1", "plan": "free", "sessions": 3}}
        assert await users.lookup(["u2"]) == {"u2": {"id": "u2", "plan": "paid", "sessions": None}}
        assert await users.lookup(["nobody"]) == {}


async def test_a_query_with_keys_answers_many_at_once(database: str) -> None:
    async with source(database, MANY, batch_size=50) as users:
        assert users.limits.max_keys == 50
        found = await users.lookup(["u2", "nobody", "u1"])
        assert await users.lookup(["u1"]) == {"u1": found["u1"]}

    assert {key: row["plan"] for key, row in found.items()} == {"u1": "free", "u2": "paid"}


async def test_a_key_is_bound_and_never_becomes_part_of_the_query(database: str) -> None:
    for query in (ONE, MANY):
        async with source(database, query) as users:
            assert await users.lookup(["u1' or '1'='1"]) == {}
            assert await users.lookup(["'; drop table users; --"]) == {}
            assert "u1" in await users.lookup(["u1"])


async def test_ids_may_be_numbers_and_a_key_that_is_none_is_just_not_there(database: str) -> None:
    async with source(database, "select name from numbered where id = :key") as users:
        assert await users.lookup(["7"]) == {"7": {"name": "seven"}}
        assert await users.lookup(["seven"]) == {}
    async with source(database, "select * from numbered where id in :keys") as users:
        found = await users.lookup(["7", "seven", "8", "\x00", "9" * 30])
        assert {key: row["name"] for key, row in found.items()} == {"7": "seven", "8": "eight"}


async def test_a_query_that_cannot_run_is_a_failure_that_says_why(database: str) -> None:
    async with source(database, "select * from nowhere where id = :key") as users:
        with pytest.raises(LookupFailed, match="nowhere"):
            await users.lookup(["u1"])


async def test_a_batch_needs_the_column_with_the_key_and_one_row_for_each(database: str) -> None:
    async with source(database, "select plan from users where id in :keys") as users:
        with pytest.raises(LookupFailed, match="without a column `id`"):
            await users.lookup(["u1", "u2"])
    async with source(database, "select 'u1' as id from users where id <> '' or id in :keys") as users:
        with pytest.raises(LookupFailed, match="must be unique"):
            await users.lookup(["u1"])
    async with source(database, "select id as who, plan from users where id in :keys", id="who") as users:
        assert set(await users.lookup(["u1", "u2"])) == {"u1", "u2"}


async def test_look_ups_run_beside_each_other_as_far_as_there_are_connections(database: str) -> None:
    async with source(database, concurrency=3) as users:
        found = await asyncio.gather(*(users.lookup(["u1"]) for _ in range(3)))

    assert [row["u1"]["plan"] for row in found] == ["free"] * 3


async def test_what_a_query_changes_is_never_kept(postgresql: str, tmp_path: Path) -> None:
    sqlite = f"sqlite:///{tmp_path / 'users.db'}"
    run(sqlite, "create table users (id text, plan text)", "insert into users values ('u1', 'free')")
    async with source(sqlite, "update users set plan = 'paid' where id = :key returning plan") as users:
        await users.lookup(["u1"])
    async with source(sqlite) as users:
        assert (await users.lookup(["u1"]))["u1"]["plan"] == "free"
    async with source(postgresql, "create table t as select :key") as users:
        with pytest.raises(LookupFailed, match="read-only"):
            await users.lookup(["u1"])


async def test_values_become_what_json_has(postgresql: str) -> None:
    query = """
        select :key as id, 1.50::numeric as share, 3::numeric as whole, 12345678901234567890123::numeric as huge, 'NaN'::numeric as nan,
            timestamptz '2026-03-01 12:00+00' at time zone 'UTC' as at, date '2026-03-01' as day,
            '2b2f1ec7-6f3a-4f0c-9f56-1f5a9f1d2c3b'::uuid as token, '\\x00ff'::bytea as raw, array[1.5, 2]::numeric[] as levels,
            '{"a": [1, null]}'::jsonb as nested, true as yes
    """
    async with source(postgresql, query) as users:
        row = (await users.lookup(["u1"]))["u1"]

    assert math.isnan(row.pop("nan"))  # type: ignore[arg-type]
    assert row == {
        "id": "u1",
        "share": 1.5,
        "whole": 3,
        "huge": 12345678901234567890123.0,
        "at": "2026-03-01T12:00:00",
        "day": "2026-03-01",
        "token": "2b2f1ec7-6f3a-4f0c-9f56-1f5a9f1d2c3b",
        "raw": "00ff",
        "levels": [1.5, 2],
        "nested": {"a": [1, None]},
        "yes": True,
    }


async def test_the_database_gives_up_a_query_that_nobody_waits_for_and_meanwhile_no_other_waits_behind_it(
    postgresql: str,
) -> None:
    async with source(postgresql, "select pg_sleep(60) where :key <> ''", timeout=200, concurrency=1) as users:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await users.lookup(["u1"])
        with pytest.raises(LookupFailed, match="still wait"):
            await users.lookup(["u1"])
        async with asyncio.timeout(5):
            while True:
                try:
                    await users.lookup(["u1"])
                except LookupFailed as failed:
                    if "statement timeout" in str(failed):
                        break
                await asyncio.sleep(0)


async def test_a_restart_of_the_database_costs_no_look_up(postgresql: str) -> None:
    run(postgresql, "create table users (id text, plan text)", "insert into users values ('u1', 'free')")
    try:
        async with source(postgresql, concurrency=1) as users:
            await users.lookup(["u1"])
            others = (
                "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname is not null"
            )
            run(postgresql, others)

            assert (await users.lookup(["u1"]))["u1"]["plan"] == "free"
    finally:
        run(postgresql, "drop table users")


async def test_a_database_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    for url in ("postgresql://nobody@127.0.0.1:1/x", f"sqlite:///{tmp_path}/none/users.db"):
        async with source(url) as users:
            with pytest.raises(LookupFailed):
                await users.lookup(["u1"])


@pytest.mark.parametrize("url", ["oracle+nodriver://h/d", "mysql://h/d", "nothing://h/d"])
def test_a_database_without_a_driver_is_an_error_at_the_start(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="driver"):
        build_place(SourceSpec("sql", {**DEFAULTS, "url": url, "query": ONE}), ManualClock(), RedisSettings())
