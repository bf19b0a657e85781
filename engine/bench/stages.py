"""What each stage costs: rules over the demo's traffic, in memory, without a store or egress to wait for.

In: a plan. Out: microseconds of processor time by stage. Rule of the file: one process, one core; compare figures of one run only.
"""

import gc
import time

import orjson

from engine.app import Limits, build_processor
from engine.clock import SystemClock
from engine.demo.traffic import events
from engine.egress.nowhere import Nowhere
from engine.event import Event, Submission
from engine.pipeline.aggregate import Aggregator
from engine.pipeline.batch import Batch
from engine.pipeline.filter import apply_filters
from engine.pipeline.processor import Options, Processor
from engine.rules.plan import Plan
from engine.state.memory import MemoryStateStore


class Stopwatch:
    """CPU seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.process_time()

    def lap(self, stage: str) -> None:
        """Book the time since the last lap to a stage."""
        now = time.process_time()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now


async def one_batch(processor: Processor, aggregator: Aggregator, seq: int, lines: list[bytes], watch: Stopwatch) -> None:
    """Take lines through the stages one after the other."""
    stages, generation = processor.stages, processor.stages.intake.generation
    plan, clock = generation.plan, stages.clock
    watch.lap("between")
    submission = Submission(lines, input_name="bench", received_ms=clock.now_ms(), size_bytes=0, done=lambda _: None)
    decoded = generation.decode(submission)
    watch.lap("decode")
    watermark_ms = stages.intake.orderer.watermark_ms("bench", plan.ruleset.events.wait_ms)
    ordered = stages.intake.orderer.arrange(decoded, plan.ruleset.events.wait_ms, 0)
    watch.lap("order")
    batch = Batch(seq, stages.deduplicator.join(ordered, 0), watermark_ms, 0)
    batch.events = await claim(processor, seq, batch.events)
    watch.lap("claim")
    await generation.enricher.enrich(batch.events, plan)
    watch.lap("enrich")
    apply_filters(plan, batch, generation.counts)
    watch.lap("filter")
    await stages.publisher.delivered(batch, stages.publisher.hand_over(batch, plan.id), plan.id)
    watch.lap("publish")
    await commit(processor, aggregator, seq, batch, watch)
    for event, outcome in (*batch.counted, *batch.freeing):
        stages.answers.end(event, outcome)
    watch.lap("answer")


async def claim(processor: Processor, seq: int, batch: list[Event]) -> list[Event]:
    """Claim the events; returns those that are new."""
    keys = [str(event.claim_key) for event in batch]
    checksums, ttls_ms = [event.checksum for event in batch], [event.ttl_ms for event in batch]
    found = await processor.stages.store.claim("bench", seq, keys, checksums, ttls_ms)
    return [event for event, claimed in zip(batch, found, strict=True) if claimed is None]


async def commit(processor: Processor, aggregator: Aggregator, seq: int, batch: Batch, watch: Stopwatch) -> None:
    """Aggregate the batch and write the partials."""
    aggregator.add([event for event, _ in batch.counted], batch.watermark_ms)
    watch.lap("aggregate")
    partials = aggregator.capture(seq)
    await processor.stages.store.write_partials("bench", partials)
    aggregator.committed(seq)
    watch.lap("commit")


async def profile(plan: Plan, number: int, size: int) -> dict[str, float]:
    """Microseconds of processor time for each of `number` events, by stage; `size` events are a batch, and each batch is committed."""
    clock = SystemClock()
    nowhere, store = Nowhere(), MemoryStateStore(clock)
    processor = build_processor(
        plan, store=store, egress=nowhere, dead_letters=nowhere, clock=clock, options=Options(), topic="events", limits=Limits()
    )
    stream = events(seed=1, start_ms=clock.now_ms() - 3_600_000)
    lines = [orjson.dumps(next(stream)) for _ in range(number)]
    gc.collect()
    gc.disable()
    try:
        watch, aggregator = Stopwatch(), processor.stages.aggregator()
        for seq, start in enumerate(range(0, number, size), start=1):
            await one_batch(processor, aggregator, seq, lines[start : start + size], watch)
    finally:
        gc.enable()
        await processor.stages.intake.generation.close()
    return {stage: seconds / number * 1e6 for stage, seconds in watch.seconds.items()}
