"""The forms of a report. Whole reports are compared in `test_bad_rules.py`."""

import json

from engine.rules.diagnostics import Finding, Related
from engine.rules.places import Span
from engine.rules.reports import Style, as_json, concise, excerpts, human, report
from engine.rules.snippets import columns, snippet

FINDING = Finding(
    "E303",
    "there is no route `x`",
    Span("r.yaml", 2, 5, 2, 6),
    "filters.a",
    "did you mean `y`?",
    "y",
    (Related("declared here", Span("s.yaml", 1, 1, 1, 2)),),
)
SOURCES = {"r.yaml": "a:\n  日: x\n", "s.yaml": "y: 1\n"}


def test_json_says_everything_and_its_version() -> None:
    assert json.loads(as_json([FINDING], SOURCES)) == {
        "version": 1,
        "files": 2,
        "errors": 1,
        "warnings": 0,
        "findings": [
            {
                "code": "E303",
                "severity": "error",
                "message": "there is no route `x`",
                "file": "r.yaml",
                "line": 2,
                "col": 5,
                "end_line": 2,
                "end_col": 6,
                "rule": "filters.a",
                "help": "did you mean `y`?",
                "fix": "y",
                "edits": [],
                "related": [{"message": "declared here", "file": "s.yaml", "line": 1, "col": 1, "end_line": 1, "end_col": 2}],
            }
        ],
    }


def test_the_caret_stands_under_wide_characters() -> None:
    assert human([FINDING], {"r.yaml": "\n日本: x\n"}).splitlines()[3:5] == ["2 | 日本: x", "  |       ^"]


def test_the_first_findings_have_their_lines_as_excerpts() -> None:
    lines = excerpts([FINDING, FINDING, FINDING], SOURCES, most=2)
    told = report([FINDING, FINDING, FINDING], 2, lines)["findings"]

    assert isinstance(told, list)
    assert [finding.get("excerpt") for finding in told] == ["2 |   日: x\n  |      ^"] * 2 + [None]
    assert excerpts([FINDING], {}) == [""]


def test_a_long_line_is_cut_around_the_place() -> None:
    finding = Finding("E201", "m", Span("r.yaml", 1, 1001, 1, 1004))
    report = human([finding], {"r.yaml": "a" * 1000 + "bad" + "c" * 1000}).splitlines()

    at = report[3].index("a")
    assert len(report[3]) < 200
    assert report[3][report[4].index("^") :].startswith("bad")
    assert at == 4


def test_a_finding_without_its_text_still_has_its_place() -> None:
    assert human([FINDING], {}).splitlines()[1] == " --> r.yaml:2:5 (filters.a)"


def test_the_closing_line_counts() -> None:
    assert concise([], SOURCES) == "no findings in 2 files\n"
    assert concise([FINDING, Finding("W601", "m", FINDING.span)], SOURCES).splitlines()[-1] == "1 error and 1 warning in 2 files"


def test_colours_are_only_used_where_they_are_asked_for() -> None:
    assert "\x1b" not in human([FINDING], SOURCES)
    coloured = human([FINDING], SOURCES, Style(colour=True))
    assert coloured.startswith("\x1b[1;31merror[E303]\x1b[0m: ")


def test_no_line_of_a_snippet_is_wider_than_the_terminal_and_the_mark_is_where_the_place_is() -> None:
    line = "\t日本語 e\u0301\u200d" * 40 + "bad" + "ｗ" * 200
    start = line.index("bad") + 1

    shown, marks = snippet(Span("r", 7, start, 7, start + 3), [""] * 6 + [line], " ", width=60)

    assert columns(shown) <= 64
    at = marks.index("^") - 4
    before = shown[4:].partition("bad")[0]
    assert columns(before) == at
    assert marks.endswith("^^^")


def test_of_too_many_findings_errors_are_shown_and_the_rest_is_counted() -> None:
    warnings = [Finding("W601", f"w{number}", Span("r.yaml", number, 1, number, 2)) for number in range(1, 500)]

    report = concise([*warnings, FINDING], SOURCES, Style(most=2)).splitlines()

    assert [line.partition(": ")[2][:8] for line in report[:2]] == ["warning ", "error E3"]
    assert report[2].startswith("… and 498 more")
    assert report[3] == "1 error and 499 warnings in 2 files"


def test_other_places_are_shown_with_their_lines() -> None:
    assert human([FINDING], SOURCES).splitlines()[-5:-2] == ["  |", "1 | y: 1", "  | -"]
