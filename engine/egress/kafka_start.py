"""The egress to Kafka as the service starts it: brokers and topics are looked at before the first record.

In: settings, and the topics that records may go to. Out: what makes egresses. Rule of the file: everything that can be known to be wrong
is told at once, before anything is started.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from engine.egress.dead_letter import FileDeadLetters
from engine.egress.kafka import KafkaEgress
from engine.egress.kafka_dead_letters import KafkaDeadLetters
from engine.egress.kafka_options import Config, producer_config
from engine.egress.kafka_topics import TopicReport, Topics
from engine.errors import SettingsInvalid
from engine.rules.model import Ruleset
from engine.settings import Settings

_BATCH_BYTES: Final = 1_000_000
_MAX_RECORD_BYTES: Final = 100 << 20


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """What every producer of this service is made with."""

    config: Config
    topics: Topics

    def egress(self) -> KafkaEgress:
        """A new egress, with a producer of its own. Called in a running loop."""
        return KafkaEgress(self.config, self.topics.look)

    def dead_letters(self, topic: str, file: FileDeadLetters) -> KafkaDeadLetters:
        """Dead letters to a topic, with a producer of their own. Called in a running loop."""
        return KafkaDeadLetters(self.egress(), topic, file)


def topics_of(settings: Settings, ruleset: Ruleset) -> list[str]:
    """Every topic that records or dead letters may go to: the main topic, the routes', the dead letters'."""
    names = [settings.main_topic, *(route.topic for route in ruleset.routes.values())]
    return list(dict.fromkeys([*names, *filter(None, [settings.kafka.dead_letter_topic])]))


def connect(settings: Settings, topics: Collection[str]) -> KafkaConnection:
    """Look at the brokers and these topics; blocks. Raises SettingsInvalid with all that is wrong."""
    config = producer_config(settings.kafka)
    place = Topics(config, settings.kafka, settings.http.max_event_bytes)
    report = place.check(topics)
    if report.problems:
        raise SettingsInvalid(
            "\n".join(["the egress to Kafka cannot start", *(f"- {problem}" for _, problem in report.problems)])
        )
    return KafkaConnection({**_sizes(report), **config}, place)


def look(settings: Settings, topics: Collection[str]) -> TopicReport:
    """All that is wrong with the brokers and these topics; nothing is made. Blocks. Raises SettingsInvalid for what needs no broker to be wrong."""
    kafka = settings.kafka.model_copy(update={"create_topics": False})
    return Topics(producer_config(kafka), kafka, settings.http.max_event_bytes).check(topics)


def _sizes(report: TopicReport) -> Config:
    """Sizes that fit the topics: records up to the largest that one of them takes, and batches that all of them take."""
    sizes = report.max_record_bytes.values()
    largest = min(max(sizes, default=_BATCH_BYTES), _MAX_RECORD_BYTES)
    return {"message.max.bytes": largest, "batch.size": min([_BATCH_BYTES, *sizes])}
