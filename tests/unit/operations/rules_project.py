"""A rules directory, and a running processor whose rules are reloaded from it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engine.app import SOURCE_KINDS, build_processor
from engine.clock import SystemClock
from engine.event import Outcome, Submission
from engine.operations.in_service import OneProcess
from engine.operations.reload import Reloader
from engine.operations.rules_on_disk import RulesOnDisk
from engine.operations.start import start_rules
from engine.pipeline.processor import Options, Processor
from engine.ports import Clock
from engine.state.memory import MemoryStateStore
from engine.testing import RecordingDeadLetters, RecordingEgress

RULES = """\
version: 1
events: {type: kind, time: at, key: user, types: {answer: {schema: ../schemas/answer.json}}}
deduplication: {answer: {key: id, ttl: 24h}}
"""
FILTER = "version: 1\nfilters: {small: {when: {points: {lt: 5}}, then: {allow: {mark: MARK}}}}\n"
BROKEN = "version: 1\nfilter: {}\n"


class Project:
    """`rules` and `schemas`, in a directory of their own."""

    def __init__(self, directory: Path) -> None:
        self.rules = directory / "rules"
        self.schema = directory / "schemas" / "answer.json"
        self.filters = self.rules / "filters.yaml"
        self.rules.mkdir()
        self.schema.parent.mkdir()
        self.schema.write_text('{"type": "object"}')
        (self.rules / "rules.yaml").write_text(RULES)
        self.mark("one")

    def mark(self, mark: str) -> None:
        """Have the filter leave this mark on events."""
        self.filters.write_text(FILTER.replace("MARK", mark))

    def on_disk(self, clock: Clock, settle_ms: int = 0) -> RulesOnDisk:
        return RulesOnDisk(self.rules, {}, SOURCE_KINDS, clock, settle_ms)


class Service:
    """A processor and its reloader."""

    def __init__(self, project: Project, last_good: Path | None = None) -> None:
        clock = SystemClock()
        on_disk = project.on_disk(clock)
        mark, state, report = start_rules(on_disk, last_good, clock.now_ms())
        assert state is not None, report
        self.clock = clock
        self.egress = RecordingEgress()
        self.processor: Processor = build_processor(
            state.active.plan,
            store=MemoryStateStore(clock),
            egress=self.egress,
            dead_letters=RecordingDeadLetters(),
            clock=clock,
            options=Options(),
            topic="events",
        )
        self.reloader = Reloader(OneProcess(self.processor), on_disk, state, mark, last_good)

    @property
    def state(self) -> Any:
        return self.reloader.state

    @property
    def ruleset(self) -> str:
        """The id of what is in service."""
        return self.processor.stages.intake.generation.plan.id

    async def outcome(self, identity: str, **members: object) -> Outcome | None:
        """How an event ends that is sent now."""
        ended: asyncio.Future[Submission] = asyncio.get_running_loop().create_future()
        now_ms = self.clock.now_ms()
        item = json.dumps({"kind": "answer", "id": identity, "user": "u", "at": now_ms, "points": 1, **members}).encode()
        submission = Submission([item], input_name="t", received_ms=now_ms, size_bytes=1, done=ended.set_result)
        assert self.processor.offer(submission)
        async with asyncio.timeout(10):
            return (await ended).outcomes[0]

    async def marks(self, identity: str) -> list[str]:
        """The marks on the record of an event that is sent now."""
        await self.outcome(identity)
        records = [json.loads(record.value) for record in self.egress.records]
        (processing,) = [record["processing"] for record in records if record["id"] == identity]
        assert processing["ruleset"] == self.ruleset
        return list(processing["marks"])


@asynccontextmanager
async def running(project: Project, last_good: Path | None = None) -> AsyncIterator[Service]:
    """A service whose processor runs."""
    service = Service(project, last_good)
    task = asyncio.create_task(service.processor.run())
    yield service
    service.processor.drain()
    async with asyncio.timeout(10):
        await task
    await service.reloader.close()
    assert service.processor.stages.answers.ledger.balance() == 0
