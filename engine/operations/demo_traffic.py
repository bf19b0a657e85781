"""Traffic of its own for the demo: what a product's users would send, at a steady pace."""

import logging

import orjson

from engine.demo.traffic import events
from engine.event import JsonObject, Submission
from engine.pipeline.processor import Processor

_log = logging.getLogger(__name__)
_EVERY_MS = 250


async def send_traffic(processor: Processor, events_per_second: int) -> None:
    """Send events until cancelled, as many as the inbox takes."""
    clock = processor.stages.clock
    a_time = max(1, events_per_second * _EVERY_MS // 1000)
    stream = events(seed=clock.now_ms(), start_ms=clock.now_ms())
    while True:
        now_ms = clock.now_ms()
        items = [_line(event) for event, _ in zip(stream, range(a_time), strict=False)]
        size = sum(map(len, items))
        submission = Submission(items, input_name="demo", received_ms=now_ms, size_bytes=size, done=_note)
        processor.offer(submission)
        await clock.sleep(_EVERY_MS)


def _line(event: JsonObject) -> bytes:
    return orjson.dumps(event)


def _note(submission: Submission) -> None:
    for outcome in submission.outcomes:
        if outcome is not None and outcome.status == "rejected":
            _log.debug("demo event rejected: %s", outcome.message)
