"""Prometheus text: both parsers read it, its names are good ones, and the handbook names every metric."""

import re
from collections.abc import Iterator
from dataclasses import replace
from math import isnan
from pathlib import Path

import pytest
from prometheus_client import Metric as Family
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from engine.metrics import Counters
from engine.operations.metric_catalogue import metrics
from engine.operations.prometheus import exposition
from engine.operations.snapshot import RulesLoad, SeamFigures, Snapshot, merge
from tests.unit.operations.samples import NOW_MS, durations, rule, snapshot, source

OPENMETRICS = "application/openmetrics-text; version=1.0.0, text/plain;q=0.5"
MISSION = {
    "events_processed_total",
    "events_enriched_total",
    "events_filtered_total",
    "events_deduplicated_total",
    "processing_duration_seconds",
    "enrichment_cache_hit_ratio",
    "worker_utilization_percent",
}
ABBREVIATED = {"s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "m", "h", "d"}
OTHER_UNITS = re.compile(
    "(milli|micro|nano|kilo|mega|giga|mibi|gibi)?(minutes?|hours?|days?|weeks?|bits?|milliseconds?|kilobytes?|megabytes?)"
)
ROW = re.compile(r"\| `(\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|")


def text(shown: Snapshot) -> str:
    content, content_type = exposition(shown, "")
    assert content_type.startswith("text/plain; version=0.0.4")
    return content.decode()


def families(shown: Snapshot) -> list[Family]:
    return list(read_text(text(shown)))


def values(shown: Snapshot) -> dict[str, float]:
    """Every sample, as it is written: `name{label="value"}`."""
    samples = (line.rpartition(" ") for line in text(shown).splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


def faults(family: Family) -> Iterator[str]:
    """What a linter of metrics would say of a family as the text format names it."""
    full = f"{family.name}_total" if family.type == "counter" else family.name
    parts = full.split("_")
    if not family.documentation:
        yield "no help"
    if not re.fullmatch("[a-z][a-z0-9_]*", full):
        yield "not in snake_case"
    if family.type != "counter" and full.endswith("_total"):
        yield "`_total` is for counters"
    if family.type != "histogram" and full.endswith(("_bucket", "_count", "_sum")):
        yield "a suffix of histograms"
    if {"counter", "gauge", "histogram", "summary", "untyped"} & set(parts):
        yield "its type in its name"
    if ABBREVIATED & set(parts) or any(OTHER_UNITS.fullmatch(part) for part in parts):
        yield "not a base unit"
    for sample in family.samples:
        names = set(sample.labels) - ({"le"} if sample.name.endswith("_bucket") else set())
        if names & {"le", "quantile", "job", "instance"} or not all(re.fullmatch("[a-z][a-z_]*", name) for name in names):
            yield f"labels {names}"


def test_names_help_and_types_are_as_prometheus_wants_them() -> None:
    found = families(snapshot())

    assert {family.name: list(faults(family)) for family in found if list(faults(family))} == {}
    assert len({family.name for family in found}) == len(found), "a metric stands there twice"
    assert "unknown" not in {family.type for family in found}


def test_a_scraper_that_takes_openmetrics_gets_it() -> None:
    content, content_type = exposition(snapshot(), OPENMETRICS)

    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    found = read_openmetrics(content.decode())  # type: ignore[no-untyped-call]  # the library types half of its parsers
    assert {family.name for family in found} == {family.name for family in families(snapshot())}


def test_the_seven_names_are_there_with_their_meaning() -> None:
    found = values(snapshot())

    assert {line.split()[2] for line in text(snapshot()).splitlines() if line.startswith("# TYPE")} >= MISSION
    assert found["events_processed_total"] == 17, "what is to be sent again, or in flight, is not processed"
    assert found["events_filtered_total"] == 2
    assert found["events_deduplicated_total"] == 4
    assert found["enrichment_cache_hit_ratio"] == 0.5
    assert found["worker_utilization_percent"] == 25
    assert found["processing_duration_seconds_count"] == 3
    assert found["processing_duration_seconds_sum"] == pytest.approx(60.021)


def test_a_bucket_holds_what_took_up_to_its_bound_and_less() -> None:
    found = values(snapshot(durations=durations(0.001, 0.0011, 0.3, 99)))

    assert found['processing_duration_seconds_bucket{le="0.0005"}'] == 0
    assert found['processing_duration_seconds_bucket{le="0.001"}'] == 1
    assert found['processing_duration_seconds_bucket{le="0.0025"}'] == 2
    assert found['processing_duration_seconds_bucket{le="30.0"}'] == 3
    assert found['processing_duration_seconds_bucket{le="+Inf"}'] == 4


def test_the_ledger_balances() -> None:
    found = values(snapshot())

    ended = sum(value for name, value in found.items() if name.startswith("rulemill_events_ended_total"))
    assert found["rulemill_events_received_total"] == ended + found["rulemill_events_in_flight"]


def test_rules_sources_and_aggregations_are_labels() -> None:
    found = values(snapshot())

    assert found['rulemill_filter_matched_total{filter="quick"}'] == 2
    assert found['rulemill_filter_last_match_timestamp_seconds{filter="quick"}'] == NOW_MS / 1000
    assert 'rulemill_filter_last_match_timestamp_seconds{filter="robots"}' not in found
    assert found['rulemill_aggregation_groups{aggregation="by_user"}'] == 3
    assert found['rulemill_source_lookups_total{result="hit_local",source="person"}'] == 2
    assert found['rulemill_source_request_duration_seconds_count{source="person"}'] == 1
    assert found['rulemill_route_events_total{route="vip"}'] == 3
    assert found['rulemill_build_info{ruleset="abc",version="1.2.3"}'] == 1


def test_every_look_up_is_counted_under_one_result() -> None:
    names = ("hits_local", "hits_shared", "fetched", "negative", "defaults", "stale", "timeouts", "breaker_open")
    counts = {name: 2**power for power, name in enumerate(names)}

    found = values(snapshot(sources={"person": source(lookups=sum(counts.values()), **counts)}))

    assert sum(value for name, value in found.items() if name.startswith("rulemill_source_lookups_total")) == sum(counts.values())


def test_trouble_shows_as_0_and_breakers_as_a_state() -> None:
    ill = snapshot(
        store=SeamFigures("sqlite", "locked", 1),
        egress=SeamFigures("file", "disk full", 1),
        rules_load=RulesLoad(successful=False, at_ms=NOW_MS),
        sources={"person": source("half_open")},
    )

    found = values(merge([snapshot(), ill]))

    assert (found["rulemill_store_up"], found["rulemill_egress_up"], found["rulemill_rules_last_reload_successful"]) == (0, 0, 0)
    assert found['rulemill_source_breaker{source="person",state="half_open"}'] == 1
    assert found['rulemill_source_breaker{source="person",state="closed"}'] == 0
    assert values(snapshot())["rulemill_store_up"] == 1


def test_every_counter_of_the_engine_is_shown() -> None:
    counters = {name: 1_000_000 + number for number, name in enumerate(snapshot().counters)}
    assert set(counters) == set(Counters.__slots__) - {"published_by_route"}

    shown = set(values(replace(snapshot(), counters=counters)).values())

    assert {name for name, value in counters.items() if value not in shown} == set()


def test_a_label_is_escaped_and_an_unused_engine_has_no_ratio() -> None:
    odd = snapshot(filters={'a"b\\c': rule(evaluated=1)}, sources={})

    assert {sample.labels["filter"] for family in families(odd) for sample in family.samples if "filter" in sample.labels} == {
        'a"b\\c'
    }
    assert isnan(values(odd)["enrichment_cache_hit_ratio"])


def test_the_handbook_names_every_metric_as_it_is(checkout: Path) -> None:
    rows = ROW.findall((checkout / "docs" / "operations.md").read_text("utf-8"))
    written = [(name, kind, labels.replace("`", ""), help) for name, kind, labels, help in rows]

    assert written == [(metric.name, metric.kind, ", ".join(metric.labels), metric.help) for metric in metrics()]


def test_alerts_and_advice_speak_of_metrics_that_are_there(checkout: Path) -> None:
    text = (checkout / "docs" / "operations.md").read_text("utf-8")
    known = {metric.name for metric in metrics()}
    used = {name.removesuffix("_bucket") for name in re.findall(r"\b(?:rulemill|events|processing|worker)_\w+", text)}

    assert {name for name in used if name.endswith(("_total", "_seconds")) or name.startswith("rulemill")} - known == set()
