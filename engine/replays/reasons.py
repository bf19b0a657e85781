"""Why two rulesets decided otherwise: which filters act otherwise, and on which tests that turns.

In: one event in both, as their filters first saw it. Out: a cause, which groups events, and for those that are shown, the tests. Rule of the file: which filters act
is asked of the generated code, because there may be millions of such events; why, of the interpreter, for a few.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from engine.event import BLOCKED, DUPLICATE, REJECTED, Event, FilterCounts, JsonObject, Outcome
from engine.replays.decisions import Facet
from engine.replays.items import Item
from engine.replays.sent import Sent
from engine.rules.explanations import WORDS, judged_title, test_lines
from engine.rules.interpreter import Explanation
from engine.rules.model import Block, Filter
from engine.rules.plan import Plan
from engine.rules.uses import meaning
from engine.rules.verdicts import Judged, judge

FILTERS: Final = "filters"
STAGES: Final = ("events", "deduplication", "enrichment", "routes", "filter order")
"""Causes other than filters: the sections of the rules, and the order in which filters run."""

_MAX_LINES: Final = 4
_ENRICHMENT: Final = "enrichment."
_NO_FILTER: Final = "there is no such filter"


class Cause(NamedTuple):
    """What makes the difference: FILTERS with their names, or one of STAGES."""

    kind: str
    filters: tuple[str, ...] = ()


class Why(NamedTuple):
    """The difference in one filter, or where `filter` is empty, in how the event ended: lines for each side."""

    filter: str
    old: list[str]
    new: list[str]


@dataclass(slots=True)
class Side:
    """One ruleset in a comparison. `effects` says what each filter does that acts, in a form that can be compared."""

    plan: Plan
    places: Mapping[str, int] = field(init=False)
    effects: Mapping[str, object] = field(init=False)

    def __post_init__(self) -> None:
        """Number the filters."""
        rules = self.plan.ruleset.filters
        self.places = {rule.id: place for place, rule in enumerate(rules)}
        self.effects = {rule.id: meaning(rule.actions) for rule in rules if rule.mode == "enforce"}

    def acting(self, item: Item, sent: Sent, index: int) -> tuple[dict[str, object], int] | None:
        """What each filter did that acted on an event, and the place of the last that was reached; None where it met no filter."""
        event = _as_filters_saw_it(item, sent, index)
        if event is None:
            return None
        rules = self.plan.ruleset.filters
        counts = FilterCounts.zero(len(rules))
        self.plan.filter((event,), counts)
        done = {
            rule.id: self.effects[rule.id]
            for rule, matched in zip(rules, counts.matched, strict=True)
            if matched and rule.id in self.effects
        }
        return done, len(rules) if event.blocked is None else self.places[event.blocked[0]]

    def judged(self, item: Item, sent: Sent, index: int) -> Mapping[str, Judged]:
        """What became of each filter, by the interpreter; nothing where the event met none."""
        event = _as_filters_saw_it(item, sent, index)
        if event is None:
            return {}
        return {judged.rule.id: judged for judged in judge(self.plan.ruleset, event.data, event.time_ms).filters}

    def blocks(self, name: str) -> bool:
        """Whether a filter of this name may end an event."""
        rule = self.rule(name)
        return rule is not None and any(isinstance(action, Block) for action in rule.actions)

    def rule(self, name: str) -> Filter | None:
        """The filter of this name."""
        return self.plan.ruleset.filters[self.places[name]] if name in self.places else None


def cause_of(old: Side, new: Side, item: Item, sent: tuple[Sent, Sent], index: int, found: tuple[Facet, ...]) -> Cause:
    """What makes these facets other than they were."""
    was, is_now = old.acting(item, sent[0], index), new.acting(item, sent[1], index)
    ends = [one.outcomes[index] for one in sent]
    if was is not None and is_now is not None:
        names = _acting_otherwise(old, new, was, is_now)
        if found and found[0].what == "outcome":
            names = [name for name in names if old.blocks(name) or new.blocks(name)] or names
        if names:
            return Cause(FILTERS, tuple(names))
    elif blockers := [name for side, end in zip((old, new), ends, strict=True) if (name := _blocker(side, end))]:
        return Cause(FILTERS, tuple(dict.fromkeys(blockers)))
    statuses = {end.status for end in ends if end is not None}
    if DUPLICATE in statuses:
        return Cause("deduplication")
    if REJECTED in statuses or was is None or is_now is None or any(facet.what == "late" for facet in found):
        return Cause("events")
    what = {facet.what for facet in found}
    if what == {"members"} and all(path.startswith(_ENRICHMENT) for path in found[0].new.split(", ")):
        return Cause("enrichment")
    return Cause("routes") if what <= {"topic", "copies"} else Cause("filter order")


def why(old: Side, new: Side, item: Item, sent: tuple[Sent, Sent], index: int, cause: Cause) -> list[Why]:
    """The difference in each filter of the cause, test by test; for other causes, and copies that met no filter, how the event ended."""
    if cause.kind != FILTERS or any(one.contexts[index] is None for one in sent):
        ends = [one.outcomes[index] for one in sent]
        told = [end.message or end.status if end is not None else "" for end in ends]
        return [Why("", [told[0]], [told[1]])] if ends[0] != ends[1] else []
    was, is_now = old.judged(item, sent[0], index), new.judged(item, sent[1], index)
    return [_why(name, was.get(name), is_now.get(name)) for name in cause.filters]


def _blocker(side: Side, end: Outcome | None) -> str:
    """The filter that ended an event, or the one that it is a copy of; empty where none did."""
    return end.code if end is not None and end.status == BLOCKED and end.code in side.places else ""


def _acting_otherwise(
    old: Side, new: Side, was: tuple[dict[str, object], int], is_now: tuple[dict[str, object], int]
) -> list[str]:
    """Filters that did other things; what one side did not come to, because it had blocked the event, is a consequence."""
    names = dict.fromkeys((*old.places, *new.places))
    reached = [name for name in names if old.places.get(name, -1) <= was[1] and new.places.get(name, -1) <= is_now[1]]
    return [name for name in reached if was[0].get(name) != is_now[0].get(name)]


def _as_filters_saw_it(item: Item, sent: Sent, index: int) -> Event | None:
    event, contexts = sent.events[index], sent.contexts[index]
    if event is None or contexts is None:
        return None
    data: JsonObject = {**(item.data or {}), "enrichment": contexts}
    fresh = Event(data, None, event.type, event.time_ms, event.key, None, 0, 0, event.submission, index)
    fresh.late = event.late
    return fresh


def _why(name: str, old: Judged | None, new: Judged | None) -> Why:
    before, after = _tests(old), _tests(new)
    if old is None or new is None:
        return Why(name, _told(old, before), _told(new, after))
    lines = Why(name, [line for line in before if line not in after], [line for line in after if line not in before])
    if not (lines.old or lines.new):
        return Why(name, [judged_title(old)], [judged_title(new)])
    return Why(name, _told(old, lines.old), _told(new, lines.new))


def _told(judged: Judged | None, lines: list[str]) -> list[str]:
    if judged is None:
        return [_NO_FILTER]
    more = [f"… and {len(lines) - _MAX_LINES} more tests"] if len(lines) > _MAX_LINES else []
    return lines[:_MAX_LINES] + more or [judged_title(judged)]


def _tests(judged: Judged | None) -> list[str]:
    found = None if judged is None else judged.explanation
    return [] if found is None else list(_lines(found))


def _lines(found: Explanation) -> Iterator[str]:
    for result, text in test_lines(found):
        yield f"{WORDS[result]}: {text}"
