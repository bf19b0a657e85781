"""How much of an aggregation's state there is: keys and groups in the store.

In: a store and the name of a state. Out: numbers. Rule of the file: any store can be asked, through its port; a count has an end.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, NamedTuple

from engine.ports import StateStore
from engine.rules.times import MAX_TIME_MS, MIN_TIME_MS

MAX_GROUPS: Final = 100_000
"""Counting ends here."""


class LiveGroups(NamedTuple):
    """Keys and groups of a state. Where it is not `complete`, there are more."""

    keys: int
    groups: int
    complete: bool = True


Count = Callable[[Iterable[str]], Awaitable[Mapping[str, LiveGroups]]]
"""Counts the groups of each state. Raises StoreUnavailable."""


async def count_nothing(states: Iterable[str]) -> Mapping[str, LiveGroups]:
    """As a Count where no store can be asked."""
    del states
    return {}


async def count_groups(store: StateStore, state: str, most: int = MAX_GROUPS) -> LiveGroups:
    """Count the groups of a state, up to `most`. Raises StoreUnavailable."""
    keys = groups = 0
    last: str | None = None
    scan = store.scan(state, MIN_TIME_MS, MAX_TIME_MS)
    async for rows in scan:
        if groups == most:
            return LiveGroups(keys, groups, complete=False)
        groups += 1
        key = rows[0].group.key
        keys += key != last
        last = key
    return LiveGroups(keys, groups)


async def count_states(store: StateStore, states: Iterable[str], most: int = MAX_GROUPS) -> dict[str, LiveGroups]:
    """Count the groups of each state, up to `most` each. Raises StoreUnavailable."""
    return {state: await count_groups(store, state, most) for state in states}
