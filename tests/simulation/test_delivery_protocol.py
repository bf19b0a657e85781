"""The laws of the delivery protocol, held by the real processor in a simulated world.

Each case is one seed of one mix of faults; a law that breaks prints the steps that led there. RULEMILL_SEEDS says how
many seeds of each mix are tried.
"""

import asyncio
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from engine.rules.compiler import compile_rules
from engine.rules.plan import Plan
from engine.testing import ManualClock
from tests.redis_servers import own_prefix
from tests.redis_time import ServerTime
from tests.simulation.compact_state import CompactSharedStore, SharedCompactRedis
from tests.simulation.redis_state import SharedRedis
from tests.simulation.run import run
from tests.simulation.world import EVENT_TIME_MS, Client, Faults, World
from tools.servers.redis import RedisServer

SEEDS = int(os.environ.get("RULEMILL_SEEDS", "40"))
REDIS_SEEDS = max(1, SEEDS // 20)
IDS = ("e1", "e2", "e3", "e4", "b1")
LONG = 300
"""So often an event's identity is its text, and two or three texts make another base due."""
RULES = """
version: 1
events: {type: event_type, time: at, key: user, max_skew: {future: none, past: none}, types: {answer: {}}}
deduplication:
  answer: {key: id, ttl: 24h, on_store_failure: STORE_FAILURE}
filters:
  bad: {when: {bad: true}, then: {block: {reason: bad}}}
aggregations:
  per_event: {key: {id: id}, window: {tumbling: 1h}, blocked: COUNTED, max_keys: 1000, measures: {n: count}}
  all: {key: {}, window: {tumbling: 1h}, blocked: COUNTED, max_keys: 1000, measures: {n: count, texts: {distinct: text}}}
"""
MIXES = {
    "no faults": Faults(),
    "crashes": Faults(crash=2),
    "ended leases": Faults(expire=2, crash=1),
    "lost answers": Faults(lose_answer=4, lose_request=3, arrive_late=3),
    "refused records": Faults(refused=frozenset({"e3"}), expire=1, arrive_late=2),
    "everything": Faults(
        crash=2, expire=2, lose_answer=3, lose_request=2, arrive_late=3, clock_back=1, refused=frozenset({"e3"})
    ),
    "store away": Faults(outage=2, expire=1),
    "store away and crashes": Faults(outage=2, crash=1, expire=1),
}


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Plan]:
    made = {}
    for on_failure in ("reject", "pass"):
        for counted in ("exclude", "include"):
            directory: Path = tmp_path_factory.mktemp(f"{on_failure}-{counted}")
            text = RULES.replace("STORE_FAILURE", on_failure).replace("COUNTED", counted)
            (directory / "rules.yaml").write_text(text, encoding="utf-8")
            plan = compile_rules(directory, {}).plan
            assert plan is not None
            made[on_failure, counted] = plan
    return made


def line(identity: str) -> bytes:
    bad = "true" if identity.startswith("b") else "false"
    return f'{{"event_type":"answer","id":"{identity}","user":"u","at":{EVENT_TIME_MS},"bad":{bad},"text":"{identity * LONG}"}}'.encode()


def some_clients(seed: int) -> list[Client]:
    choice = random.Random(seed)
    batches = [choice.sample(IDS, choice.randint(1, 3)) for _ in range(choice.randint(2, 5))]
    return [Client(f"c{number}", [line(identity) for identity in batch], ["p", "q"]) for number, batch in enumerate(batches)]


async def live_through(
    plan: Plan,
    mix: str,
    seed: int,
    *,
    passing: bool,
    counting_blocked: bool,
    ack_received: bool = False,
    compact: bool = False,
) -> None:
    clock = ManualClock()
    world = World(
        plan,
        seed,
        replace(MIXES[mix]),
        some_clients(seed),
        passing=passing,
        lossy=(passing or ack_received) and bool(MIXES[mix].crash),
        counting_blocked=counting_blocked,
        ack_received=ack_received,
        store_clock=clock,
        shared=CompactSharedStore(clock) if compact else None,
    )
    await run(world)


@pytest.mark.parametrize("counted", ["exclude", "include"])
@pytest.mark.parametrize("on_failure", ["reject", "pass"])
@pytest.mark.parametrize("mix", MIXES)
def test_every_law_holds_at_every_step(plans: dict[tuple[str, str], Plan], mix: str, on_failure: str, counted: str) -> None:
    for seed in range(SEEDS):
        passing, counting = on_failure == "pass", counted == "include"
        asyncio.run(live_through(plans[on_failure, counted], mix, seed, passing=passing, counting_blocked=counting))


@pytest.mark.parametrize("on_failure", ["reject", "pass"])
@pytest.mark.parametrize("mix", MIXES)
def test_what_was_answered_as_received_goes_on_to_its_end(plans: dict[tuple[str, str], Plan], mix: str, on_failure: str) -> None:
    for seed in range(SEEDS):
        passing = on_failure == "pass"
        plan = plans[on_failure, "exclude"]
        asyncio.run(live_through(plan, mix, seed, passing=passing, counting_blocked=False, ack_received=True))


@pytest.mark.parametrize("on_failure", ["reject", "pass"])
@pytest.mark.parametrize("mix", MIXES)
def test_every_law_holds_where_committed_claims_are_kept_in_a_short_form(
    plans: dict[tuple[str, str], Plan], mix: str, on_failure: str
) -> None:
    for seed in range(max(1, SEEDS // 2)):
        passing, plan = on_failure == "pass", plans[on_failure, "include"]
        asyncio.run(live_through(plan, mix, seed, passing=passing, counting_blocked=True, compact=True))


@pytest.mark.parametrize("form", [SharedRedis, SharedCompactRedis])
@pytest.mark.parametrize("mix", MIXES)
async def test_every_law_holds_at_every_step_over_a_real_redis(
    redis_server: RedisServer, tmp_path: Path, mix: str, form: type[SharedRedis]
) -> None:
    (tmp_path / "rules.yaml").write_text(
        RULES.replace("STORE_FAILURE", "reject").replace("COUNTED", "exclude").replace("max_keys", "retain: 3650d, max_keys")
    )
    plan = compile_rules(tmp_path, {}).plan
    assert plan is not None
    for seed in range(REDIS_SEEDS):
        prefix = own_prefix()
        with redis_server.client(3) as claims, redis_server.client(2) as aggregates:
            store = form(redis_server.address, prefix, claims, aggregates)
            clock = ServerTime([claims], prefix)
            world = World(plan, seed, replace(MIXES[mix]), some_clients(seed), store_clock=clock, shared=store)
            try:
                await run(world)
            finally:
                await store.close()
