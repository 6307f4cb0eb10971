"""What the cluster knows of how far telemetry and events are: for the lag of each stage."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from kafka import IsolationLevel, KafkaConsumer, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError

from adapters.event_log import StoredRecord
from adapters.kafka.client import Connection
from adapters.kafka.last_record import EventLog, last_position
from adapters.kafka.partition import check_partitions, partition_of
from adapters.kafka.relayed import BehindKafkaError, check_log, mark_in, position_in
from adapters.kafka.sources import id_of, identity_in, partition_named, source_of
from adapters.kafka.topics import TELEMETRY, VEHICLE_EVENTS
from adapters.lag import PartitionEnds, Published
from domain.errors import BadInputError, StoreError
from domain.units import Micros

TIMES_WITHIN_S: Final = 3.0  # what has not come by then is left out
FETCH_BYTES: Final = 4_096  # of a partition; its first batch comes whole in any case
_POLL_MS: Final = 200


class KafkaPositions:
    """Implements `adapters.lag.LaggedKafka`; `group` is that of the relays. Every call asks anew."""

    def __init__(self, connection: Connection, prefix: str, partitions: int, group: str, log: EventLog) -> None:
        self._connection = connection
        self._telemetry = prefix + TELEMETRY
        self._events = prefix + VEHICLE_EVENTS
        self._partitions = partitions
        self._group = group
        self._log = log

    def telemetry(self) -> Mapping[str, PartitionEnds]:
        """Return what each partition of the telemetry topic holds."""
        found = self._connection.administer(lambda client: self._ends(client, self._telemetry))
        return {source: held for _, source, held in found}

    def telemetry_times(self, positions: Mapping[str, int]) -> Sequence[Micros]:
        """Return the timestamps of the records at these positions, as far as they are soon to be had."""
        wanted = {partition_named(source): position for source, position in positions.items()}
        try:
            return self._times(wanted)
        except KafkaError as error:
            raise StoreError(f"Kafka does not give the oldest records: {error}") from error

    def published(self) -> Published:
        """Return how far the log is published, and whether the topic is of another one."""

        def work(client: Any) -> tuple[list[tuple[TopicPartition, str, PartitionEnds]], Mapping[TopicPartition, Any]]:
            ends = self._ends(client, self._events)
            said = client.list_group_offsets({self._group: [each for each, _, _ in ends]})
            return ends, said.get(self._group, {})

        ends, said = self._connection.administer(work)
        found: dict[int, int] = {}
        places: dict[
            tuple[int, str], str
        ] = {}  # of the log, and where they are said: mostly the same in each partition
        for partition, source, held in ends:
            noted = said.get(partition)
            position = position_in(noted, identity_in(source))
            found[partition.partition] = self._last_position(partition, held) if position is None else position
            place = found[partition.partition], mark_in(noted) if position else ""
            places.setdefault(place, f"{partition.topic}/{partition.partition}")
        return Published(found, self._trouble(places))

    def _trouble(self, places: Mapping[tuple[int, str], str]) -> str | None:
        """Return why the log has not what was published up to these places; None: it has."""
        try:
            for (position, mark), where in places.items():
                check_log(self._log, where, position, mark)
        except BehindKafkaError as error:
            return str(error)
        return None

    def noted(self, source: str) -> int:
        """Return up to which position of the log relays have noted that a partition is published; 0: they have not."""
        partition = partition_named(source)
        said = self._connection.administer(lambda client: client.list_group_offsets({self._group: [partition]}))
        return position_in(said.get(self._group, {}).get(partition), identity_in(source)) or 0

    def partition_of(self, record: StoredRecord) -> int:
        """Return the partition of an event."""
        return partition_of(str(record.originator_id).encode(), self._partitions)

    def _ends(self, client: Any, topic: str) -> list[tuple[TopicPartition, str, PartitionEnds]]:
        """Return each partition, what it is called as a source, and what it holds."""
        (described,) = client.describe_topics([topic])
        if described["error_code"]:
            raise BadInputError(
                "there is no such topic", where=f"topic {topic}", remedy="run `fleettwin topics create`"
            )
        check_partitions({topic: len(described["partitions"])}, self._partitions)
        every = [TopicPartition(topic, number) for number in range(self._partitions)]
        held, identity = partition_ends(client, every, IsolationLevel.READ_COMMITTED), id_of(described)
        return [(each, source_of(each, identity), held[each]) for each in every]

    def _last_position(self, partition: TopicPartition, held: PartitionEnds) -> int:
        """Return what the topic itself says: the group has published nothing, or its offset has expired."""
        if held.first == held.end:
            return 0
        try:
            return last_position(self._connection, partition, self._log)
        except KafkaError as error:
            raise StoreError(f"Kafka does not give the last events: {error}") from error

    def _times(self, wanted: Mapping[TopicPartition, int]) -> list[Micros]:
        found: dict[TopicPartition, Micros] = {}
        consumer = KafkaConsumer(
            **self._connection.settings(),
            isolation_level="read_committed",
            enable_auto_commit=False,
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        try:
            consumer.assign(list(wanted))
            for partition, position in wanted.items():
                consumer.seek(partition, position)
            deadline = time.monotonic() + TIMES_WITHIN_S
            while len(found) < len(wanted) and time.monotonic() < deadline:
                for partition, records in consumer.poll(timeout_ms=_POLL_MS).items():
                    found.setdefault(partition, Micros(records[0].timestamp * 1_000))
                    consumer.pause(partition)
        finally:
            consumer.close()
        return list(found.values())


def partition_ends(
    client: Any, partitions: Sequence[TopicPartition], isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED
) -> dict[TopicPartition, PartitionEnds]:
    """Return what each partition holds, up to where a reader of this isolation comes."""
    first = client.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
    end = client.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST), isolation)
    return {each: PartitionEnds(first[each].offset, end[each].offset) for each in partitions}
