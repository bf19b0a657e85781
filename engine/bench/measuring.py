"""Load on a service, and what it cost.

In: a service, and how fast to send. Out: figures. Rule of the file: of several runs the median stands, figure by figure.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from statistics import median
from typing import Final

from engine.bench.generator import Job
from engine.bench.open_loop import LoadFailed
from engine.bench.started import Address
from engine.bench.usage import processor_s, resident_mib

BEHIND: Final = 1 / 3
"""A rate is sustained where nothing is refused and the last answer comes no later after the end of the run than this share of its length."""

_FIRST_RATE: Final = 1_000.0
_STEP: Final = 1.5
_SAMPLE_S: Final = 0.1
_ROOT: Final = Path(__file__).parents[2]

Figures = dict[str, float]


class Meter:
    """Measures one service, and the servers behind it whose process ids are known."""

    def __init__(self, address: Address, others: Mapping[str, int], *, seconds: float, connections: int, seed: int) -> None:
        self._address = address
        self._pids = {"engine": address.pid, **others}
        self._seconds = seconds
        self._connections = connections
        self._seed = seed
        self._parts: Iterator[int] = count()

    def idle(self) -> Figures:
        """Memory without load."""
        return {f"{name}_idle_mib": mib for name, mib in resident_mib(self._pids).items()}

    def run(self, rate: float, batch: int, meanwhile: Callable[[], None] = lambda: None) -> Figures:
        """Send `rate` events a second. `meanwhile` is called again and again until it is over. Raises LoadFailed."""
        host, port, _ = self._address
        job = Job(host, port, rate, self._seconds, batch, self._connections, self._seed, next(self._parts))
        before, most = processor_s(self._pids), resident_mib(self._pids)
        with subprocess.Popen(
            [sys.executable, "-m", "engine.bench.generator"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as generator:
            said, complaint = _communicate(generator, json.dumps(job._asdict()).encode(), lambda: self._look(most, meanwhile))
        if generator.returncode:
            raise LoadFailed(complaint.decode(errors="replace").strip())
        found = json.loads(said)
        figures: Figures = {name: value for name, value in found.items() if name != "outcomes"}
        figures.update(found["outcomes"])
        figures["offered"] = rate
        figures["events_per_second"] = found["events"] / found["seconds"]
        for name, used_s in processor_s(self._pids).items():
            figures[f"{name}_us"] = (used_s - before[name]) / max(1, found["events"]) * 1e6
        figures.update({f"{name}_load_mib": mib for name, mib in most.items()})
        return figures

    def climb(self, batch: int, first: float = _FIRST_RATE) -> Figures:
        """The fastest of the rates that are sustained, each half as high again as the one before; the first where none is."""
        best: Figures | None = None
        for step in count():
            figures = self.run(first * _STEP**step, batch)
            if best is None or figures["events_per_second"] > best["events_per_second"]:
                best = figures
            if figures["refused"] or figures["behind_s"] > BEHIND * self._seconds:
                break
        return best if best is not None else {}

    def _look(self, most: Figures, meanwhile: Callable[[], None]) -> None:
        for name, mib in resident_mib(self._pids).items():
            most[name] = max(most[name], mib)
        meanwhile()


def _communicate(generator: "subprocess.Popen[bytes]", job: bytes, look: Callable[[], None]) -> tuple[bytes, bytes]:
    given: bytes | None = job
    while True:
        with suppress(subprocess.TimeoutExpired):
            return generator.communicate(given, timeout=_SAMPLE_S)
        given = None
        look()


def medians(runs: Sequence[Figures]) -> Figures:
    """The median of each figure; one that a run does not have is nothing there."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: median(run.get(name, 0.0) for run in runs) for name in names}


class Reloading:
    """Changes rules every so often, from `__call__`, which whoever measures calls again and again."""

    def __init__(self, change: Callable[[int], None], every_s: float) -> None:
        self._change = change
        self._every_s = every_s
        self._due_s = time.monotonic()
        self.number = 0

    def __call__(self) -> None:
        """Change them, where it is time to; returns when they are in service."""
        if time.monotonic() >= self._due_s:
            self.number += 1
            self._change(self.number)
            self._due_s = time.monotonic() + self._every_s
