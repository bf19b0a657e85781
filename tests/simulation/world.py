"""Processes, clients, a store, an egress and the faults between them, on one event loop and one random seed.

The processes run the real processor. Nothing happens by itself: each step, the scheduler picks one thing that may
happen (a request is carried out, an answer is lost, a process dies, time passes …) and lets everybody react.
"""

import asyncio
import random
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

import orjson

from engine.app import build_processor
from engine.errors import EgressUnavailable
from engine.event import Outcome, Record, Refusal, Submission
from engine.pipeline.owner import LeaseTimes
from engine.pipeline.processor import Options, Processor
from engine.ports import StateStore, StoredPartial
from engine.rules.plan import Plan
from engine.state.memory import MemoryStateStore
from engine.testing import ManualClock, RecordingDeadLetters
from tests.simulation.network import Network, RemoteStore

EVENT_TIME_MS = 1_772_442_000_000
FINAL = ("accepted", "duplicate", "blocked", "rejected")


class SharedState(StateStore, Protocol):
    """The one store of the world, as the laws and the scheduler see it; a lease may end at any time."""

    def expire(self, owner: str) -> None:
        """End a lease, as a pause of its owner or a jump of the clock does."""

    def living(self) -> list[str]:
        """Owners whose lease has not ended."""

    def gone(self, owner: str) -> bool:
        """Whether the owner has no lease."""

    def claim_rows(self) -> dict[str, tuple[object, ...]]:
        """Every claim's value, without its time."""

    def partial_rows(self) -> list[StoredPartial]:
        """Every partial."""

    def committed_of(self, owner: str) -> int:
        """The committed number of an owner."""


class SharedStore(MemoryStateStore):
    """That store in memory."""

    def expire(self, owner: str) -> None:
        """See SharedState."""
        if owner in self._owners:
            self._owners[owner].deadline_ms = 0

    def living(self) -> list[str]:
        """See SharedState."""
        return [name for name, row in self._owners.items() if not row.ended and row.deadline_ms > 0]

    def gone(self, owner: str) -> bool:
        """See SharedState."""
        row = self._owners.get(owner)
        return row is None or row.ended or not row.deadline_ms

    def claim_rows(self) -> dict[str, tuple[object, ...]]:
        """See SharedState."""
        return {key: row[1:] for key, row in self._claims.items()}

    def partial_rows(self) -> list[StoredPartial]:
        """See SharedState."""
        panes = [rows for aggregation in self._partials.values() for rows in aggregation.values()]
        return [row.stored for rows in panes for row in rows.values()]

    def committed_of(self, owner: str) -> int:
        """See SharedState."""
        return self._owners[owner].committed if owner in self._owners else 0


@dataclass(eq=False)
class Delivery:
    """Records handed to the egress and not yet out."""

    process: str
    owner: str
    records: list[Record]
    done: asyncio.Future[list[Refusal]]


class Client:
    """Sends its events as one submission, and again until each has a final answer."""

    def __init__(self, name: str, events: Sequence[bytes], processes: Sequence[str]) -> None:
        self.name = name
        self.processes = processes
        self.events = list(events)
        self.answers: list[Outcome | None] = [None] * len(self.events)
        self.waiting_for: str | None = None

    @property
    def satisfied(self) -> bool:
        """Whether every event has its final answer."""
        return self.waiting_for is None and all(answer and answer.status in FINAL for answer in self.answers)

    def open_places(self) -> list[int]:
        """The places of the events without a final answer."""
        return [i for i, answer in enumerate(self.answers) if answer is None or answer.status not in FINAL]


class Process:
    """One worker process, with clocks of its own."""

    def __init__(self, world: "World", name: str) -> None:
        self.name = name
        self.world = world
        self.clock = ManualClock()
        self.dead = False
        self.owners: list[str] = []
        self.remote = RemoteStore(name, world.store, world.network)
        self.processor: Processor = build_processor(
            world.plan,
            store=self.remote,
            egress=SimulatedEgress(self),
            dead_letters=world.dead_letters,
            clock=self.clock,
            options=Options(max_batches=3, lease=LeaseTimes(), owner_name=self._new_owner, ack_received=world.ack_received),
            topic="events",
        )
        self.task = asyncio.ensure_future(self.processor.run())

    def _new_owner(self) -> str:
        name = f"{self.name}.{next(self.world.owner_numbers)}"
        self.owners.append(name)
        return name

    async def crash(self) -> None:
        """Die at this instruction: nothing more reaches the store, the egress or a client."""
        self.dead = self.remote.dead = True
        self.world.network.cut(self.name, requests_may_arrive=True)
        self.task.cancel()
        await asyncio.wait([self.task])


