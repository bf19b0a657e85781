"""Filters as one generated function over a batch.

In: a ruleset. Out: functions that judge events and act on them. Rule of the file: what runs per event is straight code;
what can be counted per batch is not counted per event.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Final, cast

from engine.event import Event, FilterCounts, JsonObject
from engine.rules.conditions import ConditionWriter
from engine.rules.emitter import Emitter
from engine.rules.fields import Fields
from engine.rules.first_error import FirstError
from engine.rules.matching import TextMemory
from engine.rules.model import Action, Allow, Block, Condition, Filter, Ruleset, SendTo, Transform
from engine.rules.rollout import rollout_holds
from engine.rules.transforms import changed_steps, compile_transform

ApplyFilters = Callable[[Sequence[Event], FilterCounts], None]
Predicate = Callable[[JsonObject, int], bool]

_PARAMETERS: Final = ("events", "counts")
_COUNTS: Final = ("evaluated", "matched", "unknown", "wrong_type", "errors", "held_back", "last_match_ms")


def compile_filters(ruleset: Ruleset, texts: TextMemory | None = None) -> ApplyFilters:
    """A function that runs all filters over a batch, event by event, in the order of the ruleset.

    It sets marks, routes, copies, topic and blocked of the events, replaces `data` where a filter transforms, and adds to
    the counts. A filter in mode shadow counts and does not act, nor does one on an event outside its rollout; one that is off stays at zero. A filter or an action
    that raises is counted and skipped, and the event goes on; `last_match_ms` is the time of the last event that matched. Tests of texts remember in `texts`.
    """
    return cast("ApplyFilters", _written(ruleset, texts).function(*_PARAMETERS))


def write_filters(ruleset: Ruleset) -> str:
    """The text of the function that `compile_filters` makes, for whoever only wants to know that it can be made."""
    return _written(ruleset).source(*_PARAMETERS)


def _written(ruleset: Ruleset, texts: TextMemory | None = None) -> Emitter:
    emitter = Emitter("filters", texts)
    writer = _FilterWriter(emitter, ruleset)
    if any(rule.mode != "off" for rule in ruleset.filters):
        writer.write_batch()
    return emitter


def compile_predicate(ruleset: Ruleset, condition: Condition) -> Predicate:
    """A function that says whether the condition is true for an event's dict and time; unknown is False."""
    emitter = Emitter("condition")
    fields = Fields(emitter, ruleset.enrichment.sources)
    fields.emit_reads()
    emitter.line(f"return {ConditionWriter(emitter, fields, ruleset).true(condition)}")
    return cast("Predicate", emitter.function("data", "time_ms"))


