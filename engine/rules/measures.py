"""Measures: what an accumulator keeps for each, how it grows, merges and reads.

A measure owns some neighbouring slots of a group's flat list. Rule of the file: everything about one kind stands in
one class; the code generator writes the kind's update lines into the batch function.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import entry_points
from math import isfinite, nan
from typing import Any, TypeGuard

from engine.rules.model import Measure, Scalar
from engine.rules.sketches import Accumulator, Distinct, Quantile, Top
from engine.rules.values import MISSING

Slots = list[Any]
Bind = Callable[[object, str], str]
_SCALARS = frozenset((str, int, float, bool))


class MeasureKind(ABC):
    """One measure of an aggregation. `width` slots are its own; `plain` ones hold numbers, text or None."""

    width = 1
    plain = True

    @abstractmethod
    def initial(self) -> Slots:
        """Fresh slots of an empty accumulator."""

    @abstractmethod
    def update(self, bind: Bind, value: str, slot: int) -> Iterator[str]:
        """Lines that take in the local `value`; `g` is the group, `time_ms` the event's time."""

    @abstractmethod
    def merge(self, into: Slots, other: Slots) -> Slots:
        """The slots of both together; may reuse `into`."""

    @abstractmethod
    def result(self, slots: Slots) -> object:
        """The figure; None where there were no values."""

    def encode(self, slots: Slots) -> Slots:
        """The slots as JSON values."""
        return slots

    def decode(self, values: Slots) -> Slots:
        """What `encode` wrote."""
        return values


class Count(MeasureKind):
    """How many events there were, of those that meet the measure's condition."""

    def initial(self) -> Slots:
        """See MeasureKind."""
        return [0]

    def update(self, bind: Bind, value: str, slot: int) -> Iterator[str]:  # noqa: ARG002 - counts whatever the value
        """See MeasureKind."""
        yield f"g[{slot}] += 1"

    def merge(self, into: Slots, other: Slots) -> Slots:
        """See MeasureKind."""
        return [into[0] + other[0]]

    def result(self, slots: Slots) -> object:
        """See MeasureKind."""
        return slots[0]


class NumberKind(MeasureKind):
    """A measure of numbers: the ways in for the two types are apart, so that measures of one field share the test of its type."""

    @abstractmethod
    def take_int(self, value: str, slot: int) -> Iterator[str]:
        """Lines that take in the local `value`, an int."""

    @abstractmethod
    def take_float(self, bind: Bind, value: str, slot: int) -> Iterator[str]:
        """Lines that take in the local `value`, a float."""

    def update(self, bind: Bind, value: str, slot: int) -> Iterator[str]:
        """See MeasureKind."""
        return update_numbers([(self, slot)], bind, value)


class Sum(NumberKind):
    """The sum: of integers exactly, of floats with Neumaier's compensation, so that order and merging hardly matter.

    Slots: the integers' sum, the floats' sum, its compensation.
    """

    width = 3

    def initial(self) -> Slots:
        """See MeasureKind."""
        return [0, 0.0, 0.0]

    def take_int(self, value: str, slot: int) -> Iterator[str]:
        """See NumberKind."""
        yield f"g[{slot}] += {value}"

    def take_float(self, bind: Bind, value: str, slot: int) -> Iterator[str]:
        """See NumberKind."""
        yield f"{bind(add_float, 'add_float')}(g, {slot + 1}, {value})"

    def merge(self, into: Slots, other: Slots) -> Slots:
        """See MeasureKind."""
        merged: Slots = [into[0] + other[0], into[1], into[2] + other[2]]
        add_float(merged, 1, other[1])
        return merged

    def result(self, slots: Slots) -> object:
        """See MeasureKind."""
        return _total(slots)

    def decode(self, values: Slots) -> Slots:
        """See MeasureKind. JSON writes a float sum that has left the floats as null."""
        return [nan if value is None else value for value in values]


class Average(Sum):
    """The mean of the numbers; a fourth slot counts them."""

    width = 4

    def initial(self) -> Slots:
        """See MeasureKind."""
        return [0, 0.0, 0.0, 0]

    def take_int(self, value: str, slot: int) -> Iterator[str]:
        """See NumberKind."""
        yield from super().take_int(value, slot)
        yield f"g[{slot + 3}] += 1"

    def take_float(self, bind: Bind, value: str, slot: int) -> Iterator[str]:
        """See NumberKind."""
        yield from super().take_float(bind, value, slot)
        yield f"g[{slot + 3}] += 1"

    def merge(self, into: Slots, other: Slots) -> Slots:
        """See MeasureKind."""
        return [*super().merge(into, other), into[3] + other[3]]

    def result(self, slots: Slots) -> object:
        """See MeasureKind."""
        total = _total(slots)
        return combine("ratio", total, slots[3])


