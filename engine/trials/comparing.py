"""What was wanted against what was found, member by member.

In: a value as a test writes it, and one of a record or a window. Out: every difference, with its place. Rule of the file: of a map only what is
named is compared, of a list everything; null says that a member is null or not there.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.rules.explanations import value_text
from engine.rules.values import MISSING

_REL_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where something else came out. MISSING is nothing at all; `advice` is for the author."""

    place: str
    wanted: object
    found: object
    advice: str = ""


def differences(place: str, wanted: object, found: object) -> Iterator[Difference]:
    """The differences at and below a place, in the order wanted."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for name, value in wanted.items():
            yield from differences(f"{place}.{name}", value, found.get(name, MISSING))
    elif isinstance(wanted, list) and isinstance(found, Sequence) and not isinstance(found, str) and len(wanted) == len(found):
        for index, (value, other) in enumerate(zip(wanted, found, strict=True)):
            yield from differences(f"{place}[{index}]", value, other)
    elif not _same(wanted, found):
        yield Difference(place, wanted, found)


def set_differences(place: str, wanted: Sequence[str], found: Sequence[str]) -> Iterator[Difference]:
    """The difference of two lists where the order says nothing."""
    if Counter(wanted) != Counter(found):
        yield Difference(place, list(wanted), list(found))


def found_text(value: object) -> str:
    """A value in a report."""
    return "nothing" if value is MISSING else value_text(value)


def _same(wanted: object, found: object) -> bool:
    if wanted is None:
        return found is None or found is MISSING
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if isinstance(wanted, int | float) and isinstance(found, int | float):
        return wanted == found or math.isclose(wanted, found, rel_tol=_REL_TOLERANCE)
    return type(wanted) is type(found) and wanted == found
