"""The dead letters of a topic for `rulemill dlq`.

In: settings. Out: a file with every letter of the topic. Rule of the file: `dlq` imports it where the settings name such a topic, so that nobody
else pays for a client of Kafka.
"""

from pathlib import Path

from engine.egress.kafka_letters import TopicCopy
from engine.egress.kafka_options import producer_config
from engine.settings import Settings


def copied_letters(settings: Settings) -> Path:
    """The file with the letters of the topic, brought up to date. Raises EgressUnavailable, SettingsInvalid, OSError."""
    topic, file = settings.kafka.dead_letter_topic or "", settings.dead_letters.path
    path = file.with_name(f"{file.stem}.{topic}{file.suffix}")
    TopicCopy(producer_config(settings.kafka), topic, path, settings.kafka.start_timeout_ms / 1000).renew()
    return path
