"""The lease as its owner keeps it: what it does no more once it may have ended, and what it sees to while it lasts."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.errors import OwnerGone, StoreUnavailable
from engine.metrics import Counters
from engine.pipeline.owner import LeaseTimes, Owner, StoreHealth
from engine.pipeline.processor import Options
from engine.ports import Change, Claim
from tests.unit.pipeline.workers import World, event

RULES = """
version: 1
events: {type: kind, time: at, key: user, max_skew: {future: none, past: none}, types: {short: {}, long: {}}}
deduplication: {short: {key: id, ttl: 10m}, long: {key: id, ttl: 1h}}
"""
GIVEN_UP_MS = 13_000
"""A lease is 15 s at the store, and its owner gives up 2 s earlier, counted from sending."""

HOUR_MS = 3_600_000


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path, RULES)
    yield world
    await world.close()


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

    assert isinstance(asking.exception(), OwnerGone)
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


async def test_a_worker_that_retires_takes_back_what_is_not_out_then_ends_its_owner_then_answers(world: World) -> None:
    """Who was answered `retry` may send again at once, and whoever finds the owner ended publishes the event."""
    worker = await world.worker()
    worker.send(event("short", "a"))
    await world.react()

    world.clock.advance(20_000)
    await world.react()

    assert world.journal == ["purge", "end", "told"]
    assert worker.told == ["owner_retired"]


async def test_a_name_that_an_owner_has_is_not_taken_by_another(world: World) -> None:
    await world.store.open("taken", 60_000)
    names = iter(["taken", "taken", "free"])
    worker = await world.worker(Options(owner_name=lambda: next(names)))

    worker.send(event("short", "a"))
    await world.react()

    (held,) = await world.store.claim("other", 1, ["short:a"], [0], [1])
    assert held is not None
    assert held.owner == "free"


async def test_batches_are_handed_over_in_their_order_whichever_is_claimed_first(world: World) -> None:
    worker = await world.worker()
    first_claim = world.store.hold("claim")
    worker.send(event("short", "first"))
    await world.react()
    del world.store.slow["claim"]
    worker.send(event("short", "second"))
    await world.react()
    assert worker.published == 0

    first_claim.set()
    await world.react()

    assert [record.event and record.event.data["id"] for record in worker.egress.records] == ["first", "second"]