class Extreme(NumberKind):
    """The smallest or the largest number."""

    def __init__(self, sign: str) -> None:
        self._sign = sign

    def initial(self) -> Slots:
        """See MeasureKind."""
        return [None]

    def take_int(self, value: str, slot: int) -> Iterator[str]:
        """See NumberKind."""
        yield f"if g[{slot}] is None or {value} {self._sign} g[{slot}]:"
        yield f"    g[{slot}] = {value}"

    def take_float(self, bind: Bind, value: str, slot: int) -> Iterator[str]:  # noqa: ARG002 - needs no constant
        """See NumberKind."""
        return self.take_int(value, slot)

    def merge(self, into: Slots, other: Slots) -> Slots:
        """See MeasureKind."""
        values = [slots[0] for slots in (into, other) if slots[0] is not None]
        if not values:
            return [None]
        return [min(values) if self._sign == "<" else max(values)]

    def result(self, slots: Slots) -> object:
        """See MeasureKind."""
        return slots[0]


class Edge(MeasureKind):
    """The first or the last value by the events' own times; of one time, the first or the last seen.

    Slots: the time, the value. Text, numbers and truth values count.
    """

    width = 2

    def __init__(self, sign: str) -> None:
        self._sign = sign

    def initial(self) -> Slots:
        """See MeasureKind."""
        return [None, None]

    def update(self, bind: Bind, value: str, slot: int) -> Iterator[str]:
        """See MeasureKind."""
        yield f"if type({value}) in {bind(_SCALARS, 'scalars')}:"
        yield f"    if g[{slot}] is None or time_ms {self._sign} g[{slot}]:"
        yield f"        g[{slot}] = time_ms"
        yield f"        g[{slot + 1}] = {value}"

    def merge(self, into: Slots, other: Slots) -> Slots:
        """See MeasureKind."""
        if into[0] is None or other[0] is None:
            return into if other[0] is None else other
        earlier, later = (into, other) if into[0] <= other[0] else (other, into)
        return earlier if self._sign == "<" else later

    def result(self, slots: Slots) -> object:
        """See MeasureKind."""
        return slots[1]


class Kept(MeasureKind):
    """A measure that keeps an object of its own in its slot: distinct, quantile, top."""

    plain = False

    def __init__(self, make: Callable[[], Accumulator], from_json: Callable[[object], Accumulator]) -> None:
        self._make = make
        self._from_json = from_json

    def initial(self) -> Slots:
        """See MeasureKind."""
        return [self._make()]

    def update(self, bind: Bind, value: str, slot: int) -> Iterator[str]:  # noqa: ARG002 - needs no constant
        """See MeasureKind."""
        yield f"g[{slot}].add({value})"

    def merge(self, into: Slots, other: Slots) -> Slots:
        """See MeasureKind."""
        into[0].merge(other[0])
        return into

    def result(self, slots: Slots) -> object:
        """See MeasureKind."""
        value: object = slots[0].result()
        return value

    def encode(self, slots: Slots) -> Slots:
        """See MeasureKind."""
        return [slots[0].to_json()]

    def decode(self, values: Slots) -> Slots:
        """See MeasureKind."""
        return [self._from_json(values[0])]

    def read(self, base: object, tail: Sequence[Scalar | list[bool]]) -> Accumulator:
        """What was written as a base, None where there is none, and the values since."""
        accumulator = self._make() if base is None else self._from_json(base)
        for value in tail:
            accumulator.add(value[0] if isinstance(value, list) else value)
        return accumulator


class Quantiles(Kept):
    """A quantile of numbers, which others of the same numbers have their share `q` of as well."""

    def __init__(self, q: float) -> None:
        super().__init__(Quantile, Quantile.from_json)
        self._q = q

    def result(self, slots: Slots) -> object:
        """See MeasureKind."""
        value: float | None = slots[0].result(self._q)
        return value


class ExactDistinct(Kept):
    """Distinct values that are all kept: text goes straight in."""

    def update(self, bind: Bind, value: str, slot: int) -> Iterator[str]:  # noqa: ARG002 - needs no constant
        """See MeasureKind."""
        yield f"if type({value}) is str:"
        yield f"    g[{slot}].members[{value}] = None"
        yield "else:"
        yield f"    g[{slot}].add({value})"


