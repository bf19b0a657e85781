"""Records on their way to Kafka, in pieces, and what delivery reports make of them.

In: the records of one send, and a report for each. Out: which are refused, and which did not get out. Rule of the file: reports are
counted; only one that tells of an error is looked at.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, Message

from engine.errors import EgressUnavailable
from engine.event import Record, Refusal

PIECE_RECORDS: Final = 10_000
PIECE_BYTES: Final = 16 << 20
"""How much is handed to the producer at once, at most; a single record may be larger."""


class Send:
    """The records of one send: it has ended when all its pieces have. `future` then has its refusals."""

    def __init__(self, future: "asyncio.Future[list[Refusal]]") -> None:
        self.future = future
        self.pieces = 0
        self._refusals: list[Refusal] = []

    def refuse(self, record: Record, why: str) -> None:
        """Note that a record is refused for good."""
        self._refusals.append(Refusal(record, why))

    def end_piece(self) -> None:
        """Note that every record of a piece is out, refused, or part of another piece."""
        self.pieces -= 1
        if not self.pieces and not self.future.done():
            self.future.set_result(self._refusals)

    def fail(self, why: str) -> None:
        """Tell whoever waits that nothing more can be known."""
        if not self.future.done():
            self.future.set_exception(EgressUnavailable(why))
            self.future.exception()  # nobody may be waiting any more


class Failure(NamedTuple):
    """A record that is not out. `alone`: the error is about this record, and not about others that were sent with it."""

    record: Record
    error: KafkaError
    alone: bool


class Piece:
    """Records that are handed to the producer together. `order` says where they belong among all others.

    One that goes `alone` is handed over when nothing else is out, and nothing else until it has ended.
    """

    def __init__(self, order: tuple[int, ...], send: Send, records: Sequence[Record], *, alone: bool = False) -> None:
        self.order = order
        self.send = send
        self.records = records
        self.alone = alone
        self.size_bytes = sum([len(record.value) for record in records])
        self.pending = len(records)
        self._failed: list[tuple[tuple[str, bytes | None, bytes], KafkaError, bool]] = []
        send.pieces += 1

    @property
    def delivered(self) -> bool:
        """Whether a record of it is out."""
        return self.failed < len(self.records)

    @property
    def acknowledged(self) -> int:
        """How many records of it are known to be out so far."""
        return len(self.records) - self.pending - self.failed

    @property
    def failed(self) -> int:
        """How many reports tell of an error."""
        return len(self._failed)

    def report(self, error: KafkaError | None, message: Message) -> None:
        """One delivery report. The producer calls it once for each record that it took."""
        self.pending -= 1
        if error is not None:
            what = (message.topic() or "", _bytes(message.key()), _bytes(message.value()) or b"")
            self._failed.append((what, error, len(self.records) == 1))

    def not_taken(self, topic: str, message: Mapping[str, Any], error: KafkaError) -> None:
        """The producer did not take a record; there will be no report of it."""
        self.pending -= 1
        self._failed.append(((topic, _bytes(message["key"]), message["value"]), error, True))

    def failures(self) -> Iterator[Failure]:
        """The records that are not out, in their order. Those that are equal in all their bytes stand for each other."""
        reports: dict[tuple[str, bytes | None, bytes], list[tuple[KafkaError, bool]]] = {}
        for what, error, alone in self._failed:
            reports.setdefault(what, []).append((error, alone))
        if reports:
            for record in self.records:
                if found := reports.get((record.topic, _bytes(record.key), record.value)):
                    yield Failure(record, *found.pop())

    def again(self, place: int, records: Sequence[Record], *, alone: bool) -> "Piece":
        """Another try for some of its records; `place` orders the pieces that it falls into."""
        return Piece((*self.order, place), self.send, records, alone=alone)


def cut(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """The records in runs that are no larger than a piece may be."""
    if len(records) <= PIECE_RECORDS and sum([len(record.value) for record in records]) <= PIECE_BYTES:
        if records:
            yield records
        return
    start = size_bytes = 0
    for index, record in enumerate(records):
        if index > start and (index - start >= PIECE_RECORDS or size_bytes + len(record.value) > PIECE_BYTES):
            yield records[start:index]
            start, size_bytes = index, 0
        size_bytes += len(record.value)
    yield records[start:]


def _bytes(text: str | bytes | None) -> bytes | None:
    return text.encode() if isinstance(text, str) else text
