"""All tests of a rules directory, one after the other.

In: a directory, or a file of tests in it. Out: a result for each test, and the coverage of the rules. Rule of the file: a test that breaks the runner is a
failed test, and the next one is run.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engine.errors import RulemillError
from engine.event import JsonObject
from engine.ports import Clock
from engine.rules.compiler import Compiled, compile_rules
from engine.rules.coverage import Coverage
from engine.rules.model import Ruleset, RuleTest
from engine.rules.plan import Plan
from engine.rules.reports import concise
from engine.trials.quiet_loop import QuietLoop
from engine.trials.trial import Compile, Failure, TrialResult, run_test
from engine.trials.world import CannotGoOn, Witness

_MAX_LEVELS_UP: Final = 3
_NO_EVENTS_SECTION: Final = "E216"


class NoTests(RulemillError):
    """There is no test at a path, or none of the name that was asked for."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What rules are compiled with, and the clock that says how long a test took."""

    environ: Mapping[str, str]
    source_kinds: Collection[str]
    clock: Clock


@dataclass(frozen=True, slots=True)
class Session:
    """The tests of one directory. Without a plan `compiled` has errors, and nothing was run."""

    compiled: Compiled
    results: list[TrialResult] = field(default_factory=list)
    coverage: Coverage | None = None


def run_tests(path: Path, wanted: str, surroundings: Surroundings) -> Session:
    """Run the tests at a path whose names contain `wanted`.

    Raises NoTests where there are none, RulesUnreadable where the path cannot be read.
    """
    compiled = _compiled(path, surroundings)
    if compiled.plan is None:
        return Session(compiled)
    ruleset = compiled.plan.ruleset
    tests = [test for test in ruleset.tests if wanted in test.name and (not path.is_file() or _same_file(test, path))]
    if not tests:
        named = f" whose name contains `{wanted}`" if wanted else "; write some in `tests/*.yaml` below the rules"
        raise NoTests(f"there are no tests in `{path}`{named}")
    coverage = Coverage(ruleset)
    return Session(compiled, list(_run(compiled.plan, tests, coverage, surroundings)), coverage)


def _run(plan: Plan, tests: Sequence[RuleTest], coverage: Coverage, surroundings: Surroundings) -> Iterator[TrialResult]:
    def witness(ruleset: Ruleset, data: JsonObject, time_ms: int) -> None:
        if ruleset is plan.ruleset:
            coverage.see(data, time_ms)

    def compile_other(directory: Path) -> Plan:
        compiled = compile_rules(directory, surroundings.environ, surroundings.source_kinds)
        if compiled.plan is None:
            raise CannotGoOn(f"the rules to load have errors:\n{concise(compiled.findings, compiled.sources)}")
        return compiled.plan

    clock = surroundings.clock
    with asyncio.Runner(loop_factory=QuietLoop) as runner:
        for test in tests:
            started_ms = clock.monotonic_ms()
            result = runner.run(_result(plan, test, compile_other, witness))
            yield TrialResult(test, (clock.monotonic_ms() - started_ms) / 1000, *result)


async def _result(plan: Plan, test: RuleTest, compile_other: Compile, witness: Witness) -> tuple[Failure | None, str]:
    try:
        return await run_test(plan, test, compile_other, witness), ""
    except (CannotGoOn, RulemillError) as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001 - a bug costs the one test that met it, and is told
        return None, f"{type(error).__name__}: {error}"


def _compiled(path: Path, surroundings: Surroundings) -> Compiled:
    """The rules that a path belongs to: the directory itself, or of a file of tests the nearest one around it that is a ruleset."""
    directory = path.parent if path.is_file() else path
    first = compiled = compile_rules(directory, surroundings.environ, surroundings.source_kinds)
    for _ in range(_MAX_LEVELS_UP if path.is_file() else 0):
        if all(finding.code != _NO_EVENTS_SECTION for finding in compiled.findings):
            return compiled
        directory = directory.parent
        compiled = compile_rules(directory, surroundings.environ, surroundings.source_kinds)
    return compiled if compiled.plan is not None else first


def _same_file(test: RuleTest, path: Path) -> bool:
    return Path(test.span.file).resolve() == path.resolve()
