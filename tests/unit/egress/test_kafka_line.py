"""A producer's line: what its reports make of the records that were handed over."""

import asyncio

import pytest
from confluent_kafka import KafkaError

from engine.egress.kafka_line import KafkaLine
from engine.errors import EgressUnavailable
from engine.event import Record


@pytest.mark.parametrize(
    ("reported", "error"),
    [(b"v", KafkaError._FATAL), (b"other", KafkaError.MSG_SIZE_TOO_LARGE)],
    ids=["nothing is said of where it is", "of no record that was sent"],
)
async def test_a_record_is_not_delivered_for_a_report_that_leaves_open_what_became_of_it(reported: bytes, error: int) -> None:
    line = KafkaLine({"bootstrap.servers": "127.0.0.1:9", "log_level": 0}, lambda _, __: None)
    try:
        sent = line.send([Record("t", "k", b"v")])
        (piece,) = line._out
        piece.not_taken("t", {"key": "k", "value": reported}, KafkaError(error))
        line._settle()

        with pytest.raises(EgressUnavailable, match="may be out or not"):
            await asyncio.wait_for(sent, 5)
        assert "may be out or not" in str(line.problem)
    finally:
        await line.end("the test is over")


async def test_what_a_producer_that_got_something_out_fails_of_for_good_is_never_sent_again_by_another() -> None:
    line = KafkaLine({"bootstrap.servers": "127.0.0.1:9", "log_level": 0}, lambda _, __: None)
    try:
        sent = line.send([Record("t", "k", b"v"), Record("t", "k", b"w")])
        (piece,) = line._out
        piece.pending -= 1  # one of the two is acknowledged
        line._fail_for_good(KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED))

        with pytest.raises(EgressUnavailable, match="failed for good"):
            await asyncio.wait_for(sent, 5)
    finally:
        await line.end("the test is over")
