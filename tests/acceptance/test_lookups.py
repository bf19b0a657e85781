"""The service with a source over HTTP: a user service that answers, hangs and is gone."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.acceptance.people import PeopleServer
from tests.acceptance.processes import Service, environment
from tests.acceptance.samples import answer, read_lines

SOURCE = """\
      from: {http: {url: "http://127.0.0.1:%d/people/{key}", timeout: 30s}}
      cache: {local: {ttl: 5m}}
      breaker: {failures: 2}
"""


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

    (reason,) = client.get("/processor/status").json()["reasons"]
    assert reason.startswith(f"source `person`: its breaker is open; http: no connection to 127.0.0.1:{people.server_port}: ")
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
