"""Why the rules do what they do: `rulemill explain` as a process, and `POST /rules/explain` of a running service."""

import json
from pathlib import Path

import httpx
import pytest

from tests.acceptance.processes import rulemill
from tests.acceptance.samples import Event, answer


def explain(project: Path, event: Event, *arguments: str) -> Event:
    ended = rulemill("explain", "--event", "-", "--format", "json", *arguments, cwd=project, stdin=json.dumps(event).encode())
    assert ended.returncode == 0, ended.stderr.decode()
    found: Event = json.loads(ended.stdout)
    return found


def filter_of(found: Event, name: str) -> Event:
    (one,) = [judged for judged in found["filters"] if judged["id"] == name]
    assert isinstance(one, dict)
    return one


def test_each_filter_says_why_it_acts_with_the_values_it_saw(project: Path) -> None:
    found = explain(project, answer("a1", took_ms=640, agent="a browser"))

    assert found["outcome"] == {"status": "accepted"}
    quick = filter_of(found, "quick")
    assert quick["state"] == "matched"
    assert quick["actions"] == [{"action": "mark `quick`", "done": True}]
    test = {"what": "test", "result": True, "field": "took_ms", "operator": "lt", "operand": 1000, "value": 640}
    assert {**quick["condition"], "place": ""} == {**test, "place": ""}
    _, line, _ = quick["condition"]["place"].rsplit(":", 2)
    assert "took_ms: {lt: 1000}" in (project / "rules" / "rules.yaml").read_text().splitlines()[int(line) - 1]
    assert filter_of(found, "robots")["condition"]["value"] == "a browser"
    assert found["decision"]["marks"] == ["quick"]


def test_sources_are_asked_and_fields_derived(project: Path) -> None:
    found = explain(project, answer("a1", took_ms=640))

    assert found["enrichment"]["person"] == {"plan": "premium"}
    assert found["enrichment"]["derived"] == {"pace": "quick"}


def test_what_is_given_stands_in_for_a_source(project: Path) -> None:
    (project / "given.yaml").write_text("person: {plan: trial}\n")

    found = explain(project, answer("a1"), "--given", "given.yaml")

    assert found["enrichment"]["person"] == {"plan": "trial"}


def test_a_field_that_is_missing_makes_a_test_unknown(project: Path) -> None:
    quick = filter_of(explain(project, answer("a1")), "quick")

    assert (quick["state"], quick["result"], quick["condition"]["reason"]) == ("unknown", None, "missing")


def test_the_groups_and_windows_that_count_the_event_are_named(project: Path) -> None:
    (counted,) = explain(project, answer("a1", at=1_772_442_123_000))["aggregations"]

    windows = [{"start": "2026-03-02T09:00:00.000Z", "end": "2026-03-02T09:05:00.000Z"}]
    assert (counted["id"], counted["counted"], counted["key"], counted["windows"]) == ("by_user", True, "user:u1", windows)


def test_a_blocked_event_says_by_what_and_is_not_counted(project: Path) -> None:
    found = explain(project, answer("a1", agent="a robot", took_ms=1))

    assert found["outcome"]["status"] == "blocked"
    assert found["decision"]["blocked"] == {"filter": "robots", "reason": "robot"}
    assert filter_of(found, "quick")["state"] == "not_reached"
    assert found["aggregations"][0]["reason"] == "blocked by `robots`"


def test_a_rejected_event_is_explained_as_its_sender_is_told(project: Path) -> None:
    found = explain(project, answer("a1", points=-1))

    assert (found["outcome"]["status"], found["outcome"]["pointer"]) == ("rejected", "/points")


def test_people_get_a_tree_without_colours_where_nobody_looks(project: Path) -> None:
    (project / "event.json").write_text(json.dumps(answer("a1", took_ms=640)))

    ended = rulemill("explain", "--event", "event.json", cwd=project)

    text = ended.stdout.decode()
    assert "  quick matches: mark `quick`\n    true     took_ms lt 1000: it is 640\n" in text
    assert '  robots does not match\n    false    agent contains "robot": it is "browser"\n' in text
    assert "\x1b" not in text


def test_one_rule_can_be_asked_for(project: Path) -> None:
    found = explain(project, answer("a1"), "--rule", "quick")

    assert [judged["id"] for judged in found["filters"]] == ["quick"]
    assert found["aggregations"] == []


@pytest.mark.parametrize(
    ("arguments", "stdin", "word"),
    [
        (("--event", "-", "--rule", "quikc"), b"{}", "did you mean `quick`?"),
        (("--event", "missing.json"), b"", "missing.json"),
        (("--event", "-"), b'{"kind": "answer"}\n{"kind": "answer"}\n', "one at a time"),
        (("--event", "-", "--given", "list.yaml"), b"{}", "holds no map"),
    ],
)
def test_a_question_that_cannot_be_answered_exits_with_2_and_one_line(
    project: Path, arguments: tuple[str, ...], stdin: bytes, word: str
) -> None:
    (project / "list.yaml").write_text("- user\n")

    ended = rulemill("explain", *arguments, cwd=project, stdin=stdin)

    assert ended.returncode == 2
    (line,) = ended.stderr.decode().splitlines()
    assert line.startswith("rulemill: ")
    assert word in line


def test_rules_with_errors_exit_with_1_and_the_findings(project: Path) -> None:
    (project / "rules" / "more.yaml").write_text("version: 1\nfilters: {broken: {when: {took_ms: {lt: fast}}}}\n")

    ended = rulemill("explain", "--event", "-", cwd=project, stdin=b"{}")

    assert ended.returncode == 1
    assert b"error[E" in ended.stderr


def test_a_service_explains_as_the_command_does_and_keeps_nothing(project: Path, client: httpx.Client) -> None:
    event = answer("a1", took_ms=640)
    before = client.get("/processor/status").json()["ledger"]

    found = client.post("/rules/explain", json=event).json()

    after = client.get("/processor/status").json()["ledger"]
    asked = explain(project, event)
    assert {**found, "filters": []} == {**asked, "filters": []}
    assert filter_of(found, "quick")["condition"]["value"] == 640
    assert after == before
    assert client.post("/events", json=event).json()["accepted"] == 1


def test_a_service_takes_contexts_and_the_name_of_a_rule(client: httpx.Client) -> None:
    question = {"event": answer("a1", took_ms=1), "given": {"person": None}}

    found = client.post("/rules/explain?rule=quick", json=question).json()

    assert found["enrichment"]["status"] == {"person": "negative"}
    assert [judged["id"] for judged in found["filters"]] == ["quick"]


def test_a_question_of_a_service_that_cannot_be_answered_is_a_problem(client: httpx.Client) -> None:
    bodies = (("[]", "", 400), ("{", "", 400), ("{}", "?rule=quikc", 422), ('{"event": {}, "given": {"x": {}}}', "", 422))
    for body, query, status in bodies:
        problem = client.post(f"/rules/explain{query}", content=body)
        assert (problem.status_code, problem.json()["code"]) == (status, "bad_question"), body
