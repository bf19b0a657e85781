"""Aggregations as generated code: one function over a batch that grows all of a plan's accumulators.

In: the aggregations of a ruleset. Out: functions over events and live accumulators. What the functions need of an
accumulator (`Live`) stands here as a protocol. Rule of the file: no method call per event where the group is known.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, TypeGuard, cast

from engine.event import Event
from engine.rules.aggregation_plan import BOOKKEEPING, TOUCHED, AggregationPlan, GroupList, plan_aggregation
from engine.rules.conditions import ConditionWriter
from engine.rules.emitter import Emitter
from engine.rules.fields import Fields
from engine.rules.first_error import FirstError
from engine.rules.keys import key_part
from engine.rules.matching import TextMemory
from engine.rules.measures import Custom, MeasureKind, NumberKind, update_numbers
from engine.rules.model import Measure, Path, Ruleset

_NEVER_MS: Final = -(1 << 60)


class Live(Protocol):
    """The accumulators of one aggregation that are in memory."""

    panes: dict[int, dict[object, GroupList]]
    touched: list[GroupList]
    capture_number: int
    events: int
    late: int
    unkeyed: int
    overflow: int
    errors: int

    def new_group(self, start_ms: int, key: object) -> GroupList | None:
        """A fresh group, in its pane; None where the aggregation takes no more keys."""

    def note_missing(self, start_ms: int, key: object) -> None:
        """The group is not in memory; it may be in the store."""


Add = Callable[[Sequence[Event], Sequence[Live], int | None], None]
LateRoutes = Callable[[Sequence[Event], int | None], None]


@dataclass(frozen=True, slots=True)
class AggregationCode:
    """A plan's aggregations. `look` notes the groups that `add` would touch and that are not in memory.

    `late_routes` sends events whose window has closed to the route their aggregation names, by the same watermark;
    None where no aggregation names one. `counts_blocked`: some aggregation counts events that filters block.
    `emits`: some aggregation publishes its closed windows.
    """

    plans: tuple[AggregationPlan, ...]
    add: Add
    look: Add
    late_routes: LateRoutes | None
    counts_blocked: bool
    emits: bool = False


def compile_aggregations(ruleset: Ruleset, texts: TextMemory | None = None) -> AggregationCode:
    """Generate the functions for a ruleset's aggregations. Tests of texts remember in `texts`."""
    plans = tuple(plan_aggregation(rule, ruleset) for rule in ruleset.aggregations.values())
    with_route = [plan for plan in plans if plan.rule.late_route is not None]
    return AggregationCode(
        plans,
        cast("Add", _Writer(ruleset, plans, "aggregations", texts).batch(look=False)),
        cast("Add", _Writer(ruleset, plans, "look for groups", texts).batch(look=True)),
        cast("LateRoutes", _Writer(ruleset, with_route, "late routes", texts).routes()) if with_route else None,
        any(plan.rule.blocked == "include" for plan in plans),
        any(plan.rule.emit is not None for plan in plans),
    )


