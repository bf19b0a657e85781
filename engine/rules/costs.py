"""What a ruleset may cost an event: an estimate from above, in steps of one plain comparison.

In: a ruleset. Out: steps for each rule that asks something. Rule of the file: every test is taken to be asked, none is known from an event
before; of an array ASSUMED_ELEMENTS are looked at. The order of tests in a rule does not matter: the compiler asks the cheap ones first.
"""

from collections.abc import Mapping
from typing import Final

from engine.rules.model import Condition, Ruleset
from engine.rules.normalise import NORMALS, Leaf, Normal, normalise
from engine.rules.operators import COSTS

ASSUMED_ELEMENTS: Final = 100
MAX_STEPS: Final = 100_000
"""About five milliseconds for an event, if nothing of it is known yet."""

_BY_TEXT: Final = frozenset(("contains_any", "contains_all", "starts_with_any", "ends_with_any", "in_cidr", "has_any", "has_all"))
_PATTERNS_A_STEP: Final = 16


def costs_of(ruleset: Ruleset) -> Mapping[str, int]:
    """The steps of each filter that is not off and of each aggregation, by section and id."""
    steps: dict[str, int] = {}
    for rule in ruleset.filters:
        if rule.mode != "off":
            steps[f"filters.{rule.id}"] = _steps(rule.when, ruleset)
    for aggregation in ruleset.aggregations.values():
        conditions = [aggregation.when, *(measure.condition for measure in aggregation.measures)]
        steps[f"aggregations.{aggregation.id}"] = sum(_steps(asked, ruleset) for asked in conditions if asked is not None)
    return steps


def _steps(condition: Condition, ruleset: Ruleset) -> int:
    return _of(normalise(condition, ruleset))


def _of(normal: Normal) -> int:
    if not isinstance(normal, Leaf):
        return sum(_of(item) for item in normal.items)
    steps = COSTS[normal.operator]
    if isinstance(normal.operand, NORMALS):
        return steps + _of(normal.operand) * (1 if normal.operator == "size" else ASSUMED_ELEMENTS)
    count = len(normal.operand) if isinstance(normal.operand, tuple) else 1
    if normal.operator in _BY_TEXT:
        return steps * count
    # Patterns are joined to one, which is walked once for all of them; it grows, though.
    return steps + count // _PATTERNS_A_STEP if normal.operator == "matches_any" else steps
