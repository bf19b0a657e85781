"""The Kafka that tests run against: it takes and gives back, and its topics are made by name only."""

from confluent_kafka import KafkaError, Producer

from tests.servers.kafka import WAIT_S, NewTopics, values


def test_what_is_produced_is_found_on_its_topic(kafka_broker: str, new_topic: NewTopics) -> None:
    topic = new_topic(2)
    producer = Producer({"bootstrap.servers": kafka_broker})
    for number in range(10):
        producer.produce(topic, b"%d" % number)
    assert producer.flush(WAIT_S) == 0

    assert sorted(values(kafka_broker, topic)) == [b"%d" % number for number in range(10)]


def test_a_topic_does_not_come_into_being_by_being_named(kafka_broker: str) -> None:
    metadata = Producer({"bootstrap.servers": kafka_broker}).list_topics("never-made", WAIT_S)

    error = metadata.topics["never-made"].error
    assert error is not None
    assert error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
