"""Where rule tests are run: one after the other, each in a world of its own.

In: a plan and a test. Out: how it went. Rule of the file: a test that breaks what runs it is a failed test; the bench is as good for the next one.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.errors import RulemillError
from engine.ports import Clock
from engine.rules.compiler import compile_rules
from engine.rules.model import RuleTest
from engine.rules.plan import Plan
from engine.rules.reports import concise
from engine.trials.quiet_loop import QuietLoop
from engine.trials.trial import Failure, TrialResult, run_test
from engine.trials.world import CannotGoOn, Witness


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What rules are compiled with, and the clock that says how long a test took."""

    environ: Mapping[str, str]
    source_kinds: Collection[str]
    clock: Clock


class Bench:
    """Runs tests, from `with` to its end. Rules that tests load are compiled once."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._runner = asyncio.Runner(loop_factory=QuietLoop)
        self._others: dict[Path, Plan] = {}

    def __enter__(self) -> Self:
        self._runner.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._runner.__exit__(kind, error, trace)

    def run(self, plan: Plan, test: RuleTest, witness: Witness | None = None) -> TrialResult:
        """Run one test under a plan; the witness is told of its events."""
        clock = self._surroundings.clock
        started_ms = clock.monotonic_ms()
        failure, error = self._runner.run(self._ended(plan, test, witness))
        return TrialResult(test, (clock.monotonic_ms() - started_ms) / 1000, failure, error)

    async def _ended(self, plan: Plan, test: RuleTest, witness: Witness | None) -> tuple[Failure | None, str]:
        try:
            return await run_test(plan, test, self._compile, witness), ""
        except (CannotGoOn, RulemillError) as error:
            return None, str(error)
        except Exception as error:  # noqa: BLE001 - a bug costs the one test that met it, and is told
            return None, f"{type(error).__name__}: {error}"

    def _compile(self, directory: Path) -> Plan:
        if directory not in self._others:
            compiled = compile_rules(directory, self._surroundings.environ, self._surroundings.source_kinds)
            if compiled.plan is None:
                raise CannotGoOn(f"the rules to load have errors:\n{concise(compiled.findings, compiled.sources)}")
            self._others[directory] = compiled.plan
        return self._others[directory]
