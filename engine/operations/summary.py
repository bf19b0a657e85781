"""What a run of `process` came to: its counts, and its aggregates as lines."""

from collections.abc import AsyncIterator, Mapping
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import IO, Protocol

from engine.event import JsonObject
from engine.metrics import AggregationCounts
from engine.pipeline.aggregate import read_values
from engine.pipeline.processor import Processor
from engine.ports import StateStore, StoredPartial
from engine.rules.aggregation_plan import AggregationPlan
from engine.rules.plan import Plan
from engine.rules.times import format_nearest
from engine.rules.values import json_bytes


class Fed(Protocol):
    """What fed a processor."""

    @property
    def lines(self) -> int:
        """How many lines it gave."""

    @property
    def dead_letters(self) -> int:
        """How many of them it put aside as dead letters."""


_FOREVER_MS = 1 << 60
_NOTHING = AggregationCounts()


async def write_aggregates(plan: Plan, store: StateStore, path: Path | None) -> dict[str, int]:
    """Write one line for each group and window to `path`, if there is one; returns how many each aggregation has.

    The run is over: no owner commits any more.
    """
    counts: dict[str, int] = {}
    committed: dict[str, int] = {}
    with nullcontext() if path is None else path.open("wb", buffering=1 << 20) as out:
        for name, aggregation in plan.aggregations.items():
            counts[name] = 0
            async for rows in partials_by_key(store, aggregation):
                if any(row.owner not in committed for row in rows):
                    committed |= await store.committed(sorted({row.owner for row in rows}))
                counts[name] += _write_windows(out, aggregation, rows, committed)
    return counts


def summary(
    processor: Processor, plan: Plan, groups: Mapping[str, int], feed: Fed, claims_forgotten: int, seconds: float
) -> JsonObject:
    """The counts of a run, in the form that `--summary` writes."""
    stages = processor.stages
    ledger, counters = stages.answers.ledger, stages.counters
    counts = stages.intake.generation.counts
    filters = {
        rule.id: {"matched": counts.matched[i], "unknown": counts.unknown[i], "errors": counts.errors[i]}
        for i, rule in enumerate(plan.ruleset.filters)
    }
    aggregated = processor.aggregation_counts()
    return {
        "received": feed.lines,
        **ledger.ended,
        "late": counters.late_events,
        "filters": filters,
        "routes": {name: counters.published_by_route.get(name, 0) for name in plan.ruleset.routes},
        "aggregations": {
            name: _aggregation(aggregation, groups[name], aggregated.get(name, _NOTHING))
            for name, aggregation in plan.aggregations.items()
        },
        "dead_letter": counters.dead_letters + feed.dead_letters,
        "claims_forgotten": claims_forgotten,
        "ruleset": plan.id,
        "seconds": round(seconds, 3),
        "events_per_second": round(feed.lines / seconds) if seconds else 0,
    }


def _aggregation(plan: AggregationPlan, groups: int, counts: AggregationCounts) -> JsonObject:
    emitted = {} if plan.rule.emit is None else {"emitted": counts.emitted}
    return {"groups": groups, "events": counts.events, **emitted}


async def partials_by_key(store: StateStore, aggregation: AggregationPlan) -> AsyncIterator[list[StoredPartial]]:
    """All partials of an aggregation, those of one key together where windows are made of several panes."""
    several_panes = aggregation.rule.size_ms != aggregation.rule.every_ms
    gathered: list[StoredPartial] = []
    async for rows in store.scan(aggregation.state_id, -_FOREVER_MS, _FOREVER_MS):
        if gathered and not (several_panes and rows[0].group.key == gathered[0].group.key):
            yield gathered
            gathered = []
        gathered.extend(rows)
    if gathered:
        yield gathered


_shown = lru_cache(maxsize=10_000)(format_nearest)


def _write_windows(
    out: IO[bytes] | None, aggregation: AggregationPlan, rows: list[StoredPartial], committed: Mapping[str, int]
) -> int:
    if out is None and aggregation.rule.size_ms == aggregation.rule.every_ms:
        return 1
    windows = read_values(aggregation, rows, committed)
    if out is not None:
        for start_ms, end_ms, values in windows:
            line = {
                "aggregator": aggregation.rule.id,
                "key": rows[0].group.key,
                "start": _shown(start_ms),
                "end": _shown(end_ms),
                "values": values,
            }
            out.write(json_bytes(line) + b"\n")
    return len(windows)
