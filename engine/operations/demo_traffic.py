"""Traffic of its own for the demo: what a product's users would send, at a steady pace."""

import logging

import orjson

from engine.demo.pace import PacedTraffic
from engine.event import JsonObject, Submission
from engine.pipeline.processor import Processor

_log = logging.getLogger(__name__)
_EVERY_MS = 250


async def send_traffic(processor: Processor, crowds: int) -> None:
    """Send what so many crowds do until cancelled, as many events as the inbox takes."""
    clock = processor.stages.clock
    traffic = PacedTraffic(crowds, clock.now_ms())
    while True:
        await clock.sleep(_EVERY_MS)
        now_ms = clock.now_ms()
        items = [_line(event) for event in traffic.due(now_ms)]
        if items:
            size = sum(map(len, items))
            processor.offer(Submission(items, input_name="demo", received_ms=now_ms, size_bytes=size, done=_note))


def _line(event: JsonObject) -> bytes:
    return orjson.dumps(event)


def _note(submission: Submission) -> None:
    for outcome in submission.outcomes:
        if outcome is not None and outcome.status == "rejected":
            _log.debug("demo event rejected: %s", outcome.message)
