"""Events that were answered already, and wait.

There are two such queues. In `deferred` they are on the egress, went out while the store was away, and are only to be claimed and
counted. In `returned` they were answered as received, and go through the stages from the claim on: their owner retired, another holds
them, or the store was away. Rule of the file: claim and commit are deferred, not skipped.
"""

from collections import deque
from collections.abc import Iterable

from engine.event import Event


class DeferredQueue:
    """A queue of at most `max_events` events, which came in as at most `max_bytes`. What an owner could not claim before it retired comes back to the front.

    Whoever adds looks for `room` first; what cannot be refused is kept beyond it. It is `resting` while its first events are held by another owner: asking again at once would change nothing.
    """

    def __init__(self, max_events: int, max_bytes: int = 64 << 20) -> None:
        self.max_events = max_events
        self.max_bytes = max_bytes
        self.size_bytes = 0
        self.resting = False
        self._waiting: deque[tuple[Event, int | None]] = deque()

    def __len__(self) -> int:
        """Events that wait."""
        return len(self._waiting)

    @property
    def ready(self) -> bool:
        """Whether there is something to claim now."""
        return bool(self._waiting) and not self.resting

    @property
    def room(self) -> int:
        """How many more events fit; none where there are bytes enough."""
        return max(0, self.max_events - len(self._waiting)) if self.size_bytes < self.max_bytes else 0

    def waiting(self) -> list[Event]:
        """The events that wait, oldest first."""
        return [event for event, _ in self._waiting]

    def add(self, events: Iterable[Event], watermark_ms: int | None) -> None:
        """Keep events that are out and answered, with the watermark they were judged by."""
        for event in events:
            # However it was made, it takes no more room than its contents while it waits.
            event.body = bytes(memoryview(event.body))
            self._waiting.append((event, watermark_ms))
            self.size_bytes += event.size_bytes

    def put_back(self, events: Iterable[Event], watermark_ms: int | None) -> None:
        """Keep events whose owner retired, in front of the others."""
        for event in reversed(list(events)):
            self._waiting.appendleft((event, watermark_ms))
            self.size_bytes += event.size_bytes

    def take(self, max_events: int) -> tuple[list[Event], int | None]:
        """The oldest events of one watermark, up to `max_events`."""
        events: list[Event] = []
        watermark_ms = self._waiting[0][1] if self._waiting else None
        while self._waiting and len(events) < max_events and self._waiting[0][1] == watermark_ms:
            event = self._waiting.popleft()[0]
            self.size_bytes -= event.size_bytes
            events.append(event)
        return events, watermark_ms
