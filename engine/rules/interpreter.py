"""What a condition means, said as plainly as possible.

In: a condition and an event. Out: True, False or None, and why. Rule of the file: obvious before fast; it shares no
code of the tests themselves with the generated code, which must agree with it on every event.

The meaning:

- A test is true, false or unknown (None). Only true fires. `all`, `any` and `not` follow Kleene: false decides an `all`,
  true decides an `any`, otherwise an unknown item makes the whole unknown, and not unknown is unknown.
- A path that meets something it cannot step into is missing. A test on a missing or null field is unknown, unless
  `if_missing` says otherwise; `exists` and `is_null` always know.
- A value of the wrong type makes a test unknown. Types are string, number and boolean, array for has and its forms, size,
  some and every; time for within, older_than and order against a time; an IP address for in_cidr. Equality and
  membership want a value of the kind, or of one of the kinds, of what it is compared with.
- An operand read from a field is unknown where that field is missing or null, and where the kinds differ.
- `some` is an `any` over the elements, `every` an `all`; an empty array has none, and all of them. Of the elements, `has`
  sees only those of the operand's kind.
- `within` holds for times to come as well: only the past is measured, against the event's own time.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.event import JsonObject
from engine.rules.matching import searcher
from engine.rules.model import All, AnyOf, Condition, FieldRef, ListRef, Not, Path, Ruleset, Scalar, Test, Use
from engine.rules.places import NOWHERE, Span
from engine.rules.times import parse_time
from engine.rules.values import MISSING, event_steps, fold, follow, kind_of, ordered_pair, read_address, same_kind

Truth = bool | None

REASON_MISSING: Final = "missing"
REASON_NULL: Final = "null"
REASON_WRONG_TYPE: Final = "wrong type"
REASON_OPERAND: Final = "nothing to compare with"

_ORDER: Final = frozenset(("lt", "lte", "gt", "gte", "between"))
_ARRAY: Final = frozenset(("has", "has_any", "has_all"))


@dataclass(frozen=True, slots=True)
class Explanation:
    """A condition, or a part of one, and what became of it.

    `what` is all, any, not, `use NAME`, or a test's operator. A test has its `path`, the `operand` it compared with (the
    value, where that is a field's), the value `seen` (MISSING where there was none), and a `reason` where one of the
    REASON_ words explains an unknown or an `if_missing`. `parts` are the items, or one entry per element of an array.
    `whole` names what an empty path leads to.
    """

    what: str
    result: Truth
    parts: "tuple[Explanation, ...]" = ()
    path: str = ""
    operand: object = None
    seen: object = MISSING
    reason: str = ""
    span: Span = NOWHERE
    whole: str = "the element"

    def met_wrong_type(self) -> bool:
        """Whether a test in it saw a value of the wrong type."""
        return self.reason == REASON_WRONG_TYPE or any(part.met_wrong_type() for part in self.parts)


def evaluate(condition: Condition, data: JsonObject, time_ms: int, ruleset: Ruleset) -> Truth:
    """Whether the condition holds for an event with this dict and this time; None is unknown.

    Raises KeyError where the condition names a list or a condition that the ruleset has not.
    """
    return explain(condition, data, time_ms, ruleset).result


def explain(condition: Condition, data: JsonObject, time_ms: int, ruleset: Ruleset) -> Explanation:
    """The same, with everything that was seen on the way. Every part is tried, also where the result is clear before."""
    return _Case(data, time_ms, ruleset).explain(condition)


class _WrongType(Exception):
    """The value is not of a type that the operator takes."""


class _NoOperand(Exception):
    """The field to compare with is missing or null."""


def _all(results: Sequence[Truth]) -> Truth:
    if False in results:
        return False
    return None if None in results else True


def _any(results: Sequence[Truth]) -> Truth:
    return _not(_all([_not(result) for result in results]))


def _not(result: Truth) -> Truth:
    return None if result is None else not result


@dataclass(frozen=True, slots=True)
class _Case:
    """One event to judge; inside `some`, `every` and `size` also the element, at which paths start."""

    data: JsonObject
    time_ms: int
    ruleset: Ruleset
    element: object = None
    inside: bool = False
    whole: str = "the element"

    def explain(self, condition: Condition) -> Explanation:
        match condition:
            case All(items, span):
                parts = tuple(self.explain(item) for item in items)
                return Explanation("all", _all([part.result for part in parts]), parts, span=span)
            case AnyOf(items, span):
                parts = tuple(self.explain(item) for item in items)
                return Explanation("any", _any([part.result for part in parts]), parts, span=span)
            case Not(item, span):
                part = self.explain(item)
                return Explanation("not", _not(part.result), (part,), span=span)
            case Use(name, span):
                part = self.explain(self.ruleset.conditions[name])
                return Explanation(f"use {name}", part.result, (part,), span=span)
            case Test():
                return self._test(condition)

    def _value(self, path: Path) -> object:
        if self.inside and not path.own:
            return follow(self.element, path.steps)
        return follow(self.data, event_steps(path, self.ruleset.enrichment.sources))

    def _operand(self, test: Test) -> object:
        match test.value:
            case FieldRef(path):
                return self._value(path)
            case ListRef(name):
                return self.ruleset.lists[name]
            case value:
                return value

    def _test(self, test: Test) -> Explanation:
        seen, operand = self._value(test.path), self._operand(test)
        parts: tuple[Explanation, ...] = ()
        result: Truth = None
        reason = REASON_MISSING if seen is MISSING else REASON_NULL if seen is None else ""
        if test.operator in {"exists", "is_null"}:
            holds = seen is None if test.operator == "is_null" else not reason
            result, reason = holds is operand, ""
        elif reason:
            result = None if test.if_missing is None else test.if_missing == "match"
        elif isinstance(test.value, Condition):
            parts = self._elements(test.value, test.operator, seen)
            result = _any([part.result for part in parts]) if test.operator == "some" else _all([part.result for part in parts])
            reason = "" if type(seen) is list else REASON_WRONG_TYPE
            result = result if type(seen) is list else None
        else:
            try:
                result = self._compare(test, seen, operand)
            except _WrongType:
                reason = REASON_WRONG_TYPE
            except _NoOperand:
                reason = REASON_OPERAND
        return Explanation(test.operator, result, parts, test.path.text, operand, seen, reason, test.span, self.whole)

    def _elements(self, condition: Condition, operator: str, seen: object) -> tuple[Explanation, ...]:
        """The condition on each element; `size` has one, the number of them."""
        if type(seen) is not list:
            return ()
        elements, whole = ([len(seen)], "the size") if operator == "size" else (seen, "the element")
        return tuple(
            _Case(self.data, self.time_ms, self.ruleset, element, inside=True, whole=whole).explain(condition)
            for element in elements
        )

    def _compare(self, test: Test, seen: object, operand: object) -> bool:
        """The result of a test on a value that is there. Raises _WrongType or _NoOperand where it is unknown."""
        if operand is MISSING or operand is None:
            raise _NoOperand
        operator = test.operator
        if operator in {"within", "older_than"}:
            return _is_within(seen, operand, self.time_ms) is (operator == "within")
        if operator in _ORDER:
            return _in_order(operator, seen, operand, of_field=isinstance(test.value, FieldRef))
        if operator in _ARRAY:
            return _has(operator, seen, operand, ignore_case=test.ignore_case)
        if operator == "in_cidr":
            return _in_cidr(seen, operand)
        if operator in {"eq", "ne"}:
            if not same_kind(seen, operand):
                raise _WrongType
            return _equal(seen, operand, ignore_case=test.ignore_case) is (operator == "eq")
        if operator in {"in", "not_in"}:
            return _member(seen, operand, ignore_case=test.ignore_case) is (operator == "in")
        return _text_test(operator, seen, operand, ignore_case=test.ignore_case)


def _many(operand: object) -> tuple[Scalar, ...]:
    return operand if isinstance(operand, tuple) else (operand,)


def _equal(left: object, right: object, *, ignore_case: bool) -> bool:
    """Whether two values are the same; those of different kinds never are."""
    if ignore_case and type(left) is str and type(right) is str:
        return fold(left) == fold(right)
    return same_kind(left, right) and left == right


def _member(seen: object, operand: object, *, ignore_case: bool) -> bool:
    values = _many(operand)
    if kind_of(seen) is None or (values and not any(same_kind(seen, value) for value in values)):
        raise _WrongType
    return any(_equal(seen, value, ignore_case=ignore_case) for value in values)


def _has(operator: str, seen: object, operand: object, *, ignore_case: bool) -> bool:
    values = _many(operand)
    if type(seen) is not list or any(kind_of(value) is None for value in values):
        raise _WrongType
    found = [any(_equal(element, value, ignore_case=ignore_case) for element in seen) for value in values]
    return all(found) if operator == "has_all" else any(found)


def _in_order(operator: str, seen: object, operand: object, *, of_field: bool) -> bool:
    if operator == "between":
        low, high = _many(operand)
        return _in_order("gte", seen, low, of_field=False) and _in_order("lte", seen, high, of_field=False)
    # A time that a rule gives as text is compared with epoch milliseconds as well; two fields must be of one kind.
    is_time = type(operand) is str and not of_field
    pair = ordered_pair(parse_time(seen), parse_time(operand)) if is_time else ordered_pair(seen, operand)
    if pair is None:
        raise _WrongType
    left, right = pair
    return {"lt": left < right, "lte": left <= right, "gt": left > right, "gte": left >= right}[operator]


def _is_within(seen: object, duration_ms: object, time_ms: int) -> bool:
    at_ms = parse_time(seen)
    if at_ms is None or type(duration_ms) is not int:
        raise _WrongType
    return time_ms - at_ms <= duration_ms


def _in_cidr(seen: object, operand: object) -> bool:
    address = read_address(seen) if type(seen) is str else None
    if address is None:
        raise _WrongType
    return any(address in ipaddress.ip_network(str(network), strict=False) for network in _many(operand))


def _text_test(operator: str, seen: object, operand: object, *, ignore_case: bool) -> bool:
    texts = [text for text in _many(operand) if type(text) is str]
    if type(seen) is not str or len(texts) < len(_many(operand)):
        raise _WrongType
    if operator in {"matches", "matches_any"}:
        return any(bool(searcher(text, ignore_case=ignore_case)(seen)) for text in texts)
    whole = fold(seen) if ignore_case else seen
    parts = [fold(text) if ignore_case else text for text in texts]
    verb, _, many = operator.rpartition("_") if operator.endswith(("_any", "_all")) else (operator, "", "any")
    tests = {"contains": str.__contains__, "starts_with": str.startswith, "ends_with": str.endswith}
    found = [tests[verb](whole, part) for part in parts]
    return all(found) if many == "all" else any(found)
