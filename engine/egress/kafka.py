"""Egress to Kafka.

In: records, in order. Out: they are on their topics, on as many replicas as `min.insync.replicas` asks for. Rule of the file: a producer that
was purged or has failed is never used again.
"""

from collections.abc import Awaitable, Mapping, Sequence

from engine.egress.kafka_line import KafkaLine, Look
from engine.event import Record, Refusal


class KafkaEgress:
    """Sends records to the topics they name, keeping their order for each key; made in a running loop.

    `config` is the producer's, as `kafka_options` makes it. A broker that does not answer, a topic that is missing and rights that are missing make
    it wait and try again, and `problem` say so; nothing is dropped.
    """

    def __init__(self, config: Mapping[str, object], look: Look) -> None:
        self._config = config
        self._look = look
        self._line = KafkaLine(config, look)

    @property
    def problem(self) -> str | None:
        """What keeps it from delivering records."""
        return self._line.problem

    def send(self, records: Sequence[Record]) -> Awaitable[list[Refusal]]:
        """See Egress."""
        return self._line.send(records)

    async def purge(self) -> None:
        """See Egress."""
        old, self._line = self._line, KafkaLine(self._config, self._look)
        await old.end("records were purged before Kafka had acknowledged them")

    async def close(self) -> None:
        """See Egress."""
        await self._line.delivered()
        await self._line.end("the egress is closed")
