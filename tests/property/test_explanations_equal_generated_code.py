"""What an explanation says of an event is what the generated code does to it."""

import copy
from dataclasses import replace
from typing import Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.event import FilterCounts, JsonObject
from engine.pipeline.aggregate import Aggregator, read_values
from engine.rules.aggregation_codegen import compile_aggregations
from engine.rules.codegen import compile_filters
from engine.rules.model import Aggregation, Condition, Filter, Measure
from engine.rules.model import Test as Leaf
from engine.rules.tallies import tallies
from engine.rules.verdicts import judge
from engine.testing import ManualClock
from tests.partials import as_stored
from tests.property.filter_rules import PATHS, bodies, conditions, decisions, enriched, event_of, filters, ruleset_of


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(filters, bodies, bodies, st.booleans())
def test_a_verdict_is_what_the_generated_filters_decide(
    rules: tuple[Filter, ...], body: JsonObject, context: JsonObject, first_match: bool
) -> None:
    ruleset = ruleset_of(rules, first_match=first_match)
    data = enriched(body, context)
    before = copy.deepcopy(data)
    event, counts = event_of(copy.deepcopy(data), 7), FilterCounts.zero(len(rules))
    compile_filters(ruleset)([event], counts)

    verdict = judge(ruleset, data, 7)

    decided = (verdict.data, verdict.marks, verdict.routes, verdict.copies, verdict.topic, verdict.blocked)
    assert repr(decided) == repr(decisions(event))
    assert [judged.state == "matched" for judged in verdict.filters] == [matched == 1 for matched in counts.matched]
    assert [judged.state == "unknown" for judged in verdict.filters] == [unknown == 1 for unknown in counts.unknown]
    seen = [judged.state not in {"off", "not_reached"} for judged in verdict.filters]
    assert seen == [evaluated == 1 for evaluated in counts.evaluated]
    assert data == before, "an explanation changed the event"


KEYS = (("a", PATHS[0]), ("oa", PATHS[2]))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    filters.map(lambda rules: rules[:2]),
    bodies,
    st.none() | conditions,
    st.integers(0, 2),
    st.integers(1, 3),
    st.sampled_from(("exclude", "include")),
    st.integers(-10_000, 10_000),
)
def test_the_windows_that_an_explanation_names_are_those_that_count_the_event(
    rules: tuple[Filter, ...],
    body: JsonObject,
    when: Condition | None,
    key_parts: int,
    panes: int,
    blocked: Literal["exclude", "include"],
    time_ms: int,
) -> None:
    measures = (Measure("n", "count"), Measure("some", "count", condition=Leaf(PATHS[0], "eq", 1)))
    rule = Aggregation("agg", KEYS[:key_parts], panes * 1_000, 1_000, measures, 10, when=when, blocked=blocked)
    ruleset = replace(ruleset_of(rules, first_match=False), aggregations={"agg": rule})
    event = event_of(enriched(body, {}), time_ms)
    (tally,) = tallies(ruleset, judge(ruleset, event.data, time_ms), time_ms)

    compile_filters(ruleset)([event], FilterCounts.zero(len(rules)))
    code = compile_aggregations(ruleset)
    aggregator = Aggregator(code, ManualClock())
    aggregator.add([event], None)
    partials = [as_stored("o", p) for p in aggregator.capture(1)]

    windows = read_values(code.plans[0], partials, {"o": 1})
    assert list(tally.windows) == [(window.start_ms, window.end_ms) for window in windows]
    assert [partial.group.key for partial in partials] == ([] if tally.reason else [tally.key])
    for window in windows:
        assert window.values["some"] == (tally.measures["some"].result is True)
