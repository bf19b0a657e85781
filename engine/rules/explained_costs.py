"""What a condition costs: how many of its tests are looked at, and how much they weigh.

In: an explanation. Out: counts. Rule of the file: an estimate. The generated code looks at the cheapest first and stops where the result is clear; a weight
of 1 is one comparison of a value with a constant.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from engine.rules.interpreter import Explanation
from engine.rules.operators import COSTS
from engine.rules.why_not import count_of_tests, is_joint

_TURNED: Final = {"ne": "eq", "not_in": "in", "older_than": "within"}


@dataclass(frozen=True, slots=True)
class Cost:
    """Tests and their weights: all of them, and those that this event made it look at."""

    tests: int
    weight: int
    evaluated: int
    evaluated_weight: int


def cost_of(found: Explanation) -> Cost:
    """The cost of the condition on the event that was explained."""
    looked_at = list(_looked_at(found, wants=True))
    return Cost(count_of_tests(found), _weight(found), len(looked_at), sum(_own_weight(test) for test in looked_at))


def _weight(found: Explanation) -> int:
    return _own_weight(found) + sum(_weight(part) for part in found.parts)


def _own_weight(found: Explanation) -> int:
    return 0 if is_joint(found) else COSTS[_TURNED.get(found.what, found.what)]


def _looked_at(found: Explanation, *, wants: bool) -> Iterator[Explanation]:
    """The tests that are looked at to find whether the condition is definitely true, or with `wants` False definitely false."""
    if found.what == "not":
        yield from _looked_at(found.parts[0], wants=not wants)
        return
    if not is_joint(found):
        yield found
    ends_with = (found.what in {"any", "some"}) is wants
    for part in sorted(found.parts, key=_weight):
        yield from _looked_at(part, wants=wants)
        if (part.result is wants) is ends_with:
            return
