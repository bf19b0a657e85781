"""Conditions with their negations at the leaves, and their names resolved.

In: a condition as written. Out: the same condition as leaves joined by every-one and any-one. Rule of the file: the
three-valued meaning does not change; in this form "definitely true" and "definitely false" are plain `and` and `or`
over the leaves.
"""

from dataclasses import dataclass
from typing import Final

from engine.rules.model import All, AnyOf, Condition, FieldRef, ListRef, Not, Path, Ruleset, Scalar, Test, Use

_NEGATIONS = {"ne": "eq", "not_in": "in", "older_than": "within"}
_FLAGS = frozenset(("exists", "is_null"))
_CONDITIONS: Final = (Test, All, AnyOf, Not, Use)  # a tuple is looked through faster than a union


@dataclass(frozen=True, slots=True)
class Leaf:
    """One test. `negated` turns true and false around; unknown stays unknown.

    `when_missing` is the leaf's own result, `negated` already applied, where the field is missing or null; None means
    unknown. The operators ne, not_in and older_than do not occur: they are eq, in and within, negated. The operand of
    exists and is_null is True, of some, every and size a normal form.
    """

    path: Path
    operator: str
    operand: "Scalar | tuple[Scalar, ...] | FieldRef | Normal"
    ignore_case: bool = False
    negated: bool = False
    when_missing: bool | None = None


@dataclass(frozen=True, slots=True)
class EveryOne:
    """True where all items are true, false where one is false."""

    items: "tuple[Normal, ...]"


@dataclass(frozen=True, slots=True)
class AnyOne:
    """True where one item is true, false where all are false."""

    items: "tuple[Normal, ...]"


Normal = Leaf | EveryOne | AnyOne
NORMALS: Final = (Leaf, EveryOne, AnyOne)
"""The same for `isinstance`, which looks through a tuple faster than through a union."""


def normalise(condition: Condition, ruleset: Ruleset, *, negated: bool = False) -> Normal:
    """The normal form of a condition, or of its negation.

    Raises KeyError where it names a list or a condition that the ruleset has not.
    """
    match condition:
        case Not(item):
            return normalise(item, ruleset, negated=not negated)
        case Use(name):
            return normalise(ruleset.conditions[name], ruleset, negated=negated)
        case All(items):
            return _join(AnyOne if negated else EveryOne, items, ruleset, negated=negated)
        case AnyOf(items):
            return _join(EveryOne if negated else AnyOne, items, ruleset, negated=negated)
        case Test():
            return _leaf(condition, ruleset, negated=negated)


def _join(kind: type[EveryOne] | type[AnyOne], items: tuple[Condition, ...], ruleset: Ruleset, *, negated: bool) -> Normal:
    """Join the items, taking in those that are joined in the same way: nesting costs nothing."""
    flat: list[Normal] = []
    for item in items:
        normal = normalise(item, ruleset, negated=negated)
        flat.extend(normal.items if isinstance(normal, kind) else (normal,))
    return kind(tuple(flat))


def _leaf(test: Test, ruleset: Ruleset, *, negated: bool) -> Leaf:
    operator, value = test.operator, test.value
    when_missing = None if test.if_missing is None else (test.if_missing == "match") is not negated
    if isinstance(value, _CONDITIONS):
        if operator in {"some", "every"} and negated:
            operator = "every" if operator == "some" else "some"
        return Leaf(test.path, operator, normalise(value, ruleset, negated=negated), when_missing=when_missing)
    if operator in _FLAGS:
        return Leaf(test.path, operator, operand=True, negated=negated is (value is True), when_missing=when_missing)
    operand = ruleset.lists[value.name] if isinstance(value, ListRef) else value
    turned = operator in _NEGATIONS
    return Leaf(test.path, _NEGATIONS.get(operator, operator), operand, test.ignore_case, negated is not turned, when_missing)
