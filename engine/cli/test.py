"""`rulemill test`: the tests beside the rules."""

import argparse
import logging
import os
import sys
from pathlib import Path

from engine.app import SOURCE_KINDS
from engine.clock import SystemClock
from engine.rules.reports import human as findings_report
from engine.trials.junit import write_junit
from engine.trials.reports import coverage_report, human, percent_text
from engine.trials.runner import Session, Surroundings, run_tests

_DEFAULT_PATH = Path("rules")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser("test")
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="a rules directory, or a file of tests; default: rules"
    )
    parser.add_argument("-k", dest="wanted", default="", metavar="TEXT", help="only tests whose name contains this")
    parser.add_argument("-v", "--verbose", action="store_true", help="name the tests that passed as well")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="also write the results as JUnit XML")
    parser.add_argument("--coverage", action="store_true", help="say which sides of conditions no test has shown")
    parser.add_argument("--min-coverage", type=_percent, metavar="N", help="fail below so many percent")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the tests of all paths; 1 where one failed, the rules have errors, or too little is covered.

    Raises NoTests and RulesUnreadable, before anything is printed of the path, and OSError where the report cannot be written.
    """
    logging.getLogger("engine").addHandler(logging.NullHandler())  # what the engine says of faults is what the tests asked for
    surroundings = Surroundings(os.environ, SOURCE_KINDS, SystemClock())
    sessions = [run_tests(path, arguments.wanted, surroundings) for path in arguments.paths or [_DEFAULT_PATH]]
    for session in sessions:
        if session.compiled.plan is None:
            sys.stdout.write(findings_report(session.compiled.findings, session.compiled.sources))
    results = [result for session in sessions for result in session.results]
    if results:
        sys.stdout.write(human(results, verbose=arguments.verbose, colour=sys.stdout.isatty()))
    if arguments.junit is not None:
        write_junit(results, arguments.junit)
    covered = [_covered(session, arguments) for session in sessions]
    return 0 if all(covered) and all(result.passed for result in results) else 1


def _covered(session: Session, arguments: argparse.Namespace) -> bool:
    """Whether enough of a session's rules is covered; says how much, where it was asked for."""
    if session.coverage is None:
        return False
    if arguments.coverage:
        sys.stdout.write(coverage_report(session.coverage))
    if arguments.min_coverage is None or session.coverage.percent >= arguments.min_coverage:
        return True
    print(f"coverage is {percent_text(session.coverage.percent)}, below {arguments.min_coverage:g} %; `--coverage` says of what")
    return False


def _percent(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 100:
        raise argparse.ArgumentTypeError(f"`{text}` is no share; give a number from 0 to 100")
    return number
