"""Aggregation: published events grow the accumulators of their owner.

In: events that are out, in the order of their batches. Out: partials, absolute values of what a commit covers. Rule
of the file: accumulators live in memory and are encoded only when a commit captures them; nothing that waits for a
commit leaves memory.
"""

from collections.abc import Sequence

from engine.event import Event
from engine.pipeline.groups import LiveGroups
from engine.ports import Clock, Group, Partial, StoredPartial
from engine.rules.aggregation_codegen import AggregationCode
from engine.rules.aggregation_plan import WindowValues, read_values

__all__ = ["Aggregator", "WindowValues", "read_values"]


class Aggregator:
    """One owner's live accumulators; empty for a new owner."""

    def __init__(self, code: AggregationCode, clock: Clock) -> None:
        self.live = tuple(LiveGroups(plan) for plan in code.plans)
        self._code = code
        self._clock = clock
        self._watermark_ms: int | None = None

    def missing(self, events: Sequence[Event]) -> list[Group]:
        """The groups these events touch that have left memory; read them and call `restore` before `add`."""
        earliest_ms = min([event.time_ms for event in events], default=0)
        if not any(live.may_be_missing(earliest_ms) for live in self.live):
            return []
        self._code.look(events, self.live, None)
        return [group for live in self.live for group in live.missing()]

    def restore(self, stored: Sequence[StoredPartial | None], committed: int) -> None:
        """Bring back the groups that `missing` named, as they were at the owner's number `committed`."""
        answers = iter(stored)
        for live in self.live:
            live.restore(answers, committed)

    def add(self, events: Sequence[Event], watermark_ms: int | None) -> None:
        """Count the events in. `watermark_ms` is that of their input when they came; it says which are late."""
        self._code.add(events, self.live, watermark_ms)
        if watermark_ms is not None:
            self._watermark_ms = max(watermark_ms, self._watermark_ms or watermark_ms)

    def capture(self, seq: int) -> list[Partial]:
        """Every group touched since the last capture, for the commit `seq`. Adding may go on for the next one."""
        now_ms = self._clock.now_ms()
        return [partial for live in self.live for partial in live.capture(seq, now_ms)]

    def committed(self, seq: int) -> None:
        """The capture for `seq` is committed: groups that are through may leave memory."""
        for live in self.live:
            live.committed(seq, self._watermark_ms)
