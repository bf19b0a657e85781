"""What grows with the values it has seen: distinct values, quantiles and the most frequent values.

In: values of events, one by one; those of the wrong type are passed over. Out: an answer that is exact while little was
seen, and a bounded sketch of a known error afterwards. Rule of the file: a number is one value however it is written
(1 and 1.0), a boolean is no number, and merging leaves the other accumulator as it was.

The library of sketches brings numpy, which takes as long to load as all of the validator. So it is loaded for the first sketch, or by whoever
aggregates events, before they come: `load_library`.
"""

import math
from base64 import b64decode, b64encode
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Self, cast

import orjson

from engine.rules.model import Scalar
from engine.rules.values import JsonText, json_bytes

if TYPE_CHECKING:
    from datasketches import frequent_strings_sketch, hll_sketch, kll_doubles_sketch

EXACT_DISTINCT: Final = 1_024
EXACT_QUANTILE: Final = 128
EXACT_TOP: Final = 512

_HLL_LG_K: Final = 13  # 0.9 % standard error, 1.2 % after merging, in 4 KiB
_KLL_K: Final = 256  # 1.05 % error of rank
_FREQUENT_LG_SIZE: Final = 10  # counts are off by at most 0.35 % of all values
_LARGEST: Final = 1.7976931348623157e308
_OTHER_SCALARS: Final = frozenset((int, float, bool))

Member = Scalar | tuple[bool]


@cache
def load_library() -> Any:
    """The library of sketches."""
    return import_module("datasketches")


class Distinct:
    """How many different scalars there were: a set up to EXACT_DISTINCT members, then HyperLogLog; `exact` keeps the set.

    `members` has text and numbers as they are and booleans as tuples of one, because True equals 1; they only become more.
    """

    __slots__ = ("_exact", "_sketch", "_written", "_written_members", "members")

    def __init__(self, *, exact: bool = False) -> None:
        self.members: dict[Member, None] = {}
        self._written = bytearray()
        self._written_members = 0
        self._exact = exact
        self._sketch: hll_sketch | None = None

    def add(self, value: object) -> None:
        """Take one value in, unless it is no scalar or was there before."""
        member = _member(value)
        if member is None:
            return
        if self._sketch is not None:
            self._sketch.update(_text(member))
            return
        self.members[member] = None
        if len(self.members) > EXACT_DISTINCT and not self._exact:
            self._keep_sketch(self._as_sketch())

    def merge(self, other: Self) -> None:
        """Take in all that the other has seen."""
        if self._sketch is None and other._sketch is None:
            self.members |= other.members
            if len(self.members) > EXACT_DISTINCT and not self._exact:
                self._keep_sketch(self._as_sketch())
            return
        union = load_library().hll_union(_HLL_LG_K)
        union.update(self._as_sketch())
        union.update(other._as_sketch())
        self._keep_sketch(union.get_result(load_library().tgt_hll_type.HLL_4))

    def result(self) -> int:
        """The number of different values, to about 1 % beyond EXACT_DISTINCT."""
        return len(self.members) if self._sketch is None else round(self._sketch.get_estimate())

    def to_json(self) -> object:
        """A list of scalars, booleans as arrays of one, written already; or a sketch as text."""
        if self._sketch is not None:
            return _base64(self._sketch.serialize_compact())
        return self._written_list()

    @classmethod
    def from_json(cls, value: object, *, exact: bool = False) -> Self:
        """What `to_json` wrote."""
        state = cls(exact=exact)
        if isinstance(value, str):
            state._sketch = load_library().hll_sketch.deserialize(b64decode(value))
        else:
            items = cast("list[str | int | float | list[bool]]", value)
            state.members = dict.fromkeys((item[0],) if isinstance(item, list) else item for item in items)
        return state

    def _written_list(self) -> JsonText:
        """The members as a JSON array. Only those that are new since the last time are written: a set may have grown large."""
        members, written = self.members, self._written
        fresh = list(islice(reversed(members), len(members) - self._written_members))
        if fresh:
            if written:
                written += b","
            written += json_bytes(fresh)[1:-1]
            self._written_members = len(members)
        return JsonText(b"[" + bytes(written) + b"]")

    def _keep_sketch(self, sketch: "hll_sketch") -> None:
        """Go on with a sketch, without the members."""
        self._sketch, self.members, self._written = sketch, {}, bytearray()

    def _as_sketch(self) -> "hll_sketch":
        if self._sketch is not None:
            return self._sketch
        library = load_library()
        sketch: hll_sketch = library.hll_sketch(_HLL_LG_K, library.tgt_hll_type.HLL_4)
        for member in self.members:
            sketch.update(_text(member))
        return sketch


