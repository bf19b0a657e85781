"""Faults of a real Redis under a real engine: what was promised holds, and the ledger balances at the end of each test."""

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import StoreUnavailable
from engine.rules.plan import Plan
from engine.state.redis import RedisStateStore
from tests.integration.answer_dropping_proxy import proxy_to
from tests.integration.redis_engines import LEASE, Engine, plan_in, redis_settings, running
from tests.redis_servers import need_redis, own_prefix
from tools.servers.redis import RedisCluster, RedisServer

IDS = [f"e{number}" for number in range(40)]
MORE = [f"f{number}" for number in range(40)]
FORGOT = "store: it has lost acknowledged writes"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_in(tmp_path / "rules")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that a test may pause and kill."""
    need_redis()
    with RedisServer(tmp_path / "redis") as running_server:
        yield running_server


async def assert_known_and_counted_once(engine: Engine, *identities: str) -> None:
    assert await engine.send(*identities) == ["duplicate"] * len(identities)
    assert await engine.counted() == len(identities)
    assert Counter(engine.out).keys() >= set(identities)


async def test_a_pause_shorter_than_the_lease_delays_answers_and_nothing_else(server: RedisServer, plan: Plan) -> None:
    async with running(plan, redis_settings([server.address], "r")) as engine:
        await engine.send_until_accepted(*IDS)
        server.pause()
        sent = asyncio.create_task(engine.once(*MORE))
        await engine.until(lambda: bool(engine.reasons))
        said = engine.reasons
        server.resume()

        assert await sent == ["accepted"] * len(MORE)
        assert said[0].startswith("store: redis: Timeout")
        assert engine.reasons == []
        assert (engine.owners_retired, engine.lost_writes) == (0, 0)
        await assert_known_and_counted_once(engine, *IDS, *MORE)


async def test_a_pause_longer_than_the_lease_ends_the_owner_and_the_events_go_through_again(
    server: RedisServer, plan: Plan
) -> None:
    async with running(plan, redis_settings([server.address], "r")) as engine:
        await engine.send_until_accepted(*IDS)
        server.pause()
        held = asyncio.create_task(engine.once(*MORE))
        try:
            assert await held == ["retry"] * len(MORE)
        finally:
            server.resume()
        await engine.send_until_accepted(*MORE)

        assert engine.owners_retired >= 1
        await assert_known_and_counted_once(engine, *IDS, *MORE)
        assert engine.lost_writes == 0


async def test_a_server_that_is_killed_and_comes_back_with_its_data_has_forgotten_nothing(
    server: RedisServer, plan: Plan
) -> None:
    async with running(plan, redis_settings([server.address], "r")) as engine:
        await engine.send_until_accepted(*IDS)
        server.kill()
        sent = asyncio.create_task(engine.send(*MORE))
        await engine.until(lambda: bool(engine.reasons))
        assert "Connect" in engine.reasons[0]
        server.start()
        await sent

        await assert_known_and_counted_once(engine, *IDS, *MORE)
        assert (engine.lost_writes, engine.reasons) == (0, [])


async def test_a_server_that_comes_back_without_its_data_is_told_of_and_the_engine_goes_on(
    server: RedisServer, plan: Plan
) -> None:
    async with running(plan, redis_settings([server.address], "r")) as engine:
        await engine.send_until_accepted(*IDS)
        server.kill()
        server.lose_data()
        server.start()
        await engine.until(lambda: engine.owners_retired > 0)

        assert engine.lost_writes == 1
        assert engine.reasons == [FORGOT]
        await engine.send_until_accepted(*MORE)
        assert await engine.counted() == len(MORE), "what was forgotten is no longer counted"


async def test_a_server_that_comes_back_with_older_data_is_told_of(server: RedisServer, plan: Plan, tmp_path: Path) -> None:
    """As `appendfsync everysec` may leave it: the last writes are missing, the owner's record is there."""
    async with running(plan, redis_settings([server.address], "r")) as engine:
        await engine.send_until_accepted(*IDS)
        shutil.copytree(server.directory, tmp_path / "older")
        await engine.send_until_accepted(*MORE)
        server.kill()
        server.lose_data()
        shutil.copytree(tmp_path / "older", server.directory, dirs_exist_ok=True)
        server.start()
        await engine.until(lambda: engine.lost_writes > 0)

        assert engine.reasons == [FORGOT]
        assert await engine.send(*IDS) == ["duplicate"] * len(IDS)


