"""`rulemill plan` as a process, and what a service says of the same change."""

import json
from pathlib import Path

import httpx
import pytest

from tests.acceptance.processes import TIMEOUT_S, Service, rulemill
from tests.acceptance.two_rulesets import EVENTS, shown_in, write_two

PAGE = "plan.md"
FROM_TO = ("--from", "service/rules", "--to", "rules")
UNBOUNDED = ("key: user,", "key: user, max_skew: {future: none, past: none},")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A directory with the rules in service, other ones, and a recording."""
    write_two(tmp_path)
    return tmp_path


@pytest.mark.parametrize("form", ["human", "markdown"])
def test_it_tells_what_its_page_shows(two: Path, form: str) -> None:
    command = " ".join(("plan", *FROM_TO, *(("--format", form) if form != "human" else ())))

    ended = rulemill(*command.split(), cwd=two)

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.decode() == shown_in(PAGE, f"rulemill {command}")


def test_what_is_in_the_store_is_counted_where_it_is_asked_for(two: Path) -> None:
    rules = two / "service" / "rules" / "rules.yaml"
    rules.write_text(rules.read_text().replace(*UNBOUNDED))
    ended = rulemill("process", "monday.ndjson", "--rules", "service/rules", "--state", "state/rulemill.db", cwd=two)
    assert ended.returncode == 0, ended.stderr

    ended = rulemill("plan", *FROM_TO, "--store", "sqlite", "--format", "json", cwd=two)

    parts = {(part["section"], part["id"]): part for part in json.loads(ended.stdout)["parts"]}
    by_user, by_plan = parts["aggregations", "by_user"], parts["aggregations", "by_plan"]
    assert (by_user["fate"], by_user["live"]) == ("reset", {"keys": 2, "groups": 3, "complete": True})
    assert (by_plan["fate"], by_plan["live"]) == ("kept", {"keys": 2, "groups": 2, "complete": True})
    assert by_user["state"] != by_user["new_state"]
    assert by_plan["state"] == by_plan["new_state"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--from", "gone", "--to", "rules"), 2, "there is no rules directory `gone`"),
        ((*FROM_TO, "--store", "sqlite"), 2, "there is no state at `state/rulemill.db`"),
        ((*FROM_TO, "--config", "memory.yaml"), 2, "ask the service: `POST /rules/reload?dry_run=1`"),
        (("--from", "rules", "--to", "bad"), 1, "bad/rules.yaml:2:1"),
    ],
)
def test_what_cannot_be_done_says_why(two: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    (two / "memory.yaml").write_text("store: memory\n")
    (two / "bad").mkdir()
    (two / "bad" / "rules.yaml").write_text("version: 1\nfilter: {}\n")

    ended = rulemill("plan", *arguments, cwd=two)

    assert (ended.returncode, ended.stdout) == (code, b"")
    assert message in ended.stderr.decode()
    assert not (two / "state").exists()


def test_a_service_says_the_same_of_its_own_directory_with_its_own_counts_and_the_command_counts_beside_it(two: Path) -> None:
    served = two / "service" / "rules" / "rules.yaml"
    served.write_text(served.read_text().replace(*UNBOUNDED))
    before = served.read_text()
    with (
        Service(two / "service", RULES_RELOAD="manual") as service,
        httpx.Client(base_url=service.url, timeout=TIMEOUT_S) as client,
    ):
        client.post("/events", json=EVENTS[:5]).raise_for_status()
        wanted = (two / "rules" / "rules.yaml").read_text().replace(*UNBOUNDED)
        (two / "rules" / "rules.yaml").write_text(wanted)
        state = str(two / "service" / "state" / "rulemill.db")
        ended = rulemill("plan", *FROM_TO, "--store", "sqlite", "--format", "json", cwd=two, SQLITE_PATH=state)
        assert ended.returncode == 0, ended.stderr
        told = json.loads(ended.stdout)

        served.write_text(wanted)
        answer = client.post("/rules/reload?dry_run=1").json()

        assert answer["plan"]["parts"] == told["parts"]
        assert answer["plan"]["counts"] == told["counts"]
        assert answer["plan"]["to"]["ruleset"] == told["to"]["ruleset"] == answer["ruleset"]
        assert "`by_user`: measure `points` sum -> max" in answer["text"]
        assert "3 groups of 2 keys are in the store" in answer["text"] or "2 groups of 2 keys are in the store" in answer["text"]
        served.write_text(before)
