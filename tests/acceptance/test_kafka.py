"""`rulemill serve` with `egress: kafka`, against a real broker: what was answered is on the topic, also when the broker is away for a while."""

import asyncio
import json
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer

from tests.acceptance.processes import COMMAND, TIMEOUT_S, Service, environment, rulemill
from tests.acceptance.samples import Event, answer, ndjson
from tests.servers.kafka import make_topic, messages, values
from tools.servers.kafka import Kafka

Started = Callable[..., Service]


@pytest.fixture
def start(project: Path) -> Iterator[Started]:
    """Starts services that send to Kafka."""
    running: list[Service] = []

    def start(bootstrap: str, topic: str, **variables: str) -> Service:
        kafka = {"EVENT_EGRESS": "kafka", "KAFKA_BOOTSTRAP_SERVERS": bootstrap, "KAFKA_TOPIC": topic}
        running.append(Service(project, **kafka, **variables))
        running[-1].start()
        return running[-1]

    yield start
    for service in running:
        service.__exit__(None, None, None)


def records(bootstrap: str, topic: str) -> list[Event]:
    return [json.loads(value) for value in values(bootstrap, topic)]


def put(bootstrap: str, topic: str, *lines: str) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for line in lines:
        producer.produce(topic, line)
    assert producer.flush(TIMEOUT_S) == 0


def status(service: Service) -> Event:
    shown: Event = httpx.get(f"{service.url}/processor/status", timeout=TIMEOUT_S).json()
    return shown


def wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline_s, "it does not come about"
        time.sleep(0.05)


def test_what_was_answered_is_on_the_topic_by_its_key_and_in_order(kafka: Kafka, start: Started) -> None:
    topic = make_topic(kafka.bootstrap, 3)
    service = start(kafka.bootstrap, topic)
    events = [answer(f"e{n}", user=f"u{n % 5}", points=n) for n in range(200)]

    response = httpx.post(f"{service.url}/events", json=[*events, events[0]], timeout=TIMEOUT_S)

    assert (response.status_code, response.json()["accepted"], response.json()["duplicate"]) == (202, 200, 1)
    found = messages(kafka.bootstrap, topic)
    by_user: dict[bytes, list[Event]] = {}
    for message in found:
        by_user.setdefault(str(message.key()).encode(), []).append(json.loads(message.value() or b""))
    assert len(by_user) == 5
    for mine in by_user.values():
        user = mine[0]["user"]
        assert [record["id"] for record in mine] == [event["id"] for event in events if event["user"] == user]
    first = next(record for mine in by_user.values() for record in mine if record["id"] == "e0")
    assert first["enrichment"]["person"] == {"plan": "free"}
    assert service.terminate() == 0


def test_an_outage_is_degraded_then_503_and_everything_answered_arrives(stoppable_kafka: Kafka, start: Started) -> None:
    topic = make_topic(stoppable_kafka.bootstrap, 3)
    service = start(stoppable_kafka.bootstrap, topic, EVENT_PROCESSOR_BUFFER_SIZE="100", EVENT_PROCESSOR_MAX_BATCH="10")
    assert httpx.post(f"{service.url}/events", json=answer("before"), timeout=TIMEOUT_S).status_code == 202
    stoppable_kafka.brokers[0].kill()
    wait_until(lambda: status(service)["status"] == "degraded")
    assert any("egress: no broker answers" in reason for reason in status(service)["reasons"])
    assert httpx.get(f"{service.url}/readyz", timeout=TIMEOUT_S).status_code == 200

    ended = asyncio.run(_load_until_refused(service, stoppable_kafka))

    refused = [response for response in ended.values() if response.status_code == 503]
    assert {response.json()["code"] for response in refused} == {"not_ready"}
    assert all(int(response.headers["Retry-After"]) > 0 for response in refused)
    assert "the egress takes no records" in refused[0].json()["detail"]
    accepted = [identity for identity, response in ended.items() if response.status_code == 202]
    assert len(accepted) + len(refused) == len(ended)
    found = Counter(record["id"] for record in records(stoppable_kafka.bootstrap, topic))
    assert found == Counter(["before", *(f"{identity}-{n}" for identity in accepted for n in range(10))])
    wait_until(lambda: status(service)["status"] == "ok")
    assert service.terminate() == 0


async def _load_until_refused(service: Service, kafka: Kafka) -> dict[str, httpx.Response]:
    """Send requests until some are refused, have the broker come back, and wait for the answers."""
    async with httpx.AsyncClient(base_url=service.url, timeout=TIMEOUT_S, limits=httpx.Limits(max_connections=None)) as client:
        sent: dict[str, asyncio.Task[httpx.Response]] = {}
        async with asyncio.timeout(TIMEOUT_S):
            while not any(one.done() for one in sent.values()):
                name = f"r{len(sent)}"
                events = [answer(f"{name}-{n}", user=f"u{n}") for n in range(10)]
                sent[name] = asyncio.create_task(client.post("/events", json=events))
                await asyncio.wait([sent[name]], timeout=0.02)
        assert (await client.get("/readyz")).status_code == 503
        kafka.brokers[0].start()
        return dict(zip(sent, await asyncio.gather(*sent.values()), strict=True))


