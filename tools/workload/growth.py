"""What an event costs as state grows: so many keys of deduplication, and as many groups of an aggregation, before it is measured.

In: numbers of keys. Out: a table, and a file of JSON. Rule of the file: each row is a process's worth of state of its own, filled through the pipeline;
the events measured are new ones, of users that have a group each.
"""

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Final

from engine.app import Limits, build_processor
from engine.bench.usage import machine, resident_mib
from engine.clock import SystemClock
from engine.egress.nowhere import Nowhere
from engine.event import ACCEPTED, Submission
from engine.pipeline.processor import Options, Processor
from engine.ports import StateStore
from engine.rules.compiler import compile_rules
from engine.rules.plan import Plan
from engine.rules.times import format_time
from engine.state.memory import MemoryStateStore
from engine.state.sqlite import PrivateSqliteStateStore

_BATCH: Final = 500
_GATHER: Final = 5_000
_STRIDE: Final = 7_919
"""A prime: one user after the other, far from each other."""
_RULES: Final = """\
version: 1
events: {type: kind, time: at, key: user, types: {answer: {}}}
deduplication:
  answer: {key: id, ttl: 24h}
aggregations:
  by_user:
    key: {user: user}
    window: {tumbling: 1d}
    retain: 7d
    max_keys: 100000000
    measures: {answers: count, took_avg: {avg: took_ms}}
"""


def _lines(first: int, number: int, users: int, time_ms: int) -> Iterator[bytes]:
    """Events with ids from `first` on. The first `users` of all are of one user each; those behind them of any of these."""
    at = format_time(time_ms)
    for place in range(first, first + number):
        user = place if place < users else place * _STRIDE % users
        yield b'{"kind":"answer","id":"6f9619ff-8b86-d011-b42d-%012d","user":"user_%09d","at":"%b","took_ms":%d}' % (
            place,
            user,
            at.encode(),
            place % 60_000,
        )


async def _send(processor: Processor, lines: Iterator[bytes]) -> None:
    """Send lines, and wait until every one is accepted. What has ended is let go of: it would count as the state's."""
    done: asyncio.Queue[Submission] = asyncio.Queue()
    open_ones = 0
    while items := list(islice(lines, _BATCH)):
        size = sum(map(len, items))
        submission = Submission(items, input_name="growth", received_ms=0, size_bytes=size, done=done.put_nowait)
        while not processor.offer(submission):
            await processor.stages.intake.inbox.room.wait()
        open_ones += 1
        await asyncio.sleep(0)
        while not done.empty():
            _look_at(done.get_nowait())
            open_ones -= 1
    for _ in range(open_ones):
        _look_at(await done.get())


def _look_at(submission: Submission) -> None:
    if {outcome.status for outcome in submission.outcomes if outcome} != {ACCEPTED}:
        raise SystemExit("an event was not accepted")


@asynccontextmanager
async def _running(store: StateStore, plan: Plan) -> AsyncIterator[Processor]:
    clock, nowhere = SystemClock(), Nowhere()
    processor = build_processor(
        plan,
        store=store,
        egress=nowhere,
        dead_letters=nowhere,
        clock=clock,
        options=Options(2, _GATHER),
        topic="events",
        limits=Limits.of_feed(_BATCH),
    )
    running = asyncio.create_task(processor.run())
    yield processor
    processor.drain()
    await running
    await processor.stages.intake.generation.close()


def _store(kind: str, place: Path, keys: int) -> StateStore:
    if kind == "memory":
        return MemoryStateStore(SystemClock(), max_claims=2 * keys)
    place.mkdir()
    return PrivateSqliteStateStore(place / "state.db", SystemClock())


async def _row(kind: str, keys: int, events: int, runs: int, plan: Plan, place: Path) -> dict[str, object]:
    """The median cost of an event with so many keys, and the memory of the process then."""
    time_ms = SystemClock().now_ms()
    store = _store(kind, place / f"{kind}-{keys}", keys + runs * events)
    costs = []
    async with _running(store, plan) as processor:
        await _send(processor, _lines(0, keys, keys, time_ms))
        gc.freeze()
        for run in range(runs):
            lines = list(_lines(keys + run * events, events, keys, time_ms))
            busy_s = time.process_time()
            await _send(processor, iter(lines))
            costs.append((time.process_time() - busy_s) / events * 1e6)
        mib = resident_mib({"process": os.getpid()})["process"]
    await store.close()
    return {"store": kind, "keys": keys, "us": round(median(costs), 2), "mib": round(mib)}


def _measure(given: argparse.Namespace) -> list[dict[str, object]]:
    """Each row in a process of its own: memory that one has let go of would be found by the next."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="rulemill-growth-") as scratch:
        (Path(scratch) / "rules").mkdir()
        (Path(scratch) / "rules" / "rules.yaml").write_text(_RULES, encoding="utf-8")
        for kind in ("memory", "sqlite"):
            for keys in given.keys:
                command = [sys.executable, __file__, "--row", kind, scratch, "--keys", str(keys)]
                command += ["--events", str(given.events), "--runs", str(given.runs)]
                rows.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
                print("| {store} | {keys:,} | {us:.1f} | {mib:,} |".format(**rows[-1]), flush=True)
    return rows


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="tools/bench growth", description=__doc__)
    parser.add_argument("--keys", type=_numbers, default=[1_000, 10_000, 100_000, 1_000_000], metavar="N,N")
    parser.add_argument("--events", type=int, default=20_000, help="events of each measurement; default: %(default)s")
    parser.add_argument("--runs", type=int, default=3, help="of which the median is shown; default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the rows, for tools/plots")
    parser.add_argument("--row", nargs=2, metavar=("STORE", "PLACE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.row:
        kind, place = given.row[0], Path(given.row[1])
        plan = compile_rules(place / "rules", os.environ).plan
        if plan is None:
            raise SystemExit("the rules have errors")
        gc.disable()
        print(json.dumps(asyncio.run(_row(kind, given.keys[0], given.events, given.runs, plan, place))))
        return
    print("| store | keys and groups | µs/event | MiB |\n| --- | --- | --- | --- |")
    found = {"machine": machine(), "growth": _measure(given)}
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