class _Writer:
    def __init__(self, ruleset: Ruleset, plans: Sequence[AggregationPlan], name: str, texts: TextMemory | None) -> None:
        self._emitter = Emitter(name, texts)
        self._ruleset = ruleset
        self._plans = plans
        self._fields = Fields(self._emitter, ruleset.enrichment.sources)
        self._conditions = ConditionWriter(self._emitter, self._fields, ruleset)

    def batch(self, *, look: bool) -> Callable[..., object]:
        """The function `(events, live, watermark_ms)` that adds, or only looks."""
        emitter = self._emitter
        for index in range(len(self._plans)):
            emitter.line(f"live_{index} = live[{index}]")
            emitter.line(f"panes_{index} = live_{index}.panes")
            emitter.line(f"touched_{index} = live_{index}.touched")
            emitter.line(f"number_{index} = live_{index}.capture_number")
            emitter.line(f"events_{index} = 0")
        if self._plans:
            with self._each_event():
                for index, plan in enumerate(self._plans):
                    with emitter.block("try:"), emitter.block(f"if {self._takes(plan)}:"):
                        self._group(index, plan, look=look)
                    with emitter.block("except Exception as error:"):
                        emitter.line(f"live_{index}.errors += {0 if look else 1}")
                        emitter.line(f"{self._report(plan)}(error)")
            for index in range(len(self._plans)):
                emitter.line(f"live_{index}.events += events_{index}")
        return emitter.function("events", "live", "watermark_ms")

    def _report(self, plan: AggregationPlan) -> str:
        return self._emitter.bind(FirstError(f"aggregation `{plan.rule.id}`"), "report")

    def routes(self) -> Callable[..., object]:
        """The function `(events, watermark_ms)` that routes events whose window has closed."""
        emitter = self._emitter
        with emitter.block("if watermark_ms is None:"):
            emitter.line("return")
        with self._each_event():
            for index, plan in enumerate(self._plans):
                route = self._ruleset.routes[str(plan.rule.late_route)]
                with emitter.block(f"if ({self._takes(plan)}) and {_start(plan)} <= closed_{index}:"):
                    emitter.line(f"key = {self._key([path for _, path in plan.rule.key])}")
                    name = emitter.bind(route.name, "route")
                    with emitter.block(f"if key is not None and {name} not in event.routes:"):
                        emitter.line(f"event.routes += ({name},)")
                        emitter.line(f"event.copies += ({emitter.bind(route.topic, 'topic')},)")
        return emitter.function("events", "watermark_ms")

    @contextmanager
    def _each_event(self) -> Iterator[None]:
        """The loop; `closed_N` is the last start of a pane of which the last window has closed."""
        emitter = self._emitter
        emitter.line(f"now_ms = {_NEVER_MS} if watermark_ms is None else watermark_ms")
        for index, plan in enumerate(self._plans):
            emitter.line(f"closed_{index} = now_ms - {plan.rule.size_ms + plan.rule.allow_late_ms}")
        with emitter.block("for event in events:"):
            emitter.line("data = event.data")
            emitter.line("time_ms = event.time_ms")
            for every_ms in dict.fromkeys(plan.rule.every_ms for plan in self._plans):
                emitter.line(f"start_{every_ms} = time_ms - time_ms % {every_ms}")
            self._fields.emit_reads()
            yield

    def _takes(self, plan: AggregationPlan) -> str:
        tests = [] if plan.rule.blocked == "include" else ["event.blocked is None"]
        if plan.rule.when is not None:
            tests.append(f"({self._conditions.true(plan.rule.when)})")
        return " and ".join(tests) or "True"

    def _group(self, index: int, plan: AggregationPlan, *, look: bool) -> None:
        emitter, rule = self._emitter, plan.rule
        emitter.line(f"key = {self._key([path for _, path in rule.key])}")
        with emitter.block("if key is None:"):
            emitter.line(f"live_{index}.unkeyed += {0 if look else 1}")
        start = _start(plan)
        skip = rule.late_route is not None
        with emitter.block(f"elif {start} > closed_{index}:" if skip else "else:"):
            emitter.line(f"pane = panes_{index}.get({start})")
            emitter.line("g = pane.get(key) if pane is not None else None")
            if look:
                with emitter.block("if g is None:"):
                    emitter.line(f"live_{index}.note_missing({start}, key)")
                return
            if not skip:
                with emitter.block(f"if {start} <= closed_{index}:"):
                    emitter.line(f"live_{index}.late += 1")
            self._touch(index, plan)
        if skip and not look:
            with emitter.block("else:"):
                emitter.line(f"live_{index}.late += 1")

    def _touch(self, index: int, plan: AggregationPlan) -> None:
        emitter = self._emitter
        with emitter.block("if g is None:"):
            emitter.line(f"g = live_{index}.new_group({_start(plan)}, key)")
        with emitter.block("if g is None:"):
            emitter.line(f"live_{index}.overflow += 1")
        with emitter.block("else:"):
            # One of those that have slots in common stands for all of them.
            own = list({plan.slots_of[each.name][1]: each for each in plan.rule.measures if each.name in plan.slots_of}.values())
            for measure in own:  # a plug-in may raise: then nothing of the event is counted here
                if isinstance(plan.slots_of[measure.name][0], Custom):
                    self._measure(plan, measure)
            with emitter.block(f"if g[{TOUCHED}] != number_{index}:"):
                emitter.line(f"g[{TOUCHED}] = number_{index}")
                emitter.line(f"touched_{index}.append(g)")
            emitter.line(f"events_{index} += 1")
            self._numbers(plan, own)
            for measure in own:
                kind = plan.slots_of[measure.name][0]
                if not isinstance(kind, Custom) and not _shares(kind, measure):
                    self._measure(plan, measure)

    def _numbers(self, plan: AggregationPlan, measures: Sequence[Measure]) -> None:
        """Measures of one numeric field look at its type once."""
        by_field: dict[Path | None, list[tuple[NumberKind, int]]] = {}
        for measure in measures:
            kind, at = plan.slots_of[measure.name]
            if _shares(kind, measure):
                by_field.setdefault(measure.field, []).append((kind, BOOKKEEPING + at))
        for field, kinds in by_field.items():
            value = "None" if field is None else self._fields.local(field)
            self._lines(update_numbers(kinds, self._emitter.bind, value))

    def _measure(self, plan: AggregationPlan, measure: Measure) -> None:
        kind, at = plan.slots_of[measure.name]
        value = "None" if measure.field is None else self._fields.local(measure.field)
        lines = kind.update(self._emitter.bind, value, BOOKKEEPING + at)
        if measure.condition is None:
            self._lines(lines)
        else:
            with self._emitter.block(f"if {self._conditions.true(measure.condition)}:"):
                self._lines(lines)

    def _lines(self, lines: Iterator[str]) -> None:
        for line in lines:
            self._emitter.line(line)

    def _key(self, parts: Sequence[Path]) -> str:
        """The key inside: text for one part, a tuple for several; None where a part is missing."""
        to_text = self._emitter.bind(key_part, "key_part")
        texts = []
        for path in parts:
            value = self._fields.local(path)
            texts.append(f"({value} if type({value}) is str else {to_text}({value}))")
        if len(texts) <= 1:
            return texts[0] if texts else "''"
        names = [self._emitter.local("part") for _ in texts]
        for name, text in zip(names, texts, strict=True):
            self._emitter.line(f"{name} = {text}")
        missing = " or ".join(f"{name} is None" for name in names)
        return f"None if {missing} else ({', '.join(names)})"


def _shares(kind: MeasureKind, measure: Measure) -> TypeGuard[NumberKind]:
    return isinstance(kind, NumberKind) and measure.condition is None


def _start(plan: AggregationPlan) -> str:
    """The local with the start of the event's pane."""
    return f"start_{plan.rule.every_ms}"
