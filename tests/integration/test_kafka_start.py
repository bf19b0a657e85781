"""What is said at the start of an egress to Kafka that cannot work, one way at a time; and what it is started with where it can."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, AdminClient, ResourcePatternType, ResourceType

from engine.egress.kafka_start import connect, look
from engine.errors import SettingsInvalid
from engine.settings import HttpSettings, KafkaSettings, Settings
from tests.servers.kafka import WAIT_S, NewTopics
from tools.servers.kafka import USERS, Kafka
from tools.servers.ports import free_ports


def settings(bootstrap: str, **kafka: object) -> Settings:
    return Settings(kafka=KafkaSettings(bootstrap_servers=bootstrap, start_timeout_ms=2_000, **kafka))  # type: ignore[arg-type]


def refusal(settings: Settings, *topics: str) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        connect(settings, topics)
    return str(caught.value)


def test_nobody_listens() -> None:
    [port] = free_ports(1)

    said = refusal(settings(f"127.0.0.1:{port}"), "events")

    assert f"Kafka at `127.0.0.1:{port}` does not answer within 2 s" in said
    assert "Connection refused" in said
    assert "see `kafka.bootstrap_servers`" in said


def test_the_broker_speaks_another_protocol(kafka: Kafka) -> None:
    assert "see `kafka.bootstrap_servers` and `kafka.security_protocol`" in refusal(settings(kafka.sasl_bootstrap), "events")


def test_the_password_is_wrong(kafka: Kafka) -> None:
    user = {"security_protocol": "sasl_plaintext", "sasl_username": "writer", "sasl_password": "wrong"}

    said = refusal(settings(kafka.sasl_bootstrap, **user), "events")

    assert "does not let this user in" in said
    assert "see `kafka.sasl_username` and `kafka.sasl_password`" in said
    assert "wrong" not in said


def test_the_user_may_not_see_the_topic(kafka: Kafka, new_topic: NewTopics) -> None:
    topic = new_topic()
    user = {"security_protocol": "sasl_plaintext", "sasl_username": "stranger", "sasl_password": USERS["stranger"]}

    said = refusal(settings(kafka.sasl_bootstrap, **user), topic)

    assert (
        f"topic `{topic}`: this user may not write to the topic; give it the right `Write` there (TOPIC_AUTHORIZATION_FAILED)"
        in said
    )


def test_the_user_may_see_the_topic_and_not_write_to_it(kafka: Kafka, new_topic: NewTopics) -> None:
    topic = new_topic()
    right = AclBinding(
        ResourceType.TOPIC,
        topic,
        ResourcePatternType.LITERAL,
        "User:stranger",
        "*",
        AclOperation.DESCRIBE,
        AclPermissionType.ALLOW,
    )
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_acls([right])[right].result(WAIT_S)
    user = {"security_protocol": "sasl_plaintext", "sasl_username": "stranger", "sasl_password": USERS["stranger"]}

    assert f"topic `{topic}`: this user may not write to it" in refusal(settings(kafka.sasl_bootstrap, **user), topic)


def test_every_topic_that_is_missing_is_named(kafka_broker: str, new_topic: NewTopics) -> None:
    there = new_topic()

    said = refusal(settings(kafka_broker), "not-there-1", there, "not-there-2")

    assert said == (
        "the egress to Kafka cannot start\n"
        "- topic `not-there-1`: it does not exist; make it, or set `kafka.create_topics: true`\n"
        "- topic `not-there-2`: it does not exist; make it, or set `kafka.create_topics: true`"
    )


def test_missing_topics_are_made_where_that_is_set(kafka_broker: str) -> None:
    connect(settings(kafka_broker, create_topics=True, partitions=3), ["made-at-the-start"])

    admin = AdminClient({"bootstrap.servers": kafka_broker})
    assert len(admin.list_topics("made-at-the-start", WAIT_S).topics["made-at-the-start"].partitions) == 3


def test_two_services_that_start_together_may_make_the_same_topics(kafka_broker: str) -> None:
    topics = [f"made-together-{number}" for number in range(20)]

    with ThreadPoolExecutor(2) as services:
        starts = [services.submit(connect, settings(kafka_broker, create_topics=True), topics) for _ in range(2)]
        for start in starts:
            start.result()


def test_a_look_makes_no_topics_and_takes_those_for_right_that_could_be_made(kafka_broker: str) -> None:
    assert look(settings(kafka_broker, create_topics=True), ["only-looked-at"]).problems == []

    assert [about for about, _ in look(settings(kafka_broker), ["only-looked-at"]).problems] == ["only-looked-at"]


def test_a_topic_that_cannot_be_made_says_why(kafka_broker: str) -> None:
    said = refusal(settings(kafka_broker, create_topics=True, replicas=3), "needs-three")

    assert "topic `needs-three`: it does not exist and cannot be made" in said
    assert "see `kafka.partitions` and `kafka.replicas`" in said


def test_a_topic_needs_more_replicas_than_it_has(kafka_broker: str, new_topic: NewTopics) -> None:
    topic = new_topic(min_insync_replicas="2")

    assert f"topic `{topic}`: `min.insync.replicas` is 2, and it has 1 replicas, so it takes nothing" in refusal(
        settings(kafka_broker), topic
    )


def test_a_topic_takes_only_smaller_records_than_events_may_be(kafka_broker: str, new_topic: NewTopics) -> None:
    topic = new_topic(max_message_bytes="50000")

    said = refusal(settings(kafka_broker), topic)

    assert (
        f"topic `{topic}`: `max.message.bytes` is 50000, and events may have 1048576 bytes; raise it, or lower `http.max_event`"
        in said
    )


def test_records_are_as_large_as_a_topic_takes_and_batches_as_all_take(kafka_broker: str, new_topic: NewTopics) -> None:
    small, large = new_topic(max_message_bytes="50000"), new_topic(max_message_bytes="3000000")
    kafka = settings(kafka_broker).kafka

    config = connect(Settings(kafka=kafka, http=HttpSettings(max_event_bytes=10_000)), [small, large]).config

    assert (config["message.max.bytes"], config["batch.size"]) == (3_000_000, 50_000)
