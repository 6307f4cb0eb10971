"""What a run has left in the database and in the topics, read directly and not through the roles."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from adapters.event_log import StoredRecord
from adapters.kafka.topics import TELEMETRY, VEHICLE_EVENTS
from adapters.postgres.event_store import PostgresEventLog
from adapters.wiring import RELAY_GROUP
from domain.streams import StreamProgress
from tests.support.faults.load import Load

EVENTS_MAX: Final = 1_000_000
POLL_MS: Final = 200


class Published(NamedTuple):
    """A committed record of the topic of events."""

    partition: int
    timestamp_ms: int
    key: bytes
    headers: tuple[tuple[str, bytes], ...]
    value: bytes


@dataclass(frozen=True)
class Places:
    """Where a run keeps everything; the addresses are those without a proxy."""

    conninfo: str
    bootstrap_servers: str
    topic_prefix: str
    partitions: int

    def of_topic(self, topic: str) -> list[TopicPartition]:
        """Return the partitions of a topic."""
        return [TopicPartition(self.topic_prefix + topic, number) for number in range(self.partitions)]

    def ends(self, topic: str, isolation_level: str = "read_uncommitted") -> dict[TopicPartition, int]:
        """Return where each partition ends: for readers of committed records before the first that may still be."""
        with closing(
            KafkaConsumer(bootstrap_servers=self.bootstrap_servers, isolation_level=isolation_level)
        ) as consumer:
            found: dict[TopicPartition, int] = consumer.end_offsets(self.of_topic(topic))
        return found

    def consumed(self) -> dict[str, int]:
        """Return how far each partition of the telemetry was taken."""
        found = self.rows("SELECT source, position FROM consumed_positions WHERE position > 0")
        return {source.partition("#")[0]: position for source, position in found}

    def telemetry_ends(self) -> dict[str, int]:
        """Return how far each can be; without those in which nothing is."""
        return {f"{each.topic}/{each.partition}": end for each, end in self.ends(TELEMETRY).items() if end}

    def last_position(self) -> int:
        """Return the position of the newest event."""
        ((position,),) = self.rows("SELECT coalesce(max(notification_id), 0) FROM stored_events")
        return int(position)

    def projected(self) -> dict[str, int]:
        """Return the position of each projection."""
        return dict(self.rows("SELECT projection || '-v' || version, position FROM projection_positions"))

    def relayed(self) -> dict[int, int]:
        """Return the positions of the log that relays have committed, by partition."""
        with closing(KafkaAdminClient(bootstrap_servers=self.bootstrap_servers)) as client:
            group = self.topic_prefix + RELAY_GROUP
            found = client.list_group_offsets({group: self.of_topic(VEHICLE_EVENTS)})
        return {each.partition: offset.offset for each, offset in found[group].items()}

    def open_transactions(self) -> list[str]:
        """Describe what may keep readers of committed records waiting: producers by partition, and all transactions."""
        with closing(KafkaAdminClient(bootstrap_servers=self.bootstrap_servers)) as client:
            producers = client.describe_producers(self.of_topic(VEHICLE_EVENTS))
            transactions = [each for of_broker in client.list_transactions().values() for each in of_broker]
        return [*(f"{each.partition}: {state}" for each, state in producers.items()), *map(str, transactions)]

    def stored(self) -> list[StoredRecord]:
        """Return every event in the log."""
        with closing(PostgresEventLog.open(self.conninfo)) as log:
            return log.read(0, EVENTS_MAX)

    def progress(self, load: Load) -> dict[UUID, dict[str, StreamProgress]]:
        """Return how far each stream of each vehicle was taken."""
        with closing(PostgresEventLog.open(self.conninfo)) as log:
            return {vehicle_id: log.progress_of(vehicle_id) for vehicle_id in load.progress}

    def rows(self, statement: str) -> list[Any]:
        """Return what a statement of ours finds."""
        with psycopg.connect(self.conninfo) as connection:
            return connection.execute(statement.encode()).fetchall()


class TopicReader:
    """Reads the topic of events as anybody does, from its beginning on, committed records only."""

    def __init__(self, places: Places) -> None:
        self._partitions = places.of_topic(VEHICLE_EVENTS)
        self._consumer = KafkaConsumer(
            bootstrap_servers=places.bootstrap_servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning()
        self.records: list[Published] = []

    def read(self) -> int:
        """Take what comes now, and return how many records there are so far."""
        for partition, found in self._consumer.poll(timeout_ms=POLL_MS).items():
            self.records += [
                Published(partition.partition, each.timestamp, each.key, tuple(each.headers), each.value)
                for each in found
            ]
        return len(self.records)

    def read_to(self, ends: dict[TopicPartition, int]) -> bool:
        """Take what comes now, and return whether that was all up to `ends`."""
        self.read()
        return all(self._consumer.position(each) >= ends[each] for each in self._partitions)

    def close(self) -> None:
        """Leave the cluster."""
        self._consumer.close()

    @staticmethod
    def of_vehicles(records: Sequence[Published]) -> dict[bytes, list[Published]]:
        """Return the records of each key, in the order in which they were read."""
        found: dict[bytes, list[Published]] = {}
        for each in records:
            found.setdefault(each.key, []).append(each)
        return found
