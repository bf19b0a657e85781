"""What is said of JMESPath expressions before any event comes: functions, how many values they take, and the fields that they read."""

from pathlib import Path

import pytest

from engine.rules.compiler import load_ruleset
from engine.rules.diagnostics import Finding
from engine.rules.mending import mend

RULES = """\
version: 1
events:
  type: type
  time: at
  types: {order: {schema: order.schema.json}}
enrichment:
  sources:
    user: {lookup: user_id, from: {file: {path: users.json}}, fields: [country, name]}
  derived:
    extracted: {jmespath: "EXPRESSION"}
"""
SCHEMA = """\
{"type": "object", "required": ["type", "at"], "additionalProperties": false,
 "properties": {"type": {"const": "order"}, "at": {"type": "string"}, "user_id": {"type": "string"},
                "tags": {"type": "array"}, "items": {"type": "array", "items": {"type": "object"}}}}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "order.schema.json").write_text(SCHEMA)
    (tmp_path / "users.json").write_text("{}")
    return tmp_path


def found(rules: Path, expression: str) -> list[Finding]:
    (rules / "rules.yaml").write_text(RULES.replace("EXPRESSION", expression))
    return load_ruleset(rules, {}, ("file",)).findings


@pytest.mark.parametrize(
    "expression",
    [
        "length(tags)",
        "join(',', tags)",
        "not_null(user.name, user.country, 'x')",
        "max_by(items, &price).name",
        "items[?price > `5`].name | [0]",
        "{who: user.name, first: items[0].name}",
        "items[*].name",
        "@",
    ],
)
def test_a_right_expression_is_taken_in_silence(rules: Path, expression: str) -> None:
    assert found(rules, expression) == []


@pytest.mark.parametrize(
    ("expression", "help"),
    [
        ("lenght(tags)", "did you mean `length`?"),
        ("length(tags, items)", ""),
        ("contains(tags)", ""),
        ("not_null()", ""),
    ],
)
def test_a_function_that_is_not_there_or_takes_other_values_is_an_error(rules: Path, expression: str, help: str) -> None:
    (finding,) = found(rules, expression)

    assert (finding.code, finding.help) == ("E502", help)


@pytest.mark.parametrize(
    ("expression", "column", "mended"),
    [
        ("user.contry", 28, "user.country"),
        ("length(user.nam)", 35, "length(user.name)"),
        ("upper.x || user.contry", 28, ""),
        ("tags[0] || user.nam", 39, "tags[0] || user.name"),
        ("[user.nam, user.name]", 29, "[user.name, user.name]"),
        ("item[0].name", 28, ""),
        ("itms[?price > `5`]", 28, "items[?price > `5`]"),
        ("user.nam | @", 28, "user.name | @"),
    ],
)
def test_a_field_in_an_expression_that_no_event_has_is_found_at_its_place(
    rules: Path, expression: str, column: int, mended: str
) -> None:
    first = found(rules, expression)[0]

    assert (first.code, first.span.line, first.span.col) == ("E302", 10, column)
    if mended:
        (text,) = mend(rules, {}, ("file",)).files.values()
        assert text.decode() == RULES.replace("EXPRESSION", mended)


@pytest.mark.parametrize(
    "expression", ["items[*].nam", "items[?prise > `5`]", "sort_by(items, &prise)", "user.name | contry", "'user.contry'"]
)
def test_what_starts_elsewhere_than_at_the_event_is_not_followed(rules: Path, expression: str) -> None:
    assert found(rules, expression) == []
