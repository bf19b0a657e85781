"""Dead letters of a topic, copied to a file."""

from pathlib import Path

import orjson
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, AdminClient, ResourcePatternType, ResourceType
from pydantic import SecretStr

from engine.egress.kafka_letters import TopicCopy
from engine.egress.kafka_options import producer_config
from engine.errors import EgressUnavailable
from engine.settings import KafkaSettings
from tests.servers.kafka import WAIT_S, NewTopics
from tools.servers.kafka import USERS, Kafka


def put(bootstrap: str, topic: str, *lines: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for line in lines:
        producer.produce(topic, line)
    assert producer.flush(WAIT_S) == 0


def copy(settings: KafkaSettings, topic: str, path: Path) -> int:
    return TopicCopy(producer_config(settings), topic, path, 10).renew()


def test_each_copy_adds_what_is_new(kafka_broker: str, new_topic: NewTopics, tmp_path: Path) -> None:
    topic, path, settings = new_topic(3), tmp_path / "made" / "letters.ndjson", KafkaSettings(bootstrap_servers=kafka_broker)
    lines = [orjson.dumps({"n": n}) for n in range(700)]
    put(kafka_broker, topic, *lines)
    assert copy(settings, topic, path) == 700
    assert copy(settings, topic, path) == 0
    put(kafka_broker, topic, b"last")

    assert copy(settings, topic, path) == 1
    assert sorted(path.read_bytes().splitlines()) == sorted([*lines, b"last"])


def test_a_topic_that_is_missing_is_told(kafka_broker: str, tmp_path: Path) -> None:
    with pytest.raises(EgressUnavailable, match="from the topic `not-made`: the topic does not exist"):
        copy(KafkaSettings(bootstrap_servers=kafka_broker), "not-made", tmp_path / "letters.ndjson")


def test_the_right_to_read_the_topic_is_needed_and_enough(kafka: Kafka, new_topic: NewTopics, tmp_path: Path) -> None:
    topic = new_topic()
    put(kafka.bootstrap, topic, b"1")
    settings = KafkaSettings(
        bootstrap_servers=kafka.sasl_bootstrap,
        security_protocol="sasl_plaintext",
        sasl_username="stranger",
        sasl_password=SecretStr(USERS["stranger"]),
    )
    with pytest.raises(EgressUnavailable, match="this user may not read it"):
        copy(settings, topic, tmp_path / "letters.ndjson")
    right = AclBinding(
        ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:stranger", "*", AclOperation.READ, AclPermissionType.ALLOW
    )
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_acls([right])[right].result(WAIT_S)
    assert copy(settings, topic, tmp_path / "letters.ndjson") == 1
