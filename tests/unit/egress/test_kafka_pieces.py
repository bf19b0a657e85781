"""Records on their way to Kafka, in pieces."""

import asyncio

import pytest
from confluent_kafka import KafkaError

from engine.egress.kafka_pieces import PIECE_BYTES, PIECE_RECORDS, Piece, Send, cut
from engine.errors import EgressUnavailable
from engine.event import Record, Refusal


def record(value: bytes, key: str | None = "k") -> Record:
    return Record("events", key, value)


def test_what_is_small_is_one_piece() -> None:
    records = [record(b"1"), record(b"2")]

    assert list(cut(records)) == [records]


def test_nothing_is_no_piece() -> None:
    assert list(cut([])) == []


@pytest.mark.parametrize("size_bytes", [1, 1000, PIECE_BYTES // 3, PIECE_BYTES + 1])
def test_pieces_are_within_their_bounds_and_together_everything_in_order(size_bytes: int) -> None:
    records = [record(b"x" * size_bytes) for _ in range(PIECE_RECORDS + 5 if size_bytes < 1000 else 7)]

    pieces = list(cut(records))

    assert [one for piece in pieces for one in piece] == records
    for piece in pieces:
        assert len(piece) == 1 or (len(piece) <= PIECE_RECORDS and sum(len(one.value) for one in piece) <= PIECE_BYTES)


async def test_a_send_has_ended_when_all_its_pieces_have() -> None:
    send = Send(asyncio.get_running_loop().create_future())
    first, second = Piece((0,), send, [record(b"1")]), Piece((1,), send, [record(b"2")])
    first.send.refuse(record(b"1"), "why")
    first.send.end_piece()
    assert not send.future.done()
    second.send.end_piece()

    assert await send.future == [Refusal(record(b"1"), "why")]


async def test_a_send_that_failed_stays_so() -> None:
    send = Send(asyncio.get_running_loop().create_future())
    piece = Piece((0,), send, [record(b"1")])
    send.fail("gone")
    piece.send.end_piece()

    with pytest.raises(EgressUnavailable, match="gone"):
        await send.future


async def test_failures_come_in_the_order_of_the_records_and_equal_ones_once_each() -> None:
    send = Send(asyncio.get_running_loop().create_future())
    records = [record(b"1"), record(b"2", None), record(b"2", None), record(b"3")]
    piece = Piece((0,), send, records)
    error = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
    for key, value in ((b"k", b"3"), (None, b"2")):
        piece.not_taken("events", {"key": key, "value": value}, error)

    assert [failure.record for failure in piece.failures()] == [records[1], records[3]]
    assert piece.pending == 2
    assert piece.delivered
