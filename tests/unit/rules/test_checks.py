"""Checks and lints where silence matters: what must not be reported. What must be is in `tests/data/rules/bad`."""

from pathlib import Path

import pytest

from engine.rules.compiler import load_ruleset

STRICT = """version: 1
events:
  type: event_type
  time: timestamp
  types:
    attempt: {schema: attempt.json}
    session: {schema: session.json}
"""
ATTEMPT = """{"type": "object", "required": ["event_type", "timestamp", "user_id"], "additionalProperties": false, "properties": {
  "event_type": {"type": "string"}, "timestamp": {"type": "string"}, "user_id": {"type": "string"}, "ms": {"type": "integer"},
  "note": {"anyOf": [{"type": "string"}, {"type": "object"}]}, "place": {"$ref": "#/$defs/place"}, "tags": {"type": ["array", "null"]}},
  "$defs": {"place": {"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": false}}}"""
SESSION = """{"type": "object", "additionalProperties": false, "properties": {
  "event_type": {"type": "string"}, "timestamp": {"type": "string"}, "user_id": {"type": "string"}, "ms": {"type": "string"}}}"""


def found(directory: Path, filters: str, more: str = "") -> list[tuple[str, str]]:
    """Codes and messages for filters over the two schemas."""
    (directory / "attempt.json").write_text(ATTEMPT)
    (directory / "session.json").write_text(SESSION)
    (directory / "rules.yaml").write_text(f"{STRICT}{more}\nfilters:\n{filters}\n")
    return [(finding.code, finding.message) for finding in load_ruleset(directory, {}).findings]


def when(condition: str) -> str:
    return f"  f: {{when: {condition}, then: {{allow: {{mark: x}}}}}}"


@pytest.mark.parametrize(
    "condition",
    [
        "{ms: 5}",
        "{ms: {starts_with: a}}",
        "{note.anything: 1}",
        "{note: {has: x}}",
        "{place.city: Berlin}",
        "{tags: {has: x}}",
        "{tags: {some: {anything: 1}}}",
        "{event_type: attempt, ms: {lt: 5}}",
        "{any: [{event_type: attempt, ms: 5}, {event_type: session, ms: five}]}",
        "{event_type: attempt, user_id: {ne: x}}",
        "{event_type: {ne: attempt}}",
        "{note: {ne: x, if_missing: match}}",
        "{note: {exists: true, ne: x}}",
        "{note: {exists: true}, none: [{note: x}]}",
        "{not: {event_type: session}}",
        "{ms: {gte: 5, lte: 5}}",
        "{any: [{ms: 1}, {ms: 2}]}",
        "{user_id: {eq: a, ignore_case: true}, note: {exists: true}}",
        "{not: {all: [{user_id: a}, {event_type: attempt}]}, event_type: attempt}",
    ],
)
def test_what_events_may_hold_is_not_reported(tmp_path: Path, condition: str) -> None:
    assert found(tmp_path, when(condition)) == []


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("{place.town: x}", ("E302", "unknown field `place.town`")),
        ("{user_id.name: x}", ("E302", "unknown field `user_id.name`")),
        ("{'place.city[0]': x}", ("E302", "unknown field `place.city[0]`")),
        ("{user_id: {eq: {field: tgas}}}", ("E302", "unknown field `tgas`")),
        ("{event_type: attempt, ms: five}", ("E401", "`ms` is a number, never text `five`")),
        ("{event_type: attempt, ms: {in: [1, two]}}", ("E401", "`ms` is a number, never text `two`")),
        ("{place: {eq: Berlin}}", ("E403", "`eq` cannot test `place`, which is a map")),
        ("{user_id: {ne: x}}", ("W602", "`user_id` may be missing, and this test is negated")),
        ("{event_type: attempt, none: [{ms: 5}]}", ("W602", "`ms` may be missing, and this test is negated")),
        ("{user_id: {gt: '2026-02-01T00:00:00Z', lt: '2026-01-01T00:00:00Z'}}", ("W603", "`user_id` can never be both")),
    ],
)
def test_what_no_event_can_hold_is_reported(tmp_path: Path, condition: str, expected: tuple[str, str]) -> None:
    ((code, message),) = found(tmp_path, when(condition))

    assert (code, message[: len(expected[1])]) == expected


def test_a_member_that_a_transform_writes_is_known(tmp_path: Path) -> None:
    filters = "  a: {when: {user_id: x}, then: {transform: {set: {risk: 1}, rename: {ms: spent}}}}\n" + when(
        "{risk: 1, spent: {gt: 5}}"
    )

    assert found(tmp_path, filters) == []


