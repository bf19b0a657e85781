"""The accumulators of one aggregation that are in memory, and which of them may leave it."""

import heapq
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from engine.ports import Base, Group, Partial, StoredPartial
from engine.rules.aggregation_plan import (
    BASE,
    BOOKKEEPING,
    MOST_BYTES_AT_FIRST,
    PLACE,
    PREV,
    PREV_SEQ,
    TOUCHED,
    AggregationPlan,
    GroupList,
)
from engine.rules.keys import key_text

_EVICT_SHARE = 8
_COUNTED = ("created", "events", "late", "unkeyed", "overflow", "errors", "evicted", "emitted")

EVERYTHING_LEFT = 1 << 62
"""As `left_through`: any group may be in the store alone."""

_partial: Final[Callable[[tuple[Group, int, bytes, int, bytes, int, Base | None]], Partial]] = partial(tuple.__new__, Partial)
"""A partial of its seven fields; as `Partial` itself, in a fifth of the time."""


class LiveGroups:
    """One owner's groups of one aggregation: pane start, then key.

    `events` counts events added, `late` those whose window had closed, `unkeyed` those without a key, `overflow`
    those of keys beyond `max_keys`, `errors` those for which a measure raised; `evicted` counts groups that left, `emitted`
    closed windows that were published.
    `left_through`: panes up to this start may hold groups that are in the store alone, None where none can.
    """

    def __init__(self, plan: AggregationPlan, left_through: int | None = None) -> None:
        self.plan = plan
        self.panes: dict[int, dict[object, GroupList]] = {}
        self.touched: list[GroupList] = []
        self.capture_number = 1
        self.groups = 0
        self.created = 0
        self.events = 0
        self.late = 0
        self.unkeyed = 0
        self.overflow = 0
        self.errors = 0
        self.evicted = 0
        self.emitted = 0
        self._keys: dict[object, int] = {}
        self._key_names = [name for name, _ in plan.rule.key]
        self._missing: dict[tuple[int, object], None] = {}
        self._left_through = left_through
        self._left_panes: set[int] = set()
        self._captured: list[tuple[GroupList, bytes]] = []

    def may_be_missing(self, earliest_ms: int) -> bool:
        """Whether a group that events from this time on touch can be in the store alone."""
        return bool(self._left_panes) or (
            self._left_through is not None and earliest_ms < self._left_through + self.plan.rule.every_ms
        )

    @property
    def left_through(self) -> int | None:
        """What a later set of the same groups has to be told, once all of these have left."""
        starts = [*self.panes, *self._left_panes, *([] if self._left_through is None else [self._left_through])]
        return max(starts, default=None)

    @property
    def settled(self) -> bool:
        """Whether every group is as it was committed."""
        return not self.touched and not self._captured

    def go_on_with(self, plan: AggregationPlan, before: "LiveGroups | None") -> None:
        """Follow another plan of the same state, and count on from `before`, which had its id."""
        self.plan = plan
        if before is not None and before is not self:
            for name in _COUNTED:
                setattr(self, name, getattr(before, name))

    @property
    def keys(self) -> int:
        """How many keys have groups in memory."""
        return len(self._keys)

    def new_group(self, start_ms: int, key: object) -> GroupList | None:
        """See Live."""
        rule = self.plan.rule
        if rule.on_overflow == "reject" and key not in self._keys and len(self._keys) >= rule.max_keys:
            return None
        self.created += 1
        return self._place(start_ms, key, 0, b"")

    def note_missing(self, start_ms: int, key: object) -> None:
        """See Live."""
        through = self._left_through
        if start_ms in self._left_panes or (through is not None and start_ms <= through):
            self._missing[start_ms, key] = None

    def missing(self) -> list[Group]:
        """The groups noted since the last restore, in the order noted."""
        return [self._name(start_ms, key) for start_ms, key in self._missing]

    def restore(self, stored: Iterator[StoredPartial | None], committed: int) -> None:
        """Bring the noted groups back as they were committed; the iterator gives one answer for each."""
        for start_ms, key in self._missing:
            partial = next(stored)
            if partial is None:
                continue
            now = partial.seq <= committed
            value, seq = (partial.now, partial.seq) if now else (partial.prev, partial.prev_seq)
            group = self._place(start_ms, key, seq, value)
            group[BASE] = self.plan.base_of(value)
            group[BOOKKEEPING:] = self.plan.decode(value, partial.bases)
        self._missing.clear()

    def capture(self, seq: int, now_ms: int) -> Iterator[Partial]:
        """The touched groups as they are now, for the commit `seq`."""
        rule, encode = self.plan.rule, self.plan.encode
        touched, self.touched[:] = list(self.touched), []
        self.capture_number += 1
        kept_ms = now_ms + rule.retain_ms
        after_start_ms = rule.size_ms + rule.allow_late_ms + rule.retain_ms
        captured = self._captured
        for group in touched:
            value, base = encode(group)
            now = bytes(memoryview(value))  # as it comes from `orjson` it has room for 4 KiB, for as long as it is kept
            captured.append((group, now))
            place: Group = group[PLACE]
            expires_ms = max(place[2] + after_start_ms, kept_ms)
            yield _partial((place, seq, now, group[PREV_SEQ], group[PREV], expires_ms, base))

    def committed(self, seq: int, watermark_ms: int | None) -> None:
        """What was captured is committed: it is what the next capture follows, and may leave memory."""
        for group, now in self._captured:
            group[PREV_SEQ] = seq
            group[PREV] = now
        self._captured.clear()
        if watermark_ms is not None:
            self._drop_closed(watermark_ms)
        max_keys = self.plan.rule.max_keys
        if len(self._keys) > max_keys:
            self._drop_oldest(len(self._keys) - max_keys + max_keys // _EVICT_SHARE)

    def _place(self, start_ms: int, key: object, seq: int, value: bytes) -> GroupList:
        group: GroupList = [0, seq, value, self._name(start_ms, key), 0, MOST_BYTES_AT_FIRST, *self.plan.initial()]
        self.panes.setdefault(start_ms, {})[key] = group
        self.groups += 1
        self._keys[key] = self._keys.get(key, 0) + 1
        return group

    def _name(self, start_ms: int, key: object) -> Group:
        return Group(self.plan.state_id, key_text(self._key_names, key), start_ms)

    def _drop_closed(self, watermark_ms: int) -> None:
        """Panes of which every window closed a whole window ago leave; a late event brings its group back."""
        rule = self.plan.rule
        closed = watermark_ms - 2 * rule.size_ms - rule.allow_late_ms
        for start_ms in [start_ms for start_ms in self.panes if start_ms <= closed]:
            pane = self.panes[start_ms]
            if all(group[TOUCHED] < self.capture_number for group in pane.values()):
                for key in list(pane):
                    self._drop(start_ms, key)
                self._left_through = max(start_ms, self._left_through if self._left_through is not None else start_ms)

    def _drop_oldest(self, number: int) -> None:
        """The keys that were touched the longest ago leave with all their groups, but none that waits for a commit."""
        touched: dict[object, int] = {}
        for pane in self.panes.values():
            for key, group in pane.items():
                touched[key] = max(group[TOUCHED], touched.get(key, 0))
        clean = [key for key, number_touched in touched.items() if number_touched < self.capture_number]
        for key in heapq.nsmallest(number, clean, key=touched.__getitem__):
            for start_ms in [start_ms for start_ms, pane in self.panes.items() if key in pane]:
                self._drop(start_ms, key)
                self._left_panes.add(start_ms)

    def _drop(self, start_ms: int, key: object) -> None:
        pane = self.panes[start_ms]
        del pane[key]
        if not pane:
            del self.panes[start_ms]
        self.groups -= 1
        self.evicted += 1
        self._keys[key] -= 1
        if not self._keys[key]:
            del self._keys[key]
