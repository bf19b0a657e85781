"""A stretch of a Kafka topic as a recording.

In: a topic and two times. Out: what was put on it between them, all partitions in the order of time. Rule of the file: nothing is committed and no group is joined, so that nobody
else who reads is disturbed; what is read is the same at every reading.
"""

import heapq
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from engine.egress.kafka_errors import words
from engine.egress.kafka_options import connection_config
from engine.errors import QuestionInvalid, SettingsInvalid
from engine.operations.lines import LINES
from engine.replays.recording import Block
from engine.settings import KafkaSettings

_AHEAD: Final = 2 * LINES
"""So many messages of a partition are kept at most while others are waited for."""

_PATIENCE_S: Final = 30
_POLL_S: Final = 0.5


@dataclass(slots=True)
class _Part:
    """A partition: what of it is read and waits, and where its stretch ends."""

    partition: int
    begin: int
    end: int
    read_to: int = 0
    waiting: deque[Message] = field(default_factory=deque)
    is_paused: bool = False

    @property
    def is_through(self) -> bool:
        """Whether everything of the stretch was read."""
        return self.read_to >= self.end


class TopicRange:
    """What is on `topic` from `from_ms` on, None for its beginning, and before `to_ms`, None for what is there now. Read it once.

    Times are those that messages have on the topic. Use it as a context manager. Raises SettingsInvalid where the settings cannot be used, and QuestionInvalid where there
    is no such topic or no broker answers.
    """

    unit = "msg"

    def __init__(self, settings: KafkaSettings, topic: str, from_ms: int | None, to_ms: int | None) -> None:
        self._topic = topic
        self._timeout_s = settings.start_timeout_ms / 1_000
        config = connection_config(settings) | {
            "group.id": f"rulemill-replay-{uuid.uuid4().hex}",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
        try:
            self._consumer = Consumer(config)
        except KafkaException as error:
            raise SettingsInvalid(f"the settings of Kafka cannot be used: {words(error.args[0])}; see `kafka.options`") from None
        try:
            self._parts = self._ask(lambda: self._stretches(from_ms, to_ms))
            self._consumer.assign([TopicPartition(topic, part.partition, part.begin) for part in self._parts.values()])
        except BaseException:
            self._consumer.close()
            raise
        self.total: int | None = sum(part.end - part.begin for part in self._parts.values())

    def __enter__(self) -> Self:
        """The range, open."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let go of the brokers."""
        self._consumer.close()

    @property
    def position(self) -> int:
        """How many offsets were passed."""
        return sum(min(part.read_to, part.end) - part.begin for part in self._parts.values())

    def blocks(self) -> Iterator[Block]:
        """Blocks of messages, each with its partition and offset; those without a value are left out."""
        block: Block = []
        for message in self._in_order():
            value = message.value()
            if value is not None:
                block.append((f"{message.partition()}:{message.offset()}", value))
            if len(block) == LINES:
                yield block
                block = []
        if block:
            yield block

    def _stretches(self, from_ms: int | None, to_ms: int | None) -> dict[int, _Part]:
        found = self._consumer.list_topics(self._topic, self._timeout_s).topics[self._topic]
        if found.error is not None:
            raise KafkaException(found.error)
        numbers = sorted(found.partitions)
        begins, ends = self._offsets(numbers, from_ms), self._offsets(numbers, to_ms)
        parts = {}
        for number in numbers:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(self._topic, number), self._timeout_s)
            begin = low if from_ms is None else begins.get(number, high)
            end = high if to_ms is None else ends.get(number, high)
            parts[number] = _Part(number, max(low, begin), max(low, begin, end), max(low, begin))
        return parts

    def _offsets(self, numbers: list[int], at_ms: int | None) -> dict[int, int]:
        """The first offset of each partition at this time or later; a partition without one is left out."""
        if at_ms is None:
            return {}
        asked = [TopicPartition(self._topic, number, max(at_ms, 0)) for number in numbers]
        return {
            found.partition: found.offset
            for found in self._consumer.offsets_for_times(asked, self._timeout_s)
            if found.offset >= 0
        }

    def _in_order(self) -> Iterator[Message]:
        """Messages by their time; of one time, by partition. Within a partition they stay in its order."""
        heads: list[tuple[int, int]] = []
        absent = [part for part in self._parts.values() if not part.is_through]
        while absent or heads:
            for part in absent:
                if self._fill(part):
                    heapq.heappush(heads, (part.waiting[0].timestamp()[1], part.partition))
            absent = []
            if heads:
                part = self._parts[heapq.heappop(heads)[1]]
                yield part.waiting.popleft()
                absent = [part]

    def _fill(self, part: _Part) -> bool:
        """Wait for a message of this partition; False where its stretch is through."""
        give_up_s = time.monotonic() + _PATIENCE_S
        while not part.waiting and not part.is_through:
            self._pause(part, pause=False)
            message = self._consumer.poll(_POLL_S)
            if message is not None and self._take(message):
                give_up_s = time.monotonic() + _PATIENCE_S
            elif time.monotonic() > give_up_s:
                raise QuestionInvalid(
                    f"topic `{self._topic}`: nothing more came of partition {part.partition} in {_PATIENCE_S} s"
                )
        return bool(part.waiting)

    def _take(self, message: Message) -> bool:
        error, number, offset = message.error(), message.partition(), message.offset()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            if error.retriable() or error.code() == KafkaError._ALL_BROKERS_DOWN:
                return False
            raise QuestionInvalid(f"topic `{self._topic}` cannot be read: {words(error)}")
        part = self._parts[-1 if number is None else number]
        if error is not None:
            part.read_to = part.end
        elif offset is not None:
            if offset < part.end:
                part.waiting.append(message)
            part.read_to = offset + 1
        if part.is_through or len(part.waiting) >= _AHEAD:
            self._pause(part, pause=True)
        return True

    def _pause(self, part: _Part, *, pause: bool) -> None:
        if part.is_paused is not pause:
            part.is_paused = pause
            place = [TopicPartition(self._topic, part.partition)]
            (self._consumer.pause if pause else self._consumer.resume)(place)

    def _ask(self, question: Callable[[], dict[int, _Part]]) -> dict[int, _Part]:
        try:
            return question()
        except KafkaException as error:
            raise QuestionInvalid(f"topic `{self._topic}` cannot be read: {words(error.args[0])}") from None
