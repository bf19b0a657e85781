"""Outputs to Kafka.

In: settings and rules. Out: an egress and a dead-letter output, open. Rule of the file: it is imported where Kafka is wanted, so that no other
command pays for its client.
"""

import asyncio

from engine.cli.outputs import Outputs, closing
from engine.egress.dead_letter import FileDeadLetters
from engine.egress.kafka_findings import NewTopics
from engine.egress.kafka_start import connect, topics_of
from engine.operations.objections import Objections
from engine.rules.model import Ruleset
from engine.settings import Settings


def kafka_objections(settings: Settings) -> Objections:
    """Topics of new routes have to be there. Raises SettingsInvalid for settings that no client can be made of."""
    return NewTopics(settings)


async def open_kafka(settings: Settings, ruleset: Ruleset, file: FileDeadLetters) -> Outputs:
    """Look at the brokers and the topics, and open what sends to them. Raises SettingsInvalid with all that is wrong."""
    connection = await asyncio.to_thread(connect, settings, topics_of(settings, ruleset))
    egress, topic = connection.egress(), settings.kafka.dead_letter_topic
    if topic is None:
        return Outputs(egress, file, lambda: egress.problem, closing(egress.close, file.close))
    letters = connection.dead_letters(topic, file)
    return Outputs(egress, letters, lambda: egress.problem or letters.problem, closing(egress.close, letters.close))
