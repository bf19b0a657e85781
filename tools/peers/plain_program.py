"""The job as a loop in one file: what somebody writes who takes no engine, and what the others' counts must be.

usage: plain_program.py DATA OUT: DATA has the events; OUT gets `enriched.ndjson`, `aggregates.ndjson` and `counts.json`.
"""

import sys
from pathlib import Path
from typing import Any

import orjson

from tools.peers import job


def main() -> None:
    """Do the job."""
    data, out = map(Path, sys.argv[1:3])
    job.load(data)
    seen: dict[str, float] = {}
    groups: dict[tuple[str, int, str], list[Any]] = {}
    with (data / "events.ndjson").open("rb") as lines, (out / "enriched.ndjson").open("wb") as enriched:
        for line in lines:
            event = job.parse(line)
            if event is None or job.is_copy(seen, event) or job.apply_filters(job.enrich(event)) is None:
                continue
            enriched.write(job.encode(event) + b"\n")
            second = int(job.at(event).timestamp())
            for name, aggregation in job.AGGREGATIONS.items():
                if aggregation.only in (None, event["event_type"]):
                    place = (name, second // aggregation.size_s * aggregation.size_s, aggregation.key(event))
                    groups[place] = aggregation.fold(groups.get(place) or aggregation.new(), event)
    with (out / "aggregates.ndjson").open("wb") as rows:
        for (name, start, key), group in groups.items():
            row = {"aggregator": name, "start": start, "key": key, "values": job.AGGREGATIONS[name].row(group)}
            rows.write(orjson.dumps(row) + b"\n")
    (out / "counts.json").write_bytes(orjson.dumps(job.counts))


if __name__ == "__main__":
    main()