async def test_with_pass_events_go_out_while_the_store_is_away_and_are_counted_once_when_it_is_back(
    server: RedisServer, tmp_path: Path
) -> None:
    async with running(plan_in(tmp_path / "passing", "pass"), redis_settings([server.address], "r")) as engine:
        await engine.send_until_accepted(*IDS)
        server.kill()
        await engine.until(lambda: engine.processor.stages.health.down)
        await engine.send_until_accepted(*MORE)
        server.start()
        await engine.until_counted(len(IDS) + len(MORE))

        await assert_known_and_counted_once(engine, *IDS, *MORE)


@pytest.mark.parametrize("nth", [2, 3, 5])
async def test_a_request_whose_answer_was_lost_is_asked_again_and_done_once(server: RedisServer, plan: Plan, nth: int) -> None:
    async with proxy_to(server.port) as proxy, running(plan, redis_settings([proxy.address], "r", pool_size=3)) as engine:
        await engine.send_until_accepted(*IDS)
        proxy.nth = nth
        for start in range(0, len(MORE), 8):
            await engine.send(*MORE[start : start + 8])
        proxy.nth = 0

        assert proxy.lost > 0
        await assert_known_and_counted_once(engine, *IDS, *MORE)


async def test_a_request_that_was_given_up_leaves_no_answer_for_the_next(server: RedisServer) -> None:
    store = RedisStateStore(redis_settings([server.address], "r", pool_size=1))
    keys = [f"k{number}" for number in range(50)]
    try:
        for turn in range(60):
            task = asyncio.create_task(store.claim(f"o{turn}", turn, keys, [turn] * len(keys), [60_000] * len(keys)))
            for _ in range(turn % 12):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])

            assert await store.committed(["nobody"]) == {"nobody": 0}
            found = await store.claim("last", 1, keys[:3], [0] * 3, [60_000] * 3)
            assert len(found) == 3
    finally:
        await store.close()


async def test_a_node_of_a_cluster_that_is_killed_and_comes_back_has_forgotten_nothing(tmp_path: Path, plan: Plan) -> None:
    need_redis()
    with RedisCluster(tmp_path / "cluster", timeout_ms=500) as cluster:
        settings = redis_settings([cluster.nodes[0].address], own_prefix(), cluster=True)
        async with running(plan, settings) as engine:
            await engine.send_until_accepted(*IDS)
            lost = cluster.nodes[1]
            lost.kill()
            sent = asyncio.create_task(engine.send(*MORE))
            await engine.until(lambda: bool(engine.reasons))
            lost.start()
            await sent

            await assert_known_and_counted_once(engine, *IDS, *MORE)
            assert (engine.lost_writes, engine.reasons) == (0, [])


async def test_with_wait_replicas_nothing_is_forgotten_when_a_replica_takes_over(tmp_path: Path, plan: Plan) -> None:
    need_redis()
    with RedisCluster(tmp_path / "cluster", replicas=True, timeout_ms=500) as cluster:
        settings = redis_settings([cluster.masters[0].address], own_prefix(), cluster=True, wait_replicas=1)
        async with running(plan, settings) as engine:
            await engine.send_until_accepted(*IDS)
            cluster.masters[0].kill()
            sent = asyncio.create_task(engine.send(*MORE))
            await engine.until(cluster.replicas[0].is_master)
            cluster.masters[0].start()  # now the replica of the other: without one, no write of that node would count
            await sent

            await assert_known_and_counted_once(engine, *IDS, *MORE)
            assert engine.lost_writes == 0


async def test_a_write_that_too_few_replicas_have_is_no_success_and_may_be_sent_again(
    server: RedisServer, tmp_path: Path
) -> None:
    store = RedisStateStore(redis_settings([server.address], "r", wait_replicas=1))
    try:
        with RedisServer(tmp_path / "replica", replicaof=f"127.0.0.1 {server.port}") as replica:
            replica.wait_until_in_step()
            assert await store.open("o1", LEASE.lease_ms * 100)
            assert await store.claim("o1", 1, ["a"], [7], [60_000]) == [None]
            replica.pause()
            for _ in range(2):  # the second finds its own claim: that the replica lacks it is as true as before
                with pytest.raises(StoreUnavailable, match="0 of 1 replicas had a write within 200 ms"):
                    await store.claim("o1", 2, ["b"], [7], [60_000])
            with pytest.raises(StoreUnavailable):
                await store.judge("o1")
            replica.resume()
            replica.wait_until_in_step()

            assert await store.claim("o1", 2, ["b"], [7], [60_000]) == [None]
            assert not (await store.judge("o1")).gone
    finally:
        await store.close()
