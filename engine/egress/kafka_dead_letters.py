"""Dead letters to a topic of Kafka, each as the line that the file of dead letters would have.

In: letters. Out: they are on the topic; what it refuses, or does not acknowledge in time, is in the file. Rule of the file: a letter is
never given up, and Kafka never keeps one waiting for long.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

import orjson

from engine.egress.dead_letter import FileDeadLetters, letter_as_json
from engine.egress.kafka import KafkaEgress
from engine.errors import EgressUnavailable
from engine.event import DeadLetter, Record

_log = logging.getLogger(__name__)
PATIENCE_S: Final = 10.0
"""How long Kafka has to acknowledge letters before they go to the file."""


class KafkaDeadLetters:
    """Sends letters to one topic, through an egress of its own. What does not get there goes to the file of dead letters."""

    def __init__(self, egress: KafkaEgress, topic: str, file: FileDeadLetters, patience_s: float = PATIENCE_S) -> None:
        self._egress = egress
        self._topic = topic
        self._file = file
        self._patience_s = patience_s

    @property
    def problem(self) -> str | None:
        """What keeps it from delivering letters."""
        return self._egress.problem

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        """See DeadLetters. Raises EgressUnavailable where neither Kafka nor the file takes them."""
        records = [Record(self._topic, letter.id, orjson.dumps(letter_as_json(letter))) for letter in letters]
        try:
            async with asyncio.timeout(self._patience_s):
                refusals = await self._egress.send(records)
        except TimeoutError:
            await self._egress.purge()
            await self._keep(letters, f"not acknowledged within {self._patience_s:.0f} s")
        except EgressUnavailable as error:
            await self._keep(letters, str(error))
        else:
            refused = {id(refusal.record): refusal.reason for refusal in refusals}
            kept = [letter for letter, record in zip(letters, records, strict=True) if id(record) in refused]
            if kept:
                await self._keep(kept, refusals[0].reason)

    async def close(self) -> None:
        """Deliver what was handed over, and let go of the connections and the file."""
        await self._egress.close()
        await self._file.close()

    async def _keep(self, letters: Sequence[DeadLetter], why: str) -> None:
        await self._file.put(letters)
        _log.warning("dead letters: %d are in the file and not on the topic `%s`: %s", len(letters), self._topic, why)
