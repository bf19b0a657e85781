"""A plan in service, with what was built for it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from engine.event import Event, FilterCounts, Submission
from engine.pipeline.enrich import Enricher
from engine.rules.plan import Plan


@dataclass(frozen=True, slots=True)
class Generation:
    """Immutable but for its counts; a batch keeps to the one it was decoded under.

    `decode` turns a submission into events and settles the items that are none. `close`, called once when no batch keeps to it any
    more, gives its sources back.
    """

    number: int
    plan: Plan
    decode: Callable[[Submission], list[Event]]
    enricher: Enricher
    counts: FilterCounts
    close: Callable[[], Awaitable[None]]
