"""The enrich stage over a real service that is slow, fails and comes back: what every event is told, and what it costs."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from engine.app import SOURCE_KINDS, Limits, build_generation
from engine.clock import SystemClock
from engine.enrichment.pool import SourcePool
from engine.event import Event, Submission
from engine.metrics import Counters
from engine.pipeline.generation import Generation
from engine.ports import Clock
from engine.rules.compiler import compile_rules
from engine.testing import ManualClock
from tests.integration.user_service import UserService, user_service

RULES = """
version: 1
events: {type: kind, time: at, types: {a: {}}}
enrichment:
  budget: 50ms
  sources:
    user:
      lookup: user_id
      from: {http: {url: "${USERS}/users/{key}", timeout: 20s, concurrency: 4}}
      cache: {local: {ttl: 5m}, negative_ttl: 30s, stale_if_error: 1h, refresh_ahead: 0.8}
      breaker: {failures: 3, open_for: 30s}
      fields: [plan]
"""
FALLBACK = '      fallback: {sql: {url: "${DATABASE}", query: "select * from users where id in :keys"}}\n'
SUBMISSION = Submission([b"{}"], input_name="test", received_ms=0, size_bytes=2, done=lambda _: None)
TIMEOUT_S = 5


class Stage:
    """The stage under one generation, with events made for it."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self.source = generation.enricher.sources["user"]

    async def enrich(self, *user_ids: object) -> list[Any]:
        """What lands on an event for each of these users: its plan, if any, and the status."""
        events = [Event({"user_id": user_id}, None, "a", 0, None, None, 0, 0, SUBMISSION, 0) for user_id in user_ids]
        await self._generation.enricher.enrich(events, self._generation.plan)
        found: list[Any] = [event.data["enrichment"] for event in events]
        return [(context.get("user", {}).get("plan"), context["status"].get("user")) for context in found]

    def ended(self) -> dict[str, int]:
        """How look-ups ended, without what did not occur."""
        counts = self.source.counts
        names = ("hits_local", "fetched", "negative", "defaults", "stale", "timeouts", "breaker_open")
        found = {name: getattr(counts, name) for name in names if getattr(counts, name)}
        assert counts.lookups == sum(found.values())
        return found


@asynccontextmanager
async def stage(directory: Path, clock: Clock, rules: str = RULES, **environ: str) -> AsyncIterator[Stage]:
    (directory / "rules.yaml").write_text(rules)
    compiled = compile_rules(directory, environ, SOURCE_KINDS)
    assert compiled.plan is not None, compiled.findings
    generation = build_generation(compiled.plan, 1, clock, Counters(), Limits(), SourcePool(clock))
    try:
        yield Stage(generation)
    finally:
        await generation.close()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not holds():  # noqa: ASYNC110 - whatever is waited for, not an event of ours
            await asyncio.sleep(0)


@pytest.fixture
async def service() -> AsyncIterator[UserService]:
    async with user_service({f"u{n}": {"plan": "paid" if n % 2 else "free", "secret": n} for n in range(200)}) as running:
        yield running


async def test_every_event_is_told_what_there_is_and_each_key_is_asked_for_once(service: UserService, tmp_path: Path) -> None:
    async with stage(tmp_path, ManualClock(), USERS=service.url) as enrichment:
        found = await enrichment.enrich("u1", "u2", "u1", "nobody", None, 7)
        again = await enrichment.enrich("u1", "nobody", {"no": "key"})

    assert found == [
        ("paid", "fresh"),
        ("free", "fresh"),
        ("paid", "fresh"),
        (None, "negative"),
        (None, None),
        (None, "negative"),
    ]
    assert again == [("paid", "fresh"), (None, "negative"), (None, None)]
    assert sorted(service.asked) == ["/users/7", "/users/nobody", "/users/u1", "/users/u2"]
    assert enrichment.ended() == {"fetched": 3, "negative": 3, "hits_local": 1}


async def test_a_hundred_batches_that_miss_one_key_at_the_same_time_make_one_request(
    service: UserService, tmp_path: Path
) -> None:
    service.open.clear()
    async with stage(tmp_path, ManualClock(), USERS=service.url) as enrichment:
        batches = [asyncio.ensure_future(enrichment.enrich("u1")) for _ in range(100)]
        await until(lambda: service.asked)
        service.open.set()
        found = await asyncio.gather(*batches)

    assert found == [[("paid", "fresh")]] * 100
    assert service.asked == ["/users/u1"]


