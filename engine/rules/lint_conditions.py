"""Warnings about a single condition: it may never fire, or not where its author thinks.

In: a ruleset without errors. Out: findings. Rule of the file: a warning is only given where it is certain what events can hold.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from engine.rules.check_fields import narrow
from engine.rules.diagnostics import Findings, Related, shown
from engine.rules.event_fields import EventFields
from engine.rules.model import All, AnyOf, Condition, Not, Path, Ruleset, Test
from engine.rules.parse_operands import FLAGS
from engine.rules.times import parse_time
from engine.rules.uses import conditions_of

_NEGATING: Final = frozenset(("ne", "not_in"))
_LOWEST: Final = (float("-inf"), 0)
_HIGHEST: Final = (float("inf"), 0)

_Bound = tuple[float, int]


def lint_conditions(ruleset: Ruleset, findings: Findings) -> None:
    """Warn of negated tests on fields that may be missing, and of tests that exclude each other."""
    fields = EventFields(ruleset)
    for owner in conditions_of(ruleset):
        with findings.about(owner.rule_id):
            # Who uses a named condition may allow fewer types than it sees: there a field counts where one type has it.
            for test in _unsure(owner.condition, _Sight(ruleset, fields, anywhere=owner.rule_id.startswith("conditions."))):
                _add_unsure(test, findings)
            for tests in _conjunctions(owner.condition):
                _lint_range(tests, findings)


def _add_unsure(test: Test, findings: Findings) -> None:
    name = test.path.text
    if test.operator in _NEGATING:
        help = f"say `if_missing: match` or `if_missing: no_match`, or test `{name}: {{exists: true}}` beside it"
    else:
        help = f"test `{name}: {{exists: true}}` beside it: without the field this is unknown and never fires"
    findings.add("W602", f"`{name}` may be missing, and this test is negated", test.span, help=help)


@dataclass(frozen=True, slots=True)
class _Sight:
    """What is known where a test stands."""

    ruleset: Ruleset
    fields: EventFields
    types: frozenset[str] | None = None
    present: frozenset[Path] = frozenset()
    negated: bool = False
    anywhere: bool = False

    def always_has(self, path: Path) -> bool:
        """Whether every event that gets here has the field; with `anywhere`, every event of one of the types."""
        facts = [fact.always for fact in self.fields.facts(path, self.types)]
        return any(facts) if self.anywhere else all(facts)


def _unsure(condition: Condition, sight: _Sight) -> Iterator[Test]:
    """Negated tests on fields that may be missing, where nothing says what is meant then."""
    match condition:
        case All(items):
            present = {item.path for item in items if isinstance(item, Test) and item.operator == "exists" and item.value is True}
            inner = replace(sight, types=narrow(items, sight.types, sight.ruleset), present=sight.present | present)
            for item in items:
                yield from _unsure(item, inner)
        case AnyOf(items):
            for item in items:
                yield from _unsure(item, sight)
        case Not(item):
            yield from _unsure(item, replace(sight, negated=not sight.negated))
        case Test():
            turned = sight.negated is not (condition.operator in _NEGATING)
            said = condition.operator in FLAGS or condition.if_missing is not None or condition.path in sight.present
            if turned and not said and not sight.always_has(condition.path):
                yield condition


def _conjunctions(condition: Condition) -> Iterator[Sequence[Test]]:
    """Tests that must all hold at once, and are not negated."""
    match condition:
        case All(items):
            yield [item for item in items if isinstance(item, Test)]
            for item in items:
                if not isinstance(item, Not):
                    yield from _conjunctions(item)
        case AnyOf(items):
            for item in items:
                yield from _conjunctions(item)
        case Test(value=All() | AnyOf() | Test()):
            if isinstance(condition.value, Condition):
                yield from _conjunctions(condition.value)


def _lint_range(tests: Sequence[Test], findings: Findings) -> None:
    """Two tests of one field that no value meets."""
    for at, test in enumerate(tests):
        for other in tests[at + 1 :]:
            if test.path == other.path and test.if_missing != "match" != other.if_missing and _exclude(test, other):
                message = f"`{test.path.text}` can never be both `{_said(test)}` and `{_said(other)}`"
                related = (Related("the other test", test.span),)
                findings.add(
                    "W603", message, other.span, help="this never fires; for either of them write `any: […]`", related=related
                )


def _said(test: Test) -> str:
    value = " to ".join(shown(part) for part in test.value) if isinstance(test.value, tuple) else shown(test.value)
    return f"{test.operator} {value}"


def _exclude(one: Test, two: Test) -> bool:
    """Whether no value passes both; false where that is not certain."""
    if one.operator == two.operator == "eq" and isinstance(one.value, str) and isinstance(two.value, str):
        return one.value != two.value and not (one.ignore_case or two.ignore_case)
    first, second = _bounds(one), _bounds(two)
    if first is None or second is None or _is_time(one) is not _is_time(two):
        return False
    bottom, top = max(first[0], second[0]), min(first[1], second[1])
    return bottom[0] > top[0] or (bottom[0] == top[0] and (bottom[1] > 0 or top[1] < 0))


def _is_time(test: Test) -> bool:
    return isinstance(test.value[0] if isinstance(test.value, tuple) else test.value, str)


def _bounds(test: Test) -> tuple[_Bound, _Bound] | None:
    """The lowest and the highest value that pass; the second part is 1 or -1 where the bound itself does not."""
    if test.operator == "between" and isinstance(test.value, tuple):
        low, high = (_position(value) for value in test.value)
        return None if low is None or high is None else ((low, 0), (high, 0))
    at = _position(test.value)
    if at is None:
        return None
    match test.operator:
        case "eq" if not isinstance(test.value, str):
            return (at, 0), (at, 0)
        case "gt":
            return (at, 1), _HIGHEST
        case "gte":
            return (at, 0), _HIGHEST
        case "lt":
            return _LOWEST, (at, -1)
        case "lte":
            return _LOWEST, (at, 0)
    return None


def _position(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    return value if isinstance(value, int | float) else parse_time(value)
