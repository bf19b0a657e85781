"""Which windows are closed: how far event time has come by what is committed.

In: batches that are committed. Out: the time before which nothing on time is missing any more. Rule of the file: event time alone closes
a window, never a clock; while no aggregation emits, it costs one look a commit.
"""

import asyncio
from collections.abc import Callable, Sequence

from engine.pipeline.batch import Batch
from engine.ports import Group
from engine.rules.aggregation_plan import AggregationPlan
from engine.rules.plan import Plan


class Closing:
    """How far event time has come in this process, whoever owns its batches; `plan` gives the rules in service.

    `pending` says that something was committed since somebody last began to look for closed windows, `looking` that this look is not over. `changed` is set when there
    is reason to look now: a window may have closed, or grown after that.
    """

    def __init__(self, plan: Callable[[], Plan]) -> None:
        self.pending = False
        self.looking = False
        self.changed = asyncio.Event()
        self._plan = plan
        self._watermarks_ms: dict[str, int] = {}
        self._closed: dict[str, int] = {}
        self._late = False

    @property
    def through(self) -> bool:
        """Whether all that is committed was looked at."""
        return not (self.pending or self.looking)

    def emitting(self) -> list[AggregationPlan]:
        """The aggregations in service whose closed windows are published."""
        code = self._plan().aggregation_code
        return [plan for plan in code.plans if plan.rule.emit is not None] if code.emits else []

    def note(self, batches: Sequence[Batch]) -> None:
        """Take in batches that are committed, while they still hold their events."""
        if not self._plan().aggregation_code.emits:
            return
        wait_ms = self._plan().ruleset.events.wait_ms
        for batch in batches:
            if batch.counted:
                name = batch.counted[0][0].submission.input
                come_ms = max(event.time_ms for event, _ in batch.counted) - wait_ms
                seen_ms = come_ms if batch.watermark_ms is None else batch.watermark_ms
                self._watermarks_ms[name] = max(come_ms, seen_ms, self._watermarks_ms.get(name, come_ms))
                self.pending = True
        if self._late:
            self._late = False
            self.changed.set()
        for plan in self.emitting():
            through_ms = self.closed_through_ms(plan)
            if through_ms is not None and through_ms > self._closed.get(plan.state_id, through_ms - 1):
                self._closed[plan.state_id] = through_ms
                self.changed.set()

    def grown(self, windows: Sequence[Group]) -> None:
        """These windows are about to grow by a commit; one that was closed before has something new to tell then."""
        for state_id, through_ms in self._closed.items():
            if any(window.start_ms <= through_ms and window.aggregation == state_id for window in windows):
                self._late = True

    def closed_through_ms(self, plan: AggregationPlan) -> int | None:
        """The start of the last window that is closed, with the time that late events are allowed; None before the first event."""
        if not self._watermarks_ms:
            return None
        rule = plan.rule
        start_ms = min(self._watermarks_ms.values()) - rule.allow_late_ms - rule.size_ms
        return start_ms - start_ms % rule.every_ms
