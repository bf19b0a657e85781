"""The Redis servers of a run of the tests: started when the first test asks, and stopped at the end.

Tests that share one keep apart by the prefix of their keys, `own_prefix`.
"""

import os
from collections.abc import Iterator
from itertools import count
from typing import Final

import pytest

from tools.servers.faults import CannotRun
from tools.servers.redis import RedisCluster, RedisServer
from tools.servers.redis import redis_server as find_program

_NUMBERS: Final = count(1)


def need_redis() -> None:
    """Skip the test where this machine cannot run a Redis. In CI it has to."""
    try:
        find_program()
    except CannotRun as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no Redis: {error}")


def own_prefix() -> str:
    """What no other test's keys begin with."""
    return f"test-{next(_NUMBERS)}"


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that is there for this run of the tests."""
    need_redis()
    with RedisServer(tmp_path_factory.mktemp("redis"), appendfsync="no") as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """A cluster of three nodes that is there for this run of the tests."""
    need_redis()
    with RedisCluster(tmp_path_factory.mktemp("redis-cluster")) as cluster:
        yield cluster
