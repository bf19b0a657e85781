"""A producer's line: what its reports make of the records that were handed over."""

import asyncio

import pytest
from confluent_kafka import KafkaError

from engine.egress.kafka_line import KafkaLine
from engine.errors import EgressUnavailable
from engine.event import Record


async def test_a_record_whose_report_says_nothing_of_where_it_is_was_not_delivered() -> None:
    line = KafkaLine({"bootstrap.servers": "127.0.0.1:9", "log_level": 0}, lambda _, __: None)
    try:
        sent = line.send([Record("t", "k", b"v")])
        (piece,) = line._out
        piece.not_taken("t", {"key": "k", "value": b"v"}, KafkaError(KafkaError._FATAL))
        line._settle()

        with pytest.raises(EgressUnavailable, match="may be out or not"):
            await asyncio.wait_for(sent, 5)
        assert "may be out or not" in str(line.problem)
    finally:
        await line.end("the test is over")
