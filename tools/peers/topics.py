"""Topics of a comparison: one that is filled before a run, and those that are read after it.

In: lines. Out: a topic of one partition with a message each, and messages back. Rule of the file: nothing here is part of what is measured.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

import orjson
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from engine.errors import RulemillError
from engine.replays.topic_range import TopicRange
from engine.settings import KafkaSettings

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
    """The values of everything that is on the topic now. Raises TopicUnusable where anything has gone from it."""
    settings = KafkaSettings(bootstrap_servers=bootstrap)
    begun = set[str]()
    with TopicRange(settings, topic, None, None) as found:
        for place, value in chain.from_iterable(found.blocks()):
            partition, _, offset = str(place).partition(":")
            if partition not in begun and int(offset):
                raise TopicUnusable(f"the first {int(offset):,} messages of topic `{topic}` have been removed from it")
            begun.add(partition)
            yield value
