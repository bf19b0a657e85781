"""The values that a field may have, cut into regions that tests tell apart.

In: the constants that a field is compared with. Out: sets of regions as the bits of one number. Rule of the file: a value lies in exactly one
region. Every constant is a region of its own, the numbers between two of them are one, and so are all texts that no constant is.

Two sets describe a test: the regions where it may be true, and those where it is true of every value. They are equal where the regions tell
all that the test asks.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

MISSING: Final = 1
NULL: Final = 2
TRUE: Final = 4
FALSE: Final = 8
ARRAY: Final = 16
OBJECT: Final = 32
OTHER_TEXT: Final = 64
ABSENT: Final = MISSING | NULL
BOOLEANS: Final = TRUE | FALSE

MAX_CONSTANTS: Final = 2_000
"""The most numbers, and the most texts, that one field is cut by; further ones count as any value of their region."""

_FIRST: Final = 7

Number = int | float


class Regions(NamedTuple):
    """Where something may be true, and where it certainly is."""

    possible: int
    certain: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """A range of numbers; None is no limit."""

    low: Number | None = None
    high: Number | None = None
    with_low: bool = True
    with_high: bool = True


class Domain:
    """The regions of one field. `numbers` and `texts` are the constants; `everything` is the set of all regions."""

    __slots__ = ("_position", "all_numbers", "all_texts", "everything", "numbers", "texts")

    def __init__(self, numbers: Iterable[Number], texts: Iterable[str]) -> None:
        self.numbers = tuple(sorted(set(numbers)))[:MAX_CONSTANTS]
        self._position = {number: at for at, number in enumerate(self.numbers)}
        after = _FIRST + 2 * len(self.numbers) + 1
        kept = list(dict.fromkeys(texts))[:MAX_CONSTANTS]
        self.texts = {text: 1 << (after + at) for at, text in enumerate(kept)}
        self.all_numbers = (1 << after) - (1 << _FIRST)
        self.everything = (1 << (after + len(kept))) - 1
        self.all_texts = self.everything - ((1 << after) - 1) | OTHER_TEXT

    def text(self, value: str) -> Regions:
        """The texts that equal this one."""
        region = self.texts.get(value)
        return Regions(OTHER_TEXT, 0) if region is None else Regions(region, region)

    def range(self, bounds: Bounds) -> Regions:
        """The numbers within these bounds."""
        low, high = (0, 0), (2 * len(self.numbers),) * 2
        if bounds.low is not None:
            low = self._limit(bounds.low, 0 if bounds.with_low else 1, 1)
        if bounds.high is not None:
            high = self._limit(bounds.high, 0 if bounds.with_high else -1, -1)
        return Regions(_span(low[0], high[0]), _span(low[1], high[1]))

    def _limit(self, number: Number, beyond: int, inwards: int) -> tuple[int, int]:
        """The last region, counted from the lowest, that may pass, and the last that certainly does."""
        at = self._position.get(number)
        if at is not None:
            return (2 * at + 1 + beyond,) * 2
        gap = 2 * bisect_left(self.numbers, number)
        return gap, gap + inwards

    def without_whole_numbers(self) -> int:
        """The regions of numbers in which no whole number lies."""
        empty = 0
        for at, number in enumerate(self.numbers):
            if isinstance(number, float) and not number.is_integer():
                empty |= _span(2 * at + 1, 2 * at + 1)
            if at and _next_whole(self.numbers[at - 1]) >= number:
                empty |= _span(2 * at, 2 * at)
        return empty


def _next_whole(number: Number) -> int:
    return int(number // 1) + 1


def _span(first: int, last: int) -> int:
    """The bits of regions of numbers, both ends included."""
    return ((1 << (last - first + 1)) - 1) << (_FIRST + first) if first <= last else 0


def both(one: Regions, two: Regions) -> Regions:
    """Where both are true."""
    return Regions(one.possible & two.possible, one.certain & two.certain)


def either(one: Regions, two: Regions) -> Regions:
    """Where at least one is true."""
    return Regions(one.possible | two.possible, one.certain | two.certain)


def opposite(test: Regions, among: int) -> Regions:
    """Where the test is false, of the regions in which it is true or false."""
    return Regions(among & ~test.certain, among & ~test.possible)
