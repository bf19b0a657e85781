"""One way from a directory to rules: what is found to be right for the findings' sake also compiles."""

from pathlib import Path

import pytest

from engine.rules.checks import MAX_NAMED_DEPTH
from engine.rules.compiler import check_rules, compile_rules
from engine.rules.parse_conditions import MAX_CONDITION_DEPTH

EVENTS = "version: 1\nevents: {type: event_type, time: timestamp, types: {attempt: {}}}\n"


def nested(levels: int, innermost: str, field: str) -> str:
    """Alternatives in conjunctions in alternatives: no level can be joined with the next."""
    condition = innermost
    for level in range(levels):
        condition = f"{{{'any' if level % 2 else 'all'}: [{{{field}_{level}: {{gte: 1}}}}, {condition}]}}"
    return condition


def deep(levels: int, names: int, when: str) -> str:
    """As many named conditions, each with as many levels and the one before it as the innermost."""
    inner = ["{g: 1}", *(f"{{use: c{number}}}" for number in range(names - 1))]
    conditions = [f"  c{number}: {nested(levels, inner[number], f'f{number}')}\n" for number in range(names)]
    return f"{EVENTS}conditions:\n{''.join(conditions)}filters:\n  deep: {{when: {when}, then: {{allow: {{mark: x}}}}}}\n"


@pytest.mark.parametrize("when", ["{use: c15}", "{none: [{use: c15}]}", "{items: {some: {use: c15}}}"])
def test_conditions_nested_as_deep_as_they_may_be_compile(tmp_path: Path, when: str) -> None:
    (tmp_path / "rules.yaml").write_text(deep(MAX_CONDITION_DEPTH - 1, MAX_NAMED_DEPTH, when))

    assert check_rules(tmp_path, {}).ruleset is not None
    assert compile_rules(tmp_path, {}).plan is not None


@pytest.mark.parametrize(("levels", "names"), [(MAX_CONDITION_DEPTH, 1), (1, MAX_NAMED_DEPTH + 1)])
def test_conditions_nested_deeper_are_found_without_a_compilation(tmp_path: Path, levels: int, names: int) -> None:
    (tmp_path / "rules.yaml").write_text(deep(levels, names, f"{{use: c{names - 1}}}"))

    found = check_rules(tmp_path, {})

    assert found.ruleset is None
    assert {finding.code for finding in found.findings} == {"E503"}


def test_what_was_read_before_is_told_of_again_until_it_changes(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("version: 1\nversion: 1\n", encoding="utf-8")
    first, again = compile_rules(tmp_path, {}), compile_rules(tmp_path, {})
    rules.write_text("version: 1\n", encoding="utf-8")
    mended = compile_rules(tmp_path, {})

    assert [finding.span.line for finding in first.findings if "version" in finding.message] == [2]
    assert again.findings == first.findings
    assert again.plan is None
    assert not [finding for finding in mended.findings if "version" in finding.message]
