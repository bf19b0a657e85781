"""Random filters and events for them, with the values that make filters meet what filters before them did."""

from typing import Final

from hypothesis import strategies as st

from engine.event import Event, JsonObject, Submission
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
    Rollout,
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
        st.none() | st.none() | st.builds(Rollout, st.sampled_from((0, 25, 50, 75, 100)), paths),
    ),
    max_size=6,
).map(
    lambda parts: tuple(
        Filter(f"f{n}", when, then, mode=mode, rollout=rollout)  # type: ignore[arg-type]
        for n, (when, then, mode, rollout) in enumerate(parts)
    )
)
members = st.fixed_dictionaries({}, optional={"a": st.sampled_from(VALUES), "b": st.sampled_from(VALUES)})
bodies = st.fixed_dictionaries({}, optional={"a": st.sampled_from(VALUES), "b": st.sampled_from(VALUES), "o": members})


def enriched(body: JsonObject, context: JsonObject) -> JsonObject:
    return {**body, "enrichment": {"user": context, "derived": {}}}


def event_of(data: JsonObject, time_ms: int) -> Event:
    submission = Submission([data], input_name="test", received_ms=0, size_bytes=0, done=lambda _: None)
    return Event(data, None, "attempt", time_ms, None, None, 0, 0, submission, 0)


def decisions(event: Event) -> tuple[object, ...]:
    return event.data, event.marks, event.routes, event.copies, event.topic, event.blocked


def ruleset_of(rules: tuple[Filter, ...], *, first_match: bool) -> Ruleset:
    return Ruleset(
        "digest",
        Events(PATHS[0], PATHS[1], None),
        enrichment=Enrichment(sources={"user": Source("user", PATHS[0], ())}),
        routes={name: Route(name, f"events.{name}") for name in ("r1", "r2")},
        filters=rules,
        routing="first_match" if first_match else "all_matches",
    )
