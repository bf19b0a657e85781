"""What errors of Kafka mean for a record.

Rule of the file: an error that stands nowhere here says nothing of whether the record is out.
"""

from typing import Final

from confluent_kafka import KafkaError

REFUSED: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError._INVALID_DIFFERENT_RECORD,
    }
)
"""The broker refuses the record for good, or one that was sent together with it."""

LATER: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.POLICY_VIOLATION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._DESTROY,  # of a producer at work: the partition went with its topic while the record waited for it
        KafkaError._INVALID_ARG,  # a topic's name that cannot be one
        KafkaError._QUEUE_FULL,
    }
)
"""The record is not out, and it is not the record's fault: it waits until the topic or the rights to it have been mended."""

UNREACHABLE: Final = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
    }
)
"""Nothing can be sent for now. What was handed over stays with the producer, which tries again."""

NO_IDENTITY: Final = (
    "this user gets no producer id; give it the right `Write` on its topics, "
    "and with brokers before 3.0 `IdempotentWrite` on the cluster as well"
)
"""Every producer asks for an identity before it sends anything, and is of no more use where it is refused one."""

_SENTENCES: Final = {
    KafkaError.UNKNOWN_TOPIC_OR_PART: "the topic does not exist",
    KafkaError._UNKNOWN_TOPIC: "the topic does not exist",
    KafkaError._UNKNOWN_PARTITION: "a partition of the topic is gone",
    KafkaError._DESTROY: "a partition of the topic is gone",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "this user may not write to the topic; give it the right `Write` there",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "this user may not write; give it the right `IdempotentWrite` on the cluster",
    KafkaError.TOPIC_EXCEPTION: "the name is none that a topic can have",
    KafkaError._INVALID_ARG: "the name is none that a topic can have",
    KafkaError.MSG_SIZE_TOO_LARGE: "larger than the broker takes (`max.message.bytes` of the topic)",
    KafkaError._ALL_BROKERS_DOWN: "no broker answers",
    KafkaError._AUTHENTICATION: "the broker does not let this user in",
    KafkaError._SSL: "no TLS connection comes about",
    KafkaError._TIMED_OUT: "no answer in time",
    KafkaError._TRANSPORT: "no broker answers",
}


def words(error: KafkaError) -> str:
    """An error as people read it, with Kafka's own name for it."""
    sentence = _SENTENCES.get(error.code())
    return f"{sentence} ({error.name()})" if sentence else f"{error.str()} ({error.name()})"
