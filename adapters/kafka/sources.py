"""What a partition is called where it is noted how far it was read: "telemetry/3#5f0c2a91".

A topic that was deleted and made anew has other records at the same offsets. So the id of the topic (KIP-516, its first
part) belongs to the name: whoever reads begins anew with a new topic.
"""

import time
from typing import Any, Final

from kafka import TopicPartition
from kafka.errors import KafkaError

from adapters.kafka.partition import check_partitions

CHECKED_S: Final = 5.0  # after which it is looked at again whether a topic is still the same


class TopicGoneError(KafkaError):  # type: ignore[misc]  # the library has no types
    """There is no such topic, or not the one any more that was read."""

    def __str__(self) -> str:
        """Return what it says, without its name."""
        return str(self.args[0])


def topic_id(client: Any, topic: str, partitions: int | None = None) -> str:
    """Return what tells a topic from others that had its name; zeros where the cluster does not know.

    Raises TopicGoneError where there is none, PartitionsError where it has another number of partitions.
    """
    (found,) = client.describe_topics([topic])
    if found["error_code"]:
        raise TopicGoneError(f"there is no topic {topic}: run `fleettwin topics create`")
    if partitions is not None:
        check_partitions({topic: len(found["partitions"])}, partitions)
    return id_of(found)


class SameTopic:
    """Looks whether a topic is still the one that it was when this was made, with its number of partitions.

    Raises PartitionsError where it has another one, also when it is made.
    """

    def __init__(self, client: Any, topic: str, partitions: int) -> None:
        self._client = client
        self._topic = topic
        self._partitions = partitions
        self.identity = topic_id(client, topic, partitions)
        self._checked_at_s = time.monotonic()

    def check(self) -> None:
        """Raise TopicGoneError where it is not."""
        if topic_id(self._client, self._topic, self._partitions) != self.identity:
            raise TopicGoneError(f"topic {self._topic} was made anew")
        self._checked_at_s = time.monotonic()

    def check_now_and_then(self) -> None:
        """Do so unless that was done lately."""
        if time.monotonic() - self._checked_at_s > CHECKED_S:
            self.check()


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
