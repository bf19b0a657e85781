"""Aggregation: published events grow the accumulators of their owner.

In: events that are out, in the order of their batches. Out: partials, absolute values of what a commit covers. Rule
of the file: accumulators live in memory and are encoded only when a commit captures them; nothing that waits for a
commit leaves memory. When the rules change, state follows its `state_id`: it is kept, begun, or committed and let go.
"""

from collections.abc import Sequence

from engine.event import Event
from engine.pipeline.groups import EVERYTHING_LEFT, LiveGroups
from engine.ports import Clock, Group, Partial, StoredPartial
from engine.rules.aggregation_codegen import AggregationCode
from engine.rules.aggregation_plan import WindowValues, read_values
from engine.rules.sketches import load_library

__all__ = ["Aggregator", "WindowValues", "read_values"]

_REMEMBERED_STATES = 1_000

load_library()  # no event shall wait for it


class Aggregator:
    """One owner's live accumulators; empty for a new owner."""

    def __init__(self, code: AggregationCode, clock: Clock) -> None:
        self.live = tuple(LiveGroups(plan) for plan in code.plans)
        self._code = code
        self._clock = clock
        self._watermark_ms: int | None = None
        self._leaving: list[LiveGroups] = []
        self._left: dict[str, int] = {}

    def follow(self, code: AggregationCode) -> None:
        """Go on under another plan, before the first batch of its generation is added.

        An aggregation with the same `state_id` keeps its groups. What the plan does not have any more is in the next
        capture once more, and leaves memory when that is committed; should it come back, its groups are read back.
        """
        if code is self._code:
            return
        by_state = {live.plan.state_id: live for live in (*self.live, *self._leaving)}
        by_id = {live.plan.rule.id: live for live in self.live}
        followed = []
        for plan in code.plans:
            live = by_state.pop(plan.state_id, None) or LiveGroups(plan, self._left_through(plan.state_id))
            live.go_on_with(plan, by_id.get(plan.rule.id))
            followed.append(live)
        self.live, self._leaving, self._code = tuple(followed), list(by_state.values()), code

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
        return [partial for live in (*self.live, *self._leaving) for partial in live.capture(seq, now_ms)]

    def committed(self, seq: int) -> None:
        """The capture for `seq` is committed: groups that are through may leave memory."""
        for live in (*self.live, *self._leaving):
            live.committed(seq, self._watermark_ms)
        for live in [live for live in self._leaving if live.settled]:
            self._leaving.remove(live)
            self._remember(live)

    def _remember(self, live: LiveGroups) -> None:
        if live.left_through is not None and len(self._left) < _REMEMBERED_STATES:
            self._left[live.plan.state_id] = live.left_through

    def _left_through(self, state_id: str) -> int | None:
        """Up to which pane this owner may have groups of a state in the store; with too many to know, all of them."""
        return EVERYTHING_LEFT if len(self._left) >= _REMEMBERED_STATES else self._left.pop(state_id, None)
