"""Findings in the forms of other tools."""

import json

import junitparser

from engine.rules.diagnostics import Edit, Finding, Related
from engine.rules.machine_reports import github, junit, sarif
from engine.rules.places import Span

AT = Span("rules/ö, 1:2%.yaml", 2, 5, 2, 6)
ERROR = Finding(
    "E303",
    "there is no route `x`\nat 100 %",
    AT,
    "filters.a",
    "did you mean `y`?",
    related=(Related("declared here", Span("s.yaml", 1, 1, 1, 2)),),
    edits=(Edit(AT, "y"),),
)
WARNING = Finding("W601", "nothing uses the list `l`", Span("s.yaml", 3, 1, 4, 2))
SOURCES = {AT.file: "a:\n  b: x\n", "s.yaml": "y: 1\n", "fine.yaml": ""}


def test_nothing_in_a_finding_ends_a_workflow_command_early_and_errors_come_first() -> None:
    assert github([WARNING, ERROR], SOURCES).splitlines() == [
        (
            "::error file=rules/ö%2C 1%3A2%25.yaml,title=E303 a name that is not declared,line=2,col=5,endLine=2,endColumn=6::there is no"
            " route `x`%0Aat 100 %25 (did you mean `y`?)"
        ),
        "::warning file=s.yaml,title=W601 a name that nothing uses,line=3,col=1,endLine=4::nothing uses the list `l`",
        "1 error and 1 warning in 3 files",
    ]


def test_sarif_has_the_place_the_other_places_the_fix_and_the_page() -> None:
    (run,) = json.loads(sarif([ERROR, WARNING], SOURCES))["runs"]

    first, second = run["results"]
    region = {"startLine": 2, "startColumn": 5, "endLine": 2, "endColumn": 6}
    location = {"uri": "rules/%C3%B6%2C%201%3A2%25.yaml"}
    assert first["locations"][0]["physicalLocation"] == {"artifactLocation": location, "region": region}
    assert first["relatedLocations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "s.yaml"}
    assert first["fixes"][0]["artifactChanges"] == [
        {"artifactLocation": location, "replacements": [{"deletedRegion": region, "insertedContent": {"text": "y"}}]}
    ]
    assert (second["level"], second["ruleIndex"]) == ("warning", 1)
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["E303", "W601"]
    assert all("```yaml" in rule["help"]["markdown"] for rule in rules)


def test_a_finding_about_the_environment_has_no_region() -> None:
    (run,) = json.loads(sarif([Finding("C005", "m", Span("EVENT_X", 0, 0, 0, 0))], {}))["runs"]

    assert "region" not in run["results"][0]["locations"][0]["physicalLocation"]


def test_in_junit_a_file_fails_with_its_errors_and_passes_with_its_warnings() -> None:
    ((suite,)) = list(junitparser.JUnitXml.fromstring(junit([ERROR, WARNING], SOURCES)))

    cases = {case.name: case for case in suite}
    assert set(cases) == set(SOURCES)
    assert [result.type for result in cases[AT.file].result] == ["E303"]
    assert cases["s.yaml"].is_passed
    assert cases["s.yaml"].system_out == "s.yaml:3:1: warning W601 nothing uses the list `l`"
    assert (suite.tests, suite.failures) == (3, 1)


def test_junit_is_xml_whatever_is_in_a_message() -> None:
    odd = Finding("E201", "\x00\x1b ]]> & < \ud800", Span("a\x00.yaml", 1, 1, 1, 2))

    ((suite,)) = list(junitparser.JUnitXml.fromstring(junit([odd], {})))

    assert suite.failures == 1
