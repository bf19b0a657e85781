"""Statistics, asked for over HTTP of an engine that has done something."""

from dataclasses import replace

import pytest

from engine.operations.snapshot import SeamFigures
from engine.operations.statistics import status
from tests.unit.operations.engines import HOUR_MS, NOW_MS, Engine, answer
from tests.unit.operations.samples import snapshot, source


async def test_the_status_of_an_engine_that_is_well(engine: Engine) -> None:
    await engine.post(answer(), answer(agent="a robot"))
    engine.clock.advance(90_500)

    shown = (await engine.get("/processor/status")).json()

    assert (shown["status"], shown["reasons"]) == ("ok", [])
    assert (shown["started_at"], shown["uptime_seconds"]) == ("2026-03-02T09:00:00.000Z", 90.5)
    assert shown["workers"] == {"running": 1, "wanted": 1, "deaths": 0, "utilization_percent": 0}
    assert shown["queue"]["max_events"] == 50
    assert shown["ledger"]["received"] == 2
    assert shown["store"] == {"kind": "memory", "answers": True, "problem": None}
    assert shown["egress"] == {"kind": "recording", "answers": True, "problem": None}
    assert shown["sources"] == {"person": {"breaker": "closed", "cache_entries": 1, "problem": None}}
    assert shown["rules_load"] == {"successful": True, "at": "2026-03-02T09:00:00.000Z"}


async def test_an_engine_in_trouble_says_which_parts_and_why(engine: Engine) -> None:
    engine.problems.append("disk full")
    engine.processor.stages.health.note("database is locked")

    shown = (await engine.get("/processor/status")).json()

    assert shown["status"] == "degraded"
    assert shown["reasons"] == ["store: database is locked", "egress: disk full"]
    assert shown["store"] == {"kind": "memory", "answers": False, "problem": "database is locked"}


async def test_an_engine_that_drains_is_stopping(engine: Engine) -> None:
    engine.processor.drain()

    assert (await engine.get("/processor/status")).json()["status"] == "stopping"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"sources": {"person": source("half_open")}}, "source `person`: its breaker is half open"),
        (
            {"sources": {"person": replace(source("open"), problem="http: gone")}},
            "source `person`: its breaker is open; http: gone",
        ),
        ({"sources": {"person": replace(source(), problem="sql: gone")}}, "source `person`: it fails; sql: gone"),
        ({"reasons": ["rules: refused"]}, "rules: refused"),
        ({"rulesets": {"abc": 1, "def": 2}}, "rules: the workers run 2 rulesets: abc, def"),
        ({"egress": SeamFigures("file", "disk full", 1)}, "egress: disk full"),
        ({"counters": snapshot().counters | {"lost_writes": 1}}, "store: it has lost acknowledged writes"),
    ],
)
def test_whatever_is_not_as_it_should_be_is_a_reason(changed: dict[str, object], reason: str) -> None:
    shown = status(snapshot(**changed))

    assert (shown["status"], shown["reasons"]) == ("degraded", [reason])


async def test_processor_metrics_count_what_was_done(engine: Engine) -> None:
    await engine.post(answer(id="a"), answer(id="b", agent="robot"), answer(id="a"), answer(took_ms=1))

    shown = (await engine.get("/metrics/processor")).json()

    assert shown["events"] == {"processed": 4, "enriched": 3, "filtered": 1, "deduplicated": 1}
    assert shown["ledger"]["accepted"] == 2
    assert shown["latency_ms"]["count"] == 4
    assert shown["routes"] == {"vip": 1}
    assert shown["counters"]["commits"] >= 1
    assert shown["queue"]["events"] == 0
    assert shown["enrichment_cache_hit_ratio"] == 1


async def test_latency_is_that_of_the_events(engine: Engine) -> None:
    before = (await engine.get("/metrics/processor")).json()["latency_ms"]
    await engine.post(answer())

    after = (await engine.get("/metrics/processor")).json()["latency_ms"]

    assert before == {"count": 0, "mean": None, "p50": None, "p95": None, "p99": None}
    assert after["count"] == 1
    assert 0 <= after["p50"] <= after["p95"] <= after["p99"] <= 0.5


async def test_a_filter_says_what_it_saw_and_how_often_it_matched(engine: Engine) -> None:
    await engine.post(answer(agent="robot", at_ms=NOW_MS - HOUR_MS), answer(), answer(agent=5), answer(agent=None))

    shown = (await engine.get("/processor/filters")).json()["filters"]

    assert list(shown) == ["robots", "quick"]
    assert shown["robots"] == {
        "description": "Whoever says that it is one",
        "mode": "enforce",
        "actions": [{"block": {"reason": "robot"}}],
        "evaluated": 4,
        "matched": 1,
        "unknown": 2,
        "wrong_type": 1,
        "held_back": 0,
        "would_have_matched": 0,
        "rollout": None,
        "samples": [],
        "errors": 0,
        "match_rate": 0.25,
        "last_match": "2026-03-02T08:00:00.000Z",
    }
    assert (shown["quick"]["evaluated"], shown["quick"]["match_rate"], shown["quick"]["last_match"]) == (3, 0, None)
    assert shown["quick"]["actions"] == [{"allow": {"mark": "quick"}}, {"route": {"to": "vip", "mode": "copy"}}]


async def test_a_filter_that_saw_nothing_has_no_rate(engine: Engine) -> None:
    assert (await engine.get("/processor/filters")).json()["filters"]["robots"]["match_rate"] is None


async def test_a_source_says_what_became_of_its_look_ups(engine: Engine) -> None:
    await engine.post(answer("u1"), answer("u1"), answer("nobody"))

    shown = (await engine.get("/processor/enrichment")).json()

    person = shown["sources"]["person"]
    assert shown["events_enriched"] == 3
    assert shown["cache_hit_ratio"] == person["hit_ratio"] == pytest.approx(0.6667)
    assert (person["lookups"], person["hits"], person["negative"], person["misses"]) == (3, {"local": 2, "shared": 0}, 1, 1)
    assert (person["success_rate"], person["breaker"], person["cache_entries"], person["from"]) == (1, "closed", 1, ["file"])


async def test_aggregations_say_what_can_be_asked_for(engine: Engine) -> None:
    await engine.post(answer("u1"), answer("u2"), answer("u2", at_ms=NOW_MS - HOUR_MS))

    shown = (await engine.get("/processor/aggregations")).json()["aggregations"]

    assert shown["by_user"] == {
        "description": "",
        "key": ["user"],
        "window": {"kind": "tumbling", "size_ms": HOUR_MS, "every_ms": HOUR_MS},
        "allow_late_ms": 1_800_000,
        "retain_ms": 604_800_000,
        "measures": {"answers": "count", "points": "sum"},
        "live_groups": 3,
        "live_keys": 2,
        "max_keys": 100,
        "events": 3,
        "late": 0,
        "unkeyed": 0,
        "overflow": 0,
        "errors": 0,
        "evicted": 0,
        "emitted": 0,
    }
    assert shown["by_user_and_item"]["unkeyed"] == 3
    assert shown["all"]["window"] == {"kind": "hopping", "size_ms": HOUR_MS, "every_ms": HOUR_MS // 4}


async def test_prometheus_finds_the_same_figures(engine: Engine) -> None:
    await engine.post(answer(), answer(agent="robot"))

    scraped = await engine.get("/metrics")

    assert scraped.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = scraped.text.splitlines()
    assert "events_processed_total 2.0" in lines
    assert 'rulemill_filter_matched_total{filter="robots"} 1.0' in lines
    assert 'rulemill_aggregation_events_total{aggregation="by_user"} 1.0' in lines
