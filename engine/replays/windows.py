"""The windows that two rulesets came to over one recording, and those of them that are not the same.

In: two plans and their stores, both at rest. Out: for each aggregation how many windows changed, and the largest changes. Rule of the file: both stores are read side by
side, in the order of keys and starts, so that memory has a bound.
"""

import heapq
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.operations.summary import partials_by_key
from engine.ports import StateStore
from engine.rules.aggregation_plan import AggregationPlan, read_values
from engine.rules.plan import Plan

Values = Mapping[str, object]


class Window(NamedTuple):
    """One window of one key, with its figures."""

    key: str
    start_ms: int
    end_ms: int
    values: Values


class ChangedWindow(NamedTuple):
    """A window that is other. `old` or `new` is None where only the other ruleset has it."""

    key: str
    start_ms: int
    end_ms: int
    old: Values | None
    new: Values | None

    @property
    def size(self) -> float:
        """The largest change of a figure; 0 where no figure that is a number changed."""
        old, new = self.old or {}, self.new or {}
        return max((abs(_number(new.get(name)) - _number(old.get(name))) for name in {*old, *new}), default=0)


@dataclass(slots=True)
class AggregateDifferences:
    """One aggregation under both rulesets. `largest` are the largest changes.

    `incomparable` says why its windows cannot be compared, and is empty where they were.
    """

    name: str
    incomparable: str = ""
    changed: int = 0
    unchanged: int = 0
    largest: list[ChangedWindow] = field(default_factory=list)


async def compare_windows(old: tuple[Plan, StateStore], new: tuple[Plan, StateStore], most: int) -> list[AggregateDifferences]:
    """Every aggregation of the two plans, with at most `most` changed windows each."""
    (before, old_store), (after, new_store) = old, new
    found = []
    for name in dict.fromkeys((*before.aggregations, *after.aggregations)):
        differences = AggregateDifferences(name)
        found.append(differences)
        one, other = before.aggregations.get(name), after.aggregations.get(name)
        if one is None or other is None:
            differences.incomparable = "only the old rules have it" if other is None else "only the new rules have it"
        elif reason := _incomparable(one, other):
            differences.incomparable = reason
        else:
            await _compare(differences, _windows(old_store, one), _windows(new_store, other), most)
    return found


async def _compare(differences: AggregateDifferences, old: AsyncIterator[Window], new: AsyncIterator[Window], most: int) -> None:
    largest: list[tuple[float, int, ChangedWindow]] = []
    async for before, after in _side_by_side(old, new):
        if before is not None and after is not None and before.values == after.values:
            differences.unchanged += 1
            continue
        place = before or after
        if place is None:
            continue
        differences.changed += 1
        values = tuple(None if window is None else window.values for window in (before, after))
        window = ChangedWindow(*place[:3], *values)
        heapq.heappush(largest, (window.size, -differences.changed, window))
        if len(largest) > most:
            heapq.heappop(largest)
    differences.largest = [window for _, _, window in sorted(largest, reverse=True)]


async def _side_by_side(
    old: AsyncIterator[Window], new: AsyncIterator[Window]
) -> AsyncIterator[tuple[Window | None, Window | None]]:
    """The windows of both, those of one place together. Each comes in the order of keys and starts."""
    before, after = await anext(old, None), await anext(new, None)
    while before is not None or after is not None:
        takes_old = before is not None and (after is None or before[:2] <= after[:2])
        takes_new = after is not None and (before is None or after[:2] <= before[:2])
        yield before if takes_old else None, after if takes_new else None
        if takes_old:
            before = await anext(old, None)
        if takes_new:
            after = await anext(new, None)


async def _windows(store: StateStore, aggregation: AggregationPlan) -> AsyncIterator[Window]:
    committed: dict[str, int] = {}
    async for rows in partials_by_key(store, aggregation):
        if any(row.owner not in committed for row in rows):
            committed |= await store.committed(sorted({row.owner for row in rows}))
        for window in read_values(aggregation, rows, committed):
            yield Window(rows[0].group.key, *window)


def _incomparable(old: AggregationPlan, new: AggregationPlan) -> str:
    one, other = old.rule, new.rule
    if [name for name, _ in one.key] != [name for name, _ in other.key]:
        return "its key is another"
    return "its window is another" if (one.size_ms, one.every_ms) != (other.size_ms, other.every_ms) else ""


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
