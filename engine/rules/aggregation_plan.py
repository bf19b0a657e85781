"""What an aggregation became: the layout of its groups, their bytes, and how they are read.

A group is a flat list: the bookkeeping slots named here, then each measure's slots.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import accumulate, repeat
from typing import Any, Final, NamedTuple

import orjson

from engine.ports import Base, StoredPartial
from engine.rules.measures import Kept, MeasureKind, Slots, combine, measure_kind, merged
from engine.rules.model import Aggregation, Condition, Measure, Path, Ruleset
from engine.rules.normalise import normalise
from engine.rules.sketches import Accumulator
from engine.rules.values import json_bytes
from engine.rules.windows import panes_of, window_starts

GroupList = list[Any]
TOUCHED: Final = 0
"""The number of the capture that the group was last touched for."""
PREV_SEQ: Final = 1
PREV: Final = 2
"""The bytes that were last committed, and at which seq."""
PLACE: Final = 3
"""The group's name, a `Group`."""
BASE: Final = 4
"""At which place the base is that the group's value rests on; 0 for none."""
MOST_BYTES: Final = 5
"""How long the group's value may become before there is another base."""
BOOKKEEPING: Final = 6

MOST_BYTES_AT_FIRST: Final = 1_024
_KEPT: Final = ("distinct", "quantile", "top")
_TAIL_BYTES: Final = 512
_TAIL_SHARE: Final = 8
"""The tails may have so many bytes, or one in so many of those of the base, before there is another."""


class WindowValues(NamedTuple):
    """One window of one key as it is shown; `values` has the measures in the order written."""

    start_ms: int
    end_ms: int
    values: dict[str, object]


class Figure(NamedTuple):
    """Where a measure stands among the slots, and what makes its figure of them; None for what is made of two other figures."""

    name: str
    result: Callable[[Slots], object] | None
    place: slice


class Combination(NamedTuple):
    """A figure made of two others: `kind` is `ratio` or `difference`."""

    name: str
    kind: str
    of: tuple[str, str]


@dataclass(frozen=True, slots=True)
class AggregationPlan:
    """One aggregation, ready to accumulate. `state_id` names its state: it changes when the state's meaning does.

    `figures` has the measures in the order written; `combinations` are those made of two others. `plain`: what was encoded without a null is
    decoded as it stands. `kept`: those slots whose measures have a base and a tail. `topic` is where its closed windows go; None where they are
    not published.
    """

    rule: Aggregation
    state_id: str
    kinds: tuple[MeasureKind, ...]
    slots_of: Mapping[str, tuple[MeasureKind, int]]
    initial: Callable[[], Slots]
    encode: Callable[[GroupList], tuple[bytes, Base | None]]
    figures: tuple[Figure, ...]
    combinations: tuple[Combination, ...]
    plain: bool
    kept: tuple[int, ...]
    topic: str | None = None

    def decode(self, value: bytes, bases: tuple[bytes, bytes]) -> Slots:
        """The measures' slots that `encode` wrote; empty bytes are an empty accumulator."""
        if not value:
            return self.initial()
        values = _loads(value)
        if not self.kept:
            return values if self.plain and b"null" not in value else _decoded(self.kinds, values)
        base_at, *values = values
        parts = iter(_loads(bases[base_at - 1]) if base_at else repeat(None))
        slots: Slots = []
        for kind in self.kinds:
            own = values[len(slots) : len(slots) + kind.width]
            slots += [kind.read(next(parts), own[0])] if isinstance(kind, Kept) else kind.decode(own)
        return slots

    def base_of(self, value: bytes) -> int:
        """At which place the base is that an encoded value rests on; 0 for none."""
        return int(value[1:2]) if self.kept and value else 0

    def values(self, slots: Slots) -> dict[str, object]:
        """Every measure's figure, in the order written."""
        figures = {name: None if result is None else result(slots[place]) for name, result, place in self.figures}
        for name, kind, (left, right) in self.combinations:
            figures[name] = combine(kind, figures[left], figures[right])
        return figures


