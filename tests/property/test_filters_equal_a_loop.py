"""The generated function over a batch does what a loop does that asks the interpreter and acts one filter at a time."""

import copy
from dataclasses import asdict
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.event import Event, FilterCounts, JsonObject, Submission
from engine.rules.codegen import compile_filters
from engine.rules.interpreter import explain
from engine.rules.model import (
    Action,
    All,
    Allow,
    Block,
    Condition,
    Enrichment,
    Events,
    FieldRef,
    Filter,
    Not,
    Path,
    Route,
    Ruleset,
    SendTo,
    Source,
    Transform,
)
from engine.rules.model import Test as Leaf

PATHS: Final = tuple(Path(text, tuple(text.split("."))) for text in ("a", "b", "o.a", "user.a", "user.o.b"))
PLACES: Final = {
    "a": ("a",),
    "b": ("b",),
    "o.a": ("o", "a"),
    "user.a": ("enrichment", "user", "a"),
    "user.o.b": ("enrichment", "user", "o", "b"),
}
VALUES: Final = (1, 2, "x", "y", True, None)

paths = st.sampled_from(PATHS)
leaves = st.builds(Leaf, paths, st.sampled_from(("eq", "ne")), st.sampled_from((1, 2, "x", "y"))) | st.builds(
    Leaf, paths, st.just("exists"), st.booleans()
)
conditions: st.SearchStrategy[Condition] = leaves | leaves.map(Not) | st.lists(leaves, max_size=2).map(tuple).map(All)
transforms = st.builds(
    Transform,
    set=st.lists(st.tuples(paths, st.sampled_from((1, "x", True)) | paths.map(FieldRef)), max_size=2).map(tuple),
    remove=st.lists(paths, max_size=2).map(tuple),
    rename=st.lists(st.tuples(paths, paths), max_size=1).map(tuple),
)
routes = st.builds(SendTo, st.sampled_from(("r1", "r2")), st.sampled_from(("hint", "copy", "move")))
actions: st.SearchStrategy[Action] = (
    st.builds(Allow, st.sampled_from((None, "m1", "m2")))
    | routes
    | transforms
    | transforms
    | st.builds(Block, st.sampled_from((None, "no")))
)
filters = st.lists(
    st.tuples(
        conditions,
        st.lists(actions, min_size=1, max_size=3).map(tuple),
        st.sampled_from(("enforce", "enforce", "enforce", "shadow", "off")),
    ),
    max_size=6,
).map(lambda parts: tuple(Filter(f"f{n}", when, then, mode=mode) for n, (when, then, mode) in enumerate(parts)))  # type: ignore[arg-type]
members = st.fixed_dictionaries({}, optional={"a": st.sampled_from(VALUES), "b": st.sampled_from(VALUES)})
bodies = st.fixed_dictionaries({}, optional={"a": st.sampled_from(VALUES), "b": st.sampled_from(VALUES), "o": members})


def enriched(body: JsonObject, context: JsonObject) -> JsonObject:
    return {**body, "enrichment": {"user": context, "derived": {}}}


def event_of(data: JsonObject, time_ms: int) -> Event:
    submission = Submission([data], input_name="test", received_ms=0, size_bytes=0, done=lambda _: None)
    return Event(data, None, "attempt", time_ms, None, None, 0, 0, submission, 0)


def decisions(event: Event) -> tuple[object, ...]:
    return event.data, event.marks, event.routes, event.copies, event.topic, event.blocked


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
    ruleset = Ruleset(
        "digest",
        Events(PATHS[0], PATHS[1], None),
        enrichment=Enrichment(sources={"user": Source("user", PATHS[0], ())}),
        routes={name: Route(name, f"events.{name}") for name in ("r1", "r2")},
        filters=rules,
        routing="first_match" if first_match else "all_matches",
    )
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