async def test_no_more_requests_are_open_at_once_than_allowed(service: UserService, tmp_path: Path) -> None:
    service.open.clear()
    async with stage(tmp_path, ManualClock(), USERS=service.url) as enrichment:
        enriching = asyncio.ensure_future(enrichment.enrich(*(f"u{n}" for n in range(50))))
        await until(lambda: service.at_once == 4)
        service.open.set()
        found = await enriching

    assert [status for _, status in found] == ["fresh"] * 50
    assert (len(service.asked), service.most_at_once) == (50, 4)


async def test_a_service_that_hangs_costs_an_event_the_budget_and_its_answer_is_kept(
    service: UserService, tmp_path: Path
) -> None:
    clock = ManualClock()
    service.open.clear()
    async with stage(tmp_path, clock, USERS=service.url) as enrichment:
        enriching = asyncio.ensure_future(enrichment.enrich("u1"))
        await until(lambda: service.asked)
        clock.advance(49)
        await asyncio.sleep(0)
        assert not enriching.done()
        clock.advance(1)
        assert await enriching == [(None, "timeout")]
        service.open.set()
        await until(lambda: enrichment.source.entries)

        assert await enrichment.enrich("u1") == [("paid", "fresh")]
    assert enrichment.ended() == {"timeouts": 1, "hits_local": 1}
    assert len(service.asked) == 1


async def test_a_service_that_never_answers_stops_no_event_on_a_real_clock(service: UserService, tmp_path: Path) -> None:
    service.open.clear()
    async with asyncio.timeout(TIMEOUT_S), stage(tmp_path, SystemClock(), USERS=service.url) as enrichment:
        assert await enrichment.enrich("u1", "u2") == [(None, "timeout")] * 2


async def test_an_outage_from_its_beginning_to_its_end(service: UserService, tmp_path: Path) -> None:
    clock = ManualClock()
    async with stage(tmp_path, clock, USERS=service.url) as enrichment:
        assert await enrichment.enrich("u1") == [("paid", "fresh")]
        clock.advance(300_000)
        service.status = 503
        assert await enrichment.enrich("u1", "u2") == [("paid", "stale"), (None, "timeout")]
        assert await enrichment.enrich("u3") == [(None, "timeout")]
        requests = len(service.asked)
        assert enrichment.source.breaker == "open"
        assert await enrichment.enrich("u1", "u2") == [("paid", "stale"), (None, "breaker_open")]
        assert len(service.asked) == requests

        clock.advance(30_000)
        assert enrichment.source.breaker == "half_open"
        assert await enrichment.enrich("u2") == [(None, "timeout")]
        clock.advance(30_000)
        assert enrichment.source.breaker == "open"
        service.status = 200
        clock.advance(30_000)
        assert await enrichment.enrich("u2") == [("free", "fresh")]
        assert enrichment.source.breaker == "closed"
        assert await enrichment.enrich("u1") == [("paid", "fresh")]


async def test_what_is_used_is_renewed_before_it_is_over(service: UserService, tmp_path: Path) -> None:
    clock = ManualClock()
    async with stage(tmp_path, clock, USERS=service.url) as enrichment:
        await enrichment.enrich("u1")
        service.users["u1"] = {"plan": "gone"}
        clock.advance(240_000)
        assert await enrichment.enrich("u1") == [("paid", "fresh")]
        await until(lambda: enrichment.source.at_hand["u1"].value == {"plan": "gone"})
        clock.advance(239_999)

        assert await enrichment.enrich("u1") == [("gone", "fresh")]
    assert enrichment.source.counts.refreshes == 1
    assert len(service.asked) == 2


async def test_a_database_stands_in_for_a_service_that_fails(service: UserService, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "users.db")) as database:
        database.executescript(
            "create table users (id text, plan text); insert into users values ('u1', 'old'), ('u500', 'legacy')"
        )
    environ = {"USERS": service.url, "DATABASE": f"sqlite:///{tmp_path / 'users.db'}"}
    async with stage(tmp_path, ManualClock(), RULES + FALLBACK, **environ) as enrichment:
        assert await enrichment.enrich("u1", "u500", "nobody") == [("paid", "fresh"), ("legacy", "fresh"), (None, "negative")]
    service.status = 500
    async with stage(tmp_path, ManualClock(), RULES + FALLBACK, **environ) as enrichment:
        assert await enrichment.enrich("u1", "nobody") == [("old", "fresh"), (None, "timeout")]


async def test_a_generation_that_is_closed_leaves_no_request_behind(service: UserService, tmp_path: Path) -> None:
    service.open.clear()
    async with stage(tmp_path, ManualClock(), USERS=service.url) as enrichment:
        enriching = asyncio.ensure_future(enrichment.enrich("u1"))
        await until(lambda: service.at_once)

    assert await enriching == [(None, "timeout")]
    await until(lambda: not service.at_once)
