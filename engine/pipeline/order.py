"""Ordering: events of one key go on in the order of their own times.

In: events as they came. Out: those that may go on, earlier ones of a key first. With a wait, an event is held until
its input has moved on past it, or until it has waited that long by the clock; it is claimed only when it leaves. Where too many are held, the
earliest leave before their time. An event that comes after a later one of its key has gone on is late: always counted, and flagged,
dropped or routed.
"""

import heapq
from collections.abc import Mapping, Sequence
from itertools import count
from operator import attrgetter
from typing import Final

from engine.event import BLOCKED, Event, Outcome
from engine.metrics import Counters
from engine.pipeline.batch import Batch
from engine.rules.model import Events, Route
from engine.rules.times import MIN_TIME_MS

_LATE = Outcome(BLOCKED, "late", "a later event of the same key has gone on, and the rules drop late events")
_MOST_DUES: Final = 4
"""So many times as many dues as events are kept at most: those of events that have left go with their time, or together."""
_by_time = attrgetter("time_ms")


class Orderer:
    """Holds events that wait for earlier ones, and knows the last time that went on for each key.

    Times are kept for the last `tracked_keys` to twice as many keys. At most `max_held`
    events are held, which came in as at most `max_held_bytes`; `crowded_out` counts those that left early because of that.
    Without `by_clock` only the input's own time counts, so that recorded events come out the same however fast they are read.
    """

    def __init__(
        self, tracked_keys: int, max_held: int = 50_000, max_held_bytes: int = 64 << 20, *, by_clock: bool = True
    ) -> None:
        self.max_held = max_held
        self.max_held_bytes = max_held_bytes
        self.held_bytes = 0
        self.crowded_out = 0
        self._by_clock = by_clock
        self._tracked_keys = tracked_keys
        self._newer: dict[str, int] = {}
        self._older: dict[str, int] = {}
        self._held: list[tuple[int, int, Event]] = []
        self._places: set[int] = set()
        self._due: list[tuple[int, int, int]] = []
        self._arrivals = count()
        self._highest_ms: dict[str, int] = {}

    @property
    def held(self) -> list[Event]:
        """The events that wait."""
        return [entry[2] for entry in self._held]

    @property
    def is_holding(self) -> bool:
        """Whether events wait."""
        return bool(self._held)

    @property
    def tracked(self) -> int:
        """How many keys it knows a time of, those that are in both generations twice."""
        return len(self._newer) + len(self._older)

    def take_out(self, events: Sequence[Event]) -> None:
        """Hold these events no longer: they have ended."""
        gone = set(map(id, events))
        self._held = [entry for entry in self._held if id(entry[2]) not in gone]
        heapq.heapify(self._held)
        self._places = {entry[1] for entry in self._held}
        self.held_bytes = sum(entry[2].size_bytes for entry in self._held)

    def watermark_ms(self, input_name: str, wait_ms: int) -> int | None:
        """The watermark of an input: its highest event time, less what events are held for; None before its first event.

        It never passes an event that is held, under whichever rules that began: what came in time for its window leaves in time.
        """
        highest_ms = self._highest_ms.get(input_name)
        if highest_ms is None:
            return None
        passed_ms = highest_ms - wait_ms
        return min(passed_ms, self._held[0][0]) if self._held else passed_ms

    def arrange(self, events: Sequence[Event], wait_ms: int, now_ms: int) -> list[Event]:
        """Take events of one input in; returns those that may go on. `now_ms` is monotonic."""
        if not events:
            return self.release(now_ms)
        name = events[0].submission.input
        highest_ms = max([event.time_ms for event in events])
        highest_ms = self._highest_ms[name] = max(highest_ms, self._highest_ms.get(name, highest_ms))
        if not wait_ms and not self._held:
            return self._send_on(in_time_order(events))
        for event in events:
            # However it was made, it takes no more room than its contents while it waits.
            event.body = bytes(memoryview(event.body))
            place = next(self._arrivals)
            heapq.heappush(self._held, (event.time_ms, place, event))
            self._places.add(place)
            if self._by_clock and event.time_ms + wait_ms > highest_ms:
                heapq.heappush(self._due, (now_ms + wait_ms, event.time_ms, place))
            self.held_bytes += event.size_bytes
        going = [*self._pop_due(highest_ms - wait_ms, now_ms), *self._pop_crowd()]
        if len(self._due) > _MOST_DUES * (len(self._held) + 1):
            self._due = [entry for entry in self._due if entry[2] in self._places]
            heapq.heapify(self._due)
        return self._send_on(going)

    def release(self, now_ms: int | None) -> list[Event]:
        """The held events whose wait is over; None for all of them."""
        due = [self._pop() for _ in range(len(self._held))] if now_ms is None else self._pop_due(None, now_ms)
        return self._send_on(due)

    def due_ms(self) -> int | None:
        """When the next held event has waited long enough, by the monotonic clock; None where none is held."""
        while self._due and self._due[0][2] not in self._places:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def _pop_due(self, passed_ms: int | None, now_ms: int) -> list[Event]:
        """Everything up to the last event that is due: nothing earlier may stay behind it."""
        last = (MIN_TIME_MS if passed_ms is None else passed_ms + 1, -1)  # before the first place of the next millisecond
        while self._due and self._due[0][0] <= now_ms:
            _, time_ms, place = heapq.heappop(self._due)
            if place in self._places:
                last = max(last, (time_ms, place))
        due = []
        while self._held and self._held[0][:2] <= last:
            due.append(self._pop())
        return due

    def _pop_crowd(self) -> list[Event]:
        """The earliest events, as far as more are held than may be: what stays behind is later than they are."""
        crowd = []
        while len(self._held) > self.max_held or self.held_bytes > self.max_held_bytes:
            crowd.append(self._pop())
        self.crowded_out += len(crowd)
        return crowd

    def _pop(self) -> Event:
        _, place, event = heapq.heappop(self._held)
        self._places.discard(place)
        self.held_bytes -= event.size_bytes
        return event

    def _send_on(self, events: Sequence[Event]) -> list[Event]:
        if len(self._newer) >= self._tracked_keys:
            self._older, self._newer = self._newer, {}
        newer, older = self._newer, self._older
        for event in events:
            key = event.key
            if key is None:
                continue
            last_ms = newer.get(key)
            if last_ms is None:
                last_ms = older.get(key)
            if last_ms is None or last_ms <= event.time_ms:
                newer[key] = event.time_ms
            else:
                event.late = True
        return list(events)


def apply_late_policy(batch: Batch, rules: Events, routes: Mapping[str, Route], counters: Counters) -> None:
    """Count the late events of a claimed batch, and drop or route them where the rules say so.

    Only what is new gets here: a copy of an event that is out is a duplicate, however late it is.
    """
    late = [event for event in batch.events if event.late]
    counters.late_events += len(late)
    if not late or rules.late.action == "flag":
        return
    if rules.late.action == "drop":
        counters.late_dropped += len(late)
        batch.freeing += [(event, _LATE) for event in late]
        batch.events = [event for event in batch.events if not event.late]
    elif rules.late.route is not None:
        for event in late:
            event.routes += (rules.late.route,)
            event.topic = routes[rules.late.route].topic


def in_time_order(events: Sequence[Event]) -> Sequence[Event]:
    """The events by their own time; those of one time stay as they came."""
    times_ms = [event.time_ms for event in events]
    return events if times_ms == sorted(times_ms) else sorted(events, key=_by_time)
