"""What a partition is called where it is noted how far it was read: "telemetry/3#5f0c2a91".

A topic that was deleted and made anew has other records at the same offsets. So the id of the topic (KIP-516, its first
part) belongs to the name: whoever reads begins anew with a new topic.
"""

from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError


class TopicGoneError(KafkaError):  # type: ignore[misc]  # the library has no types
    """There is no such topic, or not the one any more that was read."""


def topic_id(client: Any, topic: str) -> str:
    """Return what tells a topic from others that had its name; zeros where the cluster does not know.

    Raises TopicGoneError where there is none.
    """
    (found,) = client.describe_topics([topic])
    if found["error_code"]:
        raise TopicGoneError(f"there is no topic {topic}: run `fleettwin topics create`")
    return id_of(found)


def id_of(described: Any) -> str:
    """Return the same of a topic that `describe_topics` has described."""
    return str(described["topic_id"])[:8]


def source_of(partition: TopicPartition, identity: str) -> str:
    """Return what a partition of a topic with this id is called."""
    return f"{partition.topic}/{partition.partition}#{identity}"


def partition_named(source: str) -> TopicPartition:
    """Return the partition that is called so."""
    topic, _, number = source.partition("#")[0].rpartition("/")
    return TopicPartition(topic, int(number))


def identity_in(source: str) -> str:
    """Return the id of its topic."""
    return source.rpartition("#")[2]
