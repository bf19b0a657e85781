"""The console as its reader sees it: the served page, run against a running service."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.acceptance.processes import Service
from tests.integration.console_reader import ConsoleReader
from tests.integration.node_packages import node_packages

FILTERS = Path("rules", "filters.yaml")
INGEST, ADMIN = "ingest-token-0000001", "admin-token-00000001"
EVENT = {
    "event_type": "attempt",
    "client_attempt_id": "try-1",
    "user_id": "user_001",
    "item_id": "item_001",
    "timestamp": "2026-03-02T09:00:00Z",
    "response_time_ms": 640,
}


@pytest.fixture(scope="module")
def packages(checkout: Path) -> Path:
    return node_packages(checkout)


@pytest.fixture(scope="module")
def served(checkout: Path, packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, ConsoleReader]]:
    """A service with the default rules and traffic of its own, and its console."""
    directory = with_rules(tmp_path_factory.mktemp("served"), checkout)
    with Service(directory, "--demo") as service, ConsoleReader(service.url, packages) as reader:
        yield service, reader


@pytest.fixture
def service(served: tuple[Service, ConsoleReader]) -> Service:
    return served[0]


@pytest.fixture
def page(served: tuple[Service, ConsoleReader]) -> Iterator[ConsoleReader]:
    """The console of `service`, whose rules are the default ones again afterwards."""
    service, reader = served
    ruleset = httpx.get(f"{service.url}/rules").json()["ruleset"]
    reader.waits_for("#state", "ok")
    reader.waits_for("#rules-now code.ruleset", ruleset)
    text = (rules := service.directory / FILTERS).read_text()
    yield reader
    save(rules, text)
    reader.waits_for("#rules-now code.ruleset", ruleset)
    reader.waits_for("#rules-refused", without="refused")


@pytest.fixture
def project(tmp_path: Path, checkout: Path) -> Path:
    """A directory with the default rules, for a service of a test's own."""
    return with_rules(tmp_path, checkout)


def with_rules(directory: Path, checkout: Path) -> Path:
    for name in ("rules", "schemas"):
        shutil.copytree(checkout / name, directory / name)
    return directory


def save(path: Path, text: str) -> None:
    """As an editor does: a new file, renamed over the old one."""
    path.with_suffix(".tmp").write_text(text)
    path.with_suffix(".tmp").rename(path)


def rewrite(project: Path, old: str, new: str) -> None:
    text = (project / FILTERS).read_text()
    assert old in text
    save(project / FILTERS, text.replace(old, new))


def test_what_the_endpoints_say_is_on_the_page_and_follows_them(page: ConsoleReader, service: Service) -> None:
    rules = httpx.get(f"{service.url}/rules").json()
    page.waits_for("#rules-now", rules["ruleset"], "14 files")
    first = page.text("#ledger .big")

    page.waits_for("#ledger .big", "received", without=first)
    page.fill("#windows-of", "system_5m")
    page.waits_for("#windows", "Newest windows of system_5m", "response_time_p95")
    assert page.texts("#filters-table tbody .name") == [rule["id"] for rule in rules["sections"]["filters"]]
    assert page.texts("#aggregations-table tbody .name") == [rule["id"] for rule in rules["sections"]["aggregations"]]
    assert page.texts("#sources-table tbody .name") == ["user", "item"]
    assert "It balances" in page.text("#ledger")
    assert page.texts("#stages .name")[0] == "inbox"
    assert not page.sees("#no-answer, #token-form, #reasons, #shadow")


def test_a_saved_rule_is_seen_to_take_effect(page: ConsoleReader, service: Service) -> None:
    page.fill("#event", json.dumps(EVENT))
    page.click("#explain-form button")
    before = page.waits_for("#explained", "rapid_fire matches: mark rapid_fire", "response_time_ms lt 1000 it is 640")

    rewrite(service.directory, "{lt: 1000}", "{lt: 500}")

    page.waits_for("#rules-changed", "changed filter rapid_fire")
    page.waits_for("#filters-table tbody tr:first-child th", "changed")
    after = page.waits_for("#explained", "rapid_fire does not match", "response_time_ms lt 500 it is 640")
    assert before[:40] != after[:40]


def test_a_broken_rule_is_shown_with_its_place_and_its_fix_until_it_is_mended(page: ConsoleReader, service: Service) -> None:
    rewrite(service.directory, "{lt: 1000}", "{less: 1000}")

    told = page.waits_for("#rules-refused", "unknown operator less")
    assert "rules/filters.yaml:17:52" in told
    assert "did you mean lt?" in told
    assert "{less: 1000}" in page.text("#rules-refused pre")
    assert "                ^^^^" in page.text("#rules-refused pre")
    page.waits_for("#state", "degraded")
    page.click("#try-rules")
    page.waits_for("#rules-told", "the rules were refused")

    rewrite(service.directory, "{less: 1000}", "{lt: 1000}")

    page.waits_for("#state", "ok")
    page.waits_for("#rules-refused, #rules-told", without="refused")