class Quantile:
    """The values that shares of the numbers do not exceed: all numbers up to EXACT_QUANTILE, then a KLL sketch."""

    __slots__ = ("_numbers", "_sketch")

    def __init__(self) -> None:
        self._numbers: list[float] = []
        self._sketch: kll_doubles_sketch | None = None

    def add(self, value: object) -> None:
        """Take one value in, unless it is no finite number."""
        number = _number(value)
        if number is None:
            return
        if self._sketch is not None:
            self._sketch.update(_as_float(number))
            return
        self._numbers.append(number)
        self._spill_when_large()

    def merge(self, other: Self) -> None:
        """Take in all that the other has seen."""
        if self._sketch is None and other._sketch is None:
            self._numbers += other._numbers
            self._spill_when_large()
            return
        merged = _quantile_sketch(self._numbers)
        merged.merge(other._sketch if other._sketch is not None else _quantile_sketch(other._numbers))
        if self._sketch is not None:
            merged.merge(self._sketch)
        self._sketch, self._numbers = merged, []

    def result(self, q: float) -> float | None:
        """The smallest number seen that a share `q` of them does not exceed (nearest rank); None before the first."""
        if self._sketch is not None:
            quantile: float = self._sketch.get_quantile(q, inclusive=True)
            return quantile
        if not self._numbers:
            return None
        rank = math.ceil(q * len(self._numbers) - 1e-9)  # 0.07 * 100 is a little more than 7
        return sorted(self._numbers)[max(rank, 1) - 1]

    def to_json(self) -> object:
        """A list of numbers, or a sketch as text."""
        return list(self._numbers) if self._sketch is None else _base64(self._sketch.serialize())

    @classmethod
    def from_json(cls, value: object) -> Self:
        """What `to_json` wrote."""
        state = cls()
        if isinstance(value, str):
            state._sketch = load_library().kll_doubles_sketch.deserialize(b64decode(value))
        else:
            state._numbers = list(cast("list[float]", value))
        return state

    def _spill_when_large(self) -> None:
        if len(self._numbers) > EXACT_QUANTILE:
            self._sketch, self._numbers = _quantile_sketch(self._numbers), []


class Top:
    """The `n` scalars seen most often: all counts up to EXACT_TOP values, then a sketch of the frequent ones."""

    __slots__ = ("_counts", "_n", "_sketch")

    def __init__(self, n: int) -> None:
        self._n = n
        self._counts: dict[Member, int] = {}
        self._sketch: frequent_strings_sketch | None = None

    def add(self, value: object) -> None:
        """Take one value in, unless it is no scalar."""
        member = _member(value)
        if member is None:
            return
        if self._sketch is not None:
            self._sketch.update(_text(member))
            return
        self._counts[member] = self._counts.get(member, 0) + 1
        self._spill_when_large()

    def merge(self, other: Self) -> None:
        """Take in all that the other has seen."""
        if self._sketch is None and other._sketch is None:
            for member, count in other._counts.items():
                self._counts[member] = self._counts.get(member, 0) + count
            self._spill_when_large()
            return
        merged = _top_sketch(self._counts)
        merged.merge(other._sketch if other._sketch is not None else _top_sketch(other._counts))
        if self._sketch is not None:
            merged.merge(self._sketch)
        self._sketch, self._counts = merged, {}

    def result(self) -> list[dict[str, object]]:
        """Values with their counts, most frequent first, equals by their text."""
        if self._sketch is None:
            rows = [(count, _text(member), _plain(member)) for member, count in self._counts.items()]
        else:
            found = self._sketch.get_frequent_items(load_library().frequent_items_error_type.NO_FALSE_NEGATIVES)
            rows = [(count, text, cast("Scalar", orjson.loads(text))) for text, count, _, _ in found]
        rows.sort(key=lambda row: (-row[0], row[1]))
        return [{"value": value, "count": count} for count, _, value in rows[: self._n]]

    def to_json(self) -> object:
        """A list of scalars and their counts by turns, or a sketch as text."""
        if self._sketch is not None:
            return _base64(self._sketch.serialize())
        return [part for member, count in self._counts.items() for part in (_plain(member), count)]

    @classmethod
    def from_json(cls, value: object, n: int) -> Self:
        """What `to_json` wrote."""
        state = cls(n)
        if isinstance(value, str):
            state._sketch = load_library().frequent_strings_sketch.deserialize(b64decode(value))
            return state
        parts = cast("list[Scalar]", value)
        for item, count in zip(parts[::2], cast("list[int]", parts[1::2]), strict=True):
            member = _member(item)
            if member is not None:
                state._counts[member] = count
        return state

    def _spill_when_large(self) -> None:
        if len(self._counts) > EXACT_TOP:
            self._sketch, self._counts = _top_sketch(self._counts), {}


def _member(value: object) -> Member | None:
    kind = type(value)
    if kind is str:
        return cast("str", value)
    if kind is bool:
        return (cast("bool", value),)
    return _number(value) if kind in _OTHER_SCALARS else None


def _number(value: object) -> int | float | None:
    if type(value) is int:
        return value
    return value if type(value) is float and math.isfinite(value) else None


def _plain(member: Member) -> Scalar:
    return member[0] if isinstance(member, tuple) else member


def _text(member: Member) -> str:
    """A text that equal values share and others do not: JSON, whole numbers without a fraction."""
    plain = _plain(member)
    if type(plain) is float and plain.is_integer():
        plain = int(plain)
    return str(plain) if type(plain) is int else orjson.dumps(plain).decode()


def _as_float(number: float) -> float:
    """The number as a float; an integer that none can hold counts as the largest that one can."""
    try:
        return float(number)
    except OverflowError:
        return _LARGEST if number > 0 else -_LARGEST


def _quantile_sketch(numbers: Iterable[float]) -> "kll_doubles_sketch":
    sketch: kll_doubles_sketch = load_library().kll_doubles_sketch(_KLL_K)
    for number in numbers:
        sketch.update(_as_float(number))
    return sketch


def _top_sketch(counts: dict[Member, int]) -> "frequent_strings_sketch":
    sketch: frequent_strings_sketch = load_library().frequent_strings_sketch(_FREQUENT_LG_SIZE)
    for member, count in counts.items():
        sketch.update(_text(member), count)
    return sketch


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
