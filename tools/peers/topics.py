"""Topics of a comparison: one that is filled before a run, and those that are read after it.

In: lines. Out: a topic of one partition with a message each, and messages back. Rule of the file: nothing here is part of what is measured.
"""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Final

import orjson
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from engine.errors import RulemillError

_WAIT_S: Final = 60


class TopicUnusable(RulemillError):
    """A topic could not be filled, or read to its end. The text says which."""


def fill(bootstrap: str, topic: str, lines: Iterable[bytes]) -> int:
    """Make the topic and send the lines to it, keyed by their users; what is no JSON has no key. Returns the offset of the last one."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(_WAIT_S)
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "compression.type": "lz4"})
    sent = 0
    for line in lines:
        while True:
            try:
                producer.produce(topic, line.rstrip(b"\n"), key=_user(line))
                break
            except BufferError:
                producer.poll(1)
        sent += 1
    if producer.flush(_WAIT_S):
        raise TopicUnusable(f"topic `{topic}` does not take everything within {_WAIT_S} s")
    return sent - 1


def _user(line: bytes) -> bytes | None:
    try:
        return str(orjson.loads(line)["user_id"]).encode()
    except orjson.JSONDecodeError:
        return None


def read(bootstrap: str, topic: str) -> Iterator[bytes]:
    """The values of everything that is on the topic now, partition by partition. Raises TopicUnusable where anything has gone from it."""
    options = {"bootstrap.servers": bootstrap, "group.id": uuid.uuid4().hex, "enable.auto.commit": False}
    consumer = Consumer({**options, "auto.offset.reset": "earliest"})
    with closing(consumer):
        for partition in consumer.list_topics(topic, _WAIT_S).topics[topic].partitions:
            start, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), _WAIT_S)
            if start:
                raise TopicUnusable(f"the first {start:,} messages of topic `{topic}` have been removed from it")
            consumer.assign([TopicPartition(topic, partition, 0)])
            while consumer.position([TopicPartition(topic, partition)])[0].offset < end:
                message = consumer.poll(_WAIT_S)
                if message is None:
                    raise TopicUnusable(f"topic `{topic}` is not read to its end within {_WAIT_S} s")
                error = message.error()
                if error is not None:
                    raise KafkaException(error)
                yield message.value() or b""