def plan_aggregation(rule: Aggregation, ruleset: Ruleset) -> AggregationPlan:
    """Lay out the groups of an aggregation of this ruleset."""
    slots_of = _slots(rule.measures)
    kinds = tuple({at: kind for kind, at in slots_of.values()}.values())
    kept = tuple(sorted({at for kind, at in slots_of.values() if isinstance(kind, Kept)}))
    topic = None if rule.emit is None else ruleset.routes[rule.emit.to].topic
    state_id = f"{rule.id}@{fingerprint(rule, ruleset)}"
    return AggregationPlan(
        rule,
        state_id,
        kinds,
        slots_of,
        _initial(kinds),
        _encoder(kinds, kept),
        tuple(_figure(measure, slots_of) for measure in rule.measures),
        tuple(Combination(measure.name, measure.kind, measure.of) for measure in rule.measures if measure.of is not None),
        all(kind.plain for kind in kinds),
        kept,
        topic,
    )


def _slots(measures: Sequence[Measure]) -> dict[str, tuple[MeasureKind, int]]:
    """Where the slots of each measure begin that has any; quantiles of the same numbers have theirs in common."""
    slots_of: dict[str, tuple[MeasureKind, int]] = {}
    quantiles: dict[tuple[Path | None, Condition | None], int] = {}
    end = 0
    for measure in measures:
        kind = measure_kind(measure)
        if kind is None:
            continue
        at = quantiles.setdefault((measure.field, measure.condition), end) if measure.kind == "quantile" else end
        slots_of[measure.name] = (kind, at)
        end = max(end, at + kind.width)
    return slots_of


def _figure(measure: Measure, slots_of: Mapping[str, tuple[MeasureKind, int]]) -> Figure:
    if measure.name not in slots_of:
        return Figure(measure.name, None, slice(0))
    kind, at = slots_of[measure.name]
    return Figure(measure.name, kind.result, slice(at, at + kind.width))


def fingerprint(rule: Aggregation, ruleset: Ruleset) -> str:
    """Eight hex digits of everything that shapes the state of an aggregation: what its conditions name as well."""

    def resolved(condition: Condition | None) -> object:
        return None if condition is None else normalise(condition, ruleset)

    measures = tuple((replace(measure, condition=None), resolved(measure.condition)) for measure in rule.measures)
    shape: tuple[object, ...] = (resolved(rule.when), rule.blocked, rule.key, rule.every_ms, rule.size_ms, measures)
    quantiles = [(measure.field, measure.condition) for measure in rule.measures if measure.kind == "quantile"]
    if len(set(quantiles)) < len(quantiles):  # they did not always have their slots in common
        shape = (*shape, "common slots")
    if any(measure.kind in _KEPT for measure in rule.measures):  # they did not always have a base and a tail
        shape = (*shape, "base and tail")
    return sha256(repr(_without_places(shape)).encode()).hexdigest()[:8]


def committed_value(partial: StoredPartial, committed: Mapping[str, int]) -> bytes:
    """What of a partial its owner has committed; empty bytes where that is nothing."""
    return partial.now if committed.get(partial.owner, 0) >= partial.seq else partial.prev


def read_values(plan: AggregationPlan, stored: Sequence[StoredPartial], committed: Mapping[str, int]) -> list[WindowValues]:
    """The windows that these partials of one key make up, by start: merged over owners, and over panes."""
    panes: dict[int, Slots] = {}
    for partial in stored:
        value = committed_value(partial, committed)
        if value:
            start_ms, slots = partial.group.start_ms, plan.decode(value, partial.bases)
            panes[start_ms] = merged(plan.kinds, panes[start_ms], slots) if start_ms in panes else slots
    size_ms, every_ms = plan.rule.size_ms, plan.rule.every_ms
    if size_ms == every_ms:
        return [WindowValues(start, start + size_ms, plan.values(panes[start])) for start in sorted(panes)]
    written = _written(plan.kinds)
    encoded = {start: json_bytes(written(slots)) for start, slots in panes.items()}
    windows = []
    for start in window_starts(panes, size_ms, every_ms):
        total = plan.initial()
        for pane in panes_of(start, size_ms, every_ms):
            if pane in encoded:
                total = merged(plan.kinds, total, _decoded(plan.kinds, _loads(encoded[pane])))
        windows.append(WindowValues(start, start + size_ms, plan.values(total)))
    return windows


