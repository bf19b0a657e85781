"""Each operator as Python expressions.

In: a leaf, and the names of the locals with its value and its operand. Out: a guard, which says that the value is of a
type that the operator takes, and the test itself. Rule of the file: what the interpreter says is right; here it is made
cheap.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from engine.rules import matching
from engine.rules.emitter import Emitter
from engine.rules.model import Scalar
from engine.rules.normalise import Leaf
from engine.rules.times import parse_time
from engine.rules.values import KINDS, fold, ordered_pair, same_kind

_COMPARISONS: Final = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_METHODS: Final = {"starts_with": "startswith", "ends_with": "endswith"}
_KIND_GUARDS: Final = {
    "string": "type({0}) is str",
    "number": "(type({0}) is int or type({0}) is float)",
    "boolean": "type({0}) is bool",
}
_PREPARED: Final = {"contains_any": matching.contains_any, "contains_all": matching.contains_all}
_SCALARS: Final = frozenset(KINDS)


@dataclass(frozen=True, slots=True)
class Tested:
    """Two expressions: of the right type, and passed. `test` binds tighter than `not`.

    It may be evaluated only where `guard` holds, unless `total`: then it never raises. `exact` says that `test` is false
    wherever `guard` is, so that the guard is needed only to know what is false.
    """

    guard: str
    test: str
    total: bool = False
    exact: bool = False

    def true(self) -> str:
        """An expression for: definitely true."""
        if self.exact:
            return self.test
        return f"{self.test} and {self.guard}" if self.total else f"{self.guard} and {self.test}"

    def false(self) -> str:
        """An expression for: definitely false."""
        return f"not {self.test} and {self.guard}" if self.total else f"{self.guard} and not {self.test}"


@dataclass(slots=True)
class Operators:
    """Writes the leaves of one generated function, which has a local `time_ms`, the event's time."""

    emitter: Emitter
    _remembered: dict[tuple[object, ...], str] = field(default_factory=dict)

    def write(self, leaf: Leaf, value: str, operand: str | None) -> Tested:
        """The expressions of a leaf that does not look into arrays' elements; its negation is the caller's.

        `value` is the name of the local with the field, `operand` that of the field to compare with, if it is one.
        """
        return _WRITERS[leaf.operator](self, leaf, value, operand)

    def equality(self, leaf: Leaf, value: str, operand: str | None) -> Tested:
        """Eq, and ne as its negation."""
        if operand is not None:
            return self._field_equality(leaf, value, operand)
        wanted = _scalar(leaf)
        kind = KINDS[type(wanted)]
        guard = _KIND_GUARDS[kind].format(value)
        if kind == "boolean":
            return Tested(guard, f"{value} is {wanted is True}", total=True, exact=True)
        if kind == "string" and leaf.ignore_case:
            return Tested(guard, f"{value}.casefold() == {self.emitter.bind(fold(str(wanted)), 'text')}")
        # Only 0 and 1 equal a boolean in Python: every other number and all texts need no guard to be found equal.
        exact = kind == "string" or wanted not in (0, 1)
        return Tested(guard, f"{value} == {self.emitter.bind(wanted, 'scalar')}", total=True, exact=exact)

    def _field_equality(self, leaf: Leaf, value: str, operand: str) -> Tested:
        guard = f"{self.emitter.bind(same_kind, 'same_kind')}({value}, {operand})"
        if leaf.ignore_case:
            folded = self.emitter.bind(_folded, "folded")
            return Tested(guard, f"{folded}({value}) == {folded}({operand})")
        return Tested(guard, f"{value} == {operand}", total=True)

    def membership(self, leaf: Leaf, value: str, _operand: str | None) -> Tested:
        """In, and not_in as its negation: one set per kind, because True equals 1 in a set."""
        sets: dict[str, set[Scalar]] = {}
        for wanted in _scalars(leaf):
            sets.setdefault(KINDS[type(wanted)], set()).add(_folded(wanted) if leaf.ignore_case else wanted)
        guards = {kind: _KIND_GUARDS[kind].format(value) for kind in sets}
        if not sets:
            return Tested(f"type({value}) in {self.emitter.bind(_SCALARS, 'types')}", "False", total=True, exact=True)
        folded = f"{value}.casefold()" if leaf.ignore_case else value
        tests = {
            kind: f"{folded if kind == 'string' else value} in {self.emitter.bind(frozenset(members), 'set')}"
            for kind, members in sets.items()
        }
        if len(sets) == 1:
            kind = next(iter(sets))
            return Tested(guards[kind], tests[kind])
        any_of = " or ".join(f"{guards[kind]} and {tests[kind]}" for kind in sets)
        return Tested(f"({' or '.join(guards.values())})", f"({any_of})", total=True, exact=True)

    def order(self, leaf: Leaf, value: str, operand: str | None) -> Tested:
        """Lt, lte, gt, gte, on numbers or instants."""
        sign = _COMPARISONS[leaf.operator]
        if operand is not None:
            pair = self.emitter.local("pair")
            guard = f"({pair} := {self.emitter.bind(ordered_pair, 'ordered_pair')}({value}, {operand})) is not None"
            return Tested(guard, f"{pair}[0] {sign} {pair}[1]")
        limit = _scalar(leaf)
        read, guard = self._ordered(limit, value)
        return Tested(guard, f"{read} {sign} {self.emitter.bind(_position(limit), 'limit')}")

    def between(self, leaf: Leaf, value: str, _operand: str | None) -> Tested:
        """Between, both ends included."""
        low, high = _scalars(leaf)
        read, guard = self._ordered(low, value)
        return Tested(
            guard, f"{self.emitter.bind(_position(low), 'low')} <= {read} <= {self.emitter.bind(_position(high), 'high')}"
        )

    def _ordered(self, limit: Scalar, value: str) -> tuple[str, str]:
        """What stands for the value beside this limit, and the guard."""
        return self._instant(value) if type(limit) is str else (value, _KIND_GUARDS["number"].format(value))

    def _instant(self, value: str) -> tuple[str, str]:
        at_ms = self.emitter.local("at_ms")
        return at_ms, f"({at_ms} := {self.emitter.bind(parse_time, 'parse_time')}({value})) is not None"

    def within(self, leaf: Leaf, value: str, _operand: str | None) -> Tested:
        """Within, and older_than as its negation."""
        at_ms, guard = self._instant(value)
        return Tested(guard, f"time_ms - {at_ms} <= {self.emitter.bind(_scalar(leaf), 'duration_ms')}")

    def text(self, leaf: Leaf, value: str, operand: str | None) -> Tested:
        """Contains, starts_with and ends_with, with one text."""
        guard, whole = f"type({value}) is str", f"{value}.casefold()" if leaf.ignore_case else value
        if operand is None:
            part = self.emitter.bind(_texts(leaf)[0], "text")
        else:
            guard += f" and type({operand}) is str"
            part = f"{operand}.casefold()" if leaf.ignore_case else operand
        if leaf.operator == "contains":
            return Tested(guard, f"{part} in {whole}")
        return Tested(guard, f"{whole}.{_METHODS[leaf.operator]}({part})")

    def ends(self, leaf: Leaf, value: str, _operand: str | None) -> Tested:
        """Starts_with_any and ends_with_any."""
        whole = f"{value}.casefold()" if leaf.ignore_case else value
        method = _METHODS[leaf.operator.removesuffix("_any")]
        return Tested(f"type({value}) is str", f"{whole}.{method}({self.emitter.bind(_texts(leaf), 'texts')})")

    def parts(self, leaf: Leaf, value: str, _operand: str | None) -> Tested:
        """Contains_any and contains_all."""
        known = self._remember(
            leaf, lambda: self.emitter.texts.remembered(_PREPARED[leaf.operator](_texts(leaf), ignore_case=leaf.ignore_case))
        )
        return Tested(f"type({value}) is str", f"{known}[{value}]")

    def pattern(self, leaf: Leaf, value: str, operand: str | None) -> Tested:
        """Matches and matches_any."""
        if operand is not None:
            raise TypeError("`matches` takes a pattern, not a field: patterns are compiled before events come")
        patterns = tuple(str(pattern) for pattern in _scalars(leaf))
        known = self._remember(
            leaf, lambda: self.emitter.texts.remembered(matching.matches_any(patterns, ignore_case=leaf.ignore_case))
        )
        return Tested(f"type({value}) is str", f"{known}[{value}]")

    def network(self, leaf: Leaf, value: str, _operand: str | None) -> Tested:
        """In_cidr."""
        known = self._remember(
            leaf, lambda: self.emitter.texts.remembered(matching.in_networks([str(network) for network in _scalars(leaf)]))
        )
        return Tested(f"type({value}) is str and {known}[{value}] is not None", f"{known}[{value}]")

    def _remember(self, leaf: Leaf, make: Callable[[], object]) -> str:
        """The name of the leaf's memory, which all leaves with the same question share."""
        question = (leaf.operator, leaf.operand, leaf.ignore_case)
        if question not in self._remembered:
            self._remembered[question] = self.emitter.bind(make(), "known")
        return self._remembered[question]

    def array(self, leaf: Leaf, value: str, operand: str | None) -> Tested:
        """Has, has_any and has_all."""
        if operand is not None:
            types = self.emitter.bind(_SCALARS, "types")
            has = self.emitter.bind(_has_folded if leaf.ignore_case else _has, "has")
            return Tested(f"type({value}) is list and type({operand}) in {types}", f"{has}({value}, {operand})")
        test = _array_test(_scalars(leaf), every=leaf.operator == "has_all", ignore_case=leaf.ignore_case)
        return Tested(f"type({value}) is list", f"{self.emitter.bind(test, 'has')}({value})")


