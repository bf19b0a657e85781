"""The five minutes of the README, as someone walks through them: what it shows is what comes out."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.processes import ROOT, TIMEOUT_S, Service, rulemill

README = (ROOT / "README.md").read_text("utf-8")
HTTP, OPERATIONS, RELOAD, SHADOW = (
    (ROOT / "docs" / f"{page}.md").read_text("utf-8") for page in ("http", "operations", "reload", "shadow")
)


@pytest.fixture
def checkout_of_rules(tmp_path: Path) -> Path:
    """The default rules and schemas, as a clone has them."""
    for name in ("rules", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def running(checkout_of_rules: Path) -> Iterator[httpx.Client]:
    with Service(checkout_of_rules) as service, httpx.Client(base_url=service.url, timeout=TIMEOUT_S) as client:
        yield client


def shown_event(attempt_id: str) -> dict[str, Any]:
    """The event of the README's `curl`, now, under an id of its own."""
    body = re.search(r"curl -s localhost:8080/events .*? -d '(\{.*?\})'\n", README, re.DOTALL)
    assert body is not None
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = json.loads(re.sub(r"'\$\(date .*?\)'", now, body.group(1)))
    return {**event, "client_attempt_id": attempt_id}


def record_of(project: Path, attempt_id: str) -> dict[str, Any]:
    lines = (project / "out" / "events.enriched.ndjson").read_text().splitlines()
    (record,) = [record for record in map(json.loads, lines) if record["client_attempt_id"] == attempt_id]
    return dict(record)


def change(project: Path, old: str, new: str) -> None:
    path = project / "rules" / "filters.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def wait_until(client: httpx.Client, member: str, before: object) -> Any:
    """What `GET /rules` says of `member` as soon as that is something else than before."""
    deadline = time.monotonic() + TIMEOUT_S
    while (now := client.get("/rules").json()[member]) == before:
        assert time.monotonic() < deadline, f"`{member}` stays {before!r}"
    return now


def test_the_event_of_the_readme_is_answered_as_shown_and_is_a_duplicate_the_second_time(
    checkout_of_rules: Path, running: httpx.Client
) -> None:
    shown = re.search(r"^\{\"accepted\":1.*$", README, re.MULTILINE)
    assert shown is not None

    assert running.post("/events", json=shown_event("try-1")).text.rstrip("\n") == shown.group()
    assert running.post("/events", json=shown_event("try-1")).json()["duplicate"] == 1
    record = record_of(checkout_of_rules, "try-1")
    assert record["processing"]["marks"] == ["rapid_fire"]
    assert {"user", "item"} <= record["enrichment"].keys()


def test_the_pages_name_the_default_rules_as_they_are(running: httpx.Client) -> None:
    ruleset = running.get("/rules").json()["ruleset"]

    assert set(re.findall(r'"ruleset":"([0-9a-f]{12})"', README + HTTP + OPERATIONS)) == {ruleset}
    assert set(re.findall(r'"(?:before|against)":"([0-9a-f]{12})"', RELOAD + SHADOW)) == {ruleset}


def test_a_dry_run_says_of_the_edit_of_the_page_what_the_page_shows(checkout_of_rules: Path) -> None:
    edit, files = re.findall(r"^sed -i 's/(.*?)' (.*?) +#", RELOAD, re.MULTILINE)[0]
    old, new = edit.rstrip("/").split("/")
    shown = re.search(r"dry_run=1'\n```\n```json\n(.*?), …}\n```", RELOAD, re.DOTALL)
    assert shown is not None
    with (
        Service(checkout_of_rules, RULES_RELOAD="manual") as service,
        httpx.Client(base_url=service.url, timeout=TIMEOUT_S) as client,
    ):
        for file in files.split():
            path = checkout_of_rules / file
            assert old in path.read_text()
            path.write_text(path.read_text().replace(old, new))
        told = client.post("/rules/reload?dry_run=1").text

    assert told.startswith(re.sub(r"\n *", "", shown.group(1)))


def test_an_edit_takes_effect_by_itself_and_a_mistake_leaves_it_in_force_and_is_told_as_shown(
    checkout_of_rules: Path, running: httpx.Client
) -> None:
    before = running.get("/rules").json()["ruleset"]
    change(checkout_of_rules, "{lt: 1000}", "{lt: 500}")
    edited = wait_until(running, "ruleset", before)
    running.post("/events", json=shown_event("try-2"))
    assert record_of(checkout_of_rules, "try-2")["processing"]["marks"] == []

    change(checkout_of_rules, "{lt: 500}", "{less: 1000}")
    rejected = wait_until(running, "rejected", None)
    assert rejected["findings"][0]["code"] == "E209"
    assert running.get("/rules").json()["ruleset"] == edited
    assert running.post("/events", json=shown_event("try-3")).json()["accepted"] == 1

    shown = re.search(r"^\$ .* validate rules\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert shown is not None
    told = rulemill("validate", "rules", cwd=checkout_of_rules)
    assert (told.returncode, told.stdout.decode().strip()) == (1, shown.group(1).strip())

    assert rulemill("validate", "rules", "--fix", cwd=checkout_of_rules).returncode == 0
    assert "{lt: 1000}" in (checkout_of_rules / "rules" / "filters.yaml").read_text()
