"""A stretch of a topic of a real Kafka as a recording."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from confluent_kafka import Producer
from pydantic import SecretStr

from engine.errors import QuestionInvalid, SettingsInvalid
from engine.replays import topic_range
from engine.replays.topic_range import TopicRange
from engine.settings import KafkaSettings
from tests.acceptance.processes import rulemill
from tests.acceptance.two_rulesets import EVENTS, write_two
from tests.servers.kafka import NewTopics, make_topic
from tools.servers.kafka import Kafka

START_MS = 1_772_442_000_000
"""2026-03-02T09:00:00Z."""

Sent = tuple[int, int, bytes | None]
"""A partition, when, in ms from START_MS, and a value."""


def send(bootstrap: str, topic: str, messages: Iterable[Sent]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for partition, at_ms, value in messages:
        producer.produce(topic, value, partition=partition, timestamp=START_MS + at_ms)
    assert producer.flush(30) == 0
    producer.close()


def read(bootstrap: str, topic: str, from_ms: int | None = None, to_ms: int | None = None) -> list[tuple[int | str, bytes]]:
    settings = KafkaSettings(bootstrap_servers=bootstrap)
    times = [None if at_ms is None else START_MS + at_ms for at_ms in (from_ms, to_ms)]
    with TopicRange(settings, topic, *times) as found:
        lines = [line for block in found.blocks() for line in block]
        assert found.position == found.total
    return lines


def test_all_partitions_come_in_the_order_of_time_each_in_its_own_and_without_tombstones(
    kafka_broker: str, new_topic: NewTopics
) -> None:
    topic = new_topic(3)
    send(kafka_broker, topic, [(0, 10, b"a"), (0, 40, b"d"), (0, 30, b"e"), (1, 20, b"b"), (1, 20, None), (1, 35, b"c")])

    found = read(kafka_broker, topic)

    assert found == [("0:0", b"a"), ("1:0", b"b"), ("1:2", b"c"), ("0:1", b"d"), ("0:2", b"e")]
    assert read(kafka_broker, topic) == found


@pytest.mark.parametrize(
    ("from_ms", "to_ms", "values"),
    [
        (20, 40, [20, 25, 30, 35]),
        (21, None, [25, 30, 35, 40, 45]),
        (None, 11, [0, 5, 10]),
        (46, None, []),
        (None, -5, []),
        (30, 20, []),
    ],
)
def test_a_range_takes_its_beginning_and_not_its_end(
    kafka_broker: str, new_topic: NewTopics, from_ms: int | None, to_ms: int | None, values: list[int]
) -> None:
    topic = new_topic(2)
    send(kafka_broker, topic, [(at_ms // 5 % 2, at_ms, str(at_ms).encode()) for at_ms in range(0, 50, 5)])

    assert [int(value) for _, value in read(kafka_broker, topic, from_ms, to_ms)] == values


def test_one_partition_does_not_fill_the_memory_while_another_is_waited_for(kafka_broker: str, new_topic: NewTopics) -> None:
    topic = new_topic(2)
    send(kafka_broker, topic, [(0, number, b"x" * 100) for number in range(20_000)])
    send(kafka_broker, topic, [(1, 50_000 + number, b"y") for number in range(5)])

    found = read(kafka_broker, topic)

    assert [place for place, _ in found] == [
        *(f"0:{number}" for number in range(20_000)),
        *(f"1:{number}" for number in range(5)),
    ]


def test_an_empty_topic_has_nothing_and_one_that_is_not_there_is_said_to_be_missing(
    kafka_broker: str, new_topic: NewTopics
) -> None:
    assert read(kafka_broker, new_topic(2)) == []
    with pytest.raises(QuestionInvalid, match=r"topic `nowhere` cannot be read: the topic does not exist"):
        read(kafka_broker, "nowhere")


def test_brokers_that_are_gone_in_the_middle_of_it_end_it_with_an_error_and_not_early(
    stoppable_kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_range, "_PATIENCE_S", 4)
    topic = make_topic(stoppable_kafka.bootstrap)
    send(stoppable_kafka.bootstrap, topic, [(0, number, b"x" * 1_000) for number in range(5_000)])
    slowly = tuple(
        map(
            SecretStr,
            ("queued.min.messages=1", "fetch.message.max.bytes=20000", "fetch.max.bytes=20000", "message.max.bytes=20000"),
        )
    )
    settings = KafkaSettings(bootstrap_servers=stoppable_kafka.bootstrap, options=slowly)

    with TopicRange(settings, topic, None, None) as found:
        blocks = found.blocks()
        assert len(next(blocks)) == 500
        stoppable_kafka.brokers[0].kill()
        with pytest.raises(QuestionInvalid, match="nothing more came of partition 0"):
            list(blocks)


def test_settings_that_cannot_be_used_are_refused_before_a_broker_is_asked() -> None:
    with pytest.raises(SettingsInvalid, match=r"see `kafka\.options`"):
        TopicRange(KafkaSettings(options=(SecretStr("no.such.thing=1"),)), "t", None, None)


def test_the_command_replays_a_topic_and_names_the_offsets_of_its_events(
    kafka_broker: str, new_topic: NewTopics, tmp_path: Path
) -> None:
    topic = new_topic(1)
    write_two(tmp_path)
    send(kafka_broker, topic, [(0, 60_000 * number, json.dumps(event).encode()) for number, event in enumerate(EVENTS)])
    arguments = ("--kafka", topic, "--against", "service/rules", "--from", "2026-03-02T09:00:00Z", "--to", "2026-03-02T09:04:00Z")

    ended = rulemill("replay", *arguments, "--format", "json", cwd=tmp_path, KAFKA_BOOTSTRAP_SERVERS=kafka_broker)

    assert ended.returncode == 0, ended.stderr.decode()
    report = json.loads(ended.stdout)
    assert (report["events"]["read"], report["changed"]) == (4, 3)
    assert [sample["offset"] for group in report["groups"] for sample in group["samples"]] == ["0:0", "0:3", "0:1"]
