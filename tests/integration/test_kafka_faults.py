"""What the egress to Kafka does when brokers fail: nothing is lost, nothing is doubled, and the order of a key stays."""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
)
from pydantic import SecretStr

from engine.egress.kafka import KafkaEgress
from engine.egress.kafka_start import connect
from engine.errors import EgressUnavailable
from engine.event import Record, Refusal
from engine.settings import KafkaSettings, Settings
from tests.servers.kafka import WAIT_S, make_topic, messages, started, values
from tools.servers.kafka import USERS, Kafka

KEYS = 20
Opening = Callable[..., KafkaEgress]


@pytest.fixture
def broker(stoppable_kafka: Kafka) -> Kafka:
    return stoppable_kafka


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Three brokers, of which a topic needs two."""
    server = started(Kafka(tmp_path_factory.mktemp("three") / "data", brokers=3))
    yield server
    server.stop()


@pytest.fixture
async def opened() -> AsyncIterator[Opening]:
    """Opens egresses to a topic, and ends them after the test."""
    egresses: list[KafkaEgress] = []

    def open_egress(bootstrap: str, topic: str, **settings: object) -> KafkaEgress:
        kafka = KafkaSettings(bootstrap_servers=bootstrap, **settings)  # type: ignore[arg-type]
        egresses.append(connect(Settings(kafka=kafka), [topic]).egress())
        return egresses[-1]

    yield open_egress
    for egress in egresses:
        await egress.purge()
        await egress.close()


def batch(topic: str, number: int, size: int = 200) -> list[Record]:
    """Records of several keys; their values say in which order they were handed over."""
    return [Record(topic, f"key-{n % KEYS}", b"%06d" % n) for n in range(number * size, (number + 1) * size)]


def send(egress: KafkaEgress, topic: str, *numbers: int) -> "list[asyncio.Future[list[Refusal]]]":
    return [asyncio.ensure_future(egress.send(batch(topic, number))) for number in numbers]


async def said(egress: KafkaEgress, *words: str) -> None:
    """Return when the egress has a problem that these words are in."""
    async with asyncio.timeout(WAIT_S):
        while not all(word in (egress.problem or "") for word in words):  # noqa: ASYNC110 - it looks by itself
            await asyncio.sleep(0.01)


async def all_out(sent: "list[asyncio.Future[list[Refusal]]]") -> None:
    async with asyncio.timeout(2 * WAIT_S):
        assert await asyncio.gather(*sent) == [[]] * len(sent)


def assert_each_once_and_in_order(bootstrap: str, topic: str, batches: int) -> None:
    found = messages(bootstrap, topic)
    by_key: dict[object, list[str]] = defaultdict(list)
    for message in found:
        by_key[message.key()].append(str(message.value()))
    assert sorted(str(message.value()) for message in found) == [str(b"%06d" % n) for n in range(batches * 200)]
    assert all(numbers == sorted(numbers) for numbers in by_key.values())


async def test_a_broker_that_hangs_is_waited_out_and_said(broker: Kafka, opened: Opening) -> None:
    topic = make_topic(broker.bootstrap, 3)
    egress = opened(broker.bootstrap, topic)
    await all_out(send(egress, topic, 0))
    broker.brokers[0].pause()
    try:
        sent = send(egress, topic, *range(1, 20))
        await said(egress, "Kafka has acknowledged nothing for")
        assert not any(one.done() for one in sent)
    finally:
        broker.brokers[0].go_on()

    await all_out(sent)
    assert egress.problem is None
    assert_each_once_and_in_order(broker.bootstrap, topic, 20)


async def test_a_broker_that_was_killed_and_comes_back_has_every_record_once(broker: Kafka, opened: Opening) -> None:
    topic = make_topic(broker.bootstrap, 3)
    egress = opened(broker.bootstrap, topic)
    sent = send(egress, topic, *range(20))
    await sent[0]
    broker.brokers[0].kill()
    sent += send(egress, topic, *range(20, 30))
    await said(egress, "no broker answers")
    broker.brokers[0].start()

    await all_out(sent)
    assert egress.problem is None
    broker.wait()
    assert_each_once_and_in_order(broker.bootstrap, topic, 30)


async def test_an_outage_is_seen_and_over_without_a_record(broker: Kafka, opened: Opening) -> None:
    topic = make_topic(broker.bootstrap)
    egress = opened(broker.bootstrap, topic)
    await all_out(send(egress, topic, 0))
    broker.brokers[0].kill()
    await said(egress, "no broker answers")
    broker.brokers[0].start()

    async with asyncio.timeout(WAIT_S):
        while egress.problem is not None:  # noqa: ASYNC110 - it looks by itself
            await asyncio.sleep(0.01)
    broker.wait()


async def test_purged_records_are_given_up_and_the_egress_goes_on(broker: Kafka, opened: Opening) -> None:
    topic = make_topic(broker.bootstrap)
    egress = opened(broker.bootstrap, topic)
    await all_out(send(egress, topic, 0))
    broker.brokers[0].pause()
    try:
        sent = send(egress, topic, 1, 2)
        await asyncio.sleep(0)
        await egress.purge()
        for one in sent:
            with pytest.raises(EgressUnavailable, match="purged"):
                await one
        again = send(egress, topic, 3)
    finally:
        broker.brokers[0].go_on()

    await all_out(again)
    assert set(values(broker.bootstrap, topic)) >= {record.value for number in (0, 3) for record in batch(topic, number)}


async def test_one_broker_of_three_can_be_lost_and_a_topic_that_needs_all_three_waits_for_it(
    three: Kafka, opened: Opening
) -> None:
    two, all_three = (make_topic(three.bootstrap, 6, replicas=3, min_insync_replicas=n) for n in ("2", "3"))
    egress, waiting = opened(three.bootstrap, two), opened(three.bootstrap, all_three)
    sent, held = send(egress, two, *range(10)), send(waiting, all_three, *range(10))
    await sent[0]
    await held[0]
    three.brokers[2].kill()
    sent += send(egress, two, *range(10, 20))
    held += send(waiting, all_three, *range(10, 20))

    await all_out(sent)
    assert_each_once_and_in_order(three.bootstrap, two, 20)
    await said(waiting, "Kafka has acknowledged nothing for")
    three.brokers[2].start()
    await all_out(held)
    assert_each_once_and_in_order(three.bootstrap, all_three, 20)


async def test_a_topic_that_is_deleted_is_waited_for(broker: Kafka, opened: Opening) -> None:
    topic = make_topic(broker.bootstrap, 3)
    egress = opened(broker.bootstrap, topic, options="topic.metadata.propagation.max.ms=500")
    await all_out(send(egress, topic, *range(5)))
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.delete_topics([topic])[topic].result(WAIT_S)
    sent = send(egress, topic, *range(5))
    await said(egress, topic, "does not exist")
    assert not any(one.done() for one in sent)
    make_topic(broker.bootstrap, 3, name=topic)

    await all_out(sent)
    assert_each_once_and_in_order(broker.bootstrap, topic, 5)


async def test_a_topic_that_is_deleted_is_made_again_where_topics_are_made(broker: Kafka, opened: Opening) -> None:
    topic = make_topic(broker.bootstrap, 3)
    egress = opened(broker.bootstrap, topic, create_topics=True, options="topic.metadata.propagation.max.ms=500")
    await all_out(send(egress, topic, 0))
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.delete_topics([topic])[topic].result(WAIT_S)

    await all_out(send(egress, topic, *range(5)))
    assert_each_once_and_in_order(broker.bootstrap, topic, 5)


async def test_rights_that_are_taken_away_are_waited_for(broker: Kafka, opened: Opening) -> None:
    topic = make_topic(broker.bootstrap)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    kinds = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:stranger", "*", AclOperation.WRITE)
    right = AclBinding(*kinds, AclPermissionType.ALLOW)
    admin.create_acls([right])[right].result(WAIT_S)
    user = {"security_protocol": "sasl_plaintext", "sasl_username": "stranger", "sasl_password": SecretStr(USERS["stranger"])}
    egress = opened(broker.sasl_bootstrap, topic, **user)
    await all_out(send(egress, topic, 0))
    same = AclBindingFilter(*kinds, AclPermissionType.ALLOW)
    admin.delete_acls([same])[same].result(WAIT_S)
    sent = send(egress, topic, 1)
    await said(egress, topic, "may not write")
    admin.create_acls([right])[right].result(WAIT_S)

    await all_out(sent)
    assert_each_once_and_in_order(broker.bootstrap, topic, 2)


async def test_a_record_that_is_too_large_is_refused_and_no_other_one(broker: Kafka, opened: Opening) -> None:
    topic = make_topic(broker.bootstrap)
    egress = opened(broker.bootstrap, topic)
    resource = ConfigResource(ResourceType.TOPIC, topic)
    resource.add_incremental_config(ConfigEntry("max.message.bytes", "5000", incremental_operation=AlterConfigOpType.SET))
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.incremental_alter_configs([resource])[resource].result(WAIT_S)
    small, large = [Record(topic, "k", b"%d" % n) for n in range(20)], Record(topic, "k", os.urandom(10_000))

    refusals = await asyncio.wait_for(egress.send([*small[:10], large, *small[10:]]), WAIT_S)

    assert [refusal.record for refusal in refusals] == [large]
    assert "max.message.bytes" in refusals[0].reason
    assert sorted(values(broker.bootstrap, topic)) == sorted(record.value for record in small)


def take_all_rights(admin: AdminClient) -> None:
    """A right to write to any topic at all is enough for a producer's identity."""
    anything = (ResourceType.TOPIC, None, ResourcePatternType.ANY, "User:stranger", None, AclOperation.ANY)
    all_rights = AclBindingFilter(*anything, AclPermissionType.ANY)  # type: ignore[arg-type]  # None is any name and any host
    admin.delete_acls([all_rights])[all_rights].result(WAIT_S)


