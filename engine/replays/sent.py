"""What was sent to one processor of a replay, and what it made of it.

Rule of the file: everything about one event stands at its index, in columns, because there are many and most of them are never looked at.
"""

from collections.abc import Awaitable, Callable, Sequence

from engine.egress.nowhere import Nowhere
from engine.event import Event, JsonObject, Outcome, Record, Refusal, Submission
from engine.replays.items import Item


class Sent(Submission):
    """Some items of a recording. `on_end` is called whenever one has ended.

    `events` has those that are events, None for the others; `values` the record of each that was accepted, without those of its copies;
    `contexts` its enrichment as filters first saw it, None where it never came to them.
    """

    __slots__ = ("_on_end", "contexts", "events", "recorded", "values")

    def __init__(self, items: Sequence[Item], now_ms: int, on_end: Callable[[], None]) -> None:
        super().__init__(
            [item.copy() for item in items], input_name="replay", received_ms=now_ms, size_bytes=0, done=lambda _: None
        )
        self.recorded = [item.enrichment for item in items]
        self.events: list[Event | None] = [None] * len(items)
        self.values: list[bytes] = [b""] * len(items)
        self.contexts: list[JsonObject | None] = [None] * len(items)
        self._on_end = on_end

    def settle(self, index: int, outcome: Outcome) -> None:
        """See Submission."""
        super().settle(index, outcome)
        self._on_end()

    def forget(self) -> None:
        """Let go of the events, which hold on to this in turn."""
        self.events.clear()


class Witness(Nowhere):
    """An egress that shows records to what was sent, and keeps none."""

    def send(self, records: Sequence[Record]) -> Awaitable[list[Refusal]]:
        """See Egress."""
        for record in records:
            event = record.event
            if event is not None:
                submission = event.submission
                submission.values[event.index] = record.value  # type: ignore[attr-defined]  # in a replay it is a `Sent`
        return super().send(records)
