"""What is in memory, and how much may be, as whoever scrapes the service sees it."""

import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance import processes
from tests.acceptance.crews import connections
from tests.acceptance.people import PeopleServer
from tests.acceptance.processes import TIMEOUT_S, Service
from tests.acceptance.samples import answer

WORKERS = 2
LOOKS = 1_000
SOURCE = """\
      from: {http: {url: "http://127.0.0.1:%d/people/{key}", timeout: 30s}}
      max_waiting: 50
"""


def scrape(client: httpx.Client) -> dict[str, float]:
    text = client.get("/metrics").text
    return {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples}


def scrape_until(client: httpx.Client, holds: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    """The first figures that this holds for."""
    for _ in range(LOOKS):
        if holds(figures := scrape(client)):
            return figures
    raise AssertionError(f"it never was so: {figures}")


@pytest.fixture
def project(project: Path, people: PeopleServer) -> Path:
    """The usual project, with people looked up over HTTP, and a test of texts."""
    rules = project / "rules" / "rules.yaml"
    text = rules.read_text().replace("{contains: robot}", "{contains_any: [robot, crawler]}")
    rules.write_text(text.replace("      from: {file: {path: people.json}}\n", SOURCE % people.server_port))
    return project


def test_every_bound_on_memory_has_its_gauges_right_across_workers(project: Path, people: PeopleServer) -> None:
    people.answers.clear()
    with (
        Service(
            project,
            "--workers",
            str(WORKERS),
            ENRICHMENT_SHARED_CACHE="always",
            ENRICHMENT_SHARED_CACHE_MAX_WAITING="70",
            HTTP_MAX_BODIES="1MiB",
            HTTP_MAX_CONNECTIONS="100",
            EVENT_PROCESSOR_REMEMBERED_TEXTS="20",
        ) as service,
        connections(service, 2 * WORKERS) as clients,
    ):
        for number, client in enumerate(clients):
            event = answer(f"e{number}", user=f"u{number}", agent=f"browser {number}")
            assert client.post("/events", json=event).json()["accepted"] == 1
        idle = scrape(clients[0])
        host, port = service.url.removeprefix("http://").split(":")
        senders = [socket.create_connection((host, int(port)), TIMEOUT_S) for _ in range(WORKERS)]
        for sender in senders:
            sender.sendall(b"POST /events HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n" + b" " * 300)
        reading = scrape_until(clients[0], lambda figures: figures["rulemill_body_bytes"] == 300 * WORKERS)
        for sender in senders:
            sender.close()
        people.answers.set()
        gone = ("rulemill_source_waiting_keys", "rulemill_body_bytes")
        scrape_until(clients[0], lambda figures: not any(figures[name] for name in gone))

    assert (idle["rulemill_source_waiting_keys"], idle["rulemill_source_max_waiting_keys"]) == (4, 50 * WORKERS)
    assert (idle["rulemill_remembered_texts"], idle["rulemill_remembered_max_texts"]) == (4, 20 * WORKERS)
    assert (idle["rulemill_connections"], idle["rulemill_max_connections"]) == (4, 100 * WORKERS)
    assert (idle["rulemill_body_bytes"], idle["rulemill_body_max_bytes"]) == (0, WORKERS << 20)
    assert (idle["rulemill_shared_waiting_answers"], idle["rulemill_shared_max_waiting_answers"]) == (0, 70 * WORKERS)
    assert "rulemill_memory_claims" not in idle
    assert reading["rulemill_connections"] == 4 + WORKERS


def test_where_fewer_files_may_be_open_the_gauge_says_how_many_connections_that_leaves(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = ["sh", "-c", 'ulimit -n 300; exec "$@"', "sh", *processes.COMMAND]
    monkeypatch.setattr(processes, "COMMAND", limited)
    with Service(project, HTTP_MAX_CONNECTIONS="5000") as service, httpx.Client(base_url=service.url) as client:
        figures = scrape(client)

    possible = int(figures["rulemill_max_connections"])
    assert 0 < possible < 300
    assert f"may open no more files than for {possible}" in service.log


def test_the_store_in_memory_says_how_many_claims_it_keeps(project: Path) -> None:
    with Service(project, "--store", "memory", MEMORY_MAX_CLAIMS="5000") as service, httpx.Client(base_url=service.url) as client:
        client.post("/events", json=[answer("a"), answer("b"), answer("a")])
        figures = scrape(client)

    assert (figures["rulemill_memory_claims"], figures["rulemill_memory_max_claims"]) == (2, 5000)
    assert "rulemill_shared_max_waiting_answers" not in figures
