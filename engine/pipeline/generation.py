"""A plan in service, with what was built for it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from engine.event import Event, FilterCounts, Outcome, Submission
from engine.pipeline.enrich import Enricher
from engine.rules.plan import Plan


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Generation:
    """Immutable but for its counts; a batch keeps to one.

    `decode` turns a submission into events and settles the items that are none. `recheck` looks at an event that another
    generation decoded: None where it can go on under this one. `close`, called once when no batch keeps to it any more, gives its
    sources back.
    """

    number: int
    plan: Plan
    decode: Callable[[Submission], list[Event]]
    recheck: Callable[[Event], Outcome | None]
    enricher: Enricher
    counts: FilterCounts
    close: Callable[[], Awaitable[None]]
