"""Findings and did-you-mean."""

import pytest

from engine.rules.diagnostics import CODES, Findings, closest, did_you_mean, shown
from engine.rules.places import Span


def place(line: int, col: int = 1, file: str = "a.yaml") -> Span:
    return Span(file, line, col, line, col + 1)


def test_findings_come_by_file_line_and_column_and_each_once() -> None:
    findings = Findings()
    for span in (place(2, file="b.yaml"), place(3), place(1, 9), place(1, 2), place(3)):
        findings.add("E201", "x", span)

    assert [found.span for found in findings.in_order()] == [place(1, 2), place(1, 9), place(3), place(2, file="b.yaml")]


def test_a_finding_belongs_to_the_innermost_rule() -> None:
    findings = Findings()
    with findings.about("filters.a"):
        with findings.about("lists.b"):
            findings.add("E201", "inner", place(1))
        findings.add("E201", "outer", place(2))
    findings.add("E201", "none", place(3))

    assert [found.rule_id for found in findings.in_order()] == ["lists.b", "filters.a", ""]


def test_the_letter_of_a_code_is_its_severity() -> None:
    findings = Findings()
    findings.add("W601", "x", place(1))

    assert not findings.has_errors
    findings.add("E201", "x", place(1))
    assert findings.has_errors


def test_a_code_that_is_not_registered_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Findings().add("E999", "x", place(1))


def test_codes_are_a_letter_and_three_digits_and_say_what_they_mean() -> None:
    assert all(code[0] in "CEW" and code[1:].isdecimal() and len(code) == 4 and text for code, text in CODES.items())


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("reponse_time_ms", "response_time_ms"),
        ("premium-analytics", "premium_analytics"),
        ("COUNTRY", "country"),
        ("zebra", None),
    ],
)
def test_a_near_name_is_offered_and_a_far_one_is_not(word: str, expected: str | None) -> None:
    assert closest(word, ["country", "premium_analytics", "response_time_ms"]) == expected


def test_few_known_names_are_listed_and_many_are_not() -> None:
    assert did_you_mean("zebra", ["b", "a"]) == "known here: `a`, `b`"
    assert did_you_mean("zebra", [f"name_{i}" for i in range(21)]) == ""
    assert did_you_mean("zebra", []) == ""


def test_values_are_shown_on_one_line_shortened_and_printable() -> None:
    assert shown("a\x1b[31m\nb") == "a\\x1b[31m\\nb"
    assert shown("x" * 100) == "x" * 60 + "…"
    assert shown(value=True) == "true"
    assert shown("") == '""'
