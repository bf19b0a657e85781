"""The process that sends load: `python -m engine.bench.generator`, with a job as JSON on standard input.

In: where, how fast and what. Out: what became of it, as JSON on standard output. Rule of the file: everything is encoded before the first
request is due, and looked into after the last answer.
"""

import gc
import math
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from engine.bench.open_loop import Answer, LoadFailed, OpenLoop
from engine.bench.stock import Stock
from engine.event import STATUSES


class Job(NamedTuple):
    """What to send: `rate` events a second for `seconds`, `batch` in a request. `seed` and `part` are for the `Stock`."""

    host: str
    port: int
    rate: float
    seconds: float
    batch: int
    connections: int
    seed: int
    part: int


def run(job: Job) -> dict[str, object]:
    """Send, and say what became of it. Raises LoadFailed or OSError."""
    number = max(1, round(job.rate * job.seconds / job.batch))
    requests = Stock(job.seed, job.part).requests(number, job.batch, f"{job.host}:{job.port}", time.time_ns() // 1_000_000)
    gc.freeze()
    gc.disable()
    with OpenLoop(job.host, job.port, min(job.connections, number)) as loop:
        busy_s = time.process_time()
        answers = loop.run(requests, job.batch / job.rate)
        busy_s = time.process_time() - busy_s
    return sums(answers, number * job.batch / job.rate, busy_s)


def sums(answers: Sequence[Answer], offered_s: float, busy_s: float) -> dict[str, object]:
    """What the answers come to; the requests were due within `offered_s`, and the sender was busy for `busy_s`."""
    took_s = max(answer.answered_s for answer in answers)
    outcomes: Counter[str] = Counter()
    for answer in answers:
        told = orjson.loads(answer.body)
        outcomes.update({status: told[status] for status in STATUSES if told.get(status)})
    latencies_s = sorted(answer.latency_s for answer in answers)
    return {
        "events": sum(outcomes.values()),
        "outcomes": dict(outcomes),
        "refused": sum("results" not in orjson.loads(answer.body) for answer in answers),
        "seconds": took_s,
        "behind_s": max(0.0, took_s - offered_s),
        "generator_busy": busy_s / took_s,
        **{f"p{percent}_ms": 1000 * quantile(latencies_s, percent / 100) for percent in (50, 95, 99)},
        "max_ms": 1000 * latencies_s[-1],
    }


def quantile(ascending: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed."""
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]


def main() -> int:
    """Run the job of standard input; 2 where it could not be done."""
    try:
        found = run(Job(**orjson.loads(sys.stdin.buffer.read())))
    except (LoadFailed, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.buffer.write(orjson.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
