"""Rule tests as items of pytest.

In: a file of rule tests. Out: an item for each, which fails with the text of `rulemill test`. Rule of the file: loaded when there is such a file; the
rules around a file are compiled once in a run.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from engine.app import SOURCE_KINDS
from engine.clock import SystemClock
from engine.rules.compiler import Compiled
from engine.rules.model import RuleTest
from engine.rules.plan import Plan
from engine.rules.reports import human as findings_report
from engine.trials.bench import Bench, Surroundings
from engine.trials.reports import failure_lines
from engine.trials.runner import rules_around, tests_at
from engine.trials.trial import TrialResult

_COMPILED: Final = pytest.StashKey[dict[Path, Compiled]]()


class RuleTestFailed(Exception):
    """What was expected did not come out."""

    def __init__(self, result: TrialResult) -> None:
        super().__init__("\n".join(failure_lines(result)))


class RuleTestFile(pytest.File):
    """A file with tests beside rules."""

    def collect(self) -> Iterator[pytest.Item]:
        """The tests of the file. Raises CollectError, with the findings, where the rules have errors."""
        compiled = self._rules()
        if compiled.plan is None:
            raise self.CollectError(findings_report(compiled.findings, compiled.sources))
        for test in tests_at(self.path, compiled.plan.ruleset):
            yield RuleTestItem.from_parent(self, name=test.name, plan=compiled.plan, test=test)

    def _rules(self) -> Compiled:
        """The rules around the file; compiled before where another file of its directory was."""
        known = self.config.stash.setdefault(_COMPILED, {})
        if self.path.parent not in known:
            known[self.path.parent] = rules_around(self.path, _surroundings())
        return known[self.path.parent]


class RuleTestItem(pytest.Item):
    """One rule test."""

    def __init__(self, *, plan: Plan, test: RuleTest, **named: object) -> None:
        super().__init__(**named)  # type: ignore[arg-type]  # what `from_parent` passes is pytest's own
        self._plan = plan
        self._test = test

    def runtest(self) -> None:
        """Run it. Raises RuleTestFailed."""
        logging.getLogger("engine").addHandler(logging.NullHandler())  # faults are what the test asked for
        with Bench(_surroundings()) as bench:
            result = bench.run(self._plan, self._test)
        if not result.passed:
            raise RuleTestFailed(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The text of `rulemill test`, not a traceback of the engine."""
        if isinstance(excinfo.value, RuleTestFailed):
            return f"{self._test.span.file}:{self._test.span.line}: {self.name}\n{excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the test stands."""
        return self.path, self._test.span.line - 1, self.name


def _surroundings() -> Surroundings:
    return Surroundings(os.environ, SOURCE_KINDS, SystemClock())
