"""A replay of one ruleset counts what `process` counts, and a ruleset against itself changes nothing, whatever the events are."""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.app import SOURCE_KINDS, Limits, build_processor
from engine.clock import SystemClock
from engine.egress.nowhere import Nowhere
from engine.enrichment.pool import SourcePool
from engine.operations.feed import Feed
from engine.operations.summary import summary, write_aggregates
from engine.pipeline.processor import Options
from engine.replays.lane import Enrichment
from engine.replays.recording import open_recording
from engine.replays.replay import Bounds, Replayed, replay
from engine.rules.compiler import compile_rules
from engine.rules.plan import Plan
from engine.state.memory import MemoryStateStore

_NOW_MS: Final = 1_772_442_000_000
_RULES: Final = """\
version: 1
events:
  type: kind
  time: at
  key: user
  ordering: {wait: WAIT, late: LATE}
  max_skew: {future: none, past: none}
  types: {answer: {}, view: {}}
deduplication:
  answer: {key: [id], ttl: 30d, on_conflict: reject}
enrichment:
  sources: {person: {lookup: user, from: {file: {path: people.json}}}}
  derived: {pace: {bucket: took, edges: [2], labels: [quick, slow]}}
routes: {review: {topic: events.review}, late: {topic: events.late}}
aggregations:
  by_user: {key: {user: user}, window: {tumbling: 5m}, max_keys: 3, measures: {n: count, took: {sum: took}}}
  all: {key: {}, window: {hopping: 10m, every: 5m}, blocked: include, max_keys: 1, measures: {people: {distinct: user}, quick: {count: {took: {lt: 2}}}}}
filters:
  free: {when: {person.plan: free}, then: {allow: {mark: free}}}
  loud: {when: {text: {contains: "!"}}, then: [{transform: {set: {loud: true}, remove: [text]}}, {route: {to: review, mode: copy}}]}
  quick: {when: {derived.pace: quick}, then: {block: {reason: quick}}}
  tried: {when: {loud: true}, mode: shadow, then: {block: {reason: loud}}}
"""

members = st.fixed_dictionaries(
    {"kind": st.sampled_from(("answer", "answer", "view", "other"))},
    optional={
        "id": st.sampled_from(("a", "b", "c", "d", 5, None)),
        "user": st.sampled_from(("u1", "u2", "u3", "u4", 7)),
        "at": st.integers(0, 90).map(lambda minutes: _NOW_MS + minutes * 60_000) | st.just("never"),
        "took": st.integers(0, 4) | st.just("long"),
        "text": st.sampled_from(("x", "!", "")),
    },
)
lines = st.lists(members.map(lambda event: json.dumps(event).encode()) | st.sampled_from((b"", b"[]", b'{"kind"')), max_size=40)

Wait = tuple[str, str]
WAITS: Final[tuple[Wait, ...]] = (("0ms", "flag"), ("0ms", "drop"), ("10m", "{route: late}"), ("10m", "drop"))


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[Wait, Plan]:
    """The rules, with each way of waiting."""
    return {wait: plan_in(tmp_path_factory.mktemp("rules"), *wait) for wait in WAITS}


def plan_in(directory: Path, wait: str, late: str) -> Plan:
    (directory / "rules.yaml").write_text(_RULES.replace("WAIT", wait).replace("LATE", late))
    (directory / "people.json").write_text('{"u1": {"plan": "free"}, "u2": {"plan": "paid"}}')
    compiled = compile_rules(directory, {}, SOURCE_KINDS)
    assert compiled.plan is not None, compiled.findings
    return compiled.plan


async def processed(plan: Plan, path: Path) -> Any:
    """The summary of `process`, made of its parts."""
    clock = SystemClock()
    store = MemoryStateStore(clock)
    processor = build_processor(
        plan,
        store=store,
        egress=Nowhere(),
        dead_letters=Nowhere(),
        clock=clock,
        options=Options(),
        topic="",
        limits=Limits(recent_keys=0, max_batch=500),
    )
    feed = Feed(processor, Nowhere(), str(path), plan.id)
    intake, idle = processor.stages.intake, asyncio.Event()
    intake.on_idle = idle.set
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(feed.run())
        tasks.create_task(processor.run())
        await idle.wait()
        processor.drain()  # what is held for its order goes on
    await processor.stages.intake.generation.close()
    return summary(processor, plan, await write_aggregates(plan, store, None), feed, 0, 1.0)


async def replayed(new: Plan, old: Plan | None, path: Path) -> Replayed:
    enrichment = Enrichment(SourcePool(SystemClock()), {}, recorded=False)
    with open_recording(str(path)) as recording:
        return await replay(recording, new, old, enrichment, MemoryStateStore, Bounds(1, 1), lambda: None)


@settings(max_examples=60, deadline=None)
@given(sent=lines, wait=st.sampled_from(WAITS))
def test_one_ruleset_counts_as_process_does_and_changes_nothing_against_itself(
    plans: dict[Wait, Plan], sent: Sequence[bytes], wait: Wait
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        plan, path = plans[wait], Path(scratch) / "events.ndjson"
        path.write_bytes(b"\n".join(sent) + b"\n")

        expected = asyncio.run(processed(plan, path))
        alone = asyncio.run(replayed(plan, None, path))
        itself = asyncio.run(replayed(plan, plan, path))

    timing = dict.fromkeys(("seconds", "events_per_second"))
    assert {**alone.new, **timing} == {**expected, **timing}
    assert {**itself.new, **timing} == {**(itself.old or {}), **timing} == {**expected, **timing}
    assert itself.differences is not None
    assert (itself.differences.changed, itself.differences.unchanged) == (0, expected["received"])
    assert [(one.changed, one.incomparable) for one in itself.windows] == [(0, ""), (0, "")]
