"""Snapshots of several workers become one: what the figures of each mean is kept."""

from dataclasses import replace

import orjson
from pydantic import TypeAdapter

from engine.operations.snapshot import RulesLoad, SeamFigures, Snapshot, merge
from tests.unit.operations.samples import NOW_MS, STARTED_MS, aggregation, durations, rule, snapshot, source


def test_one_worker_is_shown_as_it_is() -> None:
    assert merge([snapshot()]) == snapshot()


def test_a_snapshot_goes_through_a_pipe_as_json() -> None:
    assert TypeAdapter(Snapshot).validate_json(orjson.dumps(snapshot())) == snapshot()


def test_counts_add_up() -> None:
    both = merge([snapshot(), snapshot()])

    assert both.workers == 2
    assert both.ledger["accepted"] == 20
    assert both.counters["commits"] == 2 * snapshot().counters["commits"]
    assert both.routes == {"vip": 6}
    assert (both.queue.events, both.queue.max_events, both.queue.held) == (10, 200, 4)
    assert both.filters["quick"].counts["matched"] == 4
    assert both.sources["person"].counts["lookups"] == 8
    assert both.sources["person"].entries == 14
    assert both.aggregations["by_user"].counts["groups"] == 6
    assert both.aggregations["by_user"].max_keys == 20
    assert both.events_per_second == 80
    assert both.process["process_resident_memory_bytes"] == 2e8


def test_durations_add_up_bound_by_bound() -> None:
    both = merge([snapshot(durations=durations(0.001, 0.2)), snapshot(durations=durations(0.2, 60))])

    assert both.durations == durations(0.001, 0.2, 0.2, 60)


def test_the_latest_match_and_the_earliest_start_count() -> None:
    early = snapshot(filters={"quick": rule(NOW_MS - 5)}, started_ms=STARTED_MS - 5)
    never = snapshot(filters={"quick": rule(None)})
    late = snapshot(filters={"quick": rule(NOW_MS)})

    for order in ([early, never, late], [late, early, never]):
        assert merge(order).filters["quick"].last_match_ms == NOW_MS
        assert merge(order).started_ms == STARTED_MS - 5


def test_event_time_has_come_as_far_as_the_slowest_worker_of_an_input() -> None:
    both = merge(
        [snapshot(watermarks_ms={"http": 5, "demo": 9}), snapshot(watermarks_ms={"http": 7}), snapshot(watermarks_ms={})]
    )

    assert both.watermarks_ms == {"http": 5, "demo": 9}


def test_the_worst_breaker_and_the_problem_of_any_worker_are_seen() -> None:
    well = snapshot()
    ill = snapshot(sources={"person": source("half_open")}, store=SeamFigures("sqlite", "locked", 1))
    worse = snapshot(sources={"person": source("open")})

    both = merge([well, ill, worse])

    assert both.sources["person"].breaker == "open"
    assert both.store == SeamFigures("sqlite", "locked", 1)


def test_a_reload_that_one_worker_refused_was_refused() -> None:
    refused = snapshot(rules_load=RulesLoad(successful=False, at_ms=STARTED_MS + 9))

    assert merge([snapshot(), refused]).rules_load == RulesLoad(successful=False, at_ms=STARTED_MS)


def test_a_reason_that_several_workers_have_is_given_once() -> None:
    both = merge([snapshot(reasons=["a", "b"]), snapshot(reasons=["b", "c"])])

    assert both.reasons == ["a", "b", "c"]


def test_workers_with_different_rules_are_shown_side_by_side() -> None:
    new = snapshot(rulesets={"new": 1}, filters={"other": rule(evaluated=1)}, aggregations={"other": aggregation()})

    both = merge([snapshot(), new, replace(snapshot(), filters={})])

    assert both.rulesets == {"abc": 2, "new": 1}
    assert both.ruleset == "abc"
    assert set(both.filters) == {"quick", "robots", "other"}
    assert set(both.aggregations) == {"by_user", "other"}
