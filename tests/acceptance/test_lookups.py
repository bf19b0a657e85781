"""The service with a source over HTTP: a user service that answers, hangs and is gone."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.acceptance.processes import TIMEOUT_S, Service, environment
from tests.acceptance.samples import PLANS, answer, read_lines

SOURCE = """\
      from: {http: {url: "http://127.0.0.1:%d/people/{key}", timeout: 30s}}
      cache: {local: {ttl: 5m}}
      breaker: {failures: 2}
"""


class PeopleServer(ThreadingHTTPServer):
    """Answers with a person's plan once `answers` is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Person)
        self.answers = threading.Event()
        self.answers.set()

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asked is gone."""


class Person(BaseHTTPRequestHandler):
    server: PeopleServer

    def do_GET(self) -> None:
        self.server.answers.wait(TIMEOUT_S)
        plan = PLANS.get(self.path.rsplit("/", 1)[1])
        body = json.dumps({"plan": plan}).encode()
        self.send_response(200 if plan else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def people() -> Iterator[PeopleServer]:
    with PeopleServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.answers.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def project(project: Path, people: PeopleServer) -> Path:
    """The usual project, with people looked up over HTTP."""
    rules = project / "rules" / "rules.yaml"
    text = rules.read_text()
    assert "      from: {file: {path: people.json}}\n" in text
    rules.write_text(text.replace("      from: {file: {path: people.json}}\n", SOURCE % people.server_port))
    return project


def send(client: httpx.Client, identity: str, user: str) -> None:
    response = client.post("/events", json=answer(identity, user=user))
    assert response.json()["accepted"] == 1


def test_events_are_enriched_over_http_and_go_on_when_the_service_hangs_or_is_gone(
    client: httpx.Client, service: Service, project: Path, people: PeopleServer
) -> None:
    send(client, "found", "u3")
    send(client, "nowhere", "nobody")
    people.answers.clear()
    send(client, "kept", "u3")
    send(client, "slow", "u4")
    people.shutdown()
    people.server_close()
    for number in range(3):
        send(client, f"gone{number}", f"u{5 + number}")

    assert service.terminate() == 0
    records = {line["id"]: line["enrichment"] for line in read_lines(project / "out" / "events.enriched.ndjson")}
    assert {identity: (found.get("person"), found["status"]["person"]) for identity, found in records.items()} == {
        "found": ({"plan": "premium"}, "fresh"),
        "nowhere": (None, "negative"),
        "kept": ({"plan": "premium"}, "fresh"),
        "slow": (None, "timeout"),
        "gone0": (None, "timeout"),
        "gone1": (None, "timeout"),
        "gone2": (None, "breaker_open"),
    }
    assert service.log.count("enrichment source `person` (http) fails") == 1


def test_a_library_for_look_ups_is_loaded_only_where_a_rule_needs_it() -> None:
    code = "import sys, engine.cli.main; print([name for name in ('aiohttp', 'sqlalchemy') if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout == "[]\n"
