"""Dead letters of a topic, copied to a file that is read as the file of dead letters is.

In: a topic, and the file as the last copy left it. Out: the file with everything that has come to the topic since. Rule of the file: how far the
copy has come is noted, beside it, after its lines are on the disk; a crash between the two copies some letters twice.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from engine.egress.append_file import AppendFile
from engine.egress.kafka_errors import words
from engine.egress.kafka_options import Config
from engine.errors import EgressUnavailable

SUFFIX: Final = ".offsets"
_AT_ONCE: Final = 500


class TopicCopy:
    """The copy of one topic in one file. Everything here blocks; a question may take `timeout_s`."""

    def __init__(self, config: Config, topic: str, path: Path, timeout_s: float) -> None:
        self._topic = topic
        self._path = path
        self._timeout_s = timeout_s
        reading = {"group.id": "rulemill-dlq", "enable.auto.commit": False, "enable.partition.eof": True}
        self._config = {**config, **reading, "auto.offset.reset": "earliest"}

    def renew(self) -> int:
        """Add to the file what the topic has now and the file has not; returns how many letters.

        Raises EgressUnavailable where the topic cannot be read, or another process renews the same copy, OSError where the file cannot be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._alone() as notes:
            file = AppendFile(self._path)
            consumer = Consumer(self._config)
            try:
                return self._copy(consumer, file, notes)
            except KafkaException as error:
                fault = error.args[0]
                denied = fault.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
                why = "this user may not read it" if denied else words(fault)
                raise EgressUnavailable(f"dead letters cannot be read from the topic `{self._topic}`: {why}") from None
            finally:
                consumer.close()
                file.close()

    @contextmanager
    def _alone(self) -> Iterator[Path]:
        notes = self._path.with_name(self._path.name + SUFFIX)
        lock = os.open(notes.with_name(notes.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield notes
        except BlockingIOError:
            raise EgressUnavailable(f"another process copies the topic to `{self._path}`; wait for its end") from None
        finally:
            os.close(lock)

    def _copy(self, consumer: Consumer, file: AppendFile, notes: Path) -> int:
        found = consumer.list_topics(self._topic, self._timeout_s).topics[self._topic]
        if found.error is not None:
            raise KafkaException(found.error)
        offsets = dict.fromkeys(found.partitions, 0) | _read(notes)
        consumer.assign([TopicPartition(self._topic, partition, offset) for partition, offset in offsets.items()])
        unread, copied = set(offsets), 0
        while unread:
            lines = []
            first = consumer.poll(self._timeout_s)
            if first is None:
                raise EgressUnavailable(
                    f"the topic `{self._topic}` was not read to its end: no answer within {self._timeout_s:.0f} s"
                )
            for message in (first, *consumer.consume(_AT_ONCE, 0)):
                partition, error = message.partition() or 0, message.error()
                if error is None:
                    unread.add(partition)
                    lines.append(_line(message.value()))
                    offsets[partition] = (message.offset() or 0) + 1
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(partition)
                elif error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:  # no group is made use of
                    raise KafkaException(error)
            if lines:
                file.append(b"".join(lines), fsync=True)
                _write(notes, offsets)
            copied += len(lines)
        return copied


def _line(value: bytes | str | None) -> bytes:
    """A message as one line. What is no letter stays no letter: the reader of the file says so."""
    content = value.encode() if isinstance(value, str) else value or b""
    return content.replace(b"\n", b" ") + b"\n"


def _read(notes: Path) -> dict[int, int]:
    if not notes.exists():
        return {}
    return {int(partition): int(offset) for partition, offset in orjson.loads(notes.read_bytes()).items()}


def _write(notes: Path, offsets: dict[int, int]) -> None:
    fresh = notes.with_name(notes.name + ".new")
    fresh.write_bytes(orjson.dumps({str(partition): offset for partition, offset in offsets.items()}))
    fresh.replace(notes)
