"""The laws of windows that are published when they are closed, held by the real processor in a simulated world.

Events of several hours come in any order, from several clients to several processes, under the same faults as those of the
delivery protocol.
"""

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest

from engine.rules.compiler import compile_rules
from engine.rules.plan import Plan
from tests.redis_servers import own_prefix
from tests.redis_time import ServerTime
from tests.simulation.emission_laws import EmissionLaws
from tests.simulation.redis_state import SharedRedis
from tests.simulation.run import run
from tests.simulation.test_delivery_protocol import LONG, MIXES, REDIS_SEEDS, RULES, SEEDS
from tests.simulation.world import EVENT_TIME_MS, Client, World
from tools.servers.redis import RedisServer

HOUR_MS = 3_600_000
HOURS = {"e1": 0, "e2": 0, "e3": 1, "e4": 1, "e5": 2, "e6": 3, "b1": 1}
HOPPING = "  hopping: {key: {}, window: {hopping: 2h, every: 1h}, max_keys: 1000, measures: {n: count}}\n"
ROUTES = "routes: {windows: {topic: windows}}\n"
EMIT = "max_keys: 1000, emit: {to: windows, idle: IDLE},"
EMISSION_SEEDS = max(1, SEEDS // 13)


def plan_for(directory: Path, on_failure: str, counted: str, idle: str = "none") -> Plan:
    """Rules that publish their windows; where the clock closes them they are short, so that it need not go far."""
    text = (RULES + HOPPING).replace("max_keys: 1000,", EMIT) + ROUTES
    if idle != "none":
        text = text.replace("every: 1h", "every: 30s").replace("2h", "1m").replace("1h", "30s")
    text = text.replace("STORE_FAILURE", on_failure).replace("COUNTED", counted).replace("IDLE", idle)
    (directory / "rules.yaml").write_text(text.replace("max_keys", "retain: 3650d, max_keys"), encoding="utf-8")
    plan = compile_rules(directory, {}).plan
    assert plan is not None
    return plan


def line(identity: str, past_ms: int = 0) -> bytes:
    """An event so long after the full hour."""
    bad, at_ms = "true" if identity.startswith("b") else "false", EVENT_TIME_MS + HOURS[identity] * HOUR_MS + past_ms
    return f'{{"event_type":"answer","id":"{identity}","user":"u","at":{at_ms},"bad":{bad},"text":"{identity * LONG}"}}'.encode()


def some_clients(seed: int, past_ms: int = 0) -> list[Client]:
    choice = random.Random(seed)
    batches = [choice.sample(sorted(HOURS), choice.randint(1, 3)) for _ in range(choice.randint(2, 6))]
    lines = [[line(identity, past_ms) for identity in batch] for batch in batches]
    return [Client(f"c{number}", some, ["p", "q"]) for number, some in enumerate(lines)]


@pytest.mark.parametrize(("on_failure", "counted"), [("reject", "exclude"), ("reject", "include"), ("pass", "exclude")])
@pytest.mark.parametrize("mix", MIXES)
def test_the_last_revision_of_each_closed_window_gets_out_and_no_revision_says_two_things(
    tmp_path: Path, mix: str, on_failure: str, counted: str
) -> None:
    plan = plan_for(tmp_path, on_failure, counted)
    passing = on_failure == "pass"
    for seed in range(EMISSION_SEEDS):

        async def live_through(seed: int) -> None:
            lossy = passing and bool(MIXES[mix].crash)
            counting = counted == "include"
            faults = replace(MIXES[mix])
            world = World(plan, seed, faults, some_clients(seed), passing=passing, lossy=lossy, counting_blocked=counting)
            await run(world, EmissionLaws(world))

        asyncio.run(live_through(seed))


@pytest.mark.parametrize("mix", MIXES)
def test_where_no_later_event_comes_the_clock_closes_every_window(tmp_path: Path, mix: str) -> None:
    plan = plan_for(tmp_path, "reject", "exclude", idle="1s")
    for seed in range(EMISSION_SEEDS):

        async def live_through(seed: int) -> None:
            world = World(plan, seed, replace(MIXES[mix]), some_clients(seed, past_ms=28_000))
            await run(world, EmissionLaws(world, every_window=True))

        asyncio.run(live_through(seed))


@pytest.mark.parametrize("mix", ["crashes", "everything"])
async def test_windows_get_out_over_a_real_redis_as_well(redis_server: RedisServer, tmp_path: Path, mix: str) -> None:
    plan = plan_for(tmp_path, "reject", "exclude")
    for seed in range(REDIS_SEEDS):
        prefix = own_prefix()
        with redis_server.client(3) as claims, redis_server.client(2) as aggregates:
            store = SharedRedis(redis_server.address, prefix, claims, aggregates)
            world = World(
                plan, seed, replace(MIXES[mix]), some_clients(seed), store_clock=ServerTime([claims], prefix), shared=store
            )
            try:
                await run(world, EmissionLaws(world))
            finally:
                await store.close()
