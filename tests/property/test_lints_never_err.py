"""What a lint says of a filter is true of every event: the reference run over all events of a small domain never shows otherwise."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.event import JsonObject
from engine.rules.diagnostics import Finding, Findings
from engine.rules.interpreter import evaluate
from engine.rules.lint_filters import lint_filters
from engine.rules.lint_logic import lint_logic, make_reasoners
from engine.rules.lint_transforms import lint_transforms
from engine.rules.model import Action, All, AnyOf, Block, Condition, Filter, Not, Path, Ruleset, SendTo, Transform
from engine.rules.model import Test as Leaf
from engine.rules.places import Span
from engine.rules.verdicts import Judged, Verdict, judge
from tests.property.filter_rules import enriched, routes, ruleset_of

RULESETS: Final = 150
TIME_MS: Final = 7
PATHS: Final = tuple(Path(text, tuple(text.split("."))) for text in ("a", "o.a", "user.a"))
VALUES: Final[tuple[JsonObject, ...]] = ({}, {"a": None}, {"a": 1}, {"a": 2}, {"a": "x"}, {"a": True})
OBJECTS: Final[tuple[JsonObject, ...]] = (
    {},
    {"o": 1},
    {"o": {"a": None}},
    {"o": {"a": 1}},
    {"o": {"a": 2}},
    {"o": {"a": "x"}},
    {"o": {}},
)
EVENTS: Final[tuple[JsonObject, ...]] = tuple(
    enriched({**body, **more}, context) for body in VALUES for more in OBJECTS for context in VALUES[:3]
)

paths = st.sampled_from(PATHS)
leaves = (
    st.builds(Leaf, paths, st.sampled_from(("eq", "ne")), st.sampled_from((1, 2, "x")))
    | st.builds(Leaf, paths, st.sampled_from(("in", "not_in")), st.sampled_from(((1, 2), (1, "x"), ("x", "y"))))
    | st.builds(Leaf, paths, st.sampled_from(("gt", "lte")), st.sampled_from((1, 2)))
    | st.builds(Leaf, paths, st.just("exists"), st.booleans())
)


def joined(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return several.map(All) | several.map(AnyOf) | inner.map(Not)


conditions: st.SearchStrategy[Condition] = st.recursive(leaves, joined, max_leaves=3)
DROPPED: Final = st.builds(
    Transform,
    remove=st.lists(paths, max_size=1).map(tuple),
    hash=st.lists(paths, max_size=1).map(tuple),
    rename=st.lists(st.tuples(paths, paths), max_size=1).map(tuple),
    set=st.lists(st.tuples(paths, st.sampled_from((1, "x"))), max_size=1).map(tuple),
)


blocks: st.SearchStrategy[tuple[Action, ...]] = st.just((Block("no"),))
changes: st.SearchStrategy[tuple[Action, ...]] = st.lists(routes | DROPPED | DROPPED, min_size=1, max_size=2).map(tuple)


def placed(condition: Condition, lines: Iterator[int]) -> Condition:
    """The condition with a place of its own for each part."""
    line = next(lines)
    span = Span("rules", line, 1, line, 2)
    match condition:
        case All(items) | AnyOf(items):
            return type(condition)(tuple(placed(item, lines) for item in items), span)
        case Not(item):
            return Not(placed(item, lines), span)
    return replace(condition, span=span)


@st.composite
def rules(draw: st.DrawFn) -> tuple[Filter, ...]:
    """Filters of which later ones often ask for what earlier ones ask, and something more."""
    before: list[Condition] = []
    made = []
    lines = itertools.count(1)
    for number in range(draw(st.integers(2, 4))):
        when = draw(conditions)
        again = draw(st.integers(0, 2))
        if before and again:
            more: tuple[Condition, ...] = (All((before[-1], when)), All((when, before[0])), before[-1])
            when = draw(st.sampled_from(more))
        before.append(when)
        actions = draw(blocks | changes)
        mode: Literal["enforce", "shadow", "off"] = draw(st.sampled_from(("enforce", "enforce", "enforce", "shadow", "off")))
        line = next(lines)
        made.append(Filter(f"f{number}", placed(when, lines), actions, mode=mode, span=Span("rules", line, 1, line, 2)))
    return tuple(made)


def changed(condition: Condition, places: Mapping[Span, str], *, negated: bool = False) -> Condition | None:
    """The condition with the parts at these places taken out, or made never true where they stand."""
    if places.get(condition.span) == "out":
        return None
    if places.get(condition.span) == "never":
        return All(()) if negated else AnyOf(())
    match condition:
        case All(items) | AnyOf(items):
            parts = [changed(item, places, negated=negated) for item in items]
            return type(condition)(tuple(part for part in parts if part is not None))
        case Not(item):
            inner = changed(item, places, negated=not negated)
            return None if inner is None else Not(inner)
    return condition


def lint(ruleset: Ruleset) -> list[Finding]:
    findings = Findings()
    reasoners = make_reasoners(ruleset)
    lint_logic(ruleset, reasoners, findings)
    lint_filters(ruleset, reasoners.of_events, findings)
    lint_transforms(ruleset, reasoners.of_events, findings)
    return findings.in_order()


def check_parts(rule: Filter, places: Mapping[Span, str], ruleset: Ruleset) -> None:
    other = changed(rule.when, places)
    assert other is not None
    for event in EVENTS:
        assert (evaluate(rule.when, event, TIME_MS, ruleset) is True) is (evaluate(other, event, TIME_MS, ruleset) is True), (
            places
        )


def check_filter(found: Finding, judged: Judged, verdict: Verdict) -> None:
    """One event, and what was said of one filter."""
    if found.code in {"W604", "W611"} and "never routes" not in found.message:
        assert judged.state != "matched", found.message
    elif found.code == "W604":
        assert not any(isinstance(acted.action, SendTo) and not acted.note for acted in judged.actions), found.message
    elif found.code == "W608":
        twin = next(other for other in verdict.filters if other.rule.span == found.related[0].span)
        assert judged.state == "not_reached" or (judged.state == "matched") is (twin.state == "matched"), found.message
    elif found.code == "W609":
        assert judged.state in {"matched", "off", "not_reached"}, found.message


def test_no_event_shows_that_a_warning_is_wrong() -> None:
    counts: Counter[str] = Counter()

    @settings(max_examples=RULESETS, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(rules(), st.booleans())
    def law(filters: tuple[Filter, ...], first_match: bool) -> None:
        ruleset = ruleset_of(filters, first_match=first_match)
        found = lint(ruleset)
        counts.update(finding.code for finding in found)
        for rule in filters:
            own = [finding for finding in found if finding.rule_id == f"filters.{rule.id}"]
            parts = {f.span: "out" if f.code == "W610" else "never" for f in own if f.code in {"W603", "W610"}}
            if parts:
                check_parts(rule, parts, ruleset)
        whole = [(finding, int(finding.rule_id.removeprefix("filters.f"))) for finding in found]
        whole = [(finding, at) for finding, at in whole if finding.code in {"W604", "W608", "W609", "W611"}]
        for verdict in (judge(ruleset, event, TIME_MS) for event in EVENTS if whole):
            for finding, at in whole:
                check_filter(finding, verdict.filters[at], verdict)

    law()
    assert {"W603", "W604", "W610"} <= set(counts)
