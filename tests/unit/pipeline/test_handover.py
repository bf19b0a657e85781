"""One generation takes over from another under a running processor: what is kept, what begins anew, who judges what."""

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engine.app import Limits, build_generation, build_processor
from engine.enrichment.pool import SourcePool
from engine.event import Outcome, Submission
from engine.metrics import SourceCounts
from engine.pipeline.aggregate import read_values
from engine.pipeline.generation import Generation
from engine.pipeline.handover import Predecessor, hand_over
from engine.pipeline.processor import Options, Processor
from engine.ports import Context, ContextSource
from engine.rules.compiler import compile_rules
from engine.rules.model import Enrichment
from engine.rules.plan import Plan
from engine.state.memory import MemoryStateStore
from engine.testing import ManualClock, RecordingDeadLetters, RecordingEgress

HEAD = """\
version: 1
events:
  type: kind
  time: at
  key: user
  types: {answer: {}, question: {}}
deduplication:
  answer: {key: id, ttl: 24h}
"""
FILTER = "filters:\n  small: {when: {points: {lt: 5}}, then: {allow: {mark: small}}}\n"
BY_USER = """\
aggregations:
  by_user:
    key: {user: user}
    window: {tumbling: 1h}
    max_keys: 1000
    measures: {n: count}
"""
BY_USER_SMALL = BY_USER + "    when: {points: {lt: 5}}\n"
AT_MS = 1_772_442_000_000


def event(identity: str, **members: object) -> dict[str, Any]:
    return {"kind": "answer", "id": identity, "user": "u", "at": AT_MS, "points": 1, **members}


class Engine:
    """A processor that runs, over a store in memory."""

    def __init__(self, plan: Plan, sources: Mapping[str, ContextSource] | None = None) -> None:
        self.clock = ManualClock(AT_MS)
        self.store = MemoryStateStore(self.clock)
        self.egress = RecordingEgress()
        self.processor: Processor = build_processor(
            plan,
            store=self.store,
            egress=self.egress,
            dead_letters=RecordingDeadLetters(),
            clock=self.clock,
            options=Options(),
            topic="events",
        )
        if sources:
            self.processor.stages.intake.generation = self.generation(plan, sources)

    def generation(self, plan: Plan, sources: Mapping[str, ContextSource] | None = None) -> Generation:
        number = self.processor.stages.intake.generation.number + 1
        return build_generation(plan, number, self.clock, self.processor.stages.counters, Limits(), Given(sources or {}))

    def change(self, plan: Plan, sources: Mapping[str, ContextSource] | None = None) -> Predecessor:
        return hand_over(self.processor.stages, self.generation(plan, sources))

    def submit(self, *events: dict[str, Any]) -> "asyncio.Future[Submission]":
        ended: asyncio.Future[Submission] = asyncio.get_running_loop().create_future()
        items = [json.dumps(one).encode() for one in events]
        assert self.processor.offer(Submission(items, input_name="t", received_ms=AT_MS, size_bytes=1, done=ended.set_result))
        return ended

    async def outcomes(self, *events: dict[str, Any]) -> list[Outcome | None]:
        async with asyncio.timeout(5):
            return (await self.submit(*events)).outcomes

    async def until_held(self) -> None:
        """Return when an event waits for earlier ones."""
        for _ in range(1_000):
            if self.processor.stages.intake.orderer.held:
                return
            await asyncio.sleep(0)
        raise AssertionError("no event is held")

    async def figures(self, plan: Plan) -> dict[str, object]:
        """By aggregation, the value of `n` in the one window of user `u`."""
        found: dict[str, object] = {}
        for name, aggregation in plan.aggregations.items():
            rows = await self.store.partials(aggregation.state_id, "user:u", 0, 1 << 50)
            committed = await self.store.committed(sorted({row.owner for row in rows}))
            found[name] = sum(int(str(window.values["n"])) for window in read_values(aggregation, rows, committed))
        return found

    def records(self) -> dict[str, dict[str, Any]]:
        return {record["id"]: record for record in (json.loads(record.value) for record in self.egress.records)}


@asynccontextmanager
async def running(plan: Plan, sources: Mapping[str, ContextSource] | None = None) -> AsyncIterator[Engine]:
    engine = Engine(plan, sources)
    task = asyncio.create_task(engine.processor.run())
    yield engine
    engine.processor.drain()
    async with asyncio.timeout(5):
        await task
    assert engine.processor.stages.answers.ledger.balance() == 0


