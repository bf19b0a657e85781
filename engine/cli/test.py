"""`rulemill test`: the tests beside the rules."""

import argparse
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from engine.app import SOURCE_KINDS
from engine.cli.numbers import above_zero
from engine.clock import SystemClock
from engine.rules.reports import human as findings_report
from engine.trials.bench import Surroundings
from engine.trials.junit import write_junit
from engine.trials.mutants.mutant import Mutant
from engine.trials.mutation import Mutation, try_mutants
from engine.trials.mutation_report import mutation_report
from engine.trials.reports import coverage_report, human, percent_text
from engine.trials.runner import Session, run_tests

_DEFAULT_PATH = Path("rules")
_DEFAULT_MUTATE_S = 300.0


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
    parser.add_argument(
        "--mutate", action="store_true", help="change the rules, one thing at a time; a change that no test notices fails"
    )
    parser.add_argument(
        "--mutate-seconds", type=above_zero, default=_DEFAULT_MUTATE_S, metavar="S", help="for at most so long; default: 300"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the tests of all paths; 1 where one failed, the rules have errors, too little is covered, or a mutant is alive.

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
    covered = [_covered(session, arguments) for session in sessions]
    mutations = [_mutated(session, arguments.mutate_seconds, surroundings) for session in sessions if arguments.mutate]
    if arguments.junit is not None:
        write_junit(results, arguments.junit, [mutation for mutation in mutations if mutation is not None])
    noticed = all(mutation is not None and mutation.passed for mutation in mutations)
    return 0 if all(covered) and noticed and all(session.passed for session in sessions) else 1


def _mutated(session: Session, limit_s: float, surroundings: Surroundings) -> Mutation | None:
    """What became of the mutants of a session's rules, told as well; None where its tests do not pass as it is."""
    if session.compiled.plan is None or not session.passed:
        print("mutants are tried when all tests pass")
        return None
    tests = [result.test for result in session.results]
    mutation = try_mutants(session.compiled.plan, tests, surroundings, limit_s, _with_progress)
    sys.stdout.write(mutation_report(mutation))
    return mutation


def _with_progress(mutants: Sequence[Mutant]) -> Iterable[Mutant]:
    """The mutants, with a bar on a terminal."""
    return tqdm(mutants, desc="mutants", unit="", leave=False, disable=None)


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
