"""A real Kafka for tests: one broker for the whole run, and topics that are nobody else's.

Where Kafka cannot be run, its tests are skipped and say what is missing; where `CI` is set, they fail.
"""

import os
import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tools.servers.faults import CannotRun
from tools.servers.kafka import Kafka

WAIT_S = 30
NewTopics = Callable[..., str]


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One broker for all tests. Who wants to stop it asks for `stoppable_kafka`."""
    server = started(Kafka(tmp_path_factory.mktemp("kafka") / "data"))
    yield server
    server.stop()


@pytest.fixture
def stoppable_kafka(kafka: Kafka) -> Iterator[Kafka]:
    """The broker, for a test that pauses, kills and starts it again; it serves again when the test is over."""
    yield kafka
    kafka.mend()


@pytest.fixture
def kafka_broker(kafka: Kafka) -> str:
    """The bootstrap address of `kafka`, where everybody may do everything."""
    return kafka.bootstrap


@pytest.fixture
def new_topic(kafka: Kafka) -> NewTopics:
    """Makes a topic of the test's own and returns its name; arguments are partitions and settings: `new_topic(3)`."""
    return lambda partitions=1, **settings: make_topic(kafka.bootstrap, partitions, **settings)


def started(server: Kafka) -> Kafka:
    """The server, serving; the test is skipped, or in CI fails, where it cannot be."""
    try:
        server.start()
    except CannotRun as why:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"Kafka cannot be run here: {why}")
    return server


def make_topic(bootstrap: str, partitions: int = 1, replicas: int = 1, name: str = "", **settings: str) -> str:
    """Make a topic, of a name that is nobody else's unless one is given; `_` stands for `.` in the names of settings.

    Every broker that answers knows of it on return.
    """
    name = name or f"test-{uuid.uuid4().hex[:12]}"
    config = {setting.replace("_", "."): value for setting, value in settings.items()}
    topic = NewTopic(name, num_partitions=partitions, replication_factor=replicas, config=config)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([topic])[name].result(WAIT_S)
    deadline_s = time.monotonic() + WAIT_S
    for broker in bootstrap.split(","):
        asked = AdminClient({"bootstrap.servers": broker})
        while not _knows(asked, name, partitions):
            assert time.monotonic() < deadline_s, f"`{broker}` does not hear of topic `{name}`"
            time.sleep(0.02)
    return name


def _knows(broker: AdminClient, name: str, partitions: int) -> bool:
    """Whether a broker knows all partitions of a topic; one that does not answer is not asked again."""
    try:
        topic = broker.list_topics(name, timeout=2).topics[name]
    except KafkaException:
        return True
    return topic.error is None and len(topic.partitions) == partitions


def messages(bootstrap: str, topic: str) -> list[Message]:
    """Everything that is on the topic now, partition by partition, each in its order."""
    options = {
        "bootstrap.servers": bootstrap,
        "group.id": uuid.uuid4().hex,
        "enable.partition.eof": True,
        "enable.auto.commit": False,
    }
    consumer = Consumer({**options, "auto.offset.reset": "earliest"})
    try:
        partitions = consumer.list_topics(topic, WAIT_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        found, open_partitions = [], set(partitions)
        while open_partitions:
            message = consumer.poll(WAIT_S)
            assert message is not None, f"`{topic}` is not read to its end within {WAIT_S} s"
            error = message.error()
            if error is None:
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                open_partitions.discard(message.partition())
            else:
                raise AssertionError(error.str())
    finally:
        consumer.close()
    return sorted(found, key=lambda message: (message.partition(), message.offset()))


def values(bootstrap: str, topic: str) -> list[bytes]:
    """The values of everything that is on the topic now."""
    return [value for message in messages(bootstrap, topic) if (value := message.value()) is not None]
