"""Rules with new routes, reloaded into a service that sends to a real broker: the topics have to be there, as at the start."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka.admin import AdminClient

from tests.acceptance.crews import SEVERAL, wait_until
from tests.acceptance.processes import TIMEOUT_S, Service
from tests.acceptance.samples import answer
from tests.servers.kafka import make_topic, values
from tools.servers.kafka import Kafka

ROUTE = """\
version: 1
routes:
  slow: {{topic: {topic}}}
filters:
  slow:
    when: {{took_ms: {{gt: 9000}}}}
    then: {{route: {{to: slow, mode: copy}}}}
"""
MARK = "version: 1\nfilters:\n  slow:\n    when: {took_ms: {gt: 9000}}\n    then: {allow: {mark: slow}}\n"


@contextmanager
def serving(project: Path, kafka: Kafka, **variables: str) -> Iterator[httpx.Client]:
    """A client of a service whose main topic is its own; it looks at its rules when it is told to, unless `variables` say otherwise."""
    settings = {"EVENT_EGRESS": "kafka", "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap, "RULES_RELOAD": "manual", **variables}
    with (
        Service(project, KAFKA_TOPIC=make_topic(kafka.bootstrap), **settings) as service,
        httpx.Client(base_url=service.url, timeout=TIMEOUT_S) as client,
    ):
        yield client


def bring(project: Path, text: str) -> None:
    """Have one file more in the rules directory, all at once."""
    beside = project / "routes.new"
    beside.write_text(text)
    beside.rename(project / "rules" / "routes.yaml")


def reload(client: httpx.Client, query: str = "") -> tuple[int, Any]:
    response = client.post(f"/rules/reload{query}")
    return response.status_code, response.json()


@pytest.mark.parametrize("workers", [{}, SEVERAL], ids=["one worker", "several workers"])
def test_a_route_to_a_topic_that_is_missing_is_refused_until_the_topic_is_there(
    kafka: Kafka, project: Path, workers: dict[str, str], request: pytest.FixtureRequest
) -> None:
    topic = f"made-later-{request.node.callspec.id.replace(' ', '-')}"
    with serving(project, kafka, RULES_RELOAD="auto", RULES_POLL="100ms", **workers) as client:
        before = client.get("/rules").json()["ruleset"]
        bring(project, ROUTE.format(topic=topic))
        wait_until(lambda: client.get("/rules").json()["rejected"] is not None, "a refusal")

        for query in ("?dry_run=1", ""):
            status, told = reload(client, query)
            assert (status, told["code"], told["ruleset"]) == (422, "rules_refused", before)
            (found,) = [finding for finding in told["findings"] if finding["severity"] == "error"]
            assert (found["code"], found["file"], found["line"]) == ("E701", "rules/routes.yaml", 3)
            assert found["message"] == f"topic `{topic}`: it does not exist; make it, or set `kafka.create_topics: true`"
        assert f"topic `{topic}`: it does not exist" in client.get("/processor/status").json()["reasons"][0]
        assert client.post("/events", json=answer("meanwhile", took_ms=10_000)).json()["accepted"] == 1

        make_topic(kafka.bootstrap, name=topic)
        wait_until(lambda: bool(client.get("/rules").json()["ruleset"] != before), "the new rules")
        assert client.post("/events", json=answer("then", took_ms=10_000)).json()["accepted"] == 1
        assert client.get("/processor/status").json()["reasons"] == []
    assert len(values(kafka.bootstrap, topic)) == 1


def test_a_reload_makes_the_topic_where_that_is_set_and_a_dry_run_does_not(kafka: Kafka, project: Path) -> None:
    topic = "made-by-a-reload"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    with serving(project, kafka, KAFKA_CREATE_TOPICS="true") as client:
        bring(project, ROUTE.format(topic=topic))

        assert reload(client, "?dry_run=1")[0] == 200
        assert topic not in admin.list_topics(timeout=TIMEOUT_S).topics
        assert reload(client)[0] == 200
        assert topic in admin.list_topics(timeout=TIMEOUT_S).topics


def test_while_the_brokers_are_away_rules_that_bring_no_topic_come_into_service_and_others_wait(
    stoppable_kafka: Kafka, project: Path
) -> None:
    topic = make_topic(stoppable_kafka.bootstrap)
    with serving(project, stoppable_kafka, KAFKA_START_TIMEOUT="1s") as client:
        stoppable_kafka.brokers[0].kill()
        bring(project, MARK)
        marked = reload(client)
        bring(project, ROUTE.format(topic=topic))
        refused = reload(client)
        stoppable_kafka.mend()
        routed = reload(client)

    assert (marked[0], marked[1]["swapped"]) == (200, True)
    assert (refused[0], refused[1]["ruleset"]) == (422, marked[1]["ruleset"])
    assert [(found["code"], found["line"]) for found in refused[1]["findings"] if found["severity"] == "error"] == [("E702", 3)]
    assert f"Kafka at `{stoppable_kafka.bootstrap}` does not answer within 1 s" in refused[1]["detail"]
    assert (routed[0], routed[1]["swapped"]) == (200, True)