class _FilterWriter:
    def __init__(self, emitter: Emitter, ruleset: Ruleset) -> None:
        self._emitter = emitter
        self._ruleset = ruleset
        self._fields = Fields(emitter, ruleset.enrichment.sources)
        self._conditions = ConditionWriter(emitter, self._fields, ruleset)
        self._rules = [(index, rule) for index, rule in enumerate(ruleset.filters) if rule.mode != "off"]
        self._reports: dict[str, FirstError] = {}
        self._first_match = ruleset.routing == "first_match"

    def write_batch(self) -> None:
        """Write the loop, with the counts around it."""
        for name in _COUNTS:
            self._emitter.line(f"{name} = counts.{name}")
        for index, rule in self._rules:
            if _blocks(rule):
                self._emitter.line(f"blocked_{index} = 0")
        with self._emitter.block("for event in events:"):
            self._emitter.line("data = event.data")
            self._emitter.line("time_ms = event.time_ms")
            if self._first_match:
                self._emitter.line("routed = False")
            self._fields.emit_reads()
            for index, rule in self._rules:
                self._filter(index, rule)
        self._evaluated()

    def _evaluated(self) -> None:
        """Every filter has seen the events of the batch that none before it has blocked."""
        self._emitter.line("seen = len(events)")
        for index, rule in self._rules:
            self._emitter.line(f"evaluated[{index}] += seen")
            if _blocks(rule):
                self._emitter.line(f"seen -= blocked_{index}")

    def _filter(self, index: int, rule: Filter) -> None:
        emitter, conditions = self._emitter, self._conditions
        with emitter.block("try:"):
            with emitter.block(f"if {conditions.true(rule.when)}:"):
                emitter.line(f"matched[{index}] += 1")
                emitter.line(f"last_match_ms[{index}] = time_ms")
                self._matched(index, rule)
            with emitter.block(f"elif not {conditions.false(rule.when)}:"):
                emitter.line(f"unknown[{index}] += 1")
                with emitter.block(f"if {conditions.wrong_type(rule.when)}:"):
                    emitter.line(f"wrong_type[{index}] += 1")
        with emitter.block("except Exception as error:"):
            emitter.line(f"errors[{index}] += 1")
            emitter.line(f"{self._report(rule)}(error)")

    def _matched(self, index: int, rule: Filter) -> None:
        """What a match leads to: the actions, or where the filter is in shadow or the event outside its rollout a sample of what was not done."""
        emitter = self._emitter
        if rule.mode == "enforce" and rule.rollout is None:
            self._actions(index, rule)
        elif rule.mode == "enforce" and rule.rollout is not None:
            holds = emitter.bind(rollout_holds(rule.rollout, rule.id), "in_rollout")
            with emitter.block(f"if not {holds}({self._fields.local(rule.rollout.by)}):"):
                emitter.line(f"held_back[{index}] += 1")
                emitter.line(f"counts.sample({index}, event)")
            with emitter.block("else:"):
                emitter.line("pass")  # there may be no action that does anything
                self._actions(index, rule)
        else:
            emitter.line(f"counts.sample({index}, event)")

    def _report(self, rule: Filter) -> str:
        return self._emitter.bind(self._reports.setdefault(rule.id, FirstError(f"filter `{rule.id}`")), "report")

    def _actions(self, index: int, rule: Filter) -> None:
        if self._first_match and any(isinstance(action, SendTo) for action in rule.actions):
            self._emitter.line("may_route, routed = not routed, True")
        for action in rule.actions:
            self._action(index, rule, action)
            if isinstance(action, Block):
                return

    def _action(self, index: int, rule: Filter, action: Action) -> None:
        match action:
            case Allow(mark):
                if mark is not None:
                    self._emitter.line(f"event.marks += {self._emitter.bind((mark,), 'marks')}")
            case Block(reason):
                self._emitter.line(f"event.blocked = {self._emitter.bind((rule.id, reason or rule.id), 'blocked')}")
                self._emitter.line(f"blocked_{index} += 1")
                self._emitter.line("continue")
            case SendTo():
                self._send(action)
            case Transform():
                self._transform(index, rule, action)

    def _send(self, action: SendTo) -> None:
        with self._emitter.block("if may_route:") if self._first_match else nullcontext():
            self._emitter.line(f"event.routes += {self._emitter.bind((action.to,), 'routes')}")
            topic = self._ruleset.routes[action.to].topic
            if action.mode == "copy":
                self._emitter.line(f"event.copies += {self._emitter.bind((topic,), 'topics')}")
            elif action.mode == "move":
                self._emitter.line(f"event.topic = {self._emitter.bind(topic, 'topic')}")

    def _transform(self, index: int, rule: Filter, action: Transform) -> None:
        source_names = self._ruleset.enrichment.sources
        change = self._emitter.bind(compile_transform(action, source_names), "change")
        with self._emitter.block("try:"):
            self._emitter.line(f"data = {change}(data)")
            self._emitter.line("event.change(data)")
        with self._emitter.block("except Exception as error:"):
            self._emitter.line(f"errors[{index}] += 1")
            self._emitter.line(f"{self._report(rule)}(error)")
        with self._emitter.block("else:"):
            self._emitter.line("pass")
            self._fields.emit_reads(changed_steps(action, source_names))


def _blocks(rule: Filter) -> bool:
    return rule.mode == "enforce" and any(isinstance(action, Block) for action in rule.actions)
