"""Which windows are closed: how far event time has come by what is committed.

In: batches that are committed. Out: the time before which nothing on time is missing any more. Rule of the file: event time closes
a window, and events move it; where none come for as long as a rule says, it goes on by the clock from where they left it, and at the end of an input that ends
it is over. While no aggregation emits, all this costs one look a commit.
"""

import asyncio
from collections.abc import Callable, Sequence

from engine.pipeline.batch import Batch
from engine.ports import Clock, Group
from engine.rules.aggregation_plan import AggregationPlan
from engine.rules.model import Aggregation
from engine.rules.plan import Plan
from engine.rules.times import MAX_TIME_MS


class Closing:
    """How far event time has come in this process, whoever owns its batches; `plan` gives the rules in service.

    `pending` says that something was committed since somebody last began to look for closed windows, `looking` that this look is not over. `changed` is set when there
    is reason to look now: a window may have closed, or grown after that. `waiting` says whether there are events that have not ended: no input is idle
    then. Without `live` none ever is.
    """

    def __init__(self, plan: Callable[[], Plan], clock: Clock, waiting: Callable[[], bool], *, live: bool) -> None:
        self.pending = False
        self.looking = False
        self.changed = asyncio.Event()
        self._plan = plan
        self._clock = clock
        self._waiting = waiting
        self._live = live
        self._watermarks_ms: dict[str, int] = {}
        self._moved_ms: dict[str, int] = {}
        self._others: dict[str, tuple[int, int]] = {}
        self._closed: dict[str, int] = {}
        self._late = False
        self._over = False

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
        now_ms = self._clock.monotonic_ms()
        for batch in batches:
            if batch.counted:
                name = batch.counted[0][0].submission.input
                come_ms = max(event.time_ms for event, _ in batch.counted) - wait_ms
                seen_ms = come_ms if batch.watermark_ms is None else batch.watermark_ms
                self._watermarks_ms[name] = max(come_ms, seen_ms, self._watermarks_ms.get(name, come_ms))
                self._moved_ms[name] = now_ms
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

    @property
    def follows_others(self) -> bool:
        """Whether no event came here: then what others noted is all that is known of event time."""
        return self._live and not self._watermarks_ms

    def follow(self, plan: AggregationPlan, last_ms: int | None) -> None:
        """The latest window that anybody noted starts then, None where nobody did: event time has come so far at least."""
        known = self._others.get(plan.state_id)
        if last_ms is not None and (known is None or last_ms > known[0]):
            self._others[plan.state_id] = last_ms, self._clock.monotonic_ms()

    def end(self) -> None:
        """No event comes any more, and none is missing: whatever window there is has closed."""
        self._over = self.pending = True
        self.changed.set()

    def closed_through_ms(self, plan: AggregationPlan) -> int | None:
        """The start of the last window that is closed, with the time that late events are allowed; None while nothing is known of event time."""
        if self._over:
            return MAX_TIME_MS
        rule = plan.rule
        inputs_ms = [time_ms + self._idle_ms(rule, self._moved_ms[name]) for name, time_ms in self._watermarks_ms.items()]
        come_ms = [min(inputs_ms)] if inputs_ms else []
        if plan.state_id in self._others:
            time_ms, moved_ms = self._others[plan.state_id]
            come_ms.append(time_ms + self._idle_ms(rule, moved_ms))
        if not come_ms:
            return None
        start_ms = max(come_ms) - rule.allow_late_ms - rule.size_ms
        return start_ms - start_ms % rule.every_ms

    def _idle_ms(self, rule: Aggregation, moved_ms: int) -> int:
        """How far event time has gone on by the clock since events moved it: nothing before the time that makes an input idle."""
        if rule.emit is None or rule.emit.idle_ms is None or not self._live:
            return 0
        since_ms = self._clock.monotonic_ms() - moved_ms
        return since_ms if since_ms >= rule.emit.idle_ms and not self._waiting() else 0