def test_a_transform_between_two_filters_makes_the_second_reachable(tmp_path: Path) -> None:
    block = "  a: {when: {user_id: x}, then: {block: {}}}\n"
    change = "  b: {when: {event_type: session}, then: {transform: {set: {user_id: x}}}}\n"

    assert [code for code, _ in found(tmp_path, block + when("{user_id: x, event_type: attempt}"))] == ["W604"]
    assert found(tmp_path, block + change + when("{user_id: x, event_type: attempt}")) == []


def test_a_block_in_shadow_lets_events_on(tmp_path: Path) -> None:
    block = "  a: {when: {user_id: x}, then: {block: {}}, mode: shadow}\n"

    assert found(tmp_path, block + when("{user_id: x}")) == []


def test_one_is_not_true(tmp_path: Path) -> None:
    filters = "  a: {when: {note.x: 1}, then: {block: {}}}\n" + when("{note.x: true}")

    assert found(tmp_path, filters) == []


def test_a_named_condition_of_elements_is_not_checked_against_events(tmp_path: Path) -> None:
    assert found(tmp_path, when("{note: {some: {use: ios}}}"), "conditions: {ios: {os: ios}}") == []


def test_a_named_condition_with_if_missing_cannot_be_negated(tmp_path: Path) -> None:
    codes = found(tmp_path, when("{not: {use: abroad}}"), "conditions: {abroad: {note: {ne: DE, if_missing: match}}}")

    assert [code for code, _ in codes] == ["E212"]


def test_a_named_condition_may_be_used_often_within_the_limit(tmp_path: Path) -> None:
    uses = ", ".join(["{use: a}"] * 200)
    more = "conditions: {a: {user_id: x}}"

    assert {code for code, _ in found(tmp_path, when(f"{{any: [{uses}]}}"), more)} == {"W610"}
    assert [code for code, _ in found(tmp_path, when(f"{{any: [{uses}, {{use: a}}]}}"), more)] == ["E503"]


def test_a_filter_is_tested_when_one_test_expects_it_and_one_does_not(tmp_path: Path) -> None:
    tests = """tests:
  - {name: one, event: {user_id: x}, expect: {marks: [x]}}
  - {name: two, steps: [{send: {user_id: y}}, {expect: {marks: []}}]}"""

    assert found(tmp_path, when("{user_id: x}"), tests) == []


def test_only_kinds_of_source_that_can_be_built_are_taken(tmp_path: Path) -> None:
    found(tmp_path, when("{user_id: x}"), "enrichment: {sources: {u: {lookup: user_id, from: {file: {path: u.json}}}}}")

    assert load_ruleset(tmp_path, {}, {"file"}).findings == []
    (finding,) = load_ruleset(tmp_path, {}, {"http"}).findings
    assert (finding.code, finding.help) == ("E303", "known here: `http`")


def test_a_value_of_the_environment_is_never_shown(tmp_path: Path) -> None:
    more = 'enrichment: {sources: {u: {lookup: user_id, from: {sql: {url: "${DB}", query: "${QUERY}"}}}}}'
    found(tmp_path, when("{user_id: x}"), more)

    findings = load_ruleset(tmp_path, {"DB": "postgres://me:secret@db", "QUERY": "select secret"}).findings

    assert [finding.code for finding in findings] == ["E203"]
    assert "secret" not in repr(findings)


def test_what_is_beside_a_faulty_test_is_checked_as_well(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(
        "version: 1\nevents: {type: type, time: at, types: {order: {}}}\nenrichment:\n  sources:\n"
        "    user: {lookup: user_id, from: {file: {path: users.json}}, fields: [country]}\nfilters:\n  f:\n"
        "    when: {type: ordr, amount: {lss: 5}, any: [{user.contry: DE}, {use: nothing}]}\n    then: {block: {}}\n"
    )

    codes = {finding.code for finding in load_ruleset(tmp_path, {}).findings}

    assert codes == {"E209", "E302", "E303"}


def test_a_misspelt_name_among_the_fields_of_a_source_is_not_written_into_the_rules_that_read_it(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(
        "version: 1\nevents: {type: type, time: at, types: {order: {}}}\nenrichment:\n  sources:\n"
        "    user: {lookup: user_id, from: {file: {path: users.json}}, fields: [contry, plan]}\nfilters:\n"
        "  f: {when: {user.country: DE}, then: {block: {}}}\n  g: {when: {user.country: FR, user.plan: free}, then: {allow: {}}}\n"
    )

    findings = load_ruleset(tmp_path, {}).findings

    assert [(finding.code, finding.edits) for finding in findings] == [("E302", ())] * 2
    assert "`contry`, which nothing reads" in findings[0].help