def test_what_a_topic_refuses_is_a_dead_letter_on_its_topic(kafka: Kafka, start: Started) -> None:
    topic, dead = make_topic(kafka.bootstrap, max_message_bytes="59000"), make_topic(kafka.bootstrap)
    service = start(kafka.bootstrap, topic, KAFKA_DEAD_LETTER_TOPIC=dead, KAFKA_COMPRESSION="none", HTTP_MAX_EVENT="59000")
    filling = "".join(uuid.uuid4().hex for _ in range(1838))

    response = httpx.post(
        f"{service.url}/events", json=[answer("small"), answer("large", note=filling), answer("other")], timeout=TIMEOUT_S
    )

    assert (response.status_code, response.json()["accepted"], response.json()["rejected"]) == (207, 2, 1)
    assert response.json()["results"][0]["code"] == "refused"
    assert [record["id"] for record in records(kafka.bootstrap, topic)] == ["small", "other"]
    [letter] = records(kafka.bootstrap, dead)
    assert (letter["id"], letter["code"], letter["stage"]) == ("large", "refused", "publish")
    assert json.loads(letter["raw"]) == answer("large", note=filling)


def test_dead_letters_of_a_topic_are_listed_shown_and_replayed_once(kafka: Kafka, start: Started, project: Path) -> None:
    topic, dead = make_topic(kafka.bootstrap), make_topic(kafka.bootstrap, 2)
    letter = {"time": "2026-03-02T09:00:00Z", "stage": "publish", "code": "refused", "reason": "why", "ruleset": "r"}
    put(
        kafka.bootstrap,
        dead,
        *(json.dumps({**letter, "id": name, "raw": json.dumps(answer(name))}) for name in ("a", "b")),
        "no letter",
    )
    service = start(kafka.bootstrap, topic)
    settings: dict[str, Any] = {
        "EVENT_EGRESS": "kafka",
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "KAFKA_DEAD_LETTER_TOPIC": dead,
    }

    listed = rulemill("dlq", "ls", "--by", "code", cwd=project, **settings)
    assert (listed.returncode, b"refused" in listed.stdout, b"no letter" in listed.stderr) == (0, True, True), listed.stderr
    shown = rulemill("dlq", "show", "b", "--raw", cwd=project, **settings)
    assert json.loads(shown.stdout) == answer("b")
    put(kafka.bootstrap, dead, json.dumps({**letter, "id": "c", "raw": json.dumps(answer("c"))}))
    replayed = rulemill("dlq", "replay", "--to", service.url, cwd=project, **settings)
    assert b"accepted: 3" in replayed.stdout, replayed.stderr
    again = rulemill("dlq", "replay", "--to", service.url, cwd=project, **settings)
    assert b"0 letters" in again.stdout

    assert {record["id"] for record in records(kafka.bootstrap, topic)} == {"a", "b", "c"}


def test_a_service_that_cannot_reach_its_topics_does_not_start_and_says_why(kafka: Kafka, project: Path) -> None:
    variables = {"EVENT_EGRESS": "kafka", "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap, "KAFKA_TOPIC": "not-made-either"}

    ended = subprocess.run(
        [*COMMAND, "serve"],
        cwd=project,
        env=environment(HTTP_PORT="0", **variables),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )

    assert ended.returncode == 2
    assert "topic `not-made-either`: it does not exist; make it, or set `kafka.create_topics: true`" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_validation_asks_for_the_topics_where_it_may(kafka: Kafka, project: Path) -> None:
    (project / "rules" / "routes.yaml").write_text(
        "version: 1\nroutes:\n  slow: {topic: nobody-made-this}\nfilters:\n  slow:\n    when: {took_ms: {gt: 9}}\n    then: {route: {to: slow}}\n"
    )
    settings: dict[str, Any] = {
        "EVENT_EGRESS": "kafka",
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "KAFKA_TOPIC": make_topic(kafka.bootstrap),
    }

    offline = rulemill("validate", "--format", "concise", cwd=project, **settings)
    online = rulemill("validate", "--online", "--format", "concise", cwd=project, **settings)
    make_topic(kafka.bootstrap, name="nobody-made-this")
    mended = rulemill("validate", "--online", "--format", "concise", cwd=project, **settings)

    assert (offline.returncode, online.returncode, mended.returncode) == (0, 1, 0), online.stderr
    assert b"rules/routes.yaml:3:3: error E701" in online.stdout
    assert b"topic `nobody-made-this`: it does not exist" in online.stdout


def test_a_file_of_events_is_processed_into_a_topic(kafka: Kafka, project: Path) -> None:
    topic = make_topic(kafka.bootstrap)
    settings: dict[str, Any] = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap, "KAFKA_TOPIC": topic}
    events = [answer(f"e{n}") for n in range(50)]

    ended = rulemill("process", "-", "--egress", "kafka", cwd=project, stdin=ndjson(events), **settings)
    both = rulemill("process", "-", "--egress", "kafka", "--out", "o.ndjson", cwd=project, stdin=b"", **settings)

    assert ended.returncode == 0, ended.stderr
    assert [record["id"] for record in records(kafka.bootstrap, topic)] == [event["id"] for event in events]
    assert (both.returncode, b"`--out` and `--egress kafka` are two places" in both.stderr) == (2, True)
