"""The lease as its owner keeps it: what it does no more once it may have ended, and what it sees to while it lasts."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from engine.app import build_processor
from engine.errors import OwnerGone, StoreUnavailable
from engine.event import JsonObject, Record, Submission
from engine.metrics import Counters
from engine.pipeline.owner import LeaseTimes, Owner, StoreHealth
from engine.pipeline.processor import Options, Processor
from engine.ports import Change, Claim
from engine.rules.compiler import compile_rules
from engine.rules.plan import Plan
from engine.state.memory import MemoryStateStore
from engine.testing import ManualClock, RecordingDeadLetters
from tests.unit.pipeline.test_ack_received import GatedEgress

RULES = """
version: 1
events: {type: kind, time: at, key: user, max_skew: {future: none, past: none}, types: {short: {}, long: {}}}
deduplication: {short: {key: id, ttl: 10m}, long: {key: id, ttl: 1h}}
"""
GIVEN_UP_MS = 13_000
"""A lease is 15 s at the store, and its owner gives up 2 s earlier, counted from sending."""

HOUR_MS = 3_600_000


class SlowStore(MemoryStateStore):
    """Does at once what it is asked; the answer to requests in `slow` comes when that request is let go."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.slow: dict[str, asyncio.Event] = {}

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

    def hold(self, name: str) -> None:
        """Let the answers to these requests wait from now on."""
        self.slow[name] = asyncio.Event()

    def let_go(self, name: str) -> None:
        """Answer what waits, and what comes from now on."""
        self.slow.pop(name).set()

    async def _answer(self, name: str) -> None:
        if (gate := self.slow.get(name)) is not None:
            await gate.wait()


class Worker:
    """A processor over a store that others may share, and an egress that delivers while its gate is open."""

    def __init__(self, plan: Plan, store: MemoryStateStore, clock: ManualClock) -> None:
        self.egress = GatedEgress()
        self.told: list[str] = []
        self._published: list[Record] = []
        self.processor: Processor = build_processor(
            plan,
            store=store,
            egress=self.egress,
            dead_letters=RecordingDeadLetters(),
            clock=clock,
            options=Options(),
            topic="out",
        )
        self.running = asyncio.create_task(self.processor.run())

    def send(self, *events: JsonObject) -> None:
        def note(submission: Submission) -> None:
            self.told += [outcome.code or outcome.status for outcome in submission.outcomes if outcome is not None]

        assert self.processor.offer(Submission(events, input_name="test", received_ms=0, size_bytes=0, done=note))

    @property
    def published(self) -> int:
        while not self.egress.handed_over.empty():
            self._published += self.egress.handed_over.get_nowait()
        return len(self._published)


class World:
    """One clock and one store, and the workers on them."""

    def __init__(self, folder: Path) -> None:
        (folder / "rules.yaml").write_text(RULES)
        plan = compile_rules(folder, {}).plan
        assert plan is not None
        self.plan = plan
        self.clock = ManualClock()
        self.store = SlowStore(self.clock)
        self.workers: list[Worker] = []

    async def worker(self) -> Worker:
        """One more worker, with an owner in office as soon as the store says so."""
        self.workers.append(Worker(self.plan, self.store, self.clock))
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


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    yield world
    for worker in world.workers:
        worker.running.cancel()
        with suppress(asyncio.CancelledError):
            await worker.running


def event(kind: str, identity: str) -> JsonObject:
    return {"kind": kind, "id": identity, "user": "u", "at": 1_772_442_000_000}


@pytest.mark.parametrize(("at_ms", "published"), [(GIVEN_UP_MS - 1, 1), (GIVEN_UP_MS, 0)])
async def test_nothing_is_published_once_the_owner_has_given_its_lease_up(world: World, at_ms: int, published: int) -> None:
    worker = await world.worker()
    world.store.hold("claim")
    world.store.hold("keep")
    worker.send(event("short", "a"))
    await world.wait(at_ms - 1)

    world.store.let_go("claim")
    world.clock.advance(1)
    await world.react()

    assert worker.published == published
    assert worker.told == ([] if published else ["owner_retired"])


