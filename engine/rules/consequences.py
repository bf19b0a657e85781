"""What a change of rules does to what is kept: state, claims, caches and counts, part by part.

In: the plan in service, and the one that is to follow. Out: a flat list of parts with their fate, what of them is other, and what follows from it. Rule of the file: it says
what a reload does, and decides nothing; parts are compared by what they mean.
"""

import difflib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar

from engine.rules import part_changes
from engine.rules.durations import as_duration
from engine.rules.model import Aggregation, Deduplication, EventType, Route, Ruleset, Source
from engine.rules.plan import Plan
from engine.rules.uses import meaning

T = TypeVar("T")

Fate = Literal["kept", "reset", "changed", "added", "removed"]
FATES: Final[tuple[Fate, ...]] = ("reset", "removed", "added", "changed", "kept")
"""Every fate, those first that cost something."""
SECTIONS: Final = ("aggregations", "deduplication", "sources", "filters", "routes", "events", "derived")
"""Every section, those first that keep something."""

_WHOLE: Final = "events"
_ROUTING: Final = "routing"
_ADDED: Final = {
    "deduplication": "copies are known from now on",
    "sources": "its cache begins empty",
    "filters": "it counts from 0",
    "aggregations": "it counts from now on",
}
_REMOVED: Final = {
    "deduplication": "copies are not known any more",
    "sources": "its cache and its connections are dropped",
    "filters": "its counts are dropped",
}
_COUNTS_ANEW: Final = "it counts from 0"
_NEW_KEY: Final = "copies of events from before are not known under the new key; their claims stay until their time is over"
_OLD_CLAIMS: Final = "claims from before keep their time"
_SOURCE_ANEW: Final = "it is opened anew, its cache begins empty"
_SOURCE_KEPT: Final = "it keeps its cache, its connections and its breaker"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the rules and its fate: `reset` parts lose what they had, `changed` ones go on otherwise.

    `what` says what of it is other, `effect` what follows. `state` and `new_state` name an aggregation's state before and after; they are
    empty for other parts, and where there is none.
    """

    section: str
    id: str
    fate: Fate
    what: tuple[str, ...] = ()
    effect: str = ""
    state: str = ""
    new_state: str = ""


def consequences(old: Plan, new: Plan, old_root: Path, new_root: Path) -> list[Part]:
    """Every part of both plans, by section and in the order of the new one; what is gone comes last in its section.

    The roots are the rules directories: a path in a rule is relative to its file, and what lies at the same place below both is the same.
    """
    before, after = old.ruleset, new.ruleset
    sections = {
        "aggregations": _aggregations(old, new),
        "deduplication": _pairs("deduplication", before.deduplication, after.deduplication, _deduplication),
        "sources": _sources(before, after, old_root, new_root),
        "filters": _filters(before, after),
        "routes": _routes(before, after),
        "events": _events(before, after),
        "derived": _pairs("derived", before.enrichment.derived, after.enrichment.derived, _definition),
    }
    return [part for name in SECTIONS for part in sections[name]]


_Verdict = tuple[Fate, Iterable[str], str]


def _pairs(section: str, old: Mapping[str, T], new: Mapping[str, T], compare: Callable[[T, T], _Verdict]) -> Iterator[Part]:
    for name, part in new.items():
        if name in old:
            fate, what, effect = compare(old[name], part)
            yield Part(section, name, fate, tuple(what), effect)
        else:
            yield Part(section, name, "added", (), _ADDED.get(section, ""))
    for name in old:
        if name not in new:
            yield Part(section, name, "removed", (), _REMOVED.get(section, ""))


def _verdict(what: Iterable[str], effect: str = "") -> _Verdict:
    found = tuple(what)
    return ("changed", found, effect) if found else ("kept", (), "")


def _definition(old: object, new: object) -> _Verdict:
    return _verdict(part_changes.other("definition", meaning(old), meaning(new)))


def _events(old: Ruleset, new: Ruleset) -> Iterator[Part]:
    fate, what, effect = _verdict(part_changes.events(old.events, new.events))
    yield Part("events", _WHOLE, fate, tuple(what), effect)

    def compare(one: EventType, other: EventType) -> _Verdict:
        return _verdict(part_changes.other("schema", one.schema, other.schema))

    yield from _pairs("events", old.events.types, new.events.types, compare)


def _deduplication(old: Deduplication, new: Deduplication) -> _Verdict:
    what = tuple(part_changes.deduplication(old, new))
    if old.key != new.key:
        return "reset", what, _NEW_KEY
    return _verdict(what, _OLD_CLAIMS if old.ttl_ms != new.ttl_ms else "")


def _sources(old: Ruleset, new: Ruleset, old_root: Path, new_root: Path) -> Iterator[Part]:
    budgets = tuple(part_changes.other("budget_ms", old.enrichment.budget_ms, new.enrichment.budget_ms))

    def compare(one: Source, other: Source) -> _Verdict:
        what = [*part_changes.source(one, other), *budgets]
        if not what and _folders(one, old_root) != _folders(other, new_root):
            what = ["directory of its rule file"]
        return ("reset", what, _SOURCE_ANEW) if what else ("kept", (), _SOURCE_KEPT)

    yield from _pairs("sources", old.enrichment.sources, new.enrichment.sources, compare)


def _folders(source: Source, root: Path) -> list[str]:
    return [os.path.relpath(Path(spec.span.file).parent, root) for spec in source.chain]


def _filters(old: Ruleset, new: Ruleset) -> Iterator[Part]:
    before = {rule.id: rule for rule in old.filters}
    after = {rule.id: rule for rule in new.filters}
    moved = _moved([name for name in before if name in after], [name for name in after if name in before])
    for part in _pairs(
        "filters", before, after, lambda one, other: _verdict(part_changes.filter_(one, other, old, new), _COUNTS_ANEW)
    ):
        if part.id in moved:
            yield Part("filters", part.id, "changed", (*part.what, "place among the filters"), part.effect or "it counts on")
        else:
            yield part


def _moved(old: Sequence[str], new: Sequence[str]) -> set[str]:
    """The names that have to move to make one order of the other; as few as possible, or nearly."""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    still = {name for start, _, size in matcher.get_matching_blocks() for name in old[start : start + size]}
    return set(old) - still


def _routes(old: Ruleset, new: Ruleset) -> Iterator[Part]:
    fate, what, effect = _verdict(part_changes.other(_ROUTING, old.routing, new.routing))
    yield Part("routes", _ROUTING, fate, tuple(what), effect)

    def compare(one: Route, other: Route) -> _Verdict:
        return _verdict(part_changes.other("topic", one.topic, other.topic))

    yield from _pairs("routes", old.routes, new.routes, compare)


def _aggregations(old: Plan, new: Plan) -> Iterator[Part]:
    states = {name: plan.state_id for name, plan in old.aggregations.items()}
    new_states = {name: plan.state_id for name, plan in new.aggregations.items()}

    def compare(one: Aggregation, other: Aggregation) -> _Verdict:
        limits = tuple(part_changes.limits(one, other))
        if states[one.id] == new_states[other.id]:
            return "kept", limits, "it counts on, in the windows there are"
        what = (*part_changes.shape(one, other, old.ruleset, new.ruleset), *limits)
        return "reset", what, f"it counts from now on; {_stays(one)}"

    for part in _pairs("aggregations", old.ruleset.aggregations, new.ruleset.aggregations, compare):
        effect = (
            part.effect or f"what it counted is committed first, and stays until its `retain` of {_retain(old, part.id)} is over"
        )
        yield Part(part.section, part.id, part.fate, part.what, effect, states.get(part.id, ""), new_states.get(part.id, ""))


def _stays(rule: Aggregation) -> str:
    return f"the old state lies beside the new one until its `retain` of {as_duration(rule.retain_ms)} is over"


def _retain(plan: Plan, name: str) -> str:
    return as_duration(plan.ruleset.aggregations[name].retain_ms)
