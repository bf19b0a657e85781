"""What is counted. Rule of the file: plain integers, added to once per batch or per event's end, read by anybody."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from engine.event import ACCEPTED, BLOCKED, DUPLICATE, REJECTED, RETRY


@dataclass(slots=True)
class Ledger:
    """received = accepted + duplicate + blocked + rejected + retry + in flight, at every moment.

    `in_flight` is not kept here: the processor counts what it holds, so that the two sides can be compared.
    """

    received: int = 0
    ended: dict[str, int] = field(default_factory=lambda: dict.fromkeys((ACCEPTED, DUPLICATE, BLOCKED, REJECTED, RETRY), 0))

    def total_ended(self) -> int:
        """Events that have ended, whichever way."""
        return sum(self.ended.values())

    def balance(self) -> int:
        """Events received that have not ended, by the ledger's own account."""
        return self.received - self.total_ended()


@dataclass(slots=True)
class Counters:
    """Everything else that the processor counts. Each name says what one unit is."""

    batches: int = 0
    published_records: int = 0
    published_by_route: dict[str, int] = field(default_factory=dict)
    late_events: int = 0
    late_dropped: int = 0
    conflicts: int = 0
    joined_copies: int = 0
    takeovers: int = 0
    poison_events: int = 0
    refused_records: int = 0
    dead_letters: int = 0
    degraded_events: int = 0
    degraded_duplicates: int = 0
    commits: int = 0
    owners_retired: int = 0
    lost_writes: int = 0
    derive_errors: int = 0
    encode_errors: int = 0
    events_enriched: int = 0


class AggregationCounts(NamedTuple):
    """What one aggregation has counted: events, as `LiveGroups` says, and as `evicted` groups that left memory.

    `groups` are those in memory now, `keys` how many keys they have. `emitted` are windows that were published.
    """

    events: int = 0
    late: int = 0
    unkeyed: int = 0
    overflow: int = 0
    errors: int = 0
    evicted: int = 0
    groups: int = 0
    keys: int = 0
    emitted: int = 0

    def plus(self, other: "AggregationCounts") -> "AggregationCounts":
        """The sum of both."""
        return AggregationCounts(*map(sum, zip(self, other, strict=True)))


class Durations:
    """How long things took, by bounds. `counts` has one entry for each of BOUNDS_S and one for what took longer."""

    BOUNDS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

    __slots__ = ("counts", "total_s")

    def __init__(self, counts: Sequence[int] = (), total_s: float = 0.0) -> None:
        self.counts = list(counts) or [0] * (len(self.BOUNDS_S) + 1)
        self.total_s = total_s

    def observe(self, seconds: float, times: int = 1) -> None:
        """Count `times` things that took so long each."""
        self.counts[bisect_left(self.BOUNDS_S, seconds)] += times
        self.total_s += seconds * times

    def quantile_s(self, q: float) -> float | None:
        """The duration that the share `q` of things did not exceed, interpolated within its bounds; None without any.

        What took longer than the last bound is given as that bound.
        """
        left = q * sum(self.counts)
        if not left:
            return None
        below = 0.0
        for bound, count in zip(self.BOUNDS_S, self.counts, strict=False):
            if count >= left:
                return below + (bound - below) * left / count
            left -= count
            below = bound
        return below


@dataclass(slots=True)
class SourceCounts:
    """What became of the look-ups of one enrichment source. Each is counted once, by how it ended.

    `lookups` is their number, `fetches` that of requests to the places behind the caches, `errors` those of them that failed,
    `refreshes` those that were made ahead of an entry's end. `shared_skipped` are keys that were not looked for among shared answers because
    these could not be had in time, `shared_unwritten` answers that were not shared.
    """

    lookups: int = 0
    hits_local: int = 0
    hits_shared: int = 0
    fetched: int = 0
    negative: int = 0
    defaults: int = 0
    stale: int = 0
    timeouts: int = 0
    breaker_open: int = 0
    fetches: int = 0
    errors: int = 0
    refreshes: int = 0
    shared_skipped: int = 0
    shared_unwritten: int = 0
    latency: Durations = field(default_factory=Durations)

    def ended(self, status: str, times: int = 1, *, fresh: str = "fetched") -> None:
        """Count look-ups that ended with this status; a fresh one under the name of where it was found."""
        name = fresh if status == "fresh" else _COUNTED_AS.get(status, status)
        self.lookups += times
        setattr(self, name, getattr(self, name) + times)


_COUNTED_AS: Final = {"default": "defaults", "timeout": "timeouts"}
