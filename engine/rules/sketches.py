"""What grows with the values it has seen: distinct values, quantiles and the most frequent values.

In: values of events, one by one; those of the wrong type are passed over. Out: an answer that is exact while little was
seen, and a bounded sketch of a known error afterwards. Rule of the file: a number is one value however it is written
(1 and 1.0), a boolean is no number, and merging leaves the other accumulator as it was.

An accumulator is written in two parts: a base, which is large and changes seldom, and the values since, its tail. What it answers is the same after
both were read back: the tail is taken into a sketch only when there is to be another base.

The library of sketches brings numpy, which takes as long to load as all of the validator. So it is loaded for the first sketch, or by whoever
aggregates events, before they come: `load_library`.
"""

import math
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, cast

import orjson

from engine.rules.model import Scalar

if TYPE_CHECKING:
    from datasketches import frequent_strings_sketch, hll_sketch, kll_doubles_sketch

EXACT_DISTINCT: Final = 1_024
EXACT_QUANTILE: Final = 128
EXACT_TOP: Final = 512
MAX_TAIL: Final = 256
"""Values that wait to be taken into a sketch; more of them make another base due."""

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


class Accumulator(Protocol):
    """What a measure keeps. `base_is_due`: the base that was last written, and the tail, are not all there is."""

    base_is_due: bool

    def add(self, value: object) -> None:
        """Take one value in."""

    def merge(self, other: Any) -> None:
        """Take in all that the other has seen."""

    def tail(self) -> Sequence[Member]:
        """The values since the last base; JSON has booleans among them as arrays of one."""

    def to_json(self) -> object:
        """The base, from now on, of all there is."""


class Distinct:
    """How many different scalars there were: a set up to EXACT_DISTINCT members, then HyperLogLog; `exact` keeps the set.

    `members` has text and numbers as they are and booleans as tuples of one, because True equals 1; they only become more.
    """

    __slots__ = ("_exact", "_in_base", "_sketch", "_tail", "base_is_due", "members")

    def __init__(self, *, exact: bool = False) -> None:
        self.members: dict[Member, None] = {}
        self.base_is_due = False
        self._in_base = 0
        self._exact = exact
        self._sketch: hll_sketch | None = None
        self._tail: dict[Member, None] = {}

    def add(self, value: object) -> None:
        """Take one value in, unless it is no scalar or was there before."""
        member = _member(value)
        if member is None:
            return
        if self._sketch is None:
            self.members[member] = None
            self._become_sketch_when_large()
            return
        self._tail[member] = None
        if len(self._tail) > MAX_TAIL:
            self._take_tail_in(self._sketch)

    def merge(self, other: Self) -> None:
        """Take in all that the other has seen."""
        if self._sketch is None and other._sketch is None:
            self.members |= other.members
            self._become_sketch_when_large()
            return
        library = load_library()
        union = library.hll_union(_HLL_LG_K)
        union.update(self._as_sketch())
        union.update(other._as_sketch())
        self._keep_sketch(union.get_result(library.tgt_hll_type.HLL_4))

    def result(self) -> int:
        """The number of different values, to about 1 % beyond EXACT_DISTINCT."""
        return len(self.members) if self._sketch is None else round(self._as_sketch().get_estimate())

    def tail(self) -> list[Member]:
        """The values since the last base, in the order in which they came."""
        if self._sketch is not None:
            return list(self._tail)
        if not self._in_base:
            return list(self.members)
        return list(islice(reversed(self.members), len(self.members) - self._in_base))[::-1]

    def to_json(self) -> object:
        """The base, from now on, of all there is: a list of scalars, booleans as arrays of one, or a sketch as text."""
        self._in_base, self.base_is_due = len(self.members), False
        if self._sketch is None:
            return list(self.members)
        self._take_tail_in(self._sketch)
        self.base_is_due = False
        return _base64(self._sketch.serialize_compact())

    @classmethod
    def from_json(cls, value: object, *, exact: bool = False) -> Self:
        """What `to_json` wrote."""
        state = cls(exact=exact)
        if isinstance(value, str):
            state._sketch = load_library().hll_sketch.deserialize(b64decode(value))
        else:
            items = cast("list[str | int | float | list[bool]]", value)
            state.members = dict.fromkeys((item[0],) if isinstance(item, list) else item for item in items)
            state._in_base = len(state.members)
        return state

    def _become_sketch_when_large(self) -> None:
        if len(self.members) > EXACT_DISTINCT and not self._exact:
            self._keep_sketch(self._as_sketch())

    def _keep_sketch(self, sketch: "hll_sketch") -> None:
        """Go on with a sketch, without the members."""
        self._sketch, self.members, self._tail, self.base_is_due = sketch, {}, {}, True

    def _take_tail_in(self, sketch: "hll_sketch") -> None:
        for member in self._tail:
            sketch.update(_text(member))
        self._tail, self.base_is_due = {}, True

    def _as_sketch(self) -> "hll_sketch":
        """A sketch of all there is, which is not to be changed."""
        library = load_library()
        sketch: hll_sketch
        if self._sketch is None:
            sketch = library.hll_sketch(_HLL_LG_K, library.tgt_hll_type.HLL_4)
        elif self._tail:
            sketch = library.hll_sketch.deserialize(self._sketch.serialize_compact())
        else:
            return self._sketch
        for member in self._tail or self.members:
            sketch.update(_text(member))
        return sketch


