"""Dead letters to a topic, and to the file where the topic does not get them."""

import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from engine.egress.dead_letter import FileDeadLetters, letter_as_json
from engine.egress.kafka_dead_letters import KafkaDeadLetters
from engine.egress.kafka_start import connect
from engine.event import DeadLetter
from engine.settings import KafkaSettings, Settings
from tests.servers.kafka import NewTopics, make_topic, values
from tools.servers.kafka import Kafka

Opening = Callable[..., KafkaDeadLetters]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opening]:
    outputs: list[KafkaDeadLetters] = []

    def open_letters(bootstrap: str, topic: str, patience_s: float = 10) -> KafkaDeadLetters:
        settings = Settings(kafka=KafkaSettings(bootstrap_servers=bootstrap))
        file = FileDeadLetters(tmp_path / "dead.ndjson", fsync=False)
        outputs.append(KafkaDeadLetters(connect(settings, [topic]).egress(), topic, file, patience_s))
        return outputs[-1]

    yield open_letters
    for one in outputs:
        await one.close()


def letter(identity: str, raw: bytes = b"{}") -> DeadLetter:
    return DeadLetter(raw, "why", "refused", "publish", "rules", identity, 1_700_000_000_000)


def in_file(tmp_path: Path) -> list[str]:
    path = tmp_path / "dead.ndjson"
    return [json.loads(line)["id"] for line in path.read_bytes().splitlines()] if path.exists() else []


async def test_letters_are_on_the_topic_as_they_would_be_in_the_file(
    kafka_broker: str, new_topic: NewTopics, opened: Opening, tmp_path: Path
) -> None:
    topic, letters = new_topic(), [letter("a"), letter("b", b"\xff")]

    await opened(kafka_broker, topic).put(letters)

    assert [json.loads(value) for value in values(kafka_broker, topic)] == [letter_as_json(one) for one in letters]
    assert in_file(tmp_path) == []


async def test_a_letter_that_is_too_large_for_the_topic_is_in_the_file(
    kafka_broker: str, new_topic: NewTopics, opened: Opening, tmp_path: Path
) -> None:
    topic = new_topic()

    await opened(kafka_broker, topic).put([letter("small"), letter("large", os.urandom(1_000_000))])

    assert [json.loads(value)["id"] for value in values(kafka_broker, topic)] == ["small"]
    assert in_file(tmp_path) == ["large"]


async def test_letters_do_not_wait_for_a_broker_that_is_away(stoppable_kafka: Kafka, opened: Opening, tmp_path: Path) -> None:
    topic = make_topic(stoppable_kafka.bootstrap)
    letters = opened(stoppable_kafka.bootstrap, topic, patience_s=0.5)
    stoppable_kafka.brokers[0].pause()
    try:
        await letters.put([letter("meanwhile")])
    finally:
        stoppable_kafka.brokers[0].go_on()
    await letters.put([letter("after")])

    assert in_file(tmp_path)[0] == "meanwhile"
    on_topic = [json.loads(value)["id"] for value in values(stoppable_kafka.bootstrap, topic)]
    assert "after" in [*on_topic, *in_file(tmp_path)]
