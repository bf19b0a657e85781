"""Whole engines over a real Redis: rules, pipeline and store are real, and so is the time; leases are short.

`Engine.send` sends events again until each has a final answer, as a client does.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from engine.app import build_processor
from engine.clock import SystemClock
from engine.event import ACCEPTED, RETRY, Submission
from engine.operations.activity import Activity
from engine.operations.observe import LiveParts, observe
from engine.operations.statistics import status
from engine.pipeline.aggregate import read_values
from engine.pipeline.owner import LeaseTimes
from engine.pipeline.processor import Options, Processor
from engine.rules.compiler import compile_rules
from engine.rules.plan import Plan
from engine.settings import RedisSettings
from engine.settings_values import RedisAddress
from engine.state.redis import RedisStateStore
from engine.testing import RecordingDeadLetters, RecordingEgress

TIMEOUT_S: Final = 30
AT_MS: Final = 1_772_442_000_000
LEASE: Final = LeaseTimes(lease_ms=3_000, renew_ms=300, margin_ms=500)
_RULES: Final = """\
version: 1
events: {type: kind, time: at, key: user, types: {answer: {}}, max_skew: {future: none, past: none}}
deduplication: {answer: {key: id, ttl: 24h, on_store_failure: POLICY}}
aggregations:
  by_user: {key: {user: user}, window: {tumbling: 1h}, retain: 3650d, max_keys: 1000, measures: {n: count}}
"""


def plan_in(directory: Path, on_store_failure: str = "reject") -> Plan:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "rules.yaml").write_text(_RULES.replace("POLICY", on_store_failure))
    plan = compile_rules(directory, {}).plan
    assert plan is not None
    return plan


def redis_settings(addresses: Sequence[str], prefix: str, **others: Any) -> RedisSettings:
    quick = {"timeout": 800, "connect_timeout": 3_000, "wait_timeout": 200}
    return RedisSettings(address=tuple(map(RedisAddress, addresses)), prefix=prefix, **{**quick, **others})


class Engine:
    """A worker that runs."""

    def __init__(self, plan: Plan, settings: RedisSettings) -> None:
        clock = SystemClock()
        self.plan = plan
        self.store = RedisStateStore(settings)
        self.egress = RecordingEgress()
        self.processor: Processor = build_processor(
            plan,
            store=self.store,
            egress=self.egress,
            dead_letters=RecordingDeadLetters(),
            clock=clock,
            options=Options(lease=LEASE),
            topic="events",
        )
        self._live = LiveParts(self.processor, Activity(clock, lambda: 0, lambda: 0), "redis", "recording", lambda: None, 0)

    @property
    def reasons(self) -> list[str]:
        """Why the status is `degraded`."""
        shown = status(observe(self._live))
        reasons = shown["reasons"]
        assert isinstance(reasons, list)
        assert (shown["status"] == "degraded") == bool(reasons)
        return reasons

    @property
    def lost_writes(self) -> int:
        return self.processor.stages.counters.lost_writes

    @property
    def owners_retired(self) -> int:
        return self.processor.stages.counters.owners_retired

    @property
    def out(self) -> list[str]:
        """The ids of all records, in the order in which they came out."""
        return [json.loads(record.value)["id"] for record in self.egress.records]

    async def once(self, *identities: str, user: str = "u") -> list[str]:
        """The outcomes of one submission."""
        ended: asyncio.Future[Submission] = asyncio.get_running_loop().create_future()
        events = ({"kind": "answer", "id": identity, "user": user, "at": AT_MS} for identity in identities)
        items = [json.dumps(event).encode() for event in events]
        taken = self.processor.offer(Submission(items, input_name="t", received_ms=AT_MS, size_bytes=1, done=ended.set_result))
        if not taken:
            return [RETRY] * len(identities)
        async with asyncio.timeout(TIMEOUT_S):
            return [outcome.status if outcome else "none" for outcome in (await ended).outcomes]

    async def send(self, *identities: str, user: str = "u") -> list[str]:
        """The final outcomes of these events, each sent again as long as it is told so."""
        final = dict.fromkeys(identities, RETRY)
        async with asyncio.timeout(TIMEOUT_S):
            while open_ones := [identity for identity, outcome in final.items() if outcome == RETRY]:
                final.update(zip(open_ones, await self.once(*open_ones, user=user), strict=True))
                if RETRY in final.values():
                    await asyncio.sleep(0.02)  # a client's pause
        return list(final.values())

    async def send_until_accepted(self, *identities: str) -> None:
        assert await self.send(*identities) == [ACCEPTED] * len(identities)

    async def counted(self, user: str = "u") -> int:
        """How many events of a user the aggregates hold."""
        aggregation = self.plan.aggregations["by_user"]
        rows = await self.store.partials(aggregation.state_id, f"user:{user}", 0, 1 << 50)
        committed = await self.store.committed(sorted({row.owner for row in rows}))
        return sum(int(str(window.values["n"])) for window in read_values(aggregation, rows, committed))

    async def until_counted(self, number: int) -> None:
        """Return when the aggregates hold so many events."""

        async def counted() -> bool:
            return await self.counted() >= number

        await _poll(counted)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when it holds."""

        async def holds() -> bool:
            return condition()

        await _poll(holds)


async def _poll(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not await condition():  # noqa: ASYNC110 - what is waited for is another process, which sets no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(plan: Plan, settings: RedisSettings) -> AsyncIterator[Engine]:
    """An engine at work; at the end it is drained, and its ledger has to balance."""
    engine = Engine(plan, settings)
    task = asyncio.create_task(engine.processor.run())
    try:
        yield engine
        engine.processor.drain()
        async with asyncio.timeout(TIMEOUT_S):
            await task
        assert engine.processor.stages.answers.ledger.balance() == 0
    finally:
        task.cancel()
        await asyncio.wait([task])
        await engine.store.close()
