"""Snapshots as a worker gives them."""

from dataclasses import fields

from engine.metrics import AggregationCounts, Counters, Durations, SourceCounts
from engine.operations.snapshot import (
    AggregationFigures,
    DurationFigures,
    FilterFigures,
    QueueFigures,
    RulesLoad,
    SeamFigures,
    Snapshot,
    SourceFigures,
)

STARTED_MS = 1_772_442_000_000
NOW_MS = STARTED_MS + 90_000
_NOT_COUNTERS = ("published_by_route",)


def durations(*seconds: float) -> DurationFigures:
    counted = Durations()
    for duration in seconds:
        counted.observe(duration)
    return DurationFigures(counted.counts, counted.total_s)


def source(breaker: str = "closed", **counts: int) -> SourceFigures:
    names = [part.name for part in fields(SourceCounts) if part.name != "latency"]
    return SourceFigures(["http"], breaker, 7, dict.fromkeys(names, 0) | counts, durations(0.02))


def rule(last_match_ms: int | None = None, **counts: int) -> FilterFigures:
    zero = dict.fromkeys(("evaluated", "matched", "unknown", "wrong_type", "errors", "held_back"), 0)
    return FilterFigures("enforce", "What it is for", [{"allow": {"mark": "quick"}}], zero | counts, last_match_ms)


def aggregation(max_keys: int = 10, **counts: int) -> AggregationFigures:
    figures = AggregationCounts()._replace(**counts)._asdict()
    return AggregationFigures("", ["user"], 3_600_000, 900_000, 60_000, 86_400_000, {"answers": "count"}, max_keys, figures)


def snapshot(**changed: object) -> Snapshot:
    """One worker that has done a little of everything."""
    counters = {name: number for number, name in enumerate(sorted(Counters.__slots__)) if name not in _NOT_COUNTERS}
    parts: dict[str, object] = {
        "version": "1.2.3",
        "rulesets": {"abc": 1},
        "rules_load": RulesLoad(successful=True, at_ms=STARTED_MS),
        "started_ms": STARTED_MS,
        "now_ms": NOW_MS,
        "stopping": 0,
        "ledger": {"received": 20, "accepted": 10, "duplicate": 4, "blocked": 2, "rejected": 1, "retry": 2, "in_flight": 1},
        "counters": counters | {"lost_writes": 0},
        "routes": {"vip": 3},
        "queue": QueueFigures(5, 100, 500, 10_000, 2, 1, 50),
        "store": SeamFigures("sqlite", None, 0),
        "egress": SeamFigures("file", None, 0),
        "durations": durations(0.001, 0.02, 60),
        "busy": 0.25,
        "events_per_second": 40.0,
        "filters": {"quick": rule(NOW_MS, evaluated=8, matched=2), "robots": rule(evaluated=6)},
        "sources": {"person": source(lookups=4, hits_local=2, fetched=1, negative=1)},
        "aggregations": {"by_user": aggregation(events=6, groups=3)},
        "reasons": [],
        "watermarks_ms": {"http": NOW_MS},
        "process": {"process_resident_memory_bytes": 1e8, "process_cpu_seconds_total": 2.5},
    }
    return Snapshot(**(parts | changed))  # type: ignore[arg-type]  # the test names the parts it changes