class Plans:
    """Compiles texts, each in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __call__(self, text: str) -> Plan:
        directory = self._directory / str(len(list(self._directory.iterdir())))
        directory.mkdir()
        (directory / "rules.yaml").write_text(text)
        (directory / "people.json").write_text("{}")
        compiled = compile_rules(directory, {})
        assert compiled.plan is not None, compiled.findings
        return compiled.plan


async def test_an_aggregation_that_did_not_change_keeps_its_groups_in_memory(tmp_path: Path) -> None:
    make = Plans(tmp_path)
    old, new = make(HEAD + BY_USER), make(HEAD + BY_USER + FILTER)
    async with running(old) as engine:
        await engine.outcomes(event("a"), event("b"))
        engine.change(new)
        await engine.outcomes(event("c"))

        assert await engine.figures(new) == {"by_user": 3}
        assert engine.processor.aggregation_counts()["by_user"].events == 3


async def test_a_changed_aggregation_begins_anew_and_its_old_state_stays_as_it_was_committed(tmp_path: Path) -> None:
    make = Plans(tmp_path)
    old, new = make(HEAD + BY_USER), make(HEAD + BY_USER_SMALL)
    async with running(old) as engine:
        await engine.outcomes(event("a"), event("b"))
        engine.change(new)
        await engine.outcomes(event("c"), event("d", points=9))

        assert await engine.figures(new) == {"by_user": 1}
        assert await engine.figures(old) == {"by_user": 2}
        assert engine.processor.aggregation_counts()["by_user"].events == 3


async def test_rules_that_are_taken_back_find_the_state_they_had(tmp_path: Path) -> None:
    make = Plans(tmp_path)
    first, second, none = make(HEAD + BY_USER), make(HEAD + BY_USER_SMALL), make(HEAD)
    async with running(first) as engine:
        for number, plan in enumerate([first, second, first, none, first, second]):
            engine.change(plan)
            await engine.outcomes(event(f"{number}a"), event(f"{number}b"))

        assert await engine.figures(first) == {"by_user": 6}
        assert await engine.figures(second) == {"by_user": 4}


async def test_events_on_their_way_when_the_rules_change_are_counted_by_the_old_ones(tmp_path: Path) -> None:
    make = Plans(tmp_path)
    old, new = make(HEAD + BY_USER), make(HEAD + BY_USER_SMALL)
    async with running(old) as engine:
        waiting = engine.submit(event("a"))
        await asyncio.sleep(0)
        engine.change(new)
        later = engine.submit(event("b"))
        async with asyncio.timeout(5):
            await asyncio.gather(waiting, later)

        rulesets = {identity: record["processing"]["ruleset"] for identity, record in engine.records().items()}
        counts = [await engine.figures(old), await engine.figures(new)]
        assert counts == [{"by_user": list(rulesets.values()).count(plan.id)} for plan in (old, new)]
        assert (waiting.result().ruleset, later.result().ruleset) == (rulesets["a"], rulesets["b"])
        assert rulesets["b"] == new.id


async def test_counts_of_a_filter_go_on_where_it_did_not_change(tmp_path: Path) -> None:
    make = Plans(tmp_path)
    first = "  first: {when: {points: {gt: 90}}, then: {allow: {mark: x}}}\n"
    old, moved = make(HEAD + FILTER), make(HEAD + FILTER.replace("filters:\n", f"# moved\nfilters:\n{first}"))
    changed = make(HEAD + FILTER.replace("lt: 5", "lt: 6"))
    async with running(old) as engine:
        await engine.outcomes(event("a"), event("b", points=7))
        engine.change(moved)
        await engine.outcomes(event("c"))

        counts = engine.processor.stages.intake.generation.counts
        assert (counts.evaluated, counts.matched) == ([1, 3], [0, 2])
        engine.change(changed)
        assert engine.processor.stages.intake.generation.counts.evaluated == [0]


class Given(SourcePool):
    """Sources that are there already, closed when they are given back."""

    def __init__(self, sources: Mapping[str, ContextSource]) -> None:
        super().__init__(ManualClock())
        self._sources = sources

    def acquire(self, enrichment: Enrichment) -> Mapping[str, ContextSource]:
        return {name: self._sources[name] for name in enrichment.sources}

    async def release(self, contexts: Iterable[ContextSource]) -> None:
        for source in contexts:
            await source.close()


class Gate:
    """A source that answers when it is told to."""

    at_hand: Mapping[str, Context] = {}
    breaker = "closed"
    entries = 0
    waiting = 0
    problem = None

    def __init__(self) -> None:
        self.counts = SourceCounts()
        self.asked = asyncio.Event()
        self.open = asyncio.Event()
        self.closed = False

    async def fetch(self, keys: Sequence[str]) -> Mapping[str, Context]:
        self.asked.set()
        await self.open.wait()
        return {key: Context({"closed": self.closed}, "fresh") for key in keys}

    async def close(self) -> None:
        self.closed = True


GATED = "enrichment: {sources: {person: {lookup: user, from: {file: {path: people.json}}, default: {}}}}\n"


async def test_what_an_old_generation_counts_after_the_change_is_not_lost(tmp_path: Path) -> None:
    make, gate = Plans(tmp_path), Gate()
    old, new = make(HEAD + FILTER + GATED), make(HEAD + FILTER)
    async with running(old, {"person": gate}) as engine:
        slow = engine.submit(event("a"))
        async with asyncio.timeout(5):
            await gate.asked.wait()
            predecessor = engine.change(new)
            through = asyncio.create_task(engine.processor.through_with(predecessor.generation))
            quick = engine.submit(event("b"))
            await asyncio.sleep(0)
            assert not through.done()
            gate.open.set()
            await asyncio.gather(slow, quick, through)
        predecessor.settle(engine.processor.stages)

        assert engine.processor.stages.intake.generation.counts.matched == [2]
        assert {name: record["processing"]["ruleset"] for name, record in engine.records().items()} == {"a": old.id, "b": new.id}


async def test_an_old_generation_is_let_go_when_its_last_event_has_ended(tmp_path: Path) -> None:
    make = Plans(tmp_path)
    async with running(make(HEAD)) as engine:
        generations = [weakref.ref(engine.processor.stages.intake.generation)]
        for number in range(5):
            predecessor = engine.change(make(HEAD + f"# {number}\n"))
            generations.append(weakref.ref(engine.processor.stages.intake.generation))
            await engine.outcomes(event(str(number)))
            await engine.processor.through_with(predecessor.generation)
            del predecessor
        gc.collect()

        assert sum(generation() is not None for generation in generations) == 1


WAITING = HEAD.replace("  key: user\n", "  key: user\n  ordering: {wait: 10s}\n")


async def test_events_held_for_their_order_are_judged_by_the_rules_they_leave_under(tmp_path: Path) -> None:
    make = Plans(tmp_path)
    old, new = make(WAITING), make(WAITING.replace("question: {}", "other: {}") + FILTER)
    async with running(old) as engine:
        held = engine.submit(event("a"), event("q", kind="question"))
        await engine.until_held()
        engine.change(new)
        engine.clock.advance(10_000)
        async with asyncio.timeout(5):
            submission = await held

        kept, gone = submission.outcomes
        assert kept is not None
        assert gone is not None
        assert (kept.status, gone.status, gone.code) == ("accepted", "rejected", "unknown_type")
        assert engine.records()["a"]["processing"] | {"id": 0, "received_at": 0} == {
            "id": 0,
            "ruleset": new.id,
            "marks": ["small"],
            "routes": [],
            "late": False,
            "degraded": [],
            "received_at": 0,
        }
        assert submission.ruleset == new.id


async def test_the_verdict_on_a_copy_of_other_content_follows_the_new_rules(tmp_path: Path) -> None:
    make = Plans(tmp_path)
    old, new = make(HEAD), make(HEAD.replace("ttl: 24h", "ttl: 24h, on_conflict: reject"))
    async with running(old) as engine:
        await engine.outcomes(event("a"))
        (flagged,) = await engine.outcomes(event("a", points=2))
        engine.change(new)
        (refused,) = await engine.outcomes(event("a", points=3))

        assert (flagged and flagged.status, refused and refused.status) == ("duplicate", "rejected")


async def test_an_owner_is_kept_for_as_long_as_the_longest_claim_it_made(tmp_path: Path) -> None:
    make = Plans(tmp_path)
    async with running(make(WAITING.replace("24h", "72h"))) as engine:
        held = engine.submit(event("a"))
        await engine.until_held()
        engine.change(make(WAITING))
        engine.clock.advance(10_000)
        async with asyncio.timeout(5):
            await held
        engine.clock.step_wall(71 * 3_600_000)
        await engine.store.sweep(1_000)

        (claim,) = await engine.store.claim("other", 1, ["answer:a"], [0], [1])
        assert claim is not None
        assert (await engine.store.judge(claim.owner)).committed >= claim.seq
