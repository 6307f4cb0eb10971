"""Reads the partitions of the telemetry topic that a consumer group leaves to this process.

The positions are the worker's, in its store: Kafka only says who reads which partition. What the client's callbacks say
about that is not used, since they run while records are being taken: after each poll the assignment is compared with
what the worker has, and records of partitions that are new are read again from where the worker wants them.
"""

import logging
import threading
from collections.abc import Collection
from contextlib import closing
from typing import Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from adapters.kafka.client import Connection
from adapters.kafka.group import join_group
from adapters.received import Received, TelemetryWorker
from domain.errors import FleettwinError, VersionConflictError

RECORDS_MAX: Final = 500  # taken in one transaction
POLL_MS: Final = 500
BACKOFF_S: Final = 1.0  # after a failure that may pass
POLL_INTERVAL_MS_MAX: Final = 300_000  # who does not ask for records for so long has lost its partitions
FETCH_BYTES_MAX: Final = 16 * 1_048_576

_log: Final = logging.getLogger(__name__)


class TelemetryConsumer:
    """One member of the group of those that take telemetry."""

    def __init__(self, connection: Connection, topic: str, group: str, worker: TelemetryWorker) -> None:
        self._connection = connection
        self._topic = topic
        self._group = group
        self._worker = worker
        self._next: dict[TopicPartition, int] = {}  # of the worker's partitions: the position that it takes next

    def run(self, stopping: threading.Event) -> None:
        """Take telemetry until `stopping`; where the cluster or the store does not answer, wait for it."""
        while not stopping.is_set():
            try:
                with closing(self._open()) as consumer:
                    while not stopping.is_set():
                        self._step(consumer, stopping)
            except (KafkaError, FleettwinError) as error:
                _log.warning("ingest waits for Kafka: %s", error)
                stopping.wait(BACKOFF_S)
            finally:
                self._leave(list(self._next))

    def _open(self) -> KafkaConsumer:
        return join_group(
            self._connection,
            self._group,
            self._topic,
            auto_offset_reset="earliest",
            max_poll_interval_ms=POLL_INTERVAL_MS_MAX,
            max_poll_records=RECORDS_MAX,
            fetch_max_bytes=FETCH_BYTES_MAX,
        )

    def _step(self, consumer: KafkaConsumer, stopping: threading.Event) -> None:
        polled = consumer.poll(timeout_ms=POLL_MS)
        try:
            new = self._follow(consumer)
            records = [
                (partition, Received(_source(partition), record.offset, record.key, record.value))
                for partition, found in polled.items()
                if partition in self._next and partition not in new
                for record in found
                if record.offset >= self._next[partition]
            ]
            if records:
                self._worker.take([record for _, record in records])
                self._next.update({partition: record.position + 1 for partition, record in records})
        except VersionConflictError as error:
            _log.warning("another process has taken telemetry of these partitions, which are read anew: %s", error)
            self._leave(list(self._next))
        except FleettwinError as error:
            _log.warning("ingest waits: %s", error)
            self._leave(list(self._next))
            stopping.wait(BACKOFF_S)

    def _follow(self, consumer: KafkaConsumer) -> Collection[TopicPartition]:
        """Give the worker the partitions that the group has left to this process, and no other; return the new ones."""
        assigned = consumer.assignment()
        gone = [partition for partition in self._next if partition not in assigned]
        if gone:
            self._leave(gone)
        new = {partition: _source(partition) for partition in assigned if partition not in self._next}
        if not new:
            return ()
        positions = self._worker.assign(list(new.values()))
        first, end = consumer.beginning_offsets(list(new)), consumer.end_offsets(list(new))
        for partition, source in new.items():
            position = positions[source]
            if position and not first[partition] <= position <= end[partition]:
                # Deleted before it was read, or the topic was made anew: read what there is.
                position = first[partition]
                self._worker.restart(source, position)
            consumer.seek(partition, position or first[partition])
            self._next[partition] = position
        _log.info("takes telemetry of %s", ", ".join(sorted(map(_source, self._next))))
        return new

    def _leave(self, partitions: Collection[TopicPartition]) -> None:
        for partition in partitions:
            self._next.pop(partition, None)
        if partitions:
            self._worker.revoke([_source(partition) for partition in partitions])


def _source(partition: TopicPartition) -> str:
    return f"{partition.topic}/{partition.partition}"
