"""Running the tests of a directory: which are run, what is told of those that break, and what they cover."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from junitparser import JUnitXml

from engine.rules.snapshot import RulesUnreadable
from engine.trials.junit import write_junit
from engine.trials.reports import coverage_report, human
from engine.trials.runner import NoTests
from tests.unit.trials.samples import RULES, START, answer, run, session, write_rules, write_tests

GOOD = {"event": answer("a1"), "expect": {"status": "accepted"}}
BAD = {"event": answer("a1"), "expect": {"status": "blocked"}}


def test_tests_do_not_see_each_other(tmp_path: Path) -> None:
    assert [result.passed for result in run(tmp_path, GOOD, GOOD)] == [True, True]


def test_a_file_of_tests_is_run_alone_with_the_rules_around_it(tmp_path: Path) -> None:
    rules = write_rules(tmp_path / "rules")
    write_tests(rules, GOOD, file="tests/one.yaml")
    two = write_tests(rules, {**GOOD, "name": "of two"}, file="tests/deep/two.yaml")

    assert [result.test.name for result in session(two).results] == ["of two"]
    assert len(session(rules).results) == 2


def test_tests_are_chosen_by_a_part_of_their_name(tmp_path: Path) -> None:
    write_rules(tmp_path)
    write_tests(tmp_path, {**GOOD, "name": "a robot"}, {**GOOD, "name": "a person"})

    assert [result.test.name for result in session(tmp_path, "robot").results] == ["a robot"]


def test_no_test_at_all_is_no_success(tmp_path: Path) -> None:
    write_rules(tmp_path)
    with pytest.raises(NoTests, match="write some"):
        session(tmp_path)

    write_tests(tmp_path, GOOD)
    with pytest.raises(NoTests, match="`robot`"):
        session(tmp_path, "robot")


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RulesUnreadable):
        session(tmp_path / "nowhere")


def test_rules_with_errors_are_findings_and_nothing_is_run(tmp_path: Path) -> None:
    write_rules(tmp_path, rules=RULES.replace("lt: 1000", "lt: fast"))
    write_tests(tmp_path, GOOD)

    ended = session(tmp_path)

    assert (ended.compiled.plan, ended.results) == (None, [])
    assert [finding.severity for finding in ended.compiled.findings][:1] == ["error"]


def test_the_report_counts_and_tells_only_of_what_failed(tmp_path: Path) -> None:
    results = run(tmp_path, GOOD, BAD)

    text = human(results, verbose=False, colour=False)
    assert "test 0" not in text
    assert "FAILED  test 1\n" in text
    assert f"{tmp_path / 'tests.yaml'}:" in text
    assert "1 passed, 1 failed in " in text
    assert "ok      test 0\n" in human(results, verbose=True, colour=False)
    assert "\x1b[31mFAILED" in human(results, verbose=False, colour=True)


def test_coverage_names_each_side_that_no_event_has_shown(tmp_path: Path) -> None:
    write_rules(tmp_path)
    write_tests(
        tmp_path,
        {"event": answer("a1", agent="a robot"), "expect": {"status": "blocked"}},
        {
            "event": answer("a1", took_ms=1, right=True),
            "given": {"person": {"plan": "premium"}},
            "expect": {"status": "accepted"},
        },
    )

    coverage = session(tmp_path).coverage

    assert coverage is not None
    report = coverage_report(coverage)
    assert "filters.robots: 1 of 2\n" in report
    assert '`agent contains "robot"` was never false' in report
    assert "`took_ms lt 1000` was never false" in report
    assert "`vault eq true` was never true" in report
    assert "`right eq true` was never false" in report
    assert report.endswith("coverage: 6 of 14 sides of tests, 42.8 %\n")


def test_a_side_that_only_a_transformed_event_shows_is_covered(tmp_path: Path) -> None:
    write_rules(tmp_path)
    write_tests(tmp_path, {"event": answer("a1", took_ms=1, points=500), "expect": {"not_filters": ["watched"]}})

    coverage = session(tmp_path).coverage

    assert coverage is not None
    (watched,) = [rule for rule in coverage.rules if rule.rule_id == "filters.watched"]
    assert [(leaf.was_true, leaf.was_false) for leaf in watched.leaves] == [(False, True)]


def test_events_that_never_come_to_the_filters_cover_nothing(tmp_path: Path) -> None:
    write_rules(tmp_path)
    write_tests(tmp_path, {"event": answer("a1", points=-1, took_ms=1), "expect": {"status": "rejected"}})

    coverage = session(tmp_path).coverage

    assert coverage is not None
    assert coverage.percent == 0


NAMED = """\
version: 1
events: {type: kind, time: at, types: {note: {}}}
conditions:
  slow: {any: [{took_ms: {gt: 10}}, {not: {use: brisk}}]}
  brisk: {speed: fast}
  idle: {speed: none}
