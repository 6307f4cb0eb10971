"""How much of the log a reader of its topic has seen, which the records that it has read do not tell.

A partition in which nothing happens says nothing; and where the records of a partition end says nothing of events that
are in other partitions. The relays know: the offsets of their group are positions of the log. So a reader that has
come to where a partition ended after the relays had said a position has seen all events of the partition up to it.
"""

import time
from collections.abc import Mapping
from typing import Final

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import OffsetSpec

from adapters.kafka.partition_consumer import PartitionWatch
from adapters.kafka.relayed import position_in
from adapters.kafka.sources import identity_in, source_of
from adapters.received import Published

ASKED_S: Final = 0.25  # how long a position that was heard is believed to be the newest
TOLD_AGAIN_S: Final = 10.0  # after which what was told is told once more: a crash of the database may have lost it


class PublishedWatch(PartitionWatch):
    """Tells `published` what the relays of `group` say of partitions that have been read so far."""

    def __init__(self, group: str, partitions: int, published: Published) -> None:
        self._group = group
        self._partitions = partitions
        self._published = published
        self._asked_at_s = 0.0
        self._heard: dict[TopicPartition, tuple[int, int]] = {}  # position of the log, and the end of the partition
        self._told: dict[str, int] = {}  # by source
        self._told_since_s = 0.0

    def look(self, client: KafkaAdminClient, sources: Mapping[TopicPartition, str], consumer: KafkaConsumer) -> None:
        """Tell what is known by now, and ask for more."""
        reached = {
            partition: position
            for partition, (position, end) in self._heard.items()
            if partition in sources and consumer.position(partition) >= end
        }
        if reached:
            identity = identity_in(next(iter(sources.values())))
            every = [
                source_of(TopicPartition(partition.topic, number), identity)
                for partition in [next(iter(sources))]
                for number in range(self._partitions)
            ]
            told = {sources[partition]: position for partition, position in reached.items()}
            self._published(told, every)
            self._told.update(told)
        self._heard = {each: heard for each, heard in self._heard.items() if each in sources and each not in reached}
        if len(self._heard) < len(sources) and time.monotonic() - self._asked_at_s > ASKED_S:
            self._ask(client, {each: source for each, source in sources.items() if each not in self._heard})

    def _ask(self, client: KafkaAdminClient, sources: Mapping[TopicPartition, str]) -> None:
        """Ask for positions first, then for the ends: what comes in between is not taken for seen.

        The ends are those of all records, also of transactions whose end the partition has not been told yet.
        """
        if time.monotonic() - self._told_since_s > TOLD_AGAIN_S:
            self._told, self._told_since_s = {}, time.monotonic()
        said = client.list_group_offsets({self._group: list(sources)})[self._group]
        noted = {each: position_in(said.get(each), identity_in(source)) or 0 for each, source in sources.items()}
        positions = {each: at for each, at in noted.items() if at > self._told.get(sources[each], 0)}
        if positions:
            ends = client.list_partition_offsets(dict.fromkeys(positions, OffsetSpec.LATEST))
            self._heard.update({each: (position, ends[each].offset) for each, position in positions.items()})
        self._asked_at_s = time.monotonic()