class Custom(MeasureKind):
    """A user's own measure: create, update, merge, result, to_bytes, from_bytes."""

    plain = False

    def __init__(self, plugin: Any) -> None:
        self._plugin = plugin

    def initial(self) -> Slots:
        """See MeasureKind."""
        return [self._plugin.create()]

    def update(self, bind: Bind, value: str, slot: int) -> Iterator[str]:
        """See MeasureKind."""
        yield f"if {value} is not None and {value} is not {bind(MISSING, 'missing')}:"
        yield f"    g[{slot}] = {bind(self._plugin.update, 'update')}(g[{slot}], {value})"

    def merge(self, into: Slots, other: Slots) -> Slots:
        """See MeasureKind."""
        return [self._plugin.merge(into[0], other[0])]

    def result(self, slots: Slots) -> object:
        """See MeasureKind."""
        value: object = self._plugin.result(slots[0])
        return value

    def encode(self, slots: Slots) -> Slots:
        """See MeasureKind."""
        return [self._plugin.to_bytes(slots[0]).hex()]

    def decode(self, values: Slots) -> Slots:
        """See MeasureKind."""
        return [self._plugin.from_bytes(bytes.fromhex(values[0]))]


def update_numbers(kinds: Sequence[tuple[NumberKind, int]], bind: Bind, value: str) -> Iterator[str]:
    """Lines that take the local `value` into several measures of numbers, each with the first of its slots."""
    yield f"if type({value}) is int:"
    yield from (f"    {line}" for kind, slot in kinds for line in kind.take_int(value, slot))
    yield f"elif type({value}) is float:"
    yield from (f"    {line}" for kind, slot in kinds for line in kind.take_float(bind, value, slot))


def add_float(slots: Slots, at: int, value: float) -> None:
    """Add to the sum in `slots[at]`, what rounding loses to the compensation after it (Neumaier, 1974)."""
    total = slots[at]
    added = total + value
    slots[at + 1] += (total - added) + value if abs(total) >= abs(value) else (value - added) + total
    slots[at] = added


def _total(slots: Slots) -> int | float | None:
    """What a sum's slots come to; None where that is beyond the floats."""
    floats = slots[1] + slots[2]
    try:
        return _finite(slots[0] + floats) if floats else slots[0]
    except OverflowError:
        return None


def _finite(figure: float) -> float | None:
    return figure if isinstance(figure, int) or isfinite(figure) else None


def _is_number(figure: object) -> TypeGuard[int | float]:
    return type(figure) is int or type(figure) is float


def measure_kind(measure: Measure) -> MeasureKind | None:
    """What accumulates a measure; None for `ratio` and `difference`, which are computed from others when read."""
    q, n, exact = 0.5 if measure.q is None else measure.q, measure.n or 10, measure.exact
    match measure.kind:
        case "ratio" | "difference":
            return None
        case "count":
            return Count()
        case "sum":
            return Sum()
        case "avg":
            return Average()
        case "min" | "max":
            return Extreme("<" if measure.kind == "min" else ">")
        case "first" | "last":
            return Edge("<" if measure.kind == "first" else ">=")
        case "distinct":
            kind = ExactDistinct if exact else Kept
            return kind(lambda: Distinct(exact=exact), lambda value: Distinct.from_json(value, exact=exact))
        case "quantile":
            return Quantiles(q)
        case "top":
            return Kept(lambda: Top(n), lambda value: Top.from_json(value, n))
    plugins = entry_points(group="rulemill.measures", name=measure.plugin or measure.kind)
    return Custom(next(iter(plugins)).load())


def combine(kind: str, left: object, right: object) -> object:
    """The ratio or the difference of two figures; None where one is missing or the divisor is zero."""
    if not _is_number(left) or not _is_number(right):
        return None
    try:
        figure = left - right if kind == "difference" else left / right
    except (OverflowError, ZeroDivisionError):
        return None
    return _finite(figure)


def merged(kinds: Sequence[MeasureKind], into: Slots, other: Slots) -> Slots:
    """Two accumulators of one aggregation as one; `into` may be used up."""
    slots: Slots = []
    at = 0
    for kind in kinds:
        slots += kind.merge(into[at : at + kind.width], other[at : at + kind.width])
        at += kind.width
    return slots
