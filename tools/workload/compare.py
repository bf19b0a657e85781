"""Compare a run of `rulemill process` over the benchmark's events with a plain program's output.

usage: compare.py REFERENCE_DIR OUT.ndjson AGGREGATES.ndjson SUMMARY.json

REFERENCE_DIR holds `enriched.ndjson` and `aggregates.ndjson`, one JSON object a line, as the plain program wrote them, and
`counters.json`. Exits with 1 and says what differs.
"""

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

Line = dict[str, Any]


def lines(path: Path) -> Iterator[Line]:
    """The objects of an NDJSON file."""
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def enriched(record: Line) -> Line:
    """A record in the plain program's form."""
    event = dict(record)
    enrichment, processing = event.pop("enrichment"), event.pop("processing")
    event["user"] = enrichment["user"]
    if "item" in enrichment:
        event["item"] = enrichment["item"]
    event["derived"] = enrichment["derived"]
    event["tags"] = processing["marks"]
    event["routes"] = ["enriched-events", *processing["routes"]]
    return event


def window(row: Line) -> tuple[tuple[str, int, str], Line]:
    """An aggregate in the plain program's form, with what identifies it."""
    start = int(datetime.fromisoformat(str(row["start"])).timestamp())
    key = str(row["key"]).partition(":")[2] or "all"
    return (str(row["aggregator"]), start, key), dict(row["values"])


def reference_window(row: Line) -> tuple[tuple[str, int, str], Line]:
    """An aggregate of the plain program, and what identifies it."""
    names = ("aggregation", "window_start", "key")
    return tuple(row[name] for name in names), {name: value for name, value in row.items() if name not in names}


def differences(name: str, reference: dict[Any, Any], ours: dict[Any, Any]) -> int:
    """Print the first differences; returns how many there are."""
    wrong = [key for key in reference.keys() | ours.keys() if reference.get(key) != ours.get(key)]
    print(f"{name}: {len(reference)} in the reference, {len(ours)} here, {len(wrong)} differ")
    for key in wrong[:3]:
        print("  ", key, reference.get(key), ours.get(key), sep="\n     ")
    return len(wrong)


def counters(reference: Line, summary: Line) -> tuple[Line, Line]:
    """The counters both have. A copy of a blocked event is told `blocked` here and counts as a duplicate there."""
    filters = {name: counts["matched"] for name, counts in summary["filters"].items()}
    ours = {
        "parsed": summary["received"] - summary["rejected"],
        "malformed": summary["rejected"],
        "written": summary["accepted"],
        "duplicates and blocked": summary["duplicate"] + summary["blocked"],
        "groups": {name: counts["groups"] for name, counts in summary["aggregations"].items()},
        **{name: filters[name] for name in ("rapid_fire", "premium", "perfect_score", "new_user")},
    }
    theirs = {**reference, "duplicates and blocked": reference["duplicates"] + reference["blocked"]}
    return {name: theirs[name] for name in ours}, ours


def main() -> int:
    """Compare; 1 where something differs."""
    directory, out, aggregates, summary = map(Path, sys.argv[1:5])
    reference = json.loads((directory / "counters.json").read_text(encoding="utf-8"))
    wrong = differences("counters", *counters(reference, json.loads(summary.read_text(encoding="utf-8"))))
    wrong += differences(
        "records",
        {event["event_id"]: event for event in lines(directory / "enriched.ndjson")},
        {record["event_id"]: enriched(record) for record in lines(out)},
    )
    wrong += differences(
        "aggregates",
        dict(map(reference_window, lines(directory / "aggregates.ndjson"))),
        dict(map(window, lines(aggregates))),
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
