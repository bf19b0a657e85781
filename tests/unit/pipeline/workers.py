"""Workers that share a store and a clock: what they publish, keep and tell is looked at; what they wait for is let go by the test."""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from pathlib import Path

from engine.app import build_processor
from engine.errors import EgressUnavailable
from engine.event import DeadLetter, JsonObject, Outcome, Record, Refusal, Submission
from engine.pipeline.processor import Options, Processor
from engine.ports import Claim
from engine.rules.compiler import compile_rules
from engine.state.memory import MemoryStateStore
from engine.testing import ManualClock, RecordingDeadLetters

EVENT_TIME_MS = 1_772_442_000_000


class SlowStore(MemoryStateStore):
    """Does at once what it is asked; the answer to requests in `slow` comes when these are let go."""

    def __init__(self, clock: ManualClock, journal: list[str]) -> None:
        super().__init__(clock)
        self.slow: dict[str, asyncio.Event] = {}
        self._journal = journal

    async def open(self, owner: str, lease_ms: int) -> bool:
        opened = await super().open(owner, lease_ms)
        await self._answer("open")
        return opened

    async def claim(
        self, owner: str, seq: int, keys: Sequence[str], checksums: Sequence[int], ttls_ms: Sequence[int]
    ) -> list[Claim | None]:
        found = await super().claim(owner, seq, keys, checksums, ttls_ms)
        await self._answer("claim")
        return found

    async def keep(self, owner: str, seq: int, lease_ms: int, expires_ms: int) -> int | None:
        committed = await super().keep(owner, seq, lease_ms, expires_ms)
        await self._answer("keep")
        return committed

    async def end(self, owner: str) -> None:
        self._journal.append("end")
        await super().end(owner)

    def lose_writes(self, owner: str, committed: int) -> None:
        """Go back to an older number of an owner."""
        self._owners[owner].committed = committed

    def hold(self, name: str) -> asyncio.Event:
        """Let the answers to these requests wait from now on, each for what is returned here."""
        self.slow[name] = asyncio.Event()
        return self.slow[name]

    def let_go(self, name: str) -> None:
        """Answer what waits, and what comes from now on."""
        self.slow.pop(name).set()

    async def _answer(self, name: str) -> None:
        if (gate := self.slow.get(name)) is not None:
            await gate.wait()


class HeldEgress:
    """Takes records at once, and delivers them while the gate is open, but for those to topics that it refuses."""

    def __init__(self, journal: list[str]) -> None:
        self.records: list[Record] = []
        self.refuses: set[str] = set()
        self.gate = asyncio.Event()
        self._journal = journal
        self._purged = asyncio.Event()

    def send(self, records: Sequence[Record]) -> Awaitable[list[Refusal]]:
        self.records += records
        return self._delivered(records, self._purged)

    async def _delivered(self, records: Sequence[Record], purged: asyncio.Event) -> list[Refusal]:
        gates = [asyncio.ensure_future(gate.wait()) for gate in (self.gate, purged)]
        try:
            await asyncio.wait(gates, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for gate in gates:
                gate.cancel()
        if purged.is_set():
            raise EgressUnavailable("purged")
        return [Refusal(record, "too large") for record in records if record.topic in self.refuses]

    async def purge(self) -> None:
        self._journal.append("purge")
        self._purged.set()
        self._purged = asyncio.Event()

    async def close(self) -> None:
        pass


class HeldDeadLetters(RecordingDeadLetters):
    """Keeps letters while the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        await self.gate.wait()
        await super().put(letters)


class Worker:
    """A processor, and what its senders were told, in order."""

    def __init__(self, world: "World", options: Options) -> None:
        self.egress = HeldEgress(world.journal)
        self.dead_letters = HeldDeadLetters()
        self.outcomes: list[Outcome] = []
        self._journal = world.journal
        self.processor: Processor = build_processor(
            world.plan,
            store=world.store,
            egress=self.egress,
            dead_letters=self.dead_letters,
            clock=world.clock,
            options=options,
            topic="out",
        )
        self.counters = self.processor.stages.counters
        self.running = asyncio.create_task(self.processor.run())

    def send(self, *events: JsonObject) -> None:
        def note(submission: Submission) -> None:
            self._journal.append("told")
            self.outcomes += [outcome for outcome in submission.outcomes if outcome is not None]

        assert self.processor.offer(Submission(events, input_name="test", received_ms=0, size_bytes=0, done=note))

    @property
    def told(self) -> list[str]:
        """The code of each outcome; its status where it has none."""
        return [outcome.code or outcome.status for outcome in self.outcomes]

    @property
    def published(self) -> int:
        """Records handed to the egress."""
        return len(self.egress.records)

    async def stop(self) -> None:
        """End as at a shutdown that does not wait."""
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running


class World:
    """One clock and one store, and the workers on them. `journal` has purges, ends of owners and answers in their order."""

    def __init__(self, folder: Path, rules: str) -> None:
        (folder / "rules.yaml").write_text(rules)
        plan = compile_rules(folder, {}).plan
        assert plan is not None
        self.plan = plan
        self.clock = ManualClock()
        self.journal: list[str] = []
        self.store = SlowStore(self.clock, self.journal)
        self.workers: list[Worker] = []

    async def worker(self, options: Options | None = None) -> Worker:
        """One more worker, with an owner in office as soon as the store says so."""
        self.workers.append(Worker(self, options or Options()))
        await self.react()
        return self.workers[-1]

    async def react(self) -> None:
        """Everybody does what there is to do now."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def wait(self, until_ms: int, step_ms: int = 1_000) -> None:
        """Time goes on, in steps after which everybody reacts."""
        while self.clock.monotonic_ms() < until_ms:
            self.clock.advance(min(step_ms, until_ms - self.clock.monotonic_ms()))
            await self.react()

    async def close(self) -> None:
        for worker in self.workers:
            await worker.stop()


def event(kind: str, identity: str, **members: object) -> JsonObject:
    return {"kind": kind, "id": identity, "user": "u", "at": EVENT_TIME_MS, **members}
