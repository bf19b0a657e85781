"""Keeps as many workers running as there are to be, until it is told to end.

In: what a worker is started with. Out: workers that serve; one that ends is replaced. Rule of the file: what keeps the first worker from starting keeps
the service from starting; later on, one that cannot start is tried again, less and less often, while the others go on.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, TypeVar

from engine.event import JsonObject
from engine.operations.snapshot import WorkerFigures
from engine.ports import Clock
from engine.workers.briefing import Briefing
from engine.workers.channel import Handler
from engine.workers.figures import REFRESH_MS, FiguresOfAll, Known, from_json
from engine.workers.sharing import ConnectionSharing
from engine.workers.worker_process import NotStarted, WorkerProcess, how_it_ended

T = TypeVar("T")

_START_TIMEOUT_MS: Final = 60_000
_STABLE_MS: Final = 60_000
"""A worker that ran for so long did not end because of how it was started: the next one is started at once."""

_FIRST_DELAY_MS: Final = 500
_MAX_DELAY_MS: Final = 30_000
_HUNG_MS: Final = 30_000
"""After so long without an answer, twice the usual lease, a worker is taken for hung, and killed: nothing that it holds could come out any more."""

_log = logging.getLogger("rulemill.workers")


class Supervisor:
    """`briefing` says what the worker of a number is started with, `answers` what it may ask. `wanted` is how many there are to be.

    A worker has `end_timeout_ms` to end when it is told to; then it is killed.
    """

    def __init__(
        self,
        briefing: Callable[[int], Briefing],
        answers: Mapping[str, Handler],
        sharing: ConnectionSharing,
        figures: FiguresOfAll,
        clock: Clock,
        wanted: int,
        end_timeout_ms: int,
    ) -> None:
        self._briefing = briefing
        self._answers = answers
        self._sharing = sharing
        self._figures = figures
        self._clock = clock
        self._wanted = wanted
        self._end_timeout_ms = end_timeout_ms
        self._serving: dict[WorkerProcess, Known] = {}
        self._absent: dict[int, str] = {}
        self._keeping: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._failed = False

    def serving(self) -> list[WorkerProcess]:
        """The workers that serve, by number."""
        return sorted(self._serving, key=lambda worker: worker.number)

    def each(self) -> dict[str, WorkerFigures]:
        """Each worker that serves, by number."""
        return {
            str(worker.number): WorkerFigures(
                worker.pid, worker.ruleset, worker.desk.open, known.last.ledger["received"] if known.last else 0
            )
            for worker, known in sorted(self._serving.items(), key=lambda item: item[0].number)
        }

    def reasons(self) -> list[str]:
        """Why workers are missing, a line each."""
        return [f"workers: worker {number} {why}" for number, why in sorted(self._absent.items())]

    def stop(self) -> None:
        """Have all workers end, and `run` return when they have."""
        self._stopping.set()

    def replace(self, worker: WorkerProcess, why: str) -> None:
        """Have another worker take the place of this one, which sees what it holds to its end."""
        _log.warning("worker %d is replaced: %s", worker.number, why)
        self._tell_to_end(worker)

    async def run(self, started: Callable[[], None]) -> int:
        """Serve until `stop`, calling `started` when all workers do. 0 where every worker saw all to its end, else 1.

        The first one starts alone: it makes what all need, and what keeps it from starting is said once. Raises NotStarted.
        """
        refreshing = asyncio.create_task(self._refresh(), name="figures of all workers")
        try:
            if await self._unless_stopped(self._start_all()):
                started()
                await self._unless_stopped(_first_end([refreshing, *self._keeping]))
        finally:
            self.stop()
            self._sharing.close()
            refreshing.cancel()
            await self._end_all()
        return int(self._failed)

    async def _start_all(self) -> bool:
        await self._start(1)
        await asyncio.gather(*map(self._start, range(2, self._wanted + 1)))
        return True

    async def _start(self, number: int) -> None:
        """Start the worker of this number, and keep it. Raises NotStarted."""
        worker = await self._launched(number)
        self._keeping.append(asyncio.create_task(self._keep(worker), name=f"worker {number}"))

    async def _keep(self, worker: WorkerProcess) -> None:
        """Whenever the worker has ended, start the next one of its number."""
        delay_ms = 0
        current: WorkerProcess | None = worker
        while current is not None:
            since_ms = self._clock.monotonic_ms()
            expected = self._has_ended(current, await current.ended())
            stable = self._clock.monotonic_ms() - since_ms > _STABLE_MS
            delay_ms = 0 if expected or stable else _longer(delay_ms)
            current = await self._unless_stopped(self._replacement(worker.number, delay_ms))

    async def _replacement(self, number: int, delay_ms: int) -> WorkerProcess:
        """Try until one starts."""
        while True:
            await self._clock.sleep(delay_ms)
            try:
                return await self._launched(number)
            except (NotStarted, OSError) as error:
                delay_ms = _longer(delay_ms)
                self._absent[number] = f"cannot be started, and is tried again: {error}"
                _log.error("worker %d cannot be started; trying again in %g s: %s", number, delay_ms / 1000, error)

    async def _launched(self, number: int) -> WorkerProcess:
        handlers = {**self._answers, "leaving": self._leaving, "final": self._final}
        worker = await WorkerProcess.start(self._briefing(number), handlers, self._clock, timeout_ms=_START_TIMEOUT_MS)
        self._absent.pop(number, None)
        self._serving[worker] = self._figures.add(number, worker.figures)
        if self._stopping.is_set():
            self._tell_to_end(worker)
        elif worker.digest == self._briefing(number).rules["digest"]:
            self._sharing.add(worker.desk)
        else:
            self.replace(worker, "the rules were changed while it started")
        return worker

    def _has_ended(self, worker: WorkerProcess, code: int) -> bool:
        """Note the end of a worker; whether it was told to."""
        self._sharing.remove(worker.desk)
        self._figures.remove(self._serving.pop(worker))
        expected = worker.told and code == 0
        if self._stopping.is_set():
            self._failed |= code != 0
        elif not expected:
            self._figures.deaths += 1
            self._absent[worker.number] = f"{how_it_ended(code)}, and is being replaced"
        if not expected:
            _log.error("worker %d %s", worker.number, how_it_ended(code))
        return expected

    def _tell_to_end(self, worker: WorkerProcess) -> None:
        self._sharing.remove(worker.desk)
        worker.tell_to_end()

    async def _leaving(self, content: JsonObject) -> JsonObject:
        """A worker is about to end: it gets no more connections."""
        for worker in self.serving():
            if worker.number == content["worker"]:
                worker.told = True
                self._sharing.remove(worker.desk)
        return {}

    async def _final(self, content: dict[str, Any]) -> JsonObject:
        """The last figures of a worker that has seen everything to its end."""
        for worker, known in self._serving.items():
            if worker.number == content["worker"]:
                self._figures.note(known, from_json(content["figures"]))
        return {}

    async def _refresh(self) -> None:
        """Keep the figures of all fresh, and find those that hang."""
        while True:
            await self._clock.sleep(REFRESH_MS)
            await self._figures.look()
            for worker, known in self._serving.items():
                if self._figures.silent_ms(known) > _HUNG_MS:
                    _log.error("worker %d has not answered for %d s; it is killed", worker.number, _HUNG_MS // 1000)
                    worker.kill()

    async def _end_all(self) -> None:
        for worker in self.serving():
            self._tell_to_end(worker)
        if not self._keeping:
            return
        _, left = await asyncio.wait(self._keeping, timeout=self._end_timeout_ms / 1000)
        if left:
            for worker in self.serving():
                _log.error("worker %d has not ended within %d ms; it is killed", worker.number, self._end_timeout_ms)
                worker.kill()
        await asyncio.gather(*self._keeping)

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What the work returns; None, with the work given up, where the service is told to end before."""
        if self._stopping.is_set():
            work.close()
            return None
        working = asyncio.create_task(work)
        stop = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([working, stop], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            if not working.done():
                working.cancel()
                await asyncio.wait([working])
        return None if working.cancelled() else working.result()


async def _first_end(tasks: Sequence["asyncio.Task[None]"]) -> None:
    """Raise what the first of these died of, none of which ends by itself."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


def _longer(delay_ms: int) -> int:
    return min(max(2 * delay_ms, _FIRST_DELAY_MS), _MAX_DELAY_MS)
