"""Closed windows as records, from commands as a user starts them: a file's run, and workers over Redis and Kafka that are killed."""

import json
import os
import random
import signal
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.acceptance.crews import SEVERAL, complete, pids, wait_until
from tests.acceptance.processes import TIMEOUT_S, Service, rulemill
from tests.acceptance.samples import START_MS, WINDOW_MS, Event, answer, ndjson, read_lines
from tests.acceptance.senders import Load, recount
from tests.acceptance.windows import Windows, emitting, last_revisions
from tests.redis_servers import own_prefix
from tests.servers.kafka import make_topic, values
from tools.servers.kafka import Kafka
from tools.servers.redis import RedisServer

RULES: Final = Path("rules", "rules.yaml")


def process(project: Path, events: list[Event], *options: str) -> dict[str, Any]:
    (project / "in.ndjson").write_bytes(ndjson(events))
    ended = rulemill("process", "in.ndjson", "--out", "out.ndjson", "--summary", "summary.json", *options, cwd=project)
    assert ended.returncode == 0, ended.stderr.decode()
    summary: dict[str, Any] = json.loads((project / "summary.json").read_bytes())
    return summary


def post(service: Service, *events: Event) -> None:
    assert httpx.post(f"{service.url}/events", json=events, timeout=TIMEOUT_S).status_code == 202


def test_each_window_that_a_file_closes_comes_out_once_and_those_that_another_may_go_on_with_do_not(project: Path) -> None:
    emitting(project / RULES, late="{allow: 0s, then: count}")
    events = [answer(f"e{n}", user=f"u{n % 30}", at=START_MS + n * 1_000, points=n % 7, took_ms=n) for n in range(1_500)]

    summary = process(project, events, "--state", "state.db")

    records = read_lines(project / "out.windows.ndjson")
    closed = {window: figures for window, figures in recount(events).items() if window[1] + WINDOW_MS <= events[-1]["at"]}
    assert len(closed) == 120
    assert last_revisions(records) == closed
    assert len(records) == len({record["id"] for record in records}) == len(closed)
    assert summary["aggregations"]["by_user"]["emitted"] == len(closed)
    assert summary["received"] == summary["accepted"] == len(read_lines(project / "out.ndjson")) == 1_500


@pytest.mark.parametrize("store", ["sqlite", "memory"])
def test_where_no_other_run_goes_on_from_a_file_its_end_closes_the_windows_that_are_left(project: Path, store: str) -> None:
    emitting(project / RULES)
    events = [answer(f"e{n}", user=f"u{n % 30}", at=START_MS + n * 1_000, points=n % 7, took_ms=n) for n in range(1_500)]

    summary = process(project, events, "--store", store)

    records = read_lines(project / "out.windows.ndjson")
    assert last_revisions(records) == recount(events)
    assert len(records) == summary["aggregations"]["by_user"]["emitted"] == 150


def test_windows_close_by_the_clock_where_nothing_comes_after_a_start_too(project: Path) -> None:
    emitting(project / RULES, late="{allow: 0s, then: count}", idle="1s")
    (project / RULES).write_text((project / RULES).read_text().replace("tumbling: 5m", "tumbling: 2s"))
    windows = project / "out" / "windows.ndjson"
    with Service(project) as service:
        post(service, answer("a", points=1))
        wait_until(lambda: bool(read_lines(windows)), "the window")
        post(service, answer("b", points=2, at=START_MS + WINDOW_MS))
        service.kill()
        service.start()
        wait_until(lambda: len(read_lines(windows)) == 2, "the window that was left behind")
        assert service.terminate() == 0

    assert [(record["revision"], record["values"]["points"]) for record in read_lines(windows)] == [(1, 1), (1, 2)]


def test_what_comes_after_the_end_is_a_revision_with_all_that_came(project: Path) -> None:
    emitting(project / RULES, late="{allow: 0s, then: count}")
    windows = project / "out" / "windows.ndjson"
    with Service(project) as service:
        post(service, answer("a", points=1), answer("b", at=START_MS + 3 * WINDOW_MS))
        wait_until(lambda: len(read_lines(windows)) == 1, "the window")
        post(service, answer("c", points=10))
        wait_until(lambda: len(read_lines(windows)) == 2, "its second revision")
        post(service, answer("c", points=10))
        shown = httpx.get(f"{service.url}/processor/aggregations", timeout=TIMEOUT_S).json()["aggregations"]["by_user"]
        assert service.terminate() == 0

    records = read_lines(windows)
    assert [(record["revision"], record["values"]["points"]) for record in records] == [(1, 1), (2, 11)]
    assert len({record["id"] for record in records}) == 1
    assert (shown["emitted"], shown["events"]) == (2, 3)


def test_where_late_events_are_routed_elsewhere_a_window_is_told_once(project: Path) -> None:
    emitting(project / RULES, late="{allow: 0s, then: {route: windows}}")
    on_time = [answer("a", points=1), answer("b", at=START_MS + 3 * WINDOW_MS)]
    lines = [*on_time, *[answer(f"x{n}", at=START_MS + 3 * WINDOW_MS + n) for n in range(30_000)], answer("c", points=10)]

    process(project, lines)

    records = [record for record in read_lines(project / "out.windows.ndjson") if "revision" in record]
    assert [(record["revision"], record["values"]["points"]) for record in records] == [(1, 1), (1, 30_001)]


def test_a_window_that_a_killed_service_left_behind_is_told_by_the_next(project: Path) -> None:
    emitting(project / RULES)
    windows = project / "out" / "windows.ndjson"
    with Service(project) as service:
        post(service, answer("a", points=5, at=START_MS - 2 * 3_600_000))
        service.kill()
        service.start()
        post(service, answer("b"))
        wait_until(lambda: bool(read_lines(windows)), "the window")
        assert service.terminate() == 0

    assert [(record["revision"], record["values"]["points"]) for record in read_lines(windows)] == [(1, 5)]


def test_workers_over_redis_and_kafka_tell_every_window_as_it_is_in_the_end_though_some_are_killed(
    project: Path, redis_server: RedisServer, kafka: Kafka
) -> None:
    events_topic, windows_topic = make_topic(kafka.bootstrap, 3), make_topic(kafka.bootstrap, 3)
    emitting(project / RULES, topic=windows_topic, late="{allow: 0s, then: count}")
    variables = {
        "EVENT_PROCESSOR_LEASE": "3s",
        "STATE_STORE": "redis",
        "REDIS_ADDRESS": redis_server.address,
        "REDIS_PREFIX": own_prefix(),
        "EVENT_EGRESS": "kafka",
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "KAFKA_TOPIC": events_topic,
    }

    def told() -> Windows:
        return last_revisions([json.loads(value) for value in values(kafka.bootstrap, windows_topic)])

    with Service(project, **SEVERAL, **variables) as service:
        load = Load(service)
        load.start()
        for kill in range(2):
            load.wait_for(1_000)
            os.kill(random.choice(list(pids(service).values())), signal.SIGKILL)
            wait_until(lambda kill=kill: complete(service, kill + 1), "another worker")  # type: ignore[misc]
        load.wait_for(500)
        load.finish()
        sent = [event for sender in load.senders for event in sender.sent]
        last_ms = max(event["at"] for event in sent)
        expected = {window: figures for window, figures in recount(sent).items() if window[1] < last_ms}
        wait_until(lambda: told() == expected, "the last revision of each window")
        assert service.terminate() == 0

    assert len(expected) == 55
