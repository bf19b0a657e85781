"""Answers that workers share, in a real Redis that goes and comes, and in a cluster."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import orjson
import pytest

from engine.enrichment.contexts import SourceContexts
from engine.enrichment.kinds import build_shared
from engine.enrichment.shared import SharedAnswers, Write
from engine.event import JsonObject
from engine.metrics import SourceCounts
from engine.ports import Context
from engine.rules.model import Cache, Source, SourceSpec
from engine.rules.model import Path as FieldPath
from engine.settings import RedisSettings, SharedCacheSettings
from engine.settings_values import RedisAddress
from engine.testing import ManualClock
from tests.redis_servers import need_redis, own_prefix
from tests.unit.enrichment.scripted import ScriptedSource
from tools.servers.redis import RedisCluster, RedisServer

TIMEOUT_S = 10
ROW: JsonObject = {"plan": "free"}
FRESH = Context(ROW, "fresh")
PATIENT = SharedCacheSettings(timeout_ms=5_000)
SOURCE = Source(
    "user",
    FieldPath("user_id", ("user_id",)),
    (SourceSpec("scripted", {}),),
    Cache(local_ttl_ms=1_000, shared_ttl_ms=60_000, negative_ttl_ms=30_000),
)


def on(server: RedisServer, prefix: str) -> RedisSettings:
    return RedisSettings(address=(RedisAddress(server.address),), prefix=prefix, timeout_ms=1_000)


@asynccontextmanager
async def shared(
    redis: RedisSettings, settings: SharedCacheSettings = PATIENT, clock: ManualClock | None = None
) -> AsyncIterator[SharedAnswers]:
    answers = build_shared(redis, settings, clock or ManualClock())
    try:
        yield answers
    finally:
        await answers.close()


async def read_until(answers: SharedAnswers, keys: list[bytes], expected: list[bytes | None] | None) -> None:
    """Return when a read brings this."""
    async with asyncio.timeout(TIMEOUT_S):
        while await answers.read(keys) != expected:  # noqa: ASYNC110 - another process has no event for it
            await asyncio.sleep(0.01)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not holds():  # noqa: ASYNC110 - whatever is waited for, not an event of ours
            await asyncio.sleep(0.01)


def worker(answers: SharedAnswers, place: ScriptedSource, clock: ManualClock) -> SourceContexts:
    return SourceContexts(SOURCE, [place], 60_000, clock, answers)


async def test_workers_share_what_was_found_under_keys_of_the_source_for_its_time(redis_server: RedisServer) -> None:
    prefix, clock = own_prefix(), ManualClock()
    first, second = ScriptedSource({"u1": ROW}), ScriptedSource()
    async with shared(on(redis_server, prefix)) as one, shared(on(redis_server, prefix)) as other:
        await worker(one, first, clock).fetch(["u1", "nobody"])
        with redis_server.client(db=1) as admin:
            await until(lambda: len(admin.keys(f"{prefix}:e:*:u1")) == len(admin.keys(f"{prefix}:e:*:nobody")) == 1)
            ttls_ms = {key.rsplit(b":", 1)[1]: admin.pttl(key) for key in admin.keys(f"{prefix}:e:*")}
        late = worker(other, second, clock)

        assert await late.fetch(["u1", "nobody"]) == {"u1": FRESH, "nobody": Context(None, "negative")}
    assert second.calls == []
    assert late.counts.hits_shared == 1
    assert 50_000 < ttls_ms[b"u1"] <= 60_000
    assert 20_000 < ttls_ms[b"nobody"] <= 30_000


async def test_a_cluster_holds_them_wherever_its_slots_are(redis_cluster: RedisCluster) -> None:
    redis = RedisSettings(address=(RedisAddress(redis_cluster.nodes[0].address),), cluster=True, prefix=own_prefix())
    clock, place = ManualClock(), ScriptedSource({f"u{n}": {"n": n} for n in range(100)}, max_keys=100)
    async with shared(redis) as answers:
        await worker(answers, place, clock).fetch([f"u{n}" for n in range(100)])
        other = ScriptedSource()
        late = worker(answers, other, clock)
        async with asyncio.timeout(TIMEOUT_S):
            while late.counts.hits_shared < 100:
                late = worker(answers, other, clock)
                await late.fetch([f"u{n}" for n in range(100)])
    assert late.counts.fetches == 0


async def test_nothing_too_large_is_shared_and_what_stood_there_goes(redis_server: RedisServer) -> None:
    counts, prefix = SourceCounts(), own_prefix()
    keys = [f"{prefix}:{name}".encode() for name in ("small", "large")]
    async with shared(on(redis_server, prefix), SharedCacheSettings(timeout_ms=5_000, max_value_bytes=1_024)) as answers:
        answers.write([Write(key, b"old", 60_000, counts) for key in keys])
        await read_until(answers, keys, [b"old", b"old"])
        answers.write([Write(keys[0], b"x" * 1_024, 60_000, counts), Write(keys[1], b"x" * 1_025, 60_000, counts)])

        await read_until(answers, keys, [b"x" * 1_024, None])
    assert counts.shared_unwritten == 1


async def test_no_more_answers_wait_than_may(redis_server: RedisServer) -> None:
    counts, prefix = SourceCounts(), own_prefix()
    keys = [f"{prefix}:{number}".encode() for number in range(5)]
    async with shared(on(redis_server, prefix), SharedCacheSettings(timeout_ms=5_000, max_waiting=3)) as answers:
        answers.write([Write(key, b"x", 60_000, counts) for key in keys])

        await read_until(answers, keys, [b"x", b"x", b"x", None, None])
    assert counts.shared_unwritten == 2


async def test_a_redis_that_is_gone_costs_a_few_reads_and_is_asked_again_behind_everybodys_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    need_redis()
    clock, counts = ManualClock(), SourceCounts()
    with RedisServer(tmp_path, appendfsync="no") as server:
        async with shared(on(server, "p"), PATIENT, clock) as answers:
            answers.write([Write(b"p:a", b"x", 60_000, counts)])
            await read_until(answers, [b"p:a"], [b"x"])
            server.kill()
            for _ in range(20):
                assert await answers.read([b"p:a"]) is None
            answers.write([Write(b"p:b", b"x", 60_000, counts)])
            assert counts.shared_unwritten == 1
            server.lose_data()
            await asyncio.to_thread(server.start)
            assert await answers.read([b"p:a"]) is None

            clock.advance(1_000)
            await read_until(answers, [b"p:a"], [None])
            answers.write([Write(b"p:a", b"y", 60_000, counts)])
            await read_until(answers, [b"p:a"], [b"y"])
    said = [record.getMessage() for record in caplog.records]
    assert [line.split(":")[0] for line in said] == [
        "the shared cache of enrichment sources fails",
        "the shared cache of enrichment sources is left alone",
    ]


async def test_a_redis_that_stands_still_holds_nobody_up_for_long_and_no_event_is_the_worse_for_it(tmp_path: Path) -> None:
    need_redis()
    clock = ManualClock()
    with RedisServer(tmp_path, appendfsync="no") as server:
        async with AsyncExitStack() as stack:
            answers = await stack.enter_async_context(shared(on(server, "p"), SharedCacheSettings(timeout_ms=50), clock))
            await read_until(answers, [b"p:a"], [None])
            server.pause()
            place = ScriptedSource({f"u{n}": ROW for n in range(50)})
            user = worker(answers, place, clock)
            async with asyncio.timeout(TIMEOUT_S):
                found = [await user.fetch([f"u{n}"]) for n in range(50)]
            server.resume()
    assert found == [{f"u{n}": FRESH} for n in range(50)]
    assert user.counts.shared_skipped == 50
    assert user.counts.fetched == 50


async def test_a_change_of_the_form_or_of_the_source_never_reads_what_was_kept_before(redis_server: RedisServer) -> None:
    prefix, clock = own_prefix(), ManualClock()
    async with shared(on(redis_server, prefix)) as answers:
        await worker(answers, ScriptedSource({"u1": ROW}), clock).fetch(["u1"])
        with redis_server.client(db=1) as admin:
            await until(lambda: bool(admin.keys(f"{prefix}:e:*")))
            (key,) = admin.keys(f"{prefix}:e:*")
            admin.set(key, orjson.dumps([99, 0, {"plan": "from the future"}]))
        place = ScriptedSource({"u1": ROW})

        assert await worker(answers, place, clock).fetch(["u1"]) == {"u1": FRESH}
    assert place.calls == [["u1"]]
