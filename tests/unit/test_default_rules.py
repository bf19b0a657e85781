"""The default rules pass the tests beside them, and those show both sides of every condition."""

from pathlib import Path

from engine.app import SOURCE_KINDS
from engine.clock import SystemClock
from engine.trials.bench import Surroundings
from engine.trials.reports import coverage_report, human
from engine.trials.runner import run_tests

RULES = Path(__file__).parents[2] / "rules"


def test_the_default_rules_pass_their_tests_and_every_side_of_their_conditions_is_shown() -> None:
    session = run_tests(RULES, "", Surroundings({}, SOURCE_KINDS, SystemClock()))

    assert all(result.passed for result in session.results), human(session.results, verbose=False, colour=False)
    assert session.coverage is not None
    assert session.coverage.percent == 100, coverage_report(session.coverage)
