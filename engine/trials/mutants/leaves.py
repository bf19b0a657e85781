"""Mutants of a single test: another operator, a value one step further, one member less.

In: a test, and the values that its field can have. Out: variants of it. Rule of the file: a step is the smallest that an author writes, 1 of
a whole number and 1 in the last decimal of another; what no event could tell from the test as written is left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, Literal

from engine.rules.explanations import test_text, value_text
from engine.rules.model import Condition, FieldRef, Not, Scalar, Test
from engine.rules.times import parse_time
from engine.trials.mutants.mutant import Variant

_TURNED: Final = {
    "eq": "ne",
    "ne": "eq",
    "lt": "gte",
    "lte": "gt",
    "gt": "lte",
    "gte": "lt",
    "in": "not_in",
    "not_in": "in",
    "within": "older_than",
    "older_than": "within",
}
"""Operators that have one of the opposite meaning; of the others the whole test is turned around."""

_AT_EDGE: Final = {"lt": "lte", "lte": "lt", "gt": "gte", "gte": "gt"}
_OTHER_REACH: Final = {
    "contains_all": "contains_any",
    "contains_any": "contains_all",
    "has_all": "has_any",
    "has_any": "has_all",
    "some": "every",
    "every": "some",
    "starts_with": "contains",
    "ends_with": "contains",
    "starts_with_any": "contains_any",
    "ends_with_any": "contains_any",
}
_AWAY_FROM_EDGE: Final = {
    "lt": (-1,),
    "lte": (1,),
    "gt": (1,),
    "gte": (-1,),
    "eq": (1, -1),
    "within": (1, -1),
    "older_than": (1, -1),
}
"""The steps of a value; of an order the one that is not already what another mutant does: on whole numbers `lt 10` with 11 is `lte 10`."""


def leaf_variants(test: Test, siblings: Sequence[object]) -> Iterator[Variant]:
    """Every variant of the test itself; those of a condition on elements are not among them.

    `siblings` are the values that the field is known to have.
    """
    yield _turned(test)
    yield from _edges(test)
    yield from _steps(test)
    yield from _reaches(test)
    yield from _members(test)
    yield from _sibling(test, siblings)
    yield from _modifiers(test)


def step_of(number: float) -> float:
    """The step from a number to the next one that an author would write."""
    if isinstance(number, int):
        return 1
    text = repr(number)
    if "e" in text or "." not in text:
        return abs(number) or 1.0
    return float(f"1e-{len(text.partition('.')[2])}")


def _variant(test: Test, changed: Condition, change: str, hint: str) -> Variant:
    return Variant(changed, test.span, f"{test_text(test)} {change}", hint)


def _turned(test: Test) -> Variant:
    hint = f"an event for which it matters whether {test_text(test)} is true"
    if test.operator in {"exists", "is_null"}:
        turned: Condition = replace(test, value=test.value is not True)
        return _variant(test, turned, f"is `{test.operator} {str(test.value is not True).lower()}`", hint)
    operator = _TURNED.get(test.operator)
    if operator is None:
        return _variant(test, Not(test, test.span), "is turned around", hint)
    return _variant(test, replace(test, operator=operator), f"is `{operator}`", hint)


def _edges(test: Test) -> Iterator[Variant]:
    operator = _AT_EDGE.get(test.operator)
    if operator is not None:
        edge = f"`{test.value.path.text}`" if isinstance(test.value, FieldRef) else value_text(test.value)
        yield _variant(
            test, replace(test, operator=operator), f"is `{operator}`", f"an event with `{test.path.text}` at the edge: {edge}"
        )


def _steps(test: Test) -> Iterator[Variant]:
    if test.operator == "between" and isinstance(test.value, tuple):
        low, high = test.value
        for place, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            moved = _moved(test.value[place], step)
            if moved is not None:
                value = (moved, high) if place == 0 else (low, moved)
                yield _variant(test, replace(test, value=value), f"is `{value_text(value)}`", _near(test, test.value[place]))
        return
    for step in _AWAY_FROM_EDGE.get(test.operator, ()):
        moved = _moved(test.value, step)
        if moved is not None:
            yield _variant(test, replace(test, value=moved), f"compares with {value_text(moved)}", _near(test, test.value))


def _near(test: Test, value: object) -> str:
    if test.operator in {"within", "older_than"}:
        return f"two events, with `{test.path.text}` exactly {value_text(value)} ms and 1 ms more before their own time"
    return f"events with `{test.path.text}` at {value_text(value)} and one step to each side of it"


def _moved(value: object, step: int) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return value + step
    return round(value + step * step_of(value), 12)


def _reaches(test: Test) -> Iterator[Variant]:
    operator = _OTHER_REACH.get(test.operator)
    one_member = isinstance(test.value, tuple) and len(test.value) < 2 and operator in {"contains_any", "has_any"}
    if operator is not None and not (one_member and test.operator in {"contains_all", "has_all"}):
        hint = f"an event whose `{test.path.text}` meets `{operator}` and not `{test.operator}`, or the other way"
        if test.operator in {"some", "every"}:
            hint = f"an event with an element of `{test.path.text}` that meets the condition and one that does not"
        yield _variant(test, replace(test, operator=operator), f"is `{operator}`", hint)


def _members(test: Test) -> Iterator[Variant]:
    if not isinstance(test.value, tuple) or test.operator == "between" or len(test.value) < 2:
        return
    for index, member in enumerate(test.value):
        rest: tuple[Scalar, ...] = test.value[:index] + test.value[index + 1 :]
        change = f"is without {value_text(member)}"
        yield _variant(test, replace(test, value=rest), change, member_hint(test.path.text, member))


def member_hint(field: str, member: object) -> str:
    """Which event shows that a member of a list is there."""
    return f"an event with `{field}` that {value_text(member)} decides alone"


def _sibling(test: Test, siblings: Sequence[object]) -> Iterator[Variant]:
    """Another of the values that the field can have; text alone, since numbers have steps and booleans an opposite."""
    if test.operator in {"eq", "ne"} and isinstance(test.value, str) and parse_time(test.value) is None:
        other = next((value for value in siblings if isinstance(value, str) and value != test.value), None)
        if other is not None:
            hint = f"an event with `{test.path.text}` {value_text(test.value)} and one with {value_text(other)}"
            yield _variant(test, replace(test, value=other), f"compares with {value_text(other)}", hint)


def _modifiers(test: Test) -> Iterator[Variant]:
    if test.ignore_case:
        hint = f"an event with `{test.path.text}` in other letter case than the rule"
        yield _variant(test, replace(test, ignore_case=False), "minds upper and lower case", hint)
    if test.if_missing is not None:
        other: Literal["match", "no_match"] = "no_match" if test.if_missing == "match" else "match"
        hint = f"an event without `{test.path.text}`"
        yield _variant(test, replace(test, if_missing=other), f"has `if_missing: {other}`", hint)
