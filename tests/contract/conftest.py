"""Every state store there is, each with the time it goes by."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from engine.ports import StateStore
from engine.settings import RedisSettings
from engine.settings_values import RedisAddress
from engine.state.memory import MemoryStateStore
from engine.state.redis import RedisStateStore
from engine.state.redis_compact import CompactRedisStateStore
from engine.state.sqlite import PrivateSqliteStateStore, SqliteStateStore
from engine.testing import ManualClock
from tests.contract.samples import SERVERS
from tests.redis_servers import own_prefix
from tests.redis_time import ServerTime, time_at
from tools.servers.redis import RedisCluster, RedisServer


@pytest.fixture(params=["memory", "sqlite", "sqlite of two workers", "private sqlite", *SERVERS])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def redis(request: pytest.FixtureRequest, kind: str) -> Iterator[tuple[RedisSettings, ServerTime]]:
    """Keys that no other test has, in a server or a cluster, and the time there."""
    prefix = own_prefix()
    if not kind.endswith("cluster"):
        server: RedisServer = request.getfixturevalue("redis_server")
        settings = RedisSettings(address=(RedisAddress(server.address),), prefix=prefix)
        clients = [server.client(db) for db in (settings.aggregation_db, settings.deduplication_db)]
    else:
        cluster: RedisCluster = request.getfixturevalue("redis_cluster")
        settings = RedisSettings(address=(RedisAddress(cluster.nodes[0].address),), cluster=True, prefix=prefix)
        clients = [node.client() for node in cluster.nodes]
    with time_at(clients, prefix) as clock:
        yield settings, clock


class InTurns:
    """The store of two workers over one file: each request comes from the other one."""

    def __init__(self, path: Path, clock: ManualClock) -> None:
        self._stores = [SqliteStateStore(path, clock) for _ in range(2)]

    def __getattr__(self, name: str) -> Any:
        self._stores.reverse()
        return getattr(self._stores[0], name)

    async def close(self) -> None:
        for store in self._stores:
            await store.close()


@pytest.fixture
def clock(request: pytest.FixtureRequest, kind: str) -> ManualClock:
    return request.getfixturevalue("redis")[1] if kind in SERVERS else ManualClock()


@pytest.fixture
async def store(request: pytest.FixtureRequest, kind: str, clock: ManualClock, tmp_path: Path) -> AsyncIterator[StateStore]:
    makers: dict[str, Callable[[], StateStore]] = {
        "memory": lambda: MemoryStateStore(clock),
        "sqlite": lambda: SqliteStateStore(tmp_path / "state.db", clock),
        "sqlite of two workers": lambda: cast("StateStore", InTurns(tmp_path / "state.db", clock)),
        "private sqlite": lambda: PrivateSqliteStateStore(tmp_path / "state.db", clock),
    }
    if kind in SERVERS:
        over = CompactRedisStateStore if kind.startswith("compact") else RedisStateStore
        made: StateStore = over(request.getfixturevalue("redis")[0])
    else:
        made = makers[kind]()
    yield made
    await made.close()
