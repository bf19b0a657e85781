"""Reading aggregates while owners write them: one picture, each owner at one committed number.

A value is `now` where its owner has committed its seq, else `prev`. Rule of the file: partials, then the committed
numbers of their owners, then the partials again, so that no window of a range is newer than another.
"""

from collections.abc import Mapping
from typing import NamedTuple

from engine.errors import StoreUnavailable
from engine.ports import StateStore, StoredPartial

_ATTEMPTS = 100


class Picture(NamedTuple):
    """Partials of one key over a range, and what their owners had committed."""

    partials: list[StoredPartial]
    committed: Mapping[str, int]


async def read_range(store: StateStore, aggregation: str, key: str, from_ms: int, to_ms: int) -> Picture:
    """The partials of a key whose panes start in [from_ms, to_ms), with the committed numbers that go with them.

    Every commit that was complete when this began is in it. Raises StoreUnavailable, also where the writers are so
    fast that no picture could be taken: ask again.
    """
    for _ in range(_ATTEMPTS):
        first = await store.partials(aggregation, key, from_ms, to_ms)
        committed = await store.committed(sorted({partial.owner for partial in first}))
        if len({partial.group for partial in first}) <= 1:
            return Picture(first, committed)
        second = await store.partials(aggregation, key, from_ms, to_ms)
        if not any(_overtaken(partial, committed) for partial in second):
            return Picture(second, committed)
    raise StoreUnavailable(f"aggregation `{aggregation}`, key `{key}`: written too fast to be read as one picture")


def _overtaken(partial: StoredPartial, committed: Mapping[str, int]) -> bool:
    """True where the value that the number asks for was overwritten between the looks."""
    number = committed.get(partial.owner, 0)
    return partial.seq > number and partial.prev_seq > number
