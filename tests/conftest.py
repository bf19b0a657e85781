"""What all tests share: where the checkout is, and servers that tests of several kinds need. Nothing else belongs here."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.redis_servers import redis_cluster, redis_server

__all__ = ["redis_cluster", "redis_server"]

pytest_plugins = ["tests.servers.kafka"]

# How long an example takes says something about the machine, not about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the unit tests last: where several processes share the tests, none has a long one left when the others are done."""
    quick = Path(__file__).with_name("unit")
    items.sort(key=lambda item: item.path.is_relative_to(quick))


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the checkout."""
    return Path(__file__).parents[1]
