"""Why a condition does not hold: the fewest tests that would have to come out otherwise.

In: an explanation. Out: tests with the result they would need. Rule of the file: each test is taken by itself, as if it could be changed alone; of several
smallest sets the first in the order written counts.
"""

from dataclasses import dataclass
from typing import Final, Literal

from engine.rules.interpreter import Explanation

_Goal = Literal["true", "false"]
_OTHER: Final[dict[_Goal, _Goal]] = {"true": "false", "false": "true"}


@dataclass(frozen=True, slots=True)
class Needed:
    """A test, and the result it would need."""

    test: Explanation
    result: bool


def why_not(found: Explanation) -> tuple[Needed, ...]:
    """What would have to change for the condition to be true; nothing where it is, or where nothing can make it."""
    return _needed(found, "true") or ()


def count_of_tests(found: Explanation) -> int:
    """How many tests an explanation has; those on elements of arrays count for each element."""
    return (0 if is_joint(found) else 1) + sum(count_of_tests(part) for part in found.parts)


def is_joint(found: Explanation) -> bool:
    """Whether it joins or names conditions, and is no test itself."""
    return found.what in {"all", "any", "not"} or found.what.startswith("use ")


def _needed(found: Explanation, goal: _Goal) -> tuple[Needed, ...] | None:
    """The smallest set for a goal; None where there is none."""
    if found.result is (goal == "true"):
        return ()
    if found.what == "not":
        return _needed(found.parts[0], _OTHER[goal])
    if not is_joint(found) and not found.parts:
        return (Needed(found, goal == "true"),)
    sets = [_needed(part, goal) for part in found.parts]
    if (found.what in {"any", "some"}) is (goal == "true"):
        possible = [needed for needed in sets if needed is not None]
        return min(possible, key=len) if possible else None
    return None if None in sets else tuple(needed for part in sets for needed in part or ())
