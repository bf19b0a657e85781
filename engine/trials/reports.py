"""Results of rule tests for people.

In: results and coverage. Out: text that ends with a line break. Rule of the file: what passed is a number; what failed says where, what came
out instead, and why.
"""

from collections.abc import Iterator, Sequence

from engine.operations.explanation_forms import judged_lines, tally_lines
from engine.rules.coverage import Coverage, Leaf
from engine.rules.explanations import place, test_text
from engine.trials.comparing import Difference, found_text
from engine.trials.trial import Failure, TrialResult

_GREEN = "\x1b[32m"
_RED = "\x1b[31m"
_PLAIN = "\x1b[0m"


def human(results: Sequence[TrialResult], *, verbose: bool, colour: bool) -> str:
    """Every test that failed with its reasons, with `verbose` also the names of those that passed; and the numbers."""
    lines = [line for result in results for line in _result(result, verbose=verbose, colour=colour)]
    return "".join(f"{line}\n" for line in [*lines, _total(results, colour=colour)])


def failure_lines(result: TrialResult) -> Iterator[str]:
    """Why a test did not pass."""
    if result.error:
        yield from result.error.splitlines()
    if result.failure is not None:
        yield from _failure(result.failure)


def coverage_report(coverage: Coverage) -> str:
    """For each rule how many sides of its tests were shown, and each that was not; and the share of all."""
    lines = []
    for rule in coverage.rules:
        lines.append(f"{rule.rule_id}: {rule.shown} of {rule.sides}")
        lines += [f"  {place(leaf.test.span)}: {line}" for leaf in rule.leaves for line in _missing(leaf)]
    shown, sides = sum(rule.shown for rule in coverage.rules), sum(rule.sides for rule in coverage.rules)
    lines.append(f"coverage: {shown} of {sides} sides of tests, {percent_text(coverage.percent)}")
    return "".join(f"{line}\n" for line in lines)


def percent_text(percent: float) -> str:
    """A share that is rounded down, so that only all of it is 100 %."""
    return f"{int(percent * 10) / 10:g} %"


def _result(result: TrialResult, *, verbose: bool, colour: bool) -> Iterator[str]:
    if result.passed:
        if verbose:
            yield f"{_coloured('ok', _GREEN, colour=colour)}      {result.test.name}"
        return
    yield f"{_coloured('FAILED', _RED, colour=colour)}  {result.test.name}"
    yield f"  {place(result.test.span)}"
    yield from (f"  {line}" for line in failure_lines(result))
    yield ""


def _failure(failure: Failure) -> Iterator[str]:
    yield f"at {failure.step}:"
    for difference in failure.differences:
        yield from (f"  {line}" for line in _difference(difference))
    for judged in failure.judged:
        yield from judged_lines(judged)
    for number, tally in failure.tallied:
        first, *rest = tally_lines(tally)
        yield f"event {number}: {first}"
        yield from rest


def _difference(difference: Difference) -> Iterator[str]:
    yield f"{difference.place}: expected {found_text(difference.wanted)}, found {found_text(difference.found)}"
    if difference.advice:
        yield f"  {difference.advice}"


def _missing(leaf: Leaf) -> Iterator[str]:
    test = leaf.test
    text = test_text(test)
    if not leaf.was_true:
        yield f"{text} was never true"
    if not leaf.was_false:
        yield f"{text} was never false"


def _total(results: Sequence[TrialResult], *, colour: bool) -> str:
    failed = sum(not result.passed for result in results)
    passed = len(results) - failed
    parts = [f"{passed} passed"] + ([_coloured(f"{failed} failed", _RED, colour=colour)] if failed else [])
    return f"{', '.join(parts)} in {sum(result.seconds for result in results):.2f} s"


def _coloured(text: str, code: str, *, colour: bool) -> str:
    return f"{code}{text}{_PLAIN}" if colour else text