class Quantile:
    """The values that shares of the numbers do not exceed: all numbers up to EXACT_QUANTILE, then a KLL sketch."""

    __slots__ = ("_in_base", "_numbers", "_sketch", "base_is_due")

    def __init__(self) -> None:
        self.base_is_due = False
        self._in_base = 0
        self._numbers: list[float] = []
        self._sketch: kll_doubles_sketch | None = None

    def add(self, value: object) -> None:
        """Take one value in, unless it is no finite number."""
        number = _number(value)
        if number is None:
            return
        self._numbers.append(number)
        self._take_in_when_many()

    def merge(self, other: Self) -> None:
        """Take in all that the other has seen."""
        if other._sketch is not None:
            self._take_numbers_in()
            cast("kll_doubles_sketch", self._sketch).merge(other._sketch)
        self._numbers += other._numbers
        self._take_in_when_many()

    def result(self, q: float) -> float | None:
        """The smallest number seen that a share `q` of them does not exceed (nearest rank); None before the first."""
        weighted = [(number, 1) for number in self._numbers]
        if self._sketch is not None:
            weighted += self._sketch
        total = sum(weight for _, weight in weighted)
        rank = max(1, math.ceil(q * total - 1e-9))  # 0.07 * 100 is a little more than 7
        for number, weight in sorted(weighted):
            rank -= weight
            if rank <= 0:
                return number
        return None

    def tail(self) -> list[float]:
        """The numbers since the last base."""
        return self._numbers[self._in_base :]

    def to_json(self) -> object:
        """The base, from now on, of all there is: a list of numbers, or a sketch as text."""
        if self._sketch is None:
            self._in_base = len(self._numbers)
            return list(self._numbers)
        self._take_numbers_in()
        self.base_is_due = False
        return _base64(self._sketch.serialize())

    @classmethod
    def from_json(cls, value: object) -> Self:
        """What `to_json` wrote."""
        state = cls()
        if isinstance(value, str):
            state._sketch = load_library().kll_doubles_sketch.deserialize(b64decode(value))
        else:
            state._numbers = list(cast("list[float]", value))
            state._in_base = len(state._numbers)
        return state

    def _take_in_when_many(self) -> None:
        if len(self._numbers) > (EXACT_QUANTILE if self._sketch is None else MAX_TAIL):
            self._take_numbers_in()

    def _take_numbers_in(self) -> None:
        """Go on with a sketch that has all of the numbers."""
        if self._sketch is None:
            self._sketch = cast("kll_doubles_sketch", load_library().kll_doubles_sketch(_KLL_K))
        for number in self._numbers:
            self._sketch.update(_as_float(number))
        self._numbers, self._in_base, self.base_is_due = [], 0, True


class Top:
    """The `n` scalars seen most often: all counts up to EXACT_TOP values, then a sketch of the frequent ones."""

    __slots__ = ("_counts", "_n", "_sketch", "_tail", "base_is_due")

    def __init__(self, n: int) -> None:
        self.base_is_due = False
        self._n = n
        self._counts: Counter[Member] = Counter()
        self._sketch: frequent_strings_sketch | None = None
        self._tail: list[Member] = []

    def add(self, value: object) -> None:
        """Take one value in, unless it is no scalar."""
        member = _member(value)
        if member is None:
            return
        self._tail.append(member)
        if len(self._tail) > MAX_TAIL:
            self._take_tail_in()

    def merge(self, other: Self) -> None:
        """Take in all that the other has seen."""
        if other._sketch is None:
            self._take_in(other._counts)
        else:
            self._become_sketch()
            cast("frequent_strings_sketch", self._sketch).merge(other._sketch)
        self._take_in(Counter(other._tail))

    def result(self) -> list[dict[str, object]]:
        """Values with their counts, most frequent first, equals by their text."""
        if self._sketch is None:
            counts = self._counts + Counter(self._tail)
            rows = [(count, _text(member), _plain(member)) for member, count in counts.items()]
        else:
            library = load_library()
            sketch = library.frequent_strings_sketch.deserialize(self._sketch.serialize())
            for member in self._tail:
                sketch.update(_text(member))
            found = sketch.get_frequent_items(library.frequent_items_error_type.NO_FALSE_NEGATIVES)
            rows = [(count, text, cast("Scalar", orjson.loads(text))) for text, count, _, _ in found]
        rows.sort(key=lambda row: (-row[0], row[1]))
        return [{"value": value, "count": count} for count, _, value in rows[: self._n]]

    def tail(self) -> list[Member]:
        """The values since the last base, each as often as it came."""
        return self._tail.copy()

    def to_json(self) -> object:
        """The base, from now on, of all there is: a list of scalars and their counts by turns, or a sketch as text."""
        self._take_tail_in()
        self.base_is_due = False
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

    def _take_tail_in(self) -> None:
        counts, self._tail = Counter(self._tail), []
        self._take_in(counts)

    def _take_in(self, counts: Counter[Member]) -> None:
        """Count these in, into a sketch if they are many."""
        self.base_is_due = True
        if self._sketch is not None:
            for member, count in counts.items():
                self._sketch.update(_text(member), count)
            return
        self._counts.update(counts)
        if len(self._counts) > EXACT_TOP:
            self._become_sketch()

    def _become_sketch(self) -> None:
        if self._sketch is None:
            counts, self._counts = self._counts, Counter()
            self._sketch = cast("frequent_strings_sketch", load_library().frequent_strings_sketch(_FREQUENT_LG_SIZE))
            self._take_in(counts)


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


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
