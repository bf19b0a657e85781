"""Traffic of its own for the demo: what a product's users would send, at a steady pace."""

import logging

import orjson

from engine.demo.pace import PacedTraffic
from engine.event import REJECTED, JsonObject, Submission
from engine.pipeline.processor import Processor

_log = logging.getLogger(__name__)
_EVERY_MS = 250
_MANY = 20


async def send_traffic(processor: Processor, crowds: int) -> None:
    """Send what so many crowds do until cancelled, as many events as the inbox takes."""
    clock = processor.stages.clock
    traffic, watch = PacedTraffic(crowds, clock.now_ms()), _Watch()
    while True:
        await clock.sleep(_EVERY_MS)
        now_ms = clock.now_ms()
        items = [_line(event) for event in traffic.due(now_ms)]
        if items:
            size = sum(map(len, items))
            processor.offer(Submission(items, input_name="demo", received_ms=now_ms, size_bytes=size, done=watch.ended))


def _line(event: JsonObject) -> bytes:
    return orjson.dumps(event)


class _Watch:
    """Says it once where the rules take none of the demo's events: those of another product know none of its types."""

    def __init__(self) -> None:
        self._rejected = 0
        self._is_over = False

    def ended(self, submission: Submission) -> None:
        """Look at how the events ended."""
        for outcome in submission.outcomes:
            if outcome is None or self._is_over:
                return
            self._rejected += outcome.status == REJECTED
            self._is_over = outcome.status != REJECTED or self._rejected == _MANY
            if self._rejected == _MANY:
                _log.warning("the rules reject all events of the demo's traffic; the last one because: %s", outcome.message)
