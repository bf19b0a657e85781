"""A whole engine in this process: rules, pipeline and store are real, the clock is the test's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from engine.app import SOURCE_KINDS, Limits, build_processor, build_statistics
from engine.ingress.http import create_app
from engine.ingress.queries import queries
from engine.operations.activity import Activity
from engine.operations.in_service import OneProcess
from engine.operations.observe import LiveParts
from engine.operations.reload import Reloader
from engine.operations.rules_on_disk import RulesOnDisk
from engine.operations.service import EngineService
from engine.operations.start import start_rules
from engine.pipeline.processor import Options, Processor
from engine.ports import RequestLimits
from engine.state.memory import MemoryStateStore
from engine.testing import ManualClock, RecordingDeadLetters, RecordingEgress

HOUR_MS = 3_600_000
NOW_MS = 1_772_442_000_000
"""2026-03-02T09:00:00Z."""

RULES = """\
version: 1
events: {type: kind, time: at, key: user, types: {answer: {}}, max_skew: {future: 1d, past: 30d}}
deduplication: {answer: {key: id, ttl: 24h}}
enrichment:
  sources:
    person: {lookup: user, from: {file: {path: people.json}}}
aggregations:
  by_user:
    key: {user: user}
    window: {tumbling: 1h}
    late: {allow: 30m, then: count}
    retain: 7d
    max_keys: 100
    measures: {answers: count, points: {sum: points}}
  by_user_and_item:
    key: {user: user, item: item}
    window: {tumbling: 1h}
    retain: 7d
    max_keys: 100
    measures: {answers: count}
  all:
    key: {}
    window: {hopping: 1h, every: 15m}
    retain: 7d
    max_keys: 1
    measures: {answers: count}
routes: {vip: {topic: events.vip}}
filters:
  robots:
    description: Whoever says that it is one
    when: {agent: {contains: robot}}
    then: {block: {reason: robot}}
  quick:
    when: {took_ms: {lt: 1000}}
    then: [{allow: {mark: quick}}, {route: {to: vip, mode: copy}}]
"""


class Engine:
    """One worker that runs, and its HTTP interface."""

    def __init__(self, processor: Processor, client: httpx.AsyncClient, clock: ManualClock, store: "SwitchedStore") -> None:
        self.processor = processor
        self.clock = clock
        self.store = store
        self.problems: list[str] = []
        self._client = client
        self._sent = 0

    async def get(self, path: str, **parameters: str) -> httpx.Response:
        return await self._client.get(path, params=parameters or None)

    async def post(self, *events: dict[str, Any]) -> None:
        """Send events, each with an id of its own, and see that they were taken."""
        for event in events:
            self._sent += 1
            event.setdefault("id", str(self._sent))
        response = await self._client.post("/events", json=[{"kind": "answer", **event} for event in events])
        assert response.status_code == 202, response.text

    async def windows(self, aggregator: str, key: str = "", **parameters: str) -> list[dict[str, Any]]:
        response = await self.get("/processor/aggregation", aggregator=aggregator, key=key, **parameters)
        assert response.status_code == 200, response.text
        windows: list[dict[str, Any]] = response.json()["windows"]
        return windows


class SwitchedStore(MemoryStateStore):
    """A store that a test can take away from those who read aggregates."""

    away: Exception | None = None

    async def partials(self, aggregation: str, key: str, from_ms: int, to_ms: int) -> list[Any]:
        """See StateStore."""
        if self.away is not None:
            raise self.away
        found: list[Any] = await super().partials(aggregation, key, from_ms, to_ms)
        return found


def answer(user: str = "u1", at_ms: int = NOW_MS, **members: object) -> dict[str, Any]:
    return {"user": user, "at": at_ms, "agent": "browser", "points": 1, "took_ms": 5_000, **members}


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Engine]:
    """An engine over RULES, written to `directory`."""
    (directory / "rules.yaml").write_text(RULES)
    (directory / "people.json").write_text('{"u1": {"plan": "premium"}}')
    clock = ManualClock(NOW_MS)
    on_disk = RulesOnDisk(directory, {}, SOURCE_KINDS, clock, 0)
    mark, state, report = start_rules(on_disk, None, NOW_MS)
    assert state is not None, report
    store = SwitchedStore(clock)
    processor = build_processor(
        state.active.plan,
        store=store,
        egress=RecordingEgress(),
        dead_letters=RecordingDeadLetters(),
        clock=clock,
        options=Options(),
        topic="events",
        limits=Limits(inbox_events=50),
    )
    problems: list[str] = []
    activity = Activity(clock, lambda: 0, lambda: 0)
    live = LiveParts(processor, activity, "memory", "recording", lambda: problems[0] if problems else None, NOW_MS)
    service = EngineService(live, RequestLimits(1 << 20, 1_000), Reloader(OneProcess(processor), on_disk, state, mark, None))
    app = create_app(service, more=queries(build_statistics(live, store)))
    carrying = asyncio.create_task(processor.run())
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine") as client:
            engine = Engine(processor, client, clock, store)
            engine.problems = problems
            yield engine
    finally:
        carrying.cancel()
        await asyncio.wait([carrying])
