"""Rules changed under a running `rulemill serve`: what is good takes effect, what is not leaves the old rules, nothing is lost."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.processes import TIMEOUT_S, Service
from tests.acceptance.samples import answer, read_lines

RECORDS = Path("out", "events.enriched.ndjson")
QUICK = "took_ms: {lt: 1000}"
BROKEN = "version: 1\nfilter: {}\n"


@pytest.fixture
def by_hand(project: Path) -> Iterator[Service]:
    """A service whose rules change only when it is told."""
    with Service(project, RULES_RELOAD="manual") as running:
        yield running


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def rules(service: Service) -> dict[str, Any]:
    shown: dict[str, Any] = httpx.get(f"{service.url}/rules").json()
    return shown


def send(service: Service, identity: str, **members: object) -> dict[str, Any]:
    answered: dict[str, Any] = httpx.post(f"{service.url}/events", json=answer(identity, **members), timeout=TIMEOUT_S).json()
    return answered


def marks(project: Path, identity: str) -> tuple[list[str], str]:
    (processing,) = [record["processing"] for record in read_lines(project / RECORDS) if record["id"] == identity]
    return processing["marks"], processing["ruleset"]


def rewrite(project: Path, old: str, new: str) -> None:
    """As an editor saves: a new file, renamed over the old one."""
    path = project / "rules" / "rules.yaml"
    text = path.read_text()
    assert old in text
    path.with_suffix(".tmp").write_text(text.replace(old, new))
    path.with_suffix(".tmp").rename(path)


def test_a_saved_rule_takes_effect_without_a_restart(service: Service, project: Path) -> None:
    before = send(service, "a", took_ms=2_000)["ruleset"]
    rewrite(project, QUICK, "took_ms: {lt: 3000}")
    until(lambda: bool(rules(service)["ruleset"] != before))

    after = send(service, "b", took_ms=2_000)["ruleset"]

    assert marks(project, "a") == ([], before)
    assert marks(project, "b") == (["quick"], after)
    assert after == rules(service)["ruleset"] != before
    (line,) = service.log.splitlines()
    assert line.endswith(f"ruleset `{after}` in place of `{before}`: filters: 1 changed")


def test_broken_rules_leave_the_old_ones_in_service_and_say_what_is_wrong(service: Service, project: Path) -> None:
    before = rules(service)
    (project / "rules" / "more.yaml").write_text(BROKEN)

    refused = httpx.post(f"{service.url}/rules/reload", timeout=TIMEOUT_S)

    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    problem = refused.json()
    assert (problem["code"], problem["ruleset"], problem["errors"]) == ("rules_refused", before["ruleset"], 1)
    (finding,) = problem["findings"]
    assert (finding["code"], finding["file"], finding["line"], finding["col"]) == ("E201", "rules/more.yaml", 2, 1)
    shown = rules(service)
    assert shown["ruleset"] == before["ruleset"]
    assert shown["rejected"]["findings"] == problem["findings"]
    assert shown["reload"]["successful"] is False
    status = httpx.get(f"{service.url}/processor/status").json()
    assert status["status"] == "degraded"
    assert "E201" in status["reasons"][0]
    assert send(service, "a")["ruleset"] == before["ruleset"]

    (project / "rules" / "more.yaml").unlink()
    until(lambda: rules(service)["rejected"] is None)
    assert rules(service)["loaded_at"] == before["loaded_at"]


def test_by_hand_nothing_changes_before_it_is_asked_for(by_hand: Service, project: Path) -> None:
    before = rules(by_hand)["ruleset"]
    rewrite(project, QUICK, "took_ms: {lt: 3000}")

    dry = httpx.post(f"{by_hand.url}/rules/reload?dry_run=1", timeout=TIMEOUT_S)
    assert dry.status_code == 200
    assert (dry.json()["swapped"], dry.json()["changes"]["filters"]["changed"]) == (True, ["quick"])
    assert dry.json()["changes"]["aggregations"] == {"added": [], "removed": [], "reset": [], "kept": ["by_user"]}
    assert rules(by_hand)["ruleset"] == before

    done = httpx.post(f"{by_hand.url}/rules/reload", timeout=TIMEOUT_S).json()
    assert (done["before"], done["ruleset"]) == (before, rules(by_hand)["ruleset"])
    again = httpx.post(f"{by_hand.url}/rules/reload", timeout=TIMEOUT_S).json()
    assert (again["swapped"], again["ruleset"]) == (False, done["ruleset"])
    assert httpx.post(f"{by_hand.url}/rules/reload?dry_run=maybe").status_code == 400


def test_sighup_reloads(by_hand: Service, project: Path) -> None:
    before = rules(by_hand)["ruleset"]
    rewrite(project, QUICK, "took_ms: {lt: 3000}")

    by_hand.hang_up()

    until(lambda: bool(rules(by_hand)["ruleset"] != before))


def test_whoever_asks_for_a_reload_finds_in_the_log_how_it_ended_also_where_nothing_is_new(
    by_hand: Service, project: Path
) -> None:
    ruleset = rules(by_hand)["ruleset"]
    by_hand.hang_up()
    until(lambda: f"what is in service already, ruleset `{ruleset}`" in by_hand.log)
    (project / "rules" / "more.yaml").write_text(BROKEN)
    by_hand.hang_up()
    until(lambda: f"the rules were refused, ruleset `{ruleset}` goes on\nerror[E201]" in by_hand.log)

    by_hand.hang_up()

    until(lambda: f"the rules were refused as before, ruleset `{ruleset}` goes on: rules/more.yaml:2:1: E201 " in by_hand.log)
    assert by_hand.log.count("error[E201]") == 1


def test_a_configmap_that_is_swapped_is_seen(project: Path) -> None:
    mounted, source = project / "mounted", project / "rules"
    mounted.mkdir()
    for version in ("..1", "..2"):
        (mounted / version).mkdir()
        for file in source.iterdir():
            (mounted / version / file.name).write_text(
                file.read_text().replace(QUICK, QUICK if version == "..1" else "took_ms: {lt: 9}")
            )
    (mounted / "..data").symlink_to("..1")
    for file in source.iterdir():
        (mounted / file.name).symlink_to(Path("..data", file.name))
    with Service(project, RULES_PATH="mounted", RULES_POLL="200ms", RULES_WATCH="false") as service:
        send(service, "a", took_ms=100)
        before = rules(service)["ruleset"]
        (mounted / "..next").symlink_to("..2")
        (mounted / "..next").rename(mounted / "..data")
        until(lambda: bool(rules(service)["ruleset"] != before))
        send(service, "b", took_ms=100)

    assert (marks(project, "a")[0], marks(project, "b")[0]) == (["quick"], [])


def test_a_start_with_broken_rules_goes_on_with_the_last_good_ones(project: Path) -> None:
    with Service(project, RULES_LAST_GOOD="state/last-good.json") as service:
        good = rules(service)["ruleset"]
        assert service.terminate() == 0
        (project / "rules" / "more.yaml").write_text(BROKEN)
        service.start()

        shown, status = rules(service), httpx.get(f"{service.url}/processor/status").json()
        assert (shown["ruleset"], shown["origin"]) == (good, "last_good")
        assert [finding["code"] for finding in shown["rejected"]["findings"]] == ["E201"]
        assert status["status"] == "degraded"
        assert good in status["reasons"][0]
        assert "rules/more.yaml:2:1" in service.log
        send(service, "a", took_ms=5, user="u1")
        assert marks(project, "a") == (["quick"], good)


class Sender(threading.Thread):
    """Sends events until told to stop."""

    def __init__(self, url: str, name: int) -> None:
        super().__init__()
        self.url = url
        self.number = name
        self.accepted: dict[str, str] = {}
        self.other: list[Any] = []
        self.stop = threading.Event()

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=TIMEOUT_S) as client:
            turn = 0
            while not self.stop.is_set():
                turn += 1
                events = [answer(f"{self.number}-{turn}-{n}", took_ms=n * 10, user=f"u{n % 7}") for n in range(20)]
                reply = client.post("/events?results=all", json=events).json()
                for result in reply["results"]:
                    if result["status"] == "accepted":
                        self.accepted[result["id"]] = reply["ruleset"]
                    else:
                        self.other.append(result)


def test_a_hundred_reloads_under_load_a_third_of_them_broken_lose_nothing_and_mix_nothing(
    by_hand: Service, project: Path
) -> None:
    limits = {rules(by_hand)["ruleset"]: 1_000}
    senders = [Sender(by_hand.url, number) for number in range(3)]
    for sender in senders:
        sender.start()
    refused = 0
    with httpx.Client(base_url=by_hand.url, timeout=TIMEOUT_S) as client:
        last = QUICK
        for number in range(100):
            if number % 3 == 2:
                (project / "rules" / "more.yaml").write_text(BROKEN)
            else:
                (project / "rules" / "more.yaml").unlink(missing_ok=True)
                rewrite(project, last, last := f"took_ms: {{lt: {number}}}")
            reply = client.post("/rules/reload")
            refused += reply.status_code == 422
            if reply.status_code == 200:
                limits[reply.json()["ruleset"]] = number
    for sender in senders:
        sender.stop.set()
    for sender in senders:
        sender.join(TIMEOUT_S)
    status = httpx.get(f"{by_hand.url}/processor/status").json()
    counted = httpx.get(f"{by_hand.url}/processor/aggregations").json()["aggregations"]["by_user"]["events"]

    accepted = {identity: ruleset for sender in senders for identity, ruleset in sender.accepted.items()}
    records = read_lines(project / RECORDS)
    assert [sender.other for sender in senders] == [[], [], []]
    assert refused == 33
    assert len(limits) == 68
    assert sorted(record["id"] for record in records) == sorted(accepted)
    seen = {record["processing"]["ruleset"] for record in records}
    assert len(seen) > 20
    for record in records:
        processing = record["processing"]
        assert processing["marks"] == (["quick"] if record["took_ms"] < limits[processing["ruleset"]] else []), record
        assert processing["ruleset"] == accepted[record["id"]]
    assert status["ledger"]["accepted"] == len(records)
    assert status["ledger"]["in_flight"] == 0
    assert counted == len(records)


def test_a_service_that_is_switched_off_answers_and_takes_nothing(project: Path) -> None:
    with Service(project, EVENT_PROCESSOR_ENABLED="false") as service:
        refused = httpx.post(f"{service.url}/events", json=answer("a"))
        ready = httpx.get(f"{service.url}/readyz")
        status = httpx.get(f"{service.url}/processor/status").json()

        assert (refused.status_code, refused.json()["code"], ready.status_code) == (503, "disabled", 503)
        assert "EVENT_PROCESSOR_ENABLED" in refused.json()["detail"]
        assert httpx.get(f"{service.url}/healthz").status_code == 200
        assert (status["status"], status["ledger"]["received"]) == ("disabled", 0)
        assert rules(service)["rejected"] is None
        assert service.terminate() == 0
    assert not (project / "out").exists()
