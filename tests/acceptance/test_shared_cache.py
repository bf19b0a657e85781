"""Two services that share what they look up: the second does not ask for what the first has found."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.processes import TIMEOUT_S, Service
from tests.acceptance.samples import answer, read_lines, write_rules
from tests.acceptance.threads import in_a_thread
from tests.redis_servers import own_prefix
from tools.servers.redis import RedisServer

SOURCE = """\
      from: {http: {url: "http://127.0.0.1:%d/people/{key}", timeout: 30s}}
      cache: {local: {ttl: 5m}, shared: {ttl: 15m}, negative_ttl: 30s}
"""


class People(BaseHTTPRequestHandler):
    """Says of everybody but `nobody` which plan he has, and keeps what it was asked."""

    server: "PeopleServer"

    def do_GET(self) -> None:
        user = self.path.rsplit("/", 1)[1]
        self.server.asked.append(user)
        body = json.dumps(None if user == "nobody" else {"plan": f"plan of {user}"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


class PeopleServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), People)
        self.asked: list[str] = []


@pytest.fixture
def people() -> Iterator[PeopleServer]:
    with PeopleServer() as server, in_a_thread(server):
        yield server


@pytest.fixture
def services(tmp_path: Path, people: PeopleServer, redis_server: RedisServer) -> Iterator[list[Service]]:
    """Two of them, each with state of its own."""
    prefix = own_prefix()
    with ExitStack() as stack:
        running = []
        for name in ("one", "other"):
            directory = tmp_path / name
            directory.mkdir()
            rules = write_rules(directory / "rules") / "rules.yaml"
            text = rules.read_text()
            rules.write_text(text.replace("      from: {file: {path: people.json}}\n", SOURCE % people.server_port))
            variables = {
                "REDIS_ADDRESS": redis_server.address,
                "REDIS_PREFIX": prefix,
                "ENRICHMENT_SHARED_CACHE": "always",
                "ENRICHMENT_SHARED_CACHE_TIMEOUT": "10s",
            }
            running.append(stack.enter_context(Service(directory, **variables)))
        yield running


def counted(service: Service) -> dict[str, Any]:
    person: dict[str, Any] = httpx.get(f"{service.url}/processor/enrichment", timeout=TIMEOUT_S).json()["sources"]["person"]
    return person


def wait_for_keys(server: RedisServer, prefix: str, number: int) -> None:
    """Return when so many answers are shared: they are written after the event is answered."""
    deadline_s = time.monotonic() + TIMEOUT_S
    with server.client(db=1) as admin:
        while len(admin.keys(f"{prefix}:e:*")) != number:
            assert time.monotonic() < deadline_s, "the answers are not shared"
            time.sleep(0.01)


def test_what_one_service_has_found_the_other_does_not_ask_for(
    services: list[Service], people: PeopleServer, redis_server: RedisServer
) -> None:
    one, other = services
    for service in services:
        for user in ("u1", "nobody"):
            httpx.post(f"{service.url}/events", json=answer(f"of {user}", user=user), timeout=TIMEOUT_S).raise_for_status()
        wait_for_keys(redis_server, service.variables["REDIS_PREFIX"], 2)

    assert people.asked == ["u1", "nobody"]
    assert counted(one)["fetched"] == 1
    assert counted(other)["hits"] == {"local": 0, "shared": 1}
    assert (counted(other)["requests"], counted(other)["negative"], counted(other)["shared_skipped"]) == (0, 1, 0)
    for service in services:
        assert service.terminate() == 0
        records = read_lines(service.directory / "out" / "events.enriched.ndjson")
        assert [record["enrichment"].get("person") for record in records] == [{"plan": "plan of u1"}, None]
        assert [record["enrichment"]["status"]["person"] for record in records] == ["fresh", "negative"]
