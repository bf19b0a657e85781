"""The job as a dataflow of Bytewax: stateful deduplication by key, and one windowed fold for each aggregation.

usage: bytewax_flow.py DATA OUT, as for `plain_program.py`. The clock takes event time alone: with the default one, a replay of the past wakes every open
key at each batch.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as windows
import orjson
from bytewax.connectors.files import FileSink, FileSource
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from tools.peers import job

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATE = timedelta(minutes=15)  # a batch of lines covers minutes of event time, and comes through in the order of its keys


def _fresh(seen: dict[str, float] | None, event: job.Event) -> tuple[dict[str, float], list[job.Event]]:
    known = {} if seen is None else seen
    return known, [] if job.is_copy(known, event) else [event]


def _row(name: str, keyed: tuple[str, tuple[int, list[Any]]]) -> tuple[str, str]:
    key, (window, group) = keyed
    aggregation = job.AGGREGATIONS[name]
    row = {"aggregator": name, "start": window * aggregation.size_s, "key": key, "values": aggregation.row(group)}
    return key, orjson.dumps(row).decode()


def _aggregate(name: str, events: Any) -> Any:
    aggregation = job.AGGREGATIONS[name]
    if aggregation.only:
        events = op.filter(f"{name}_only", events, lambda event: event["event_type"] == aggregation.only)
    clock = windows.EventClock(job.at, wait_for_system_duration=_LATE, to_system_utc=lambda _: None)
    tumbling = windows.TumblingWindower(length=timedelta(seconds=aggregation.size_s), align_to=_EPOCH)
    keyed = op.key_on(f"{name}_key", events, aggregation.key)
    folded = windows.fold_window(
        name, keyed, clock, tumbling, aggregation.new, aggregation.fold, lambda one, _: one, ordered=False
    )
    return op.map(f"{name}_row", folded.down, lambda keyed: _row(name, keyed))


def build(data: Path, out: Path) -> Dataflow:
    """The dataflow."""
    flow = Dataflow("job")
    lines = op.input("events", flow, FileSource(data / "events.ndjson", batch_size=1_000))
    keyed = op.key_on("user", op.filter_map("parse", lines, job.parse), lambda event: event["user_id"])
    fresh = op.stateful_flat_map("deduplicate", keyed, _fresh)
    passed = op.filter_map_value("filter", op.map_value("enrich", fresh, job.enrich), job.apply_filters)
    events = op.map("unkey", passed, lambda pair: pair[1])
    rows = [_aggregate(name, events) for name in job.AGGREGATIONS]
    op.output("aggregates", op.merge("all", *rows), FileSink(out / "aggregates.ndjson"))
    encoded = op.map_value("encode", passed, lambda event: job.encode(event).decode())
    op.output("enriched", encoded, FileSink(out / "enriched.ndjson"))
    return flow


def main() -> None:
    """Do the job."""
    data, out = map(Path, sys.argv[1:3])
    job.load(data)
    run_main(build(data, out))
    (out / "counts.json").write_bytes(orjson.dumps(job.counts))


if __name__ == "__main__":
    main()