filters:
  first: {when: {use: slow}, then: {allow: {mark: first}}}
  second: {when: {all: [{use: slow}, {list: {some: {eq: x}}}]}, then: {allow: {mark: second}}}
  third: {mode: off, when: {all: [{never: 1}, {use: idle}]}, then: {allow: {mark: third}}}
"""


def test_a_named_condition_is_covered_once_and_elements_of_arrays_are_tests_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(NAMED)
    note = {"kind": "note", "at": START, "took_ms": 11, "speed": "fast", "list": ["x", "y"]}
    write_tests(tmp_path, {"event": note, "expect": {"filters": ["first", "second"]}})

    coverage = session(tmp_path).coverage

    assert coverage is not None
    covered = {rule.rule_id: [(leaf.was_true, leaf.was_false) for leaf in rule.leaves] for rule in coverage.rules}
    assert covered == {
        "conditions.slow": [(True, False)],
        "conditions.brisk": [(True, False)],
        "filters.second": [(True, False), (True, True)],
    }


def test_junit_has_a_suite_for_each_file_and_every_failure_with_its_reasons(tmp_path: Path) -> None:
    write_rules(tmp_path)
    write_tests(tmp_path, GOOD, {**BAD, "name": "ends with \x07 & <b>"}, file="one.yaml")
    write_tests(tmp_path, {"name": "broken", "steps": [{"expect": {"status": "accepted"}}]}, file="two.yaml")
    results = session(tmp_path).results

    write_junit(results, tmp_path / "reports" / "junit.xml")

    root = ET.fromstring((tmp_path / "reports" / "junit.xml").read_text())  # noqa: S314 - our own document
    assert (root.tag, root.get("tests"), root.get("failures"), root.get("errors")) == ("testsuites", "3", "1", "1")
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == [str(tmp_path / "one.yaml"), str(tmp_path / "two.yaml")]
    names = [case.get("name") for suite in root for case in suite]
    assert names == ["test 0", "ends with \\x07 & <b>", "broken"]
    (failure,) = root.iter("failure")
    assert failure.text is not None
    assert 'status: expected "blocked", found "accepted"' in failure.text
    assert "status" in str(failure.get("message"))
    (error,) = root.iter("error")
    assert "nothing was sent" in str(error.get("message"))
    assert len(list(JUnitXml.fromfile(str(tmp_path / "reports" / "junit.xml")))) == 2


ALLOWED = {
    "testsuites": ({"testsuite"}, {"name", "tests", "failures", "errors", "skipped", "time"}),
    "testsuite": ({"testcase"}, {"name", "tests", "failures", "errors", "skipped", "time"}),
    "testcase": ({"failure", "error"}, {"name", "classname", "time"}),
    "failure": (set(), {"message", "type"}),
    "error": (set(), {"message", "type"}),
}
"""What CI systems take, of what is written: the elements inside each, and its attributes, none of which may be missing."""


def test_junit_keeps_to_the_elements_and_attributes_that_ci_systems_know(tmp_path: Path) -> None:
    results = run(tmp_path, GOOD, BAD, {"steps": [{"expect": {"status": "accepted"}}]})
    write_junit(results, tmp_path / "junit.xml")

    for element in ET.parse(tmp_path / "junit.xml").iter():  # noqa: S314 - our own document
        inside, attributes = ALLOWED[element.tag]
        assert {child.tag for child in element} <= inside
        assert set(element.keys()) == attributes
        assert all(float(element.get(name, "0")) >= 0 for name in ("tests", "failures", "errors", "time"))
