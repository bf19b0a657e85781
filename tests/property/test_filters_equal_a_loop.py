"""The generated function over a batch does what a loop does that asks the interpreter and acts one filter at a time."""

import copy
from dataclasses import asdict

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.event import Event, FilterCounts, JsonObject
from engine.rules.codegen import compile_filters
from engine.rules.interpreter import explain
from engine.rules.model import Action, Allow, Block, FieldRef, Filter, Path, Ruleset, SendTo, Transform
from engine.rules.rollout import rollout_holds
from tests.property.filter_rules import PLACES, bodies, decisions, enriched, event_of, filters, ruleset_of


def naive_transform(transform: Transform, data: JsonObject) -> JsonObject:
    """The transform on a deep copy, one member after the other; raises TypeError where a place cannot be reached."""
    new = copy.deepcopy(data)
    values = [(path, _get(data, value.path) if isinstance(value, FieldRef) else value) for path, value in transform.set]
    for path in transform.remove:
        _pop(new, path)
    for old, target in transform.rename:
        if _get(new, old) is not ...:
            _put(new, target, _pop(new, old))
    for path, value in values:
        if value is not ...:
            _put(new, path, value)
    return new


def _get(data: JsonObject, path: Path) -> object:
    value: object = data
    for step in PLACES[path.text]:
        if not isinstance(value, dict) or step not in value:
            return ...
        value = value[step]
    return value


def _key(data: JsonObject, path: Path) -> object:
    value = _get(data, path)
    return None if value is ... else value


def _pop(data: JsonObject, path: Path) -> object:
    *way, last = PLACES[path.text]
    value: object = data
    for step in way:
        value = value.get(step) if isinstance(value, dict) else None
    return value.pop(last, None) if isinstance(value, dict) else None


def _put(data: JsonObject, path: Path, value: object) -> None:
    *way, last = PLACES[path.text]
    parent: object = data
    for step in way:
        assert isinstance(parent, dict)
        if parent.get(step) is None:
            parent[step] = {}
        parent = parent[step]
    if not isinstance(parent, dict):
        raise TypeError(last)
    parent[last] = value


def run_naively(ruleset: Ruleset, event: Event, counts: FilterCounts) -> None:
    routed = False
    for index, rule in enumerate(ruleset.filters):
        if rule.mode == "off":
            continue
        counts.evaluated[index] += 1
        found = explain(rule.when, event.data, event.time_ms, ruleset)
        if found.result is None:
            counts.unknown[index] += 1
            counts.wrong_type[index] += found.met_wrong_type()
        if not found.result:
            continue
        counts.matched[index] += 1
        counts.last_match_ms[index] = event.time_ms
        if rule.mode == "shadow":
            counts.sample(index, event)
            continue
        if rule.rollout is not None and not rollout_holds(rule.rollout, rule.id)(_key(event.data, rule.rollout.by)):
            counts.held_back[index] += 1
            counts.sample(index, event)
            continue
        may_route = not routed or ruleset.routing == "all_matches"
        routed = routed or any(isinstance(action, SendTo) for action in rule.actions)
        for action in rule.actions:
            if isinstance(action, SendTo) and not may_route:
                continue
            act_naively(ruleset, index, action, event, counts)
            if event.blocked:
                return


def act_naively(ruleset: Ruleset, index: int, action: Action, event: Event, counts: FilterCounts) -> None:
    rule = ruleset.filters[index]
    match action:
        case Allow(mark) if mark:
            event.marks += (mark,)
        case Block(reason):
            event.blocked = (rule.id, reason or rule.id)
        case SendTo(to, mode):
            event.routes += (to,)
            event.copies += (ruleset.routes[to].topic,) if mode == "copy" else ()
            event.topic = ruleset.routes[to].topic if mode == "move" else event.topic
        case Transform():
            try:
                event.data = naive_transform(action, event.data)
            except TypeError:
                counts.errors[index] += 1


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(filters, st.lists(st.tuples(bodies, bodies), max_size=4), st.booleans())
def test_a_batch_is_decided_and_counted_as_one_event_and_filter_at_a_time(
    rules: tuple[Filter, ...],
    parts: list[tuple[JsonObject, JsonObject]],
    first_match: bool,
) -> None:
    ruleset = ruleset_of(rules, first_match=first_match)
    before = copy.deepcopy(parts)
    events = [event_of(enriched(*part), n) for n, part in enumerate(parts)]
    meant = [event_of(enriched(*copy.deepcopy(part)), n) for n, part in enumerate(parts)]
    counts, meant_counts = FilterCounts.zero(len(rules)), FilterCounts.zero(len(rules))
    compile_filters(ruleset)(events, counts)
    for event in meant:
        run_naively(ruleset, event, meant_counts)
    assert [repr(decisions(event)) for event in events] == [repr(decisions(event)) for event in meant]
    assert asdict(counts) == asdict(meant_counts)
    assert parts == before, "a context that others share was changed"