async def test_a_lease_counts_from_when_it_was_asked_for(world: World) -> None:
    world.store.hold("open")
    worker = await world.worker()
    await world.wait(10_000)
    world.store.let_go("open")
    await world.react()
    world.store.hold("claim")
    world.store.hold("keep")
    worker.send(event("short", "a"))
    await world.wait(GIVEN_UP_MS - 1)

    world.store.let_go("claim")
    world.clock.advance(1)
    await world.react()

    assert (worker.published, worker.told) == (0, ["owner_retired"])


@pytest.mark.parametrize(("at_ms", "published"), [(5_000 + GIVEN_UP_MS - 1, 1), (5_000 + GIVEN_UP_MS, 0)])
async def test_a_renewal_counts_from_when_it_was_sent(world: World, at_ms: int, published: int) -> None:
    worker = await world.worker()
    await world.wait(4_000)
    world.store.hold("keep")
    await world.wait(12_000)  # sent after 5 s, answered after 12 s
    world.store.let_go("keep")
    await world.react()
    world.store.hold("claim")
    world.store.hold("keep")
    worker.send(event("short", "a"))
    await world.wait(at_ms - 1)

    world.store.let_go("claim")
    world.clock.advance(1)
    await world.react()

    assert worker.published == published


async def test_a_commit_renews_the_lease(world: World) -> None:
    worker = await world.worker()
    worker.egress.gate.set()
    await world.wait(4_000)
    worker.send(event("short", "a"))
    await world.react()
    assert worker.told == ["accepted"]
    world.store.hold("claim")
    world.store.hold("keep")
    worker.send(event("short", "b"))
    await world.wait(4_000 + GIVEN_UP_MS - 1)

    world.store.let_go("claim")
    await world.react()

    assert worker.published == 2


async def test_a_request_is_sent_again_until_the_lease_is_given_up(world: World) -> None:
    owner = Owner("o", world.store, world.clock, StoreHealth(), Counters(), LeaseTimes())
    asked_at_ms = []

    async def nobody_answers() -> None:
        asked_at_ms.append(world.clock.monotonic_ms())
        raise StoreUnavailable("away")

    asking = asyncio.create_task(owner.insist(nobody_answers))
    await world.wait(GIVEN_UP_MS - 1)
    assert not asking.done()
    await world.wait(20_000)

    with pytest.raises(OwnerGone):
        await asking
    assert len(asked_at_ms) > 10
    assert asked_at_ms[-1] <= GIVEN_UP_MS + 1_000


async def test_claims_last_for_as_long_as_their_batch_waits_whatever_their_ttl(world: World) -> None:
    """Else whoever is sent a copy during a long outage of the egress publishes the event a second time."""
    first, second = await world.worker(), await world.worker()
    second.egress.gate.set()
    first.send(event("short", "a"), event("long", "b"))
    await world.wait(HOUR_MS + 300_000, step_ms=5_000)

    second.send(event("short", "a"), event("long", "b"))
    await world.react()

    assert (second.told, second.published) == (["in_flight_elsewhere"] * 2, 0)
    first.egress.gate.set()
    await world.react()
    assert (first.told, first.published) == (["accepted"] * 2, 2)


async def test_an_owner_that_finds_a_claim_of_its_own_with_another_retires(world: World) -> None:
    worker = await world.worker()
    worker.send(event("short", "a"))
    await world.react()
    (held,) = await world.store.claim("other", 1, ["short:a"], [0], [1])
    assert held is not None
    await world.store.settle([Change("short:a", held, Claim("other", 1, held.checksum))])

    await world.wait(300_000, step_ms=5_000)

    assert worker.told == ["owner_retired"]
