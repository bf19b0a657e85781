"""Where a ruleset uses what: its conditions with their owners, and the leaves of each.

In: a ruleset. Out: flat streams for the checks and the lints. Rule of the file: named conditions are not followed, they are owners themselves.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from engine.rules.model import (
    All,
    AnyOf,
    Condition,
    Derived,
    Extract,
    FieldRef,
    ListRef,
    Not,
    Path,
    Ruleset,
    RuleTest,
    Scalar,
    SendTo,
    Test,
    Transform,
    Use,
)
from engine.rules.places import Span

_CONDITIONS: Final = (Test, All, AnyOf, Not, Use)  # a tuple is looked through faster than a union
_OTHER_OPERANDS: Final = frozenset(("within", "older_than"))


@dataclass(frozen=True, slots=True)
class Owned:
    """A condition, and the rule it stands in: section and id. It is asked only where `within` holds, if that is given."""

    rule_id: str
    condition: Condition
    within: Condition | None = None


class Leaf(NamedTuple):
    """A test or a named condition, and whether it stands under an odd or even number of negations, or inside an element."""

    item: Test | Use
    negated: bool
    in_element: bool


def conditions_of(ruleset: Ruleset) -> Iterator[Owned]:
    """Every condition of the ruleset, named ones included."""
    for name, condition in ruleset.conditions.items():
        yield Owned(f"conditions.{name}", condition)
    for rule in ruleset.filters:
        yield Owned(f"filters.{rule.id}", rule.when)
    for aggregation in ruleset.aggregations.values():
        if aggregation.when is not None:
            yield Owned(f"aggregations.{aggregation.id}", aggregation.when)
        for measure in aggregation.measures:
            if measure.condition is not None:
                yield Owned(f"aggregations.{aggregation.id}", measure.condition, aggregation.when)


def leaves(condition: Condition) -> list[Leaf]:
    """Every test and every `use` in the condition, those on elements and sizes included."""
    found: list[Leaf] = []
    _gather(condition, found, negated=False, in_element=False)
    return found


def _gather(condition: Condition, found: list[Leaf], *, negated: bool, in_element: bool) -> None:
    match condition:
        case Test():
            found.append(Leaf(condition, negated, in_element))
            if isinstance(condition.value, _CONDITIONS):
                _gather(condition.value, found, negated=negated, in_element=True)
        case Use():
            found.append(Leaf(condition, negated, in_element))
        case All(items) | AnyOf(items):
            for item in items:
                _gather(item, found, negated=negated, in_element=in_element)
        case Not(item):
            _gather(item, found, negated=not negated, in_element=in_element)


def lists_of(condition: Condition) -> Iterator[tuple[ListRef, str]]:
    """Every named list in the condition, and the operator it goes with."""
    for leaf in leaves(condition):
        if isinstance(leaf.item, Test) and isinstance(leaf.item.value, ListRef):
            yield leaf.item.value, leaf.item.operator


def placed_values(test: Test) -> Iterator[tuple[Scalar, Span]]:
    """The scalars that a test compares with, and where each stands; ages, references and flags have none."""
    values = test.value if isinstance(test.value, tuple) else (test.value,)
    if test.operator in _OTHER_OPERANDS:
        return
    for value, span in zip_longest(values, test.value_spans[: len(values)], fillvalue=None):
        if isinstance(value, str | int | float | bool):
            yield value, span or test.span


def routes_of(ruleset: Ruleset) -> Iterator[tuple[str, str, Span]]:
    """Every route that is used: its name, the rule, and the place."""
    if ruleset.events.late.route:
        yield ruleset.events.late.route, "events", ruleset.events.late.span
    for rule in ruleset.filters:
        for action in rule.actions:
            if isinstance(action, SendTo):
                yield action.to, f"filters.{rule.id}", action.span
    for aggregation in ruleset.aggregations.values():
        rule_id = f"aggregations.{aggregation.id}"
        if aggregation.late_route:
            yield aggregation.late_route, rule_id, aggregation.span
        if aggregation.emit:
            yield aggregation.emit.to, rule_id, aggregation.emit.span


def derived_paths(derived: Derived) -> Iterator[Path]:
    """The fields that a derived field reads; inside a JMESPath expression those that `expression_paths` finds."""
    for argument in derived.args:
        if isinstance(argument, Path):
            yield argument
        elif isinstance(argument, FieldRef):
            yield argument.path
        elif isinstance(argument, Extract):
            yield from argument.paths


def read_by(transform: Transform) -> Iterator[Path]:
    """The fields that a transform takes its values from."""
    for _, value in transform.set:
        if isinstance(value, FieldRef):
            yield value.path
        elif isinstance(value, Extract):
            yield from value.paths


def transforms_of(ruleset: Ruleset) -> Iterator[tuple[str, Transform]]:
    """Every transform, and the rule it stands in."""
    for rule in ruleset.filters:
        for action in rule.actions:
            if isinstance(action, Transform):
                yield f"filters.{rule.id}", action


def expectations_of(test: RuleTest) -> Iterator[Mapping[str, object]]:
    """Every `expect` of a test, in order."""
    steps = test.body.get("steps")
    for holder in (test.body, *(steps if isinstance(steps, list) else ())):
        expected = holder.get("expect") if isinstance(holder, Mapping) else None
        if isinstance(expected, Mapping):
            yield expected


def names_in(value: object) -> tuple[str, ...]:
    """One name or a list of names, as a tuple."""
    return tuple(str(item) for item in value) if isinstance(value, list) else (str(value),) if isinstance(value, str) else ()


def meaning(value: object) -> object:
    """A key that two parts of a ruleset share only where they mean the same: places are left out, `1` is not `true`."""
    if is_dataclass(value) and not isinstance(value, type):
        return type(value).__name__, *(meaning(getattr(value, name)) for name in _compared(type(value)))
    if isinstance(value, list | tuple):
        return tuple(meaning(item) for item in value)
    if isinstance(value, dict):
        return tuple((name, meaning(item)) for name, item in value.items())
    return type(value).__name__, value


@cache
def _compared(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.compare)
