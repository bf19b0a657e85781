"""Topics as they must be before records go to them.

In: the names of topics. Out: what is wrong with each, and how large a record they take. Rule of the file: what this user may not ask about
is taken to be right; only a record can show.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient, ConfigEntry, ConfigResource, NewTopic, ResourceType, TopicMetadata

from engine.egress.kafka_errors import words
from engine.egress.kafka_options import Config
from engine.settings import KafkaSettings

_LOOK_S: Final = 2.0
_ASK_AGAIN_S: Final = 0.05
_MISSING: Final = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)


@dataclass(slots=True)
class TopicReport:
    """What is wrong, a sentence each, and the largest records that topics take, by topic, as far as that is known.

    `about` has the topic of each sentence, None where it is about the brokers.
    """

    problems: list[tuple[str | None, str]] = field(default_factory=list)
    max_record_bytes: dict[str, int] = field(default_factory=dict)


class Topics:
    """Looks at topics, and makes those that are missing where the settings say so. Everything here blocks.

    Without `make`, a topic that could be made is right as it is.
    """

    def __init__(self, config: Config, settings: KafkaSettings, max_event_bytes: int, *, make: bool = True) -> None:
        self._make = make
        self._config = config
        self._settings = settings
        self._timeout_s = settings.start_timeout_ms / 1000
        self._max_event_bytes = max_event_bytes

    def check(self, names: Iterable[str]) -> TopicReport:
        """Everything that is wrong with these topics, or that the brokers do not answer."""
        report, said = TopicReport(), list[KafkaError]()
        config: dict[str, Any] = {**self._config, "error_cb": said.append}
        admin = AdminClient(config)
        there = {}
        try:
            admin.list_topics(timeout=self._timeout_s)
            for name in dict.fromkeys(names):
                if (topic := self._topic(admin, name, report)) is not None:
                    there[name] = topic
        except KafkaException as error:
            admin.poll(0)
            report.problems.append((None, self._unreachable([*said, error.args[0]])))
            return report
        if there:
            self._check_rights(admin, there, report)
            self._check_configs(admin, there, report)
        return report

    def look(self, producer: Producer, names: Sequence[str]) -> str | None:
        """What is wrong now with the brokers, or with these topics; those that are missing are made where that is set."""
        try:
            producer.list_topics(timeout=_LOOK_S)
            for name in names:
                found = producer.list_topics(name, _LOOK_S).topics[name]
                if found.error is not None and (why := self._mended(name, found.error)):
                    return f"topic `{name}`: {why}"
        except KafkaException as error:
            return words(error.args[0])
        return None

    def _unreachable(self, errors: Sequence[KafkaError]) -> str:
        servers = self._settings.bootstrap_servers
        for error in errors:
            if error.code() == KafkaError._AUTHENTICATION and "mechanism handshake failed" in error.str():
                return f"Kafka at `{servers}` has no such log-in: {error.str()}; see `kafka.sasl_mechanism` and `kafka.security_protocol`"
            if error.code() == KafkaError._AUTHENTICATION:
                return f"Kafka at `{servers}` does not let this user in: {error.str()}; see `kafka.sasl_username` and `kafka.sasl_password`"
            if error.code() == KafkaError._SSL:
                return f"Kafka at `{servers}`: no TLS connection: {error.str()}; see `kafka.ssl_ca` and `kafka.security_protocol`"
        told = [error.str() for error in errors if error.code() in {KafkaError._TRANSPORT, KafkaError._RESOLVE}]
        why = told[0] if told else errors[-1].str()
        return (
            f"Kafka at `{servers}` does not answer within {self._timeout_s:.0f} s: {why}; "
            "see `kafka.bootstrap_servers` and `kafka.security_protocol`"
        )

    def _topic(self, admin: AdminClient, name: str, report: TopicReport) -> TopicMetadata | None:
        """The topic, made where it is missing and may be; None where it cannot be used, which is reported."""
        topic = admin.list_topics(name, self._timeout_s).topics[name]
        if topic.error is None:
            return topic if topic.partitions else self._known(admin, name, report)
        if why := self._mended(name, topic.error):
            report.problems.append((name, f"topic `{name}`: {why}"))
            return None
        return self._known(admin, name, report) if self._make else None

    def _known(self, admin: AdminClient, name: str, report: TopicReport) -> TopicMetadata | None:
        """A topic that was made just now: the broker that is asked may hear of it, or of its partitions, a little later."""
        until_s = time.monotonic() + self._timeout_s
        while True:
            topic = admin.list_topics(name, self._timeout_s).topics[name]
            if topic.error is None and topic.partitions:
                return topic
            if time.monotonic() >= until_s:
                report.problems.append((name, f"topic `{name}`: it was made, and is not ready after {self._timeout_s:.0f} s"))
                return None
            time.sleep(_ASK_AGAIN_S)

    def _mended(self, name: str, error: KafkaError) -> str | None:
        """What remains wrong with a topic: nothing where it was missing and has been made."""
        if error.code() not in _MISSING:
            return words(error)
        if not self._settings.create_topics:
            return "it does not exist; make it, or set `kafka.create_topics: true`"
        return self._made(name) if self._make else None

    def _made(self, name: str) -> str | None:
        new = NewTopic(name, num_partitions=self._settings.partitions, replication_factor=self._settings.replicas or -1)
        admin = AdminClient(self._config)
        try:
            admin.create_topics([new], request_timeout=self._timeout_s)[name].result(self._timeout_s)
        except KafkaException as failed:
            if failed.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return None
            return f"it does not exist and cannot be made: {failed.args[0].str()}; see `kafka.partitions` and `kafka.replicas`"
        return None

    def _check_rights(self, admin: AdminClient, topics: Mapping[str, TopicMetadata], report: TopicReport) -> None:
        asked = admin.describe_topics(
            TopicCollection(list(topics)), include_authorized_operations=True, request_timeout=self._timeout_s
        )
        for name, described in _answers(asked).items():
            rights = described.authorized_operations
            if rights and AclOperation.WRITE not in rights:
                report.problems.append((name, f"topic `{name}`: this user may not write to it; give it the right `Write` there"))

    def _check_configs(self, admin: AdminClient, topics: Mapping[str, TopicMetadata], report: TopicReport) -> None:
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
        asked = admin.describe_configs(resources, request_timeout=self._timeout_s)
        for name, config in _answers({resource.name: future for resource, future in asked.items()}).items():
            report.max_record_bytes[name] = _number(config, "max.message.bytes")
            replicas = min(len(partition.replicas) for partition in topics[name].partitions.values())
            report.problems += [(name, f"topic `{name}`: {why}") for why in self._faults(config, replicas)]

    def _faults(self, config: Mapping[str, ConfigEntry], replicas: int) -> Iterator[str]:
        in_sync, size_bytes = _number(config, "min.insync.replicas"), _number(config, "max.message.bytes")
        if in_sync > replicas:
            yield (
                f"`min.insync.replicas` is {in_sync}, and it has {replicas} replicas, so it takes nothing; "
                "lower the first or raise the second"
            )
        if size_bytes < self._max_event_bytes:
            yield (
                f"`max.message.bytes` is {size_bytes}, and events may have {self._max_event_bytes} bytes; "
                "raise it, or lower `http.max_event`"
            )


def _number(config: Mapping[str, ConfigEntry], name: str) -> int:
    return int(config[name].value or 0)


def _answers(asked: Mapping[str, "Future[Any]"]) -> dict[str, Any]:
    """The answers to questions that were answered; this user may not ask the others."""
    answers = {}
    for name, future in asked.items():
        with suppress(KafkaException):
            answers[name] = future.result()
    return answers