def read_window(
    plan: AggregationPlan, start_ms: int, stored: Sequence[StoredPartial], committed: Mapping[str, int]
) -> WindowValues | None:
    """The window that all these partials are of, None where nothing of it is committed; the same whatever order they come in."""
    total: Slots | None = None
    for partial in sorted(stored, key=lambda row: (row.group.start_ms, row.owner)):
        value = committed_value(partial, committed)
        if value:
            slots = plan.decode(value, partial.bases)
            total = slots if total is None else merged(plan.kinds, total, slots)
    return None if total is None else WindowValues(start_ms, start_ms + plan.rule.size_ms, plan.values(total))


def _initial(kinds: Sequence[MeasureKind]) -> Callable[[], Slots]:
    if all(kind.plain for kind in kinds):
        return [slot for kind in kinds for slot in kind.initial()].copy
    return lambda: [slot for kind in kinds for slot in kind.initial()]


def _encoder(kinds: Sequence[MeasureKind], kept: Sequence[int]) -> Callable[[GroupList], tuple[bytes, Base | None]]:
    """What writes a group: its slots, or where its base is and its slots, with tails for what is in the base."""
    if not kept:
        written = _written(kinds)
        return lambda group: (json_bytes(written(group[BOOKKEEPING:])), None)
    written = _written(kinds, but=Kept, behind=1)  # the place of the base
    places = [1 + at for at in kept]

    def encode(group: GroupList) -> tuple[bytes, Base | None]:
        values = written(group[BOOKKEEPING - 1 :])
        values[0] = group[BASE]
        is_due = False
        for place in places:
            accumulator: Accumulator = values[place]
            is_due |= accumulator.base_is_due
            values[place] = accumulator.tail()
        if not is_due:
            value = json_bytes(values)
            if len(value) <= group[MOST_BYTES]:
                return value, None
        base = json_bytes([group[BOOKKEEPING + at].to_json() for at in kept])
        values[0] = group[BASE] = 2 if group[BASE] == 1 else 1
        for place in places:
            values[place] = []
        value = json_bytes(values)
        group[MOST_BYTES] = len(value) + max(_TAIL_BYTES, len(base) // _TAIL_SHARE)
        return value, Base(group[BASE], base)

    return encode


def _written(kinds: Sequence[MeasureKind], but: type[MeasureKind] | tuple[()] = (), behind: int = 0) -> Callable[[Slots], Slots]:
    """A function that turns slots into JSON values, in place; most are as they are, `but` are left, and so is what they are `behind`."""
    ends = [behind + end for end in accumulate(kind.width for kind in kinds)]
    others = [
        (kind.encode, slice(end - kind.width, end))
        for kind, end in zip(kinds, ends, strict=True)
        if not kind.plain and not isinstance(kind, but)
    ]

    def replaced(slots: Slots) -> Slots:
        for encode, place in others:
            slots[place] = encode(slots[place])
        return slots

    return replaced


def _decoded(kinds: Sequence[MeasureKind], values: Slots) -> Slots:
    """The slots of JSON values."""
    slots: Slots = []
    for kind in kinds:
        slots += kind.decode(values[len(slots) : len(slots) + kind.width])
    return slots


def _loads(value: bytes) -> Slots:
    """Orjson would read an integer beyond 64 bits as a float; sums may grow that far."""
    values: Slots = json.loads(value) if _has_long_number(value) else orjson.loads(value)
    return values


def _has_long_number(value: bytes) -> bool:
    return b"0" * 19 in value.translate(_DIGITS)


def _without_places(value: object) -> object:
    """The value without spans and descriptions, so that moving a rule within its file keeps its state."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: _without_places(getattr(value, name)) for name in value.__dataclass_fields__ if name != "span"} | {
            "": type(value).__name__
        }
    return tuple(_without_places(item) for item in value) if isinstance(value, tuple) else value


_DIGITS = bytes(0x30 if 0x30 <= byte <= 0x39 else byte for byte in range(256))
