"""The figures of all workers together, whichever of them is asked.

In: a snapshot of each worker, asked for when somebody wants to know and every second besides. Out: one snapshot. Rule of the file: a worker that does
not answer is shown as it was when it last did, and a reason says so; nothing here waits longer than a second.

A worker that is killed takes with it what it had counted since its last snapshot, a second's worth at most. Nothing that was ever shown is lost,
for it was kept here first.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydantic import TypeAdapter

from engine.event import JsonObject
from engine.operations.snapshot import RulesLoad, Snapshot, merge
from engine.ports import Clock
from engine.rules.changes import Changes
from engine.workers.channel import NoAnswer
from engine.workers.departed import departed, shown_beside, without_changed

REFRESH_MS: Final = 1_000
"""How often every worker is asked, whoever wants to know."""

_PATIENCE_MS: Final = 1_000
_SNAPSHOT: Final = TypeAdapter(Snapshot)


def as_json(snapshot: Snapshot) -> JsonObject:
    """A snapshot, to be sent to another process."""
    content: JsonObject = _SNAPSHOT.dump_python(snapshot, mode="json")
    return content


def from_json(content: JsonObject) -> Snapshot:
    """The snapshot that another process sent."""
    return _SNAPSHOT.validate_python(content)


@dataclass(slots=True, eq=False)
class Known:
    """What is known of one worker. `ask` asks it for its snapshot; `answered_ms` is monotonic, at first when it began."""

    number: int
    ask: Callable[[int], Awaitable[JsonObject]]
    answered_ms: int
    last: Snapshot | None = None
    asked_in_vain_ms: int | None = None


class FiguresOfAll:
    """Keeps the last snapshot of each worker, and the sum of those that are gone. `wanted` is how many workers there are to be."""

    def __init__(self, wanted: int, clock: Clock) -> None:
        self.deaths = 0
        self._wanted = wanted
        self._clock = clock
        self._known: list[Known] = []
        self._gone: Snapshot | None = None

    def add(self, number: int, ask: Callable[[int], Awaitable[JsonObject]]) -> Known:
        """Count this worker in from now on. `ask` is given how long it may take, in milliseconds, and raises NoAnswer."""
        known = Known(number, ask, self._clock.monotonic_ms())
        self._known.append(known)
        return known

    def note(self, known: Known, snapshot: Snapshot) -> None:
        """Keep what a worker has said of itself."""
        known.last, known.answered_ms, known.asked_in_vain_ms = snapshot, self._clock.monotonic_ms(), None

    def remove(self, known: Known) -> None:
        """This worker has ended: only its counts are kept."""
        self._known.remove(known)
        if known.last is not None:
            gone = departed(known.last)
            self._gone = gone if self._gone is None else merge([self._gone, gone])

    def forget(self, changed: Changes) -> None:
        """The rules are others now: of the workers that are gone, drop what would be counted with something else."""
        if self._gone is not None:
            self._gone = without_changed(self._gone, changed)

    def silent_ms(self, known: Known) -> int:
        """How long this worker has not answered a question, 0 where it answered the last one."""
        return 0 if known.asked_in_vain_ms is None else self._clock.monotonic_ms() - known.answered_ms

    async def look(self) -> None:
        """Ask every worker."""
        await asyncio.gather(*map(self._ask, self._known))

    async def all(self, rules_load: RulesLoad, reasons: Sequence[str]) -> Snapshot:
        """All workers as they are now; `reasons` is what else is to be said. Raises NoAnswer where none has ever answered."""
        await self.look()
        known = [worker for worker in self._known if worker.last is not None]
        running = [worker.last for worker in known if worker.last is not None]
        if not running:
            raise NoAnswer("no worker has said yet how it is")
        merged = merge(running)
        complete = len(running) == self._wanted and all(snapshot.watermarks_ms for snapshot in running)
        watermarks_ms = merged.watermarks_ms if complete else {}
        if self._gone is not None:
            merged = merge([merged, shown_beside(self._gone, merged)])
        return replace(
            merged,
            rules_load=rules_load,
            stopping=merged.stopping // len(running),  # one that is being replaced is no end of the service
            reasons=[*merged.reasons, *reasons, *self._reasons(known)],
            watermarks_ms=watermarks_ms,
            workers_wanted=self._wanted,
            worker_deaths=self.deaths,
        )

    async def _ask(self, worker: Known) -> None:
        """One that has not answered is asked again when it has had its time: questions must not pile up."""
        now_ms = self._clock.monotonic_ms()
        if worker.asked_in_vain_ms is not None and now_ms - worker.asked_in_vain_ms < 5 * _PATIENCE_MS:
            return
        try:
            self.note(worker, from_json(await worker.ask(_PATIENCE_MS)))
        except NoAnswer:
            worker.asked_in_vain_ms = self._clock.monotonic_ms()

    def _reasons(self, known: Sequence[Known]) -> list[str]:
        reasons = [] if len(known) == self._wanted else [f"workers: {len(known)} of {self._wanted} run"]
        reasons += [
            f"workers: worker {worker.number} has not answered for {self.silent_ms(worker) / 1000:.1f} s; its figures are those of then"
            for worker in known
            if self.silent_ms(worker)
        ]
        return reasons