class SimulatedEgress:
    """A producer: what is handed over comes out when the scheduler says so."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def send(self, records: Sequence[Record]) -> Awaitable[list[Refusal]]:
        """See Egress."""
        done: asyncio.Future[list[Refusal]] = asyncio.get_running_loop().create_future()
        world, process = self._process.world, self._process
        if records and not process.dead:
            world.deliveries.append(Delivery(process.name, process.owners[-1] if process.owners else "", list(records), done))
        else:
            done.set_result([])
        return done

    async def purge(self) -> None:
        """See Egress."""
        for delivery in [d for d in self._process.world.deliveries if d.process == self._process.name]:
            self._process.world.deliveries.remove(delivery)
            if not delivery.done.done():
                delivery.done.set_exception(EgressUnavailable("purged"))
            if self._process.world.random.random() < 0.5:
                self._process.world.put_out(delivery, zombie=True)

    async def close(self) -> None:
        """See Egress."""


@dataclass
class Faults:
    """How often each kind of fault may happen in one run."""

    crash: int = 0
    expire: int = 0
    lose_answer: int = 0
    lose_request: int = 0
    arrive_late: int = 0
    outage: int = 0
    clock_back: int = 0
    refused: frozenset[str] = frozenset()


@dataclass
class World:
    """Everything, and what has been seen so far."""

    plan: Plan
    seed: int
    faults: Faults
    clients: list[Client]
    process_names: Sequence[str] = ("p", "q")
    passing: bool = False
    lossy: bool = False
    counting_blocked: bool = False
    ack_received: bool = False
    store_clock: ManualClock = field(default_factory=ManualClock)
    shared: SharedState | None = None
    network: Network = field(default_factory=Network)
    deliveries: list[Delivery] = field(default_factory=list)
    topic: list[Record] = field(default_factory=list)
    publishers: dict[str, list[str]] = field(default_factory=dict)
    published_twice: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start the processes."""
        self.random = random.Random(self.seed)
        self.owner_numbers = count(1)
        self.store: SharedState = self.shared or SharedStore(self.store_clock)
        self.dead_letters = RecordingDeadLetters()
        self.dark: set[str] = set()
        self.processes = {name: Process(self, name) for name in self.process_names}

    def send(self, client: Client, process: Process) -> None:
        """The client sends what has no final answer yet."""
        places = client.open_places()

        def answered(submission: Submission) -> None:
            if process.dead:
                return
            client.waiting_for = None
            for place, outcome in zip(places, submission.outcomes, strict=True):
                client.answers[place] = outcome

        items = [client.events[place] for place in places]
        size = sum(map(len, items))
        submission = Submission(items, input_name="http", received_ms=EVENT_TIME_MS, size_bytes=size, done=answered)
        client.waiting_for = process.name
        if not process.processor.offer(submission):
            client.waiting_for = None

    def put_out(self, delivery: Delivery, *, zombie: bool = False) -> None:
        """The egress takes the records, but for those it refuses for good."""
        refusals = []
        for record in delivery.records:
            identity = _identity(record)
            if identity in self.faults.refused and not zombie:
                refusals.append(Refusal(record, "too large"))
            elif identity not in self.faults.refused:
                self.topic.append(record)
                self._note(identity, delivery.owner)
        if not delivery.done.done():
            delivery.done.set_result(refusals)

    def _note(self, identity: str, owner: str) -> None:
        """A second copy is excused where one of its publishers has lost its lease by now."""
        before = self.publishers.setdefault(identity, [])
        if before and not any(self.store.gone(name) for name in (*before, owner)):
            self.published_twice.append(f"event {identity} was published by {owner} after {before}, all of them alive")
        before.append(owner)

    async def quiesce(self) -> None:
        """Let everybody react until nobody has anything left to do."""
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
        while True:
            await asyncio.sleep(0)
            if not ready:
                return


def _identity(record: Record) -> str:
    """What may be published once: an event, or one revision of a window."""
    told = orjson.loads(record.value)
    return f"{told['id']}, revision {told['revision']}" if "revision" in told else str(told["id"])
