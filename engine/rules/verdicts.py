"""What the filters make of one event, said as plainly as possible: one filter after the other, each on what those before it left.

In: an enriched event. Out: its decisions, and for each filter why. Rule of the file: the meaning of the generated function
of `codegen.py` and none of its code; a property test holds the two together. Nothing is counted, the event is not changed.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from engine.event import JsonObject
from engine.rules.interpreter import Explanation, explain
from engine.rules.model import Action, Allow, Block, Filter, Rollout, Ruleset, SendTo, Transform
from engine.rules.rollout import rollout_holds
from engine.rules.transforms import compile_transform
from engine.rules.values import event_steps, follow

State = Literal["matched", "not_matched", "unknown", "error", "off", "not_reached"]

NOTE_SHADOW: Final = "mode `shadow` counts and does nothing"
NOTE_ROLLOUT: Final = "the event is outside the rollout"
NOTE_ROUTED: Final = "a filter before this one has routed the event, and `routing` is `first_match`"
NOTE_BLOCKED: Final = "the event ended at the block before it"


@dataclass(frozen=True, slots=True)
class Acted:
    """An action of a filter that matched. `note` says why it was not done, and is empty where it was."""

    action: Action
    note: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """One filter and what became of it. Without an explanation it was off or not reached, or its condition raised `error`."""

    rule: Filter
    state: State
    explanation: Explanation | None = None
    actions: tuple[Acted, ...] = ()
    error: str = ""


@dataclass(slots=True)
class Verdict:
    """All filters on one event. `data` is the event as they left it; the decisions are those of `Event`."""

    data: JsonObject
    filters: list[Judged] = field(default_factory=list)
    marks: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    topic: str | None = None
    blocked: tuple[str, str] | None = None

    def of(self, rule_id: str) -> Judged | None:
        """What became of one filter; None where there is none of this name."""
        return next((judged for judged in self.filters if judged.rule.id == rule_id), None)


def judge(ruleset: Ruleset, data: JsonObject, time_ms: int) -> Verdict:
    """The verdict on an event with this dict, its contexts and derived fields included, and this time.

    Raises KeyError where a condition names a list or a condition that the ruleset has not.
    """
    return _Court(ruleset, time_ms, Verdict(data)).judge()


@dataclass(slots=True)
class _Court:
    ruleset: Ruleset
    time_ms: int
    verdict: Verdict
    routed: bool = False

    def judge(self) -> Verdict:
        for rule in self.ruleset.filters:
            self.verdict.filters.append(self._filter(rule))
        return self.verdict

    def _filter(self, rule: Filter) -> Judged:
        if rule.mode == "off":
            return Judged(rule, "off")
        if self.verdict.blocked is not None:
            return Judged(rule, "not_reached")
        try:
            found = explain(rule.when, self.verdict.data, self.time_ms, self.ruleset)
        except UnicodeEncodeError as error:
            return Judged(rule, "error", error=f"{type(error).__name__}: {error}")
        if not found.result:
            return Judged(rule, "unknown" if found.result is None else "not_matched", found)
        if rule.mode == "shadow":
            return Judged(rule, "matched", found, tuple(Acted(action, NOTE_SHADOW) for action in rule.actions))
        if rule.rollout is not None and not self._is_in(rule.rollout, rule.id):
            return Judged(rule, "matched", found, tuple(Acted(action, NOTE_ROLLOUT) for action in rule.actions))
        return Judged(rule, "matched", found, self._actions(rule))

    def _is_in(self, rollout: Rollout, rule_id: str) -> bool:
        key = follow(self.verdict.data, event_steps(rollout.by, self.ruleset.enrichment.sources))
        return rollout_holds(rollout, rule_id)(key)

    def _actions(self, rule: Filter) -> tuple[Acted, ...]:
        may_route = not (self.routed and self.ruleset.routing == "first_match")
        self.routed = self.routed or any(isinstance(action, SendTo) for action in rule.actions)
        return tuple(self._action(rule, action, may_route=may_route) for action in rule.actions)

    def _action(self, rule: Filter, action: Action, *, may_route: bool) -> Acted:
        verdict = self.verdict
        if verdict.blocked is not None:
            return Acted(action, NOTE_BLOCKED)
        match action:
            case Allow(mark):
                verdict.marks += () if mark is None else (mark,)
            case Block(reason):
                verdict.blocked = (rule.id, reason or rule.id)
            case SendTo():
                if not may_route:
                    return Acted(action, NOTE_ROUTED)
                self._send(action)
            case Transform():
                return self._transform(action)
        return Acted(action)

    def _send(self, action: SendTo) -> None:
        topic = self.ruleset.routes[action.to].topic
        self.verdict.routes += (action.to,)
        if action.mode == "copy":
            self.verdict.copies += (topic,)
        elif action.mode == "move":
            self.verdict.topic = topic

    def _transform(self, action: Transform) -> Acted:
        try:
            self.verdict.data = compile_transform(action, self.ruleset.enrichment.sources)(self.verdict.data)
        except Exception as error:  # noqa: BLE001 - as in the generated code: the event goes on as it was
            return Acted(action, f"{type(error).__name__}: {error}")
        return Acted(action)