async def test_a_user_who_gets_no_producer_id_is_told_of_once_and_waited_for(
    broker: Kafka, opened: Opening, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without a right to write to any topic a new producer gets no identity, and without one it fails for good."""
    topic = make_topic(broker.bootstrap)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    kinds = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:stranger", "*", AclOperation.WRITE)
    right = AclBinding(*kinds, AclPermissionType.ALLOW)
    admin.create_acls([right])[right].result(WAIT_S)
    user = {"security_protocol": "sasl_plaintext", "sasl_username": "stranger", "sasl_password": SecretStr(USERS["stranger"])}
    egress = opened(broker.sasl_bootstrap, topic, **user)
    await all_out(send(egress, topic, 0))
    take_all_rights(admin)
    await egress.purge()
    caplog.clear()

    await said(egress, "no producer id", "`Write`")
    sent = send(egress, topic, 1, 2, 3)
    async with asyncio.timeout(WAIT_S):
        while not egress._line._number:  # noqa: ASYNC110 - another producer asks, in its own time
            await asyncio.sleep(0.01)
    await said(egress, "`Write`")
    assert not any(one.done() for one in sent)
    told = [line.getMessage() for line in caplog.records if line.levelname in {"ERROR", "CRITICAL"}]
    assert len(told) == 1, told
    assert capfd.readouterr().err == ""
    admin.create_acls([right])[right].result(WAIT_S)

    await all_out([*sent, *send(egress, topic, 4)])
    assert egress.problem is None
    assert_each_once_and_in_order(broker.bootstrap, topic, 5)


async def test_a_right_that_is_given_is_seen_without_a_record(broker: Kafka, opened: Opening) -> None:
    topic = make_topic(broker.bootstrap)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    kinds = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:stranger", "*")
    seeing, writing = (
        AclBinding(*kinds, right, AclPermissionType.ALLOW) for right in (AclOperation.DESCRIBE, AclOperation.WRITE)
    )
    admin.create_acls([writing])[writing].result(WAIT_S)
    user = {"security_protocol": "sasl_plaintext", "sasl_username": "stranger", "sasl_password": SecretStr(USERS["stranger"])}
    egress = opened(broker.sasl_bootstrap, topic, **user)
    take_all_rights(admin)
    admin.create_acls([seeing])[seeing].result(WAIT_S)
    await egress.purge()
    await said(egress, "no producer id")

    admin.create_acls([writing])[writing].result(WAIT_S)

    async with asyncio.timeout(WAIT_S):
        while egress.problem is not None:  # noqa: ASYNC110 - it looks by itself
            await asyncio.sleep(0.01)