def _scalars(leaf: Leaf) -> tuple[Scalar, ...]:
    operand = leaf.operand
    if isinstance(operand, str | int | float):
        return (operand,)
    if isinstance(operand, tuple):
        return operand
    raise TypeError(f"`{leaf.operator}` on `{leaf.path.text}` takes values, not {operand!r}")


def _scalar(leaf: Leaf) -> Scalar:
    return _scalars(leaf)[0]


def _texts(leaf: Leaf) -> tuple[str, ...]:
    """The texts to look for, folded where the leaf says so."""
    texts = tuple(str(text) for text in _scalars(leaf))
    return tuple(fold(text) for text in texts) if leaf.ignore_case else texts


def _position(limit: Scalar) -> int | float:
    """The limit as a number: itself, or the instant that a text means."""
    if type(limit) is not str:
        return limit  # type: ignore[return-value]  # the only text is excluded
    instant_ms = parse_time(limit)
    if instant_ms is None:
        raise ValueError(f"`{limit}` is neither a number nor a time; write `2026-03-01T00:00:00Z`")
    return instant_ms


def _folded(value: Scalar) -> Scalar:
    return fold(value) if type(value) is str else value


def _keys(values: object, *, ignore_case: bool) -> set[tuple[str, Scalar]]:
    """The scalars of a list or a tuple, each with its kind: True and 1 are different members."""
    if not isinstance(values, list | tuple):
        return set()
    scalars = (value for value in values if type(value) in _SCALARS)
    return {(KINDS[type(value)], _folded(value) if ignore_case else value) for value in scalars}


