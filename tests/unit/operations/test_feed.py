"""A file through the pipeline: how often it commits, and what a pause costs it."""

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path

import orjson
import pytest

from engine.app import SOURCE_KINDS, Limits, build_processor
from engine.cli.process import run_options
from engine.event import ACCEPTED, RETRY, Record, Refusal, Submission
from engine.operations.feed import Feed
from engine.operations.lines import LINES
from engine.pipeline.processor import Options, Processor
from engine.ports import Egress
from engine.rules.compiler import compile_rules
from engine.state.memory import MemoryStateStore
from engine.testing import ManualClock, RecordingDeadLetters, RecordingEgress
from tests.unit.operations.engines import NOW_MS, RULES, answer

HOUR_MS = 3_600_000


class HeldEgress(RecordingEgress):
    """Takes records, and says that they are out when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = asyncio.Event()
        self.out: asyncio.Future[list[Refusal]] = asyncio.get_running_loop().create_future()

    def send(self, records: Sequence[Record]) -> Awaitable[list[Refusal]]:
        super().send(records)
        self.sent.set()
        return self.out


def processor(directory: Path, clock: ManualClock, egress: Egress, options: Options) -> Processor:
    (directory / "rules.yaml").write_text(RULES)
    (directory / "people.json").write_text("{}")
    plan = compile_rules(directory, {}, SOURCE_KINDS).plan
    assert plan is not None
    letters, store = RecordingDeadLetters(), MemoryStateStore(clock)
    limits = Limits(inbox_events=LINES, max_batch=LINES)
    return build_processor(
        plan, store=store, egress=egress, dead_letters=letters, clock=clock, options=options, topic="out", limits=limits
    )


def event(number: int) -> bytes:
    return orjson.dumps({"kind": "answer", "id": str(number), **answer(at_ms=NOW_MS)})


@pytest.mark.parametrize(("gathers", "few"), [(50_000, True), (LINES, False)])
async def test_a_commit_waits_for_so_many_events_while_the_file_has_more(tmp_path: Path, gathers: int, *, few: bool) -> None:
    (tmp_path / "events.ndjson").write_bytes(b"".join(event(number) + b"\n" for number in range(6 * LINES)))
    engine = processor(tmp_path, ManualClock(NOW_MS), RecordingEgress(), Options(max_batches=2, gather_events=gathers))
    running = asyncio.create_task(engine.run())

    async with asyncio.timeout(30):
        await Feed(engine, RecordingDeadLetters(), str(tmp_path / "events.ndjson"), "rules").run()
        engine.drain()
        await running

    assert engine.stages.answers.ledger.ended[ACCEPTED] == 6 * LINES
    assert (engine.stages.counters.commits <= 2) is few  # one at the end of the file, and one where its last events come after it


@pytest.mark.parametrize(("state_is_kept", "told"), [(False, ACCEPTED), (True, RETRY)])
async def test_only_a_run_that_another_could_follow_loses_its_lease_by_a_pause(
    tmp_path: Path, *, state_is_kept: bool, told: str
) -> None:
    clock, egress = ManualClock(NOW_MS), HeldEgress()
    engine = processor(tmp_path, clock, egress, run_options(state_is_kept=state_is_kept))
    running = asyncio.create_task(engine.run())
    ended = asyncio.Event()
    line = event(1)
    submission = Submission([line], input_name="file", received_ms=NOW_MS, size_bytes=len(line), done=lambda _: ended.set())

    async with asyncio.timeout(30):
        assert engine.offer(submission)
        await egress.sent.wait()
        clock.advance(HOUR_MS)
        egress.out.set_result([])
        await ended.wait()

    assert [outcome.status for outcome in submission.outcomes if outcome] == [told]
    running.cancel()
    await asyncio.wait([running])
