"""All tests of a rules directory, one after the other.

In: a directory, or a file of tests in it. Out: a result for each test, and the coverage of the rules. Rule of the file: rules with errors run no test.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engine.errors import RulemillError
from engine.event import JsonObject
from engine.rules.compiler import Compiled, compile_rules
from engine.rules.coverage import Coverage
from engine.rules.model import Ruleset, RuleTest
from engine.rules.plan import Plan
from engine.trials.bench import Bench, Surroundings
from engine.trials.trial import TrialResult

_MAX_LEVELS_UP: Final = 3
_NO_EVENTS_SECTION: Final = "E216"


class NoTests(RulemillError):
    """There is no test at a path, or none of the name that was asked for."""


@dataclass(frozen=True, slots=True)
class Session:
    """The tests of one directory. Without a plan `compiled` has errors, and nothing was run."""

    compiled: Compiled
    results: list[TrialResult] = field(default_factory=list)
    coverage: Coverage | None = None

    @property
    def passed(self) -> bool:
        """Whether there was nothing wrong."""
        return self.compiled.plan is not None and all(result.passed for result in self.results)


def run_tests(path: Path, wanted: str, surroundings: Surroundings) -> Session:
    """Run the tests at a path whose names contain `wanted`.

    Raises NoTests where there are none, RulesUnreadable where the path cannot be read.
    """
    compiled = rules_around(path, surroundings)
    if compiled.plan is None:
        return Session(compiled)
    tests = [test for test in tests_at(path, compiled.plan.ruleset) if wanted in test.name]
    if not tests:
        named = f" whose name contains `{wanted}`" if wanted else "; write some in `tests/*.yaml` below the rules"
        raise NoTests(f"there are no tests in `{path}`{named}")
    coverage = Coverage(compiled.plan.ruleset)
    return Session(compiled, list(_run(compiled.plan, tests, coverage, surroundings)), coverage)


def rules_around(path: Path, surroundings: Surroundings) -> Compiled:
    """The rules that a path belongs to: the directory itself, or of a file of tests the nearest one around it that is a ruleset."""
    directory = path.parent if path.is_file() else path
    first = compiled = compile_rules(directory, surroundings.environ, surroundings.source_kinds)
    for _ in range(_MAX_LEVELS_UP if path.is_file() else 0):
        if all(finding.code != _NO_EVENTS_SECTION for finding in compiled.findings):
            return compiled
        directory = directory.parent
        compiled = compile_rules(directory, surroundings.environ, surroundings.source_kinds)
    return compiled if compiled.plan is not None else first


def tests_at(path: Path, ruleset: Ruleset) -> list[RuleTest]:
    """The tests of a ruleset that stand in a file; of a directory all."""
    return [test for test in ruleset.tests if not path.is_file() or _same_file(test, path)]


def _run(plan: Plan, tests: Sequence[RuleTest], coverage: Coverage, surroundings: Surroundings) -> Iterator[TrialResult]:
    def witness(ruleset: Ruleset, data: JsonObject, time_ms: int) -> None:
        if ruleset is plan.ruleset:
            coverage.see(data, time_ms)

    with Bench(surroundings) as bench:
        for test in tests:
            yield bench.run(plan, test, witness)


def _same_file(test: RuleTest, path: Path) -> bool:
    return Path(test.span.file).resolve() == path.resolve()
