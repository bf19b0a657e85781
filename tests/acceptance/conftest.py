"""A working directory with rules, and a service in it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.people import PeopleServer
from tests.acceptance.processes import TIMEOUT_S, Service
from tests.acceptance.samples import write_rules
from tests.acceptance.threads import in_a_thread


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory as a user has it: `rules` in it, and nothing else yet."""
    write_rules(tmp_path / "rules")
    return tmp_path


@pytest.fixture
def service(project: Path) -> Iterator[Service]:
    """A service that listens, in `project`."""
    with Service(project) as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    """A client of `service`."""
    with httpx.Client(base_url=service.url, timeout=TIMEOUT_S) as http:
        yield http


@pytest.fixture
def people() -> Iterator[PeopleServer]:
    """A user service in this process."""
    with PeopleServer() as server, in_a_thread(server):
        yield server
        server.answers.set()
