"""What can be asked of `rulemill serve` while it works: aggregates to the last event, statistics, metrics and its log."""

import json
import re
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.processes import TIMEOUT_S, Service
from tests.acceptance.samples import START_MS, WINDOW_MS, Event, answer, epoch_ms

WINDOWS = 5
BATCH = 40
TURNS = 40


def windows(client: httpx.Client, user: str) -> dict[int, dict[str, Any]]:
    """The windows of a user by their starts."""
    answered = client.get("/processor/aggregation", params={"aggregator": "by_user", "key": f"user:{user}"})
    assert answered.status_code == 200, answered.text
    shown = answered.json()["windows"]
    starts = [epoch_ms(window["start"]) for window in shown]
    assert starts == sorted(starts, reverse=True), "the newest comes first"
    return dict(zip(starts, (window["values"] for window in shown), strict=True))


def test_windows_are_exact_at_every_moment_while_more_events_flow(service: Service) -> None:
    stop = threading.Event()

    def flood() -> None:
        with httpx.Client(base_url=service.url, timeout=TIMEOUT_S) as client:
            for turn in range(1_000_000):
                if stop.is_set():
                    return
                client.post("/events", json=[answer(f"flood-{turn}-{n}", user=f"f{n}") for n in range(BATCH)])

    def batch(turn: int) -> list[Event]:
        return [answer(f"{turn}-{n}", at=START_MS + n % WINDOWS * WINDOW_MS, points=turn) for n in range(BATCH)]

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        with httpx.Client(base_url=service.url, timeout=TIMEOUT_S) as client:
            answers, points = Counter[int](), Counter[int]()
            for turn in range(TURNS):
                events = batch(turn)
                assert client.post("/events", json=events).json()["accepted"] == BATCH
                for event in events:
                    answers[event["at"]] += 1
                    points[event["at"]] += event["points"]

                shown = windows(client, "u1")

                assert {start: values["answers"] for start, values in shown.items()} == answers
                assert {start: values["points"] for start, values in shown.items()} == points
    finally:
        stop.set()
        flooding.join(TIMEOUT_S)


def test_a_picture_never_shows_a_part_of_a_commit(service: Service) -> None:
    """Every request brings one event for each window, so they always hold the same number."""
    sent = threading.Event()

    def send() -> None:
        with httpx.Client(base_url=service.url, timeout=TIMEOUT_S) as client:
            for turn in range(60):
                client.post("/events", json=[answer(f"{turn}-{n}", at=START_MS + n * WINDOW_MS) for n in range(WINDOWS)])
        sent.set()

    sending = threading.Thread(target=send)
    sending.start()
    with httpx.Client(base_url=service.url, timeout=TIMEOUT_S) as client:
        looks = 0
        while not sent.is_set():
            counts = {values["answers"] for values in windows(client, "u1").values()}
            assert len(counts) <= 1, f"windows of one picture are {counts}"
            looks += 1
    sending.join(TIMEOUT_S)
    assert looks > 1


def test_windows_outlive_a_restart_and_go_on(service: Service) -> None:
    httpx.post(f"{service.url}/events", json=[answer("a"), answer("b")])
    assert service.terminate() == 0
    service.start()

    httpx.post(f"{service.url}/events", json=[answer("b"), answer("c")])

    with httpx.Client(base_url=service.url, timeout=TIMEOUT_S) as client:
        assert windows(client, "u1") == {START_MS: {"answers": 3, "points": 3, "slowest_ms": None}}


def test_statistics_and_metrics_say_what_was_done(client: httpx.Client) -> None:
    client.post(
        "/events", json=[answer("a"), answer("a"), answer("b", agent="robot"), answer("c", took_ms=1), answer("d", points=-1)]
    )

    processor = client.get("/metrics/processor").json()
    filters = client.get("/processor/filters").json()["filters"]
    person = client.get("/processor/enrichment").json()["sources"]["person"]
    by_user = client.get("/processor/aggregations").json()["aggregations"]["by_user"]
    scraped = client.get("/metrics")

    assert processor["events"] == {"processed": 5, "enriched": 3, "filtered": 1, "deduplicated": 1}
    assert processor["latency_ms"]["count"] == 5
    assert processor["latency_ms"]["p99"] > 0
    assert (filters["robots"]["matched"], filters["robots"]["match_rate"]) == (1, 0.3333)
    assert (person["lookups"], person["hits"]["local"]) == (3, 3)
    assert (by_user["events"], by_user["live_groups"]) == (2, 1)
    figures = {sample.name: sample.value for family in text_string_to_metric_families(scraped.text) for sample in family.samples}
    assert figures["events_processed_total"] == 5
    assert figures["processing_duration_seconds_count"] == 5
    assert figures["process_resident_memory_bytes"] > 1e6
    assert 0 <= figures["worker_utilization_percent"] <= 100


@pytest.mark.parametrize("format", ["text", "json"])
def test_the_log_has_requests_where_they_are_asked_for_and_nothing_of_events(project: Path, format: str) -> None:
    (project / "config.yaml").write_text(f"log: {{format: {format}, access: true}}\n")
    with Service(project) as service:
        httpx.post(f"{service.url}/events", json=[answer("a"), answer("unlike-any-other", points=-1), {"kind": "strange"}])
        assert service.terminate() == 0
        log = service.log

    assert "unlike-any-other" not in log
    assert "strange" not in log
    messages = [json.loads(line)["message"] if format == "json" else line for line in log.splitlines()]
    (request,) = [message for message in messages if "/events" in message]
    assert re.search(r'"POST /events HTTP/1.1" 207', request)


def test_the_log_of_a_service_that_is_well_is_empty(service: Service) -> None:
    httpx.post(f"{service.url}/events", json=[answer("a"), answer("b", agent="robot"), {"kind": "strange"}])
    assert service.terminate() == 0

    assert service.log == ""
