"""What an explanation says of an event is what the generated code does to it."""

import copy

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.event import FilterCounts, JsonObject
from engine.rules.codegen import compile_filters
from engine.rules.model import Filter
from engine.rules.verdicts import judge
from tests.property.filter_rules import bodies, decisions, enriched, event_of, filters, ruleset_of


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
