"""All engines over the same events, in one run: whether they come to the same, and the processor time that they take.

In: the place where `run` has installed the engines. Out: a table. Rule of the file: every engine reads the same file and writes files, one after the other, in turns; the processor
time is that of all processes of a run, less what a run of a hundred events takes, which is the start; an engine whose records or windows differ from the plain program's is told of, with how many.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import yaml

from tools.peers.traffic import make
from tools.workload.compare import enriched, lines, window

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]

_FEW: Final = 100

Found = dict[Any, Any]


class Engine(NamedTuple):
    """How an engine is started for a directory of events and one of results, and whether its results are in Rulemill's form.

    `variables` are added to its environment.
    """

    name: str
    command: Callable[[Path, Path], list[str]]
    is_ours: bool = False
    has_windows: bool = True
    variables: Mapping[str, str] = MappingProxyType({})


def engines(place: Path) -> list[Engine]:
    """Those that are installed in a place, and ours."""
    python = str(place / "venv" / "bin" / "python")

    def script(name: str) -> Callable[[Path, Path], list[str]]:
        return lambda data, out: [python, str(HERE / name), str(data), str(out)]

    found = [
        Engine("plain program, orjson", script("plain_program.py")),
        Engine("Rulemill, `process --store memory`", _rulemill, is_ours=True),
        Engine("Bytewax", script("bytewax_flow.py")),
    ]
    if (place / "benthos").exists():
        found.append(Engine("Benthos, no windows", lambda data, _: _benthos(place, data), has_windows=False))
    return found


def _rulemill(data: Path, out: Path) -> list[str]:
    outs = ["--out", str(out / "enriched.ndjson"), "--aggregates", str(out / "aggregates.ndjson"), "--store", "memory"]
    rules = str(ROOT / "tools" / "workload" / "rules")
    return [str(Path(sys.executable).with_name("rulemill")), "process", str(data / "events.ndjson"), *outs, "--rules", rules]


def _benthos(place: Path, data: Path) -> list[str]:
    pipeline = data / "pipeline.yaml"
    if not pipeline.exists():
        config = yaml.safe_load((HERE / "benthos" / "pipeline.yaml").read_text(encoding="utf-8"))
        config["cache_resources"] = [{"label": "seen", "memory": {"default_ttl": "168h", "compaction_interval": "60s"}}]
        for name in ("users", "items"):
            values = {key: json.dumps(value) for key, value in json.loads((data / f"{name}.json").read_text("utf-8")).items()}
            config["cache_resources"].append({"label": name, "memory": {"init_values": values, "compaction_interval": ""}})
        pipeline.write_text(json.dumps(config), encoding="utf-8")
    return [str(place / "benthos"), "run", str(pipeline)]


def cost(engine: Engine, data: Path, out: Path) -> float:
    """Seconds of processor time of one run."""
    out.mkdir(parents=True, exist_ok=True)
    for old in out.iterdir():
        old.unlink()
    places = {"DATA": str(data), "OUT": str(out), "WORKLOAD_DATA": str(data), "PYTHONPATH": str(ROOT)}
    environment = {**os.environ, **places, **engine.variables}
    before = _children_s()
    done = subprocess.run(engine.command(data, out), env=environment, cwd=out, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{engine.name}: ended with {done.returncode}: {done.stderr[-2_000:]}")
    return _children_s() - before


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def results(engine: Engine, out: Path) -> tuple[Found, Found]:
    """Records by event, and groups by window, in the plain program's form."""
    records, rows = lines(out / "enriched.ndjson"), out / "aggregates.ndjson"
    if engine.is_ours:
        return {record["event_id"]: enriched(record) for record in records}, dict(map(window, lines(rows)))
    groups = {(row["aggregator"], row["start"], row["key"]): row["values"] for row in lines(rows)} if rows.exists() else {}
    return {record["event_id"]: record for record in records}, groups


def verdict(reference: tuple[Found, Found], found: tuple[Found, Found], *, has_windows: bool) -> str:
    """What differs, in a few words."""
    records, groups = (_differences(one, other) for one, other in zip(reference, found, strict=True))
    said = [f"{records:,} of {len(reference[0]):,} records differ" if records else "same records"]
    if has_windows:
        said.append(f"{groups:,} of {len(reference[1]):,} groups differ" if groups else "same groups")
    return ", ".join(said)


def _differences(reference: Mapping[Any, Any], found: Mapping[Any, Any]) -> int:
    return sum(reference.get(key) != found.get(key) for key in reference.keys() | found.keys())


class Row(NamedTuple):
    """An engine's seconds of processor time: for a hundred events, and for all of them in each run."""

    name: str
    start_s: float
    runs_s: list[float]
    said: str

    @property
    def work_s(self) -> float:
        """What the events take in the median run, without the start."""
        return statistics.median(self.runs_s) - self.start_s


def table(rows: list[Row], number: int, beside: Mapping[str, list[str]] = MappingProxyType({})) -> str:
    """The rows as Markdown; the ratio is to the first one. `beside` are further columns, by their heads, with a text for each row."""
    heads = ["engine", "µs/event", "to the plain program", "lowest to highest", *beside, "start s", "result"]
    text = [heads, ["---"] * len(heads)]
    for place, row in enumerate(rows):
        low, high = ((value - row.start_s) / number * 1e6 for value in (min(row.runs_s), max(row.runs_s)))
        figures = [f"{row.work_s / number * 1e6:.1f}", f"{row.work_s / rows[0].work_s:.2f}", f"{low:.1f} to {high:.1f}"]
        others = [column[place] for column in beside.values()]
        text.append([row.name, *figures, *others, f"{row.start_s:.1f}", row.said])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in text)


def options(program: str, description: str | None, *, events: int) -> argparse.Namespace:
    """What the command line says of a comparison, of so many events by default."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("place", type=Path, help="where `run` has put the engines")
    parser.add_argument("--events", type=int, default=events, help="lines (default %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each engine (default %(default)s)")
    return parser.parse_args()


def tell(given: argparse.Namespace, text: str) -> None:
    """Print a table, and what it is of."""
    print(f"{given.events:,} lines, {given.runs} runs, load average {os.getloadavg()[0]:.1f}\n\n{text}")


def main() -> None:
    """Run all, and print the table."""
    given = options("tools/peers/run", __doc__, events=100_000)
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory, "data")
        make(data, given.events)
        few = Path(directory, "few")
        make(few, _FEW)
        found = engines(given.place.absolute())
        starts = [cost(engine, few, Path(directory, "start")) for engine in found]
        seconds: dict[str, list[float]] = {engine.name: [] for engine in found}
        for _ in range(given.runs):
            for place, engine in enumerate(found):
                seconds[engine.name].append(cost(engine, data, Path(directory, str(place))))
                print(f"{engine.name}: {seconds[engine.name][-1]:.2f} s", file=sys.stderr, flush=True)
        outcomes = [results(engine, Path(directory, str(place))) for place, engine in enumerate(found)]
    rows = [
        Row(engine.name, start_s, seconds[engine.name], verdict(outcomes[0], outcome, has_windows=engine.has_windows))
        for engine, start_s, outcome in zip(found, starts, outcomes, strict=True)
    ]
    tell(given, table(rows, given.events))


if __name__ == "__main__":
    main()
