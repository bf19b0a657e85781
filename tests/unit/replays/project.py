"""Two rules directories that differ in one place, and a recording replayed through both in this process."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.app import SOURCE_KINDS
from engine.clock import SystemClock
from engine.enrichment.pool import SourcePool
from engine.event import JsonObject
from engine.replays.clock import ReplayClock
from engine.replays.items import Item, read_items
from engine.replays.lane import Enrichment, open_lane
from engine.replays.recording import open_recording
from engine.replays.replay import Bounds, Replayed, replay
from engine.replays.report import Report, as_json
from engine.replays.sent import Sent
from engine.rules.compiler import compile_rules
from engine.rules.plan import Plan
from engine.state.memory import MemoryStateStore

NOW_MS = 1_772_442_000_000
"""2026-03-02T09:00:00Z."""

RULES = """\
version: 1
events: {type: kind, time: at, key: user, types: {answer: {schema: answer.json}}}
deduplication: {answer: {key: id, ttl: 1h}}
enrichment:
  sources: {person: {lookup: user, from: {file: {path: people.json}}}}
routes: {review: {topic: events.review}}
aggregations:
  by_user:
    key: {user: user}
    window: {tumbling: 5m}
    max_keys: 100
    measures: {answers: count, points: {sum: points}}
filters:
  robots:
    when: {agent: {contains: robot}}
    then: {block: {reason: robot}}
  quick:
    when: {took_ms: {lt: 1000}}
    then: {allow: {mark: quick}}
"""
SCHEMA = '{"type": "object", "properties": {"points": {"type": "integer"}}}'

_BOUNDS = Bounds(samples=2, windows=10)

Event = dict[str, Any]


def answer(number: int, **members: object) -> Event:
    at_ms = NOW_MS + number * 1_000
    return {"kind": "answer", "id": f"a{number}", "user": "u1", "at": at_ms, "agent": "x", "points": 1, "took_ms": 700, **members}


class Project:
    """`old` and `new`, the same to begin with."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("old", "new"):
            (directory / name).mkdir()
            (directory / name / "rules.yaml").write_text(RULES)
            (directory / name / "answer.json").write_text(SCHEMA)
            (directory / name / "people.json").write_text('{"u1": {"plan": "free"}, "u2": {"plan": "premium"}}')

    def change(self, before: str, after: str, *, file: str = "rules.yaml") -> None:
        """Have the new rules say something else in one place."""
        path = self.directory / "new" / file
        text = path.read_text()
        assert text.count(before) == 1, before
        path.write_text(text.replace(before, after))

    def everywhere(self, before: str, after: str) -> None:
        """Have both rules say something else in one place."""
        for name in ("old", "new"):
            path = self.directory / name / "rules.yaml"
            assert path.read_text().count(before) == 1, before
            path.write_text(path.read_text().replace(before, after))

    def plan(self, name: str) -> Plan:
        compiled = compile_rules(self.directory / name, {}, SOURCE_KINDS)
        assert compiled.plan is not None, compiled.findings
        return compiled.plan

    async def run(
        self,
        lines: Sequence[Event | bytes],
        *,
        alone: bool = False,
        recorded: bool = False,
        given: dict[str, JsonObject | None] | None = None,
        bounds: Bounds = _BOUNDS,
    ) -> Replayed:
        path = self.directory / "events.ndjson"
        path.write_bytes(b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines))
        enrichment = Enrichment(SourcePool(SystemClock()), given or {}, recorded)
        with open_recording(str(path)) as recording:
            old = None if alone else self.plan("old")
            return await replay(recording, self.plan("new"), old, enrichment, MemoryStateStore, bounds, lambda: None)

    async def sent(self, events: Sequence[Event]) -> list[tuple[list[Item], Sent, Sent]]:
        """What both rulesets make of these events, one piece of all of them."""
        items = read_items([(number, json.dumps(event).encode()) for number, event in enumerate(events, 1)])
        clock, enrichment = ReplayClock(), Enrichment(SourcePool(SystemClock()), {}, recorded=False)
        async with (
            open_lane(self.plan("old"), MemoryStateStore, clock, enrichment, watched=True) as old,
            open_lane(self.plan("new"), MemoryStateStore, clock, enrichment, watched=True) as new,
        ):
            return [(items, await old.send(items), await new.send(items))]

    async def report(self, lines: Sequence[Event | bytes], **options: Any) -> Any:
        """The same as JSON, as programs read it."""
        replayed = await self.run(lines, **options)
        return json.loads(json.dumps(as_json(Report(replayed, "new", "old"))))


def changes(report: Any) -> list[tuple[object, list[tuple[str, ...]], int]]:
    """The groups without their samples."""
    return [
        (
            group["cause"].get("filters", group["cause"].get("section")),
            [(facet["what"], *(facet.get("members") or (facet["old"], facet["new"]))) for facet in group["changes"]],
            group["events"],
        )
        for group in report["groups"]
    ]