def test_what_a_reload_would_change_is_told_before_it_is_done(project: Path, packages: Path) -> None:
    with Service(project, RULES_RELOAD="manual") as service, ConsoleReader(service.url, packages) as page:
        before = page.waits_for("#rules-now code.ruleset", "")
        page.waits_for("#state", "ok")
        rewrite(project, "{lt: 1000}", "{lt: 500}")
        page.click("#try-rules")
        page.waits_for("#rules-told", "Reloading would put", "rapid_fire")
        assert page.text("#rules-changed") == ""

        page.click("#reload-rules")

        page.waits_for("#rules-told", "Reloaded.")
        page.waits_for("#rules-changed", "changed filter rapid_fire")
        assert page.text("#rules-now code.ruleset") != before


def test_rules_in_the_shadow_are_shown_with_what_they_decide_otherwise(project: Path, packages: Path) -> None:
    shutil.copytree(project / "rules", project / "candidate")
    (candidate := project / "candidate" / "filters.yaml").write_text(
        (project / FILTERS).read_text().replace("{lt: 1000}", "{lt: 500}")
    )
    with Service(project, RULES_SHADOW="candidate") as service, ConsoleReader(service.url, packages) as page:
        now = httpx.get(f"{service.url}/processor/status").json()["started_at"]
        httpx.post(f"{service.url}/events", json={**EVENT, "timestamp": now}).raise_for_status()

        page.waits_for(
            "#shadow-rules", "of 1 event it decides 1 otherwise (100 %)", 'marks: ["rapid_fire"] in service, [] in the shadow'
        )
        candidate.write_text(candidate.read_text().replace("{lt: 500}", "{less: 500}"))
        page.waits_for("#shadow-rules", "candidate/filters.yaml:17:52", "did you mean lt?")


def test_the_windows_that_count_an_event_can_be_followed(page: ConsoleReader, service: Service) -> None:
    event = {**EVENT, "timestamp": httpx.get(f"{service.url}/processor/status").json()["started_at"]}
    httpx.post(f"{service.url}/events", json=event).raise_for_status()
    page.fill("#event", json.dumps(event))
    page.click("#explain-form button")
    page.waits_for("#explained", "user_hourly_attempts counted")

    page.click("#explained .judged button")

    page.waits_for("#windows", "user_hourly_attempts, user:user_001", "attempts")
    page.fill("#windows-key", "user_002")
    page.click("#windows-form button")
    page.waits_for("#windows", "user_hourly_attempts, user:user_002")
    page.fill("#windows-key", "item:5")
    page.click("#windows-form button")
    page.waits_for("#windows", "key is item:5; expected user:VALUE")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("{", "not JSON"),
        ("[]", "the body is no object"),
        ('{"event_type": "atempt"}', "did you mean attempt?"),
    ],
)
def test_what_cannot_be_explained_is_told(page: ConsoleReader, asked: str, told: str) -> None:
    page.fill("#event", asked)
    page.click("#explain-form button")

    page.waits_for("#explain-problem, #explained", told)


def test_an_engine_that_is_gone_is_missed_and_found_again(project: Path, packages: Path) -> None:
    with Service(project) as service, ConsoleReader(service.url, packages) as page:
        page.waits_for("#state", "ok")
        service.kill()
        page.waits_for("#state", "no answer")
        assert page.sees("#no-answer")

        service.variables["HTTP_PORT"] = str(urlsplit(service.url).port)
        service.start()

        page.waits_for("#state", "ok")
        assert not page.sees("#no-answer")


def test_a_token_is_asked_for_sent_and_forgotten(project: Path, packages: Path) -> None:
    tokens = {"HTTP_INGEST_TOKENS": INGEST, "HTTP_ADMIN_TOKENS": ADMIN}
    with Service(project, **tokens) as service, ConsoleReader(service.url, packages) as page:
        page.waits_for("#state", "a token is needed")
        assert page.sees("#token-form")
        page.fill("#token", INGEST)
        page.click("#token-form button")
        page.waits_for("#token-why", "Refused: this needs a token for administration; this one is for ingest")

        page.fill("#token", ADMIN)
        page.click("#token-form button")

        page.waits_for("#state", "ok")
        page.waits_for("#filters-table", "rapid_fire")
        assert not page.sees("#token-form")
        assert page.kept() == [ADMIN, ""]
        assert ADMIN not in page.markup()
        page.click("#forget-token")
        page.waits_for("#state", "a token is needed")
        assert page.kept() == [""]


def test_what_rules_and_events_say_is_text_and_never_markup(page: ConsoleReader, service: Service) -> None:
    markup = "<img src=x onerror=alert(1)>"
    images = len(page.texts("img"))
    rewrite(service.directory, "Automated traffic, told by its user agent", f"'{markup}'")
    page.fill("#event", json.dumps({**EVENT, "user_id": markup, "user_agent": f"{markup} bot"}))
    page.click("#explain-form button")

    page.waits_for("#explained", f'it is "{markup} bot"')
    page.waits_for("#filters-table", markup)
    assert len(page.texts("img")) == images
    rewrite(service.directory, "{lt: 1000}", f"{{'{markup}': 1000}}")
    page.waits_for("#rules-refused", markup)
    assert len(page.texts("img")) == images
