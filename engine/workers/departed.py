"""What is kept of a worker that has ended: its counts, so that those of all workers never go back.

In: the last snapshot that is known of it. Out: a snapshot that adds to others what it had counted, and nothing else. Rule of the file: a figure
that says what is now goes with the worker; events that it held are to be sent again, so they have ended as `retry`.
"""

from dataclasses import replace
from typing import Final

from engine.event import RETRY
from engine.operations.snapshot import AggregationFigures, Figures, QueueFigures, SeamFigures, Snapshot, SourceFigures
from engine.rules.changes import Changes

_IN_FLIGHT: Final = "in_flight"
_GAUGES_OF_AGGREGATIONS: Final = ("groups", "keys")
_COUNTERS_OF_PROCESS: Final = ("process_cpu_seconds_total",)
_NOTHING_WAITS: Final = QueueFigures(0, 0, 0, 0, 0, 0, 0)


def departed(last: Snapshot) -> Snapshot:
    """The snapshot of a worker that is gone."""
    return replace(
        last,
        rulesets={},
        stopping=0,
        ledger=_ended(last.ledger),
        queue=replace(_NOTHING_WAITS, held_early=last.queue.held_early),
        store=SeamFigures(last.store.kind, None, 0),
        egress=SeamFigures(last.egress.kind, None, 0),
        busy=0.0,
        events_per_second=0.0,
        sources={name: _source(source) for name, source in last.sources.items()},
        aggregations={name: _aggregation(rule) for name, rule in last.aggregations.items()},
        reasons=[],
        watermarks_ms={},
        process={name: last.process[name] for name in _COUNTERS_OF_PROCESS if name in last.process},
        workers=0,
        kept={},
    )


def without_changed(gone: Snapshot, changed: Changes) -> Snapshot:
    """What is kept once the rules are others: a part that means something else begins to count anew."""
    filters, aggregations, sources = (
        {*part.changed, *part.removed} for part in (changed.filters, changed.aggregations, changed.sources)
    )
    return replace(
        gone,
        filters={name: figures for name, figures in gone.filters.items() if name not in filters},
        aggregations={name: figures for name, figures in gone.aggregations.items() if name not in aggregations},
        sources={name: figures for name, figures in gone.sources.items() if name not in sources},
    )


def shown_beside(gone: Snapshot, running: Snapshot) -> Snapshot:
    """What is kept, without the parts that nobody who runs has any more."""
    return replace(
        gone,
        routes={name: count for name, count in gone.routes.items() if name in running.routes},
        filters={name: figures for name, figures in gone.filters.items() if name in running.filters},
        aggregations={name: figures for name, figures in gone.aggregations.items() if name in running.aggregations},
        sources={name: figures for name, figures in gone.sources.items() if name in running.sources},
    )


def _ended(ledger: Figures) -> Figures:
    return {**ledger, RETRY: ledger[RETRY] + ledger[_IN_FLIGHT], _IN_FLIGHT: 0}


def _source(source: SourceFigures) -> SourceFigures:
    return replace(source, breaker="closed", entries=0, max_entries=0, waiting=0, max_waiting=0, problem=None)


def _aggregation(rule: AggregationFigures) -> AggregationFigures:
    return replace(rule, max_keys=0, counts={**rule.counts, **dict.fromkeys(_GAUGES_OF_AGGREGATIONS, 0)})