def _has(array: list[object], value: Scalar) -> bool:
    return bool(_keys(array, ignore_case=False) & _keys((value,), ignore_case=False))


def _has_folded(array: list[object], value: Scalar) -> bool:
    return bool(_keys(array, ignore_case=True) & _keys((value,), ignore_case=True))


def _array_test(wanted: tuple[Scalar, ...], *, every: bool, ignore_case: bool) -> Callable[[list[object]], bool]:
    keys = _keys(wanted, ignore_case=ignore_case)
    if every:
        return lambda array: keys <= _keys(array, ignore_case=ignore_case)
    return lambda array: not keys.isdisjoint(_keys(array, ignore_case=ignore_case))


_WRITERS: Final[dict[str, Callable[[Operators, Leaf, str, str | None], Tested]]] = {
    "eq": Operators.equality,
    "in": Operators.membership,
    **dict.fromkeys(_COMPARISONS, Operators.order),
    "between": Operators.between,
    "within": Operators.within,
    **dict.fromkeys(("contains", "starts_with", "ends_with"), Operators.text),
    **dict.fromkeys(("starts_with_any", "ends_with_any"), Operators.ends),
    **dict.fromkeys(("contains_any", "contains_all"), Operators.parts),
    **dict.fromkeys(("matches", "matches_any"), Operators.pattern),
    "in_cidr": Operators.network,
    **dict.fromkeys(("has", "has_any", "has_all"), Operators.array),
}

COSTS: Final = {
    **dict.fromkeys(("exists", "is_null", "eq"), 1),
    **dict.fromkeys((*_COMPARISONS, "between", "in"), 2),
    **dict.fromkeys(("contains", "starts_with", "ends_with", "starts_with_any", "ends_with_any"), 3),
    **dict.fromkeys(("matches", "matches_any", "contains_any", "contains_all", "in_cidr", "within"), 4),
    **dict.fromkeys(("has", "has_any", "has_all", "size"), 5),
    **dict.fromkeys(("some", "every"), 9),
}
"""What a leaf costs beside others; the order of magnitude is all that counts."""
