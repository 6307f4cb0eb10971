"""Publishes the log: every event once in the topic, those of a vehicle in the order of their versions.

A relay is a member of a consumer group that reads nothing: the group shares the partitions of the topic among relays.
What a relay publishes and the position of the log up to which it has published are one Kafka transaction, which the
brokers refuse from a member that has lost its partitions (KIP-447). Kafka's transactions can tear (KIP-890): a reader
still has to look at the `version` header.
"""

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID, uuid4

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError

from adapters.kafka.client import Connection
from adapters.kafka.last_record import last_position
from adapters.kafka.partition import partition_of
from domain.errors import FleettwinError, StoreError
from domain.units import MICROS_PER_SECOND, Micros

EVENTS_MAX: Final = 2_000  # in one transaction
WAIT_MS: Final = 500  # for new events, before the group is heard again
BACKOFF_S: Final = 1.0  # after a failure that may pass
TRANSACTION_TIMEOUT_MS: Final = 10_000  # a relay that is silent for so long in a transaction has lost it
CONFIRMED_WITHIN_MS: Final = 8_000
STUCK_S: Final = 30.0  # a transaction that takes longer is given up with its producer
SESSION_TIMEOUT_MS: Final = 10_000
HEARTBEAT_MS: Final = 3_000

_log: Final = logging.getLogger(__name__)


class PublishedRecord(Protocol):
    """An event as the log keeps it: `adapters.event_log.StoredRecord`."""

    position: int
    originator_id: UUID
    version: int
    topic: str
    state: bytes
    recorded_at: Micros


class PublishedLog(Protocol):
    """What is published."""

    def read(self, after_position: int, limit: int) -> Sequence[Any]:
        """Return up to `limit` events after a position, as `PublishedRecord`."""

    def last_position(self) -> int:
        """Return the position of the newest event."""

    def wait(self, after_position: int, timeout_ms: int) -> int:
        """Wait for an event after a position, at most so long; return the newest position."""


class BehindKafkaError(StoreError):
    """The topic holds events that the log does not have."""


class _Membership(NamedTuple):
    """The partitions of this relay, and the proof of it that the brokers look at."""

    group: Any
    positions: dict[TopicPartition, int]  # of the log, up to which each is published


class Relay:
    """One relay. `told` is called after each transaction with the number of events that it published."""

    def __init__(
        self,
        connection: Connection,
        topic: str,
        partitions: int,
        group: str,
        log: PublishedLog,
        told: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._partitions = partitions
        self._group = group
        self._log = log
        self._told = told
        self._producer: KafkaProducer | None = None
        self._positions: dict[TopicPartition, int] = {}

    def run(self, stopping: threading.Event) -> None:
        """Publish until `stopping`; where the cluster or the log does not answer, wait for it.

        Raises BehindKafkaError where the topic holds events that the log does not have.
        """
        while not stopping.is_set():
            try:
                with closing(self._consumer()) as consumer:
                    while not stopping.is_set():
                        self._step(consumer)
            except BehindKafkaError:
                raise
            except (KafkaError, FleettwinError) as error:
                _log.warning("the relay begins anew: %s", error)
                stopping.wait(BACKOFF_S)
            finally:
                self._positions.clear()
                self._drop_producer()

    def _step(self, consumer: KafkaConsumer) -> None:
        """Publish the next events, or wait for some."""
        membership = self._membership(consumer)
        if not membership.positions:
            return
        after = min(membership.positions.values())
        page = self._log.read(after, EVENTS_MAX)
        if page:
            self._publish(page, membership)
            self._positions = dict.fromkeys(membership.positions, page[-1].position)
        else:
            self._log.wait(after, WAIT_MS)

    def _membership(self, consumer: KafkaConsumer) -> _Membership:
        consumer.poll(timeout_ms=0 if self._positions else WAIT_MS)
        # In this order: a proof that is older than the partitions is refused, one that is newer would not be.
        group, assigned = consumer.group_metadata(), consumer.assignment()
        consumer.pause(*assigned)
        new = [partition for partition in assigned if partition not in self._positions]
        found = {partition: self._published(consumer, partition) for partition in new}
        if found:
            _log.info("publishes %s", ", ".join(f"{each.topic}/{each.partition}" for each in sorted(assigned)))
        self._positions = {each: found.get(each, self._positions.get(each, 0)) for each in assigned}
        return _Membership(group, self._positions)

    def _published(self, consumer: KafkaConsumer, partition: TopicPartition) -> int:
        """Return the position of the log up to which a partition is published."""
        committed = consumer.committed(partition, timeout_ms=TRANSACTION_TIMEOUT_MS + CONFIRMED_WITHIN_MS)
        # The position of a group that nobody belonged to for a week is gone, the records may be there.
        position = max(committed or 0, last_position(self._connection, partition))
        newest = self._log.last_position()
        if position > newest:
            where = f"{partition.topic}/{partition.partition}"
            raise BehindKafkaError(
                f"{where} has events up to position {position}, the log ends at {newest}: it is older than what was"
                " published (a restored backup?); restore a newer one, or publish into topics of another"
                " FLEETTWIN_KAFKA_TOPIC_PREFIX"
            )
        return position

    def _publish(self, page: Sequence[PublishedRecord], membership: _Membership) -> None:
        numbers = {partition.partition: position for partition, position in membership.positions.items()}
        chosen: list[tuple[int, bytes, PublishedRecord]] = []
        for record in page:
            key = str(record.originator_id).encode()
            number = partition_of(key, self._partitions)
            if record.position > numbers.get(number, record.position):
                chosen.append((number, key, record))
        if not chosen:
            return
        offsets = {partition: OffsetAndMetadata(page[-1].position, "", -1) for partition in membership.positions}
        _within(STUCK_S, lambda: self._transact(chosen, offsets, membership.group))
        self._told(len(chosen))

    def _transact(
        self,
        chosen: Collection[tuple[int, bytes, PublishedRecord]],
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        group: Any,
    ) -> None:
        producer = self._producer = self._producer or self._open_producer()
        producer.begin_transaction()
        futures = [
            producer.send(
                self._topic,
                record.state,
                key=key,
                headers=_headers(key, record),
                partition=number,
                timestamp_ms=record.recorded_at // 1_000,
            )
            for number, key, record in chosen
        ]
        producer.flush(timeout=CONFIRMED_WITHIN_MS / 1_000)
        for future in futures:
            future.get(timeout=0)
        producer.send_offsets_to_transaction(offsets, group)
        producer.commit_transaction()

    def _consumer(self) -> KafkaConsumer:
        consumer = KafkaConsumer(
            **self._connection.settings(),
            group_id=self._group,
            partition_assignment_strategy=[CooperativeStickyAssignor],
            enable_auto_commit=False,
            auto_offset_reset="latest",
            isolation_level="read_committed",  # a position in a transaction that is not over is waited for
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            allow_auto_create_topics=False,
        )
        consumer.subscribe([self._topic])
        return consumer

    def _open_producer(self) -> KafkaProducer:
        producer = KafkaProducer(
            **self._connection.settings(),
            transactional_id=f"{self._group}-{uuid4()}",  # the group fences, not the name
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            delivery_timeout_ms=CONFIRMED_WITHIN_MS,
            request_timeout_ms=CONFIRMED_WITHIN_MS // 2,
            max_block_ms=CONFIRMED_WITHIN_MS,
            compression_type="lz4",
            linger_ms=5,
            batch_size=131_072,
            allow_auto_create_topics=False,
        )
        producer.init_transactions()
        return producer

    def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=0)


def _headers(key: bytes, record: PublishedRecord) -> list[tuple[str, bytes]]:
    """Return the headers of a record: those of a CloudEvent 1.0 (Kafka binding, binary mode), version and position."""
    moment = datetime.fromtimestamp(record.recorded_at / MICROS_PER_SECOND, UTC).isoformat()
    version = b"%d" % record.version
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", key + b"/" + version),
        ("ce_source", b"fleettwin"),
        ("ce_type", record.topic.encode()),
        ("ce_subject", key),
        ("ce_time", moment.encode()),
        ("content-type", b"application/avro"),
        ("version", version),
        ("position", b"%d" % record.position),
    ]


def _within(seconds: float, work: Callable[[], None]) -> None:
    """Do something in a thread of its own, which is left behind if it takes longer: raises StoreError.

    The client waits for a commit without end.
    """
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # raised again below
            failures.append(error)

    thread = threading.Thread(target=guarded, name="transaction", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise StoreError(f"a transaction has not ended within {seconds:.0f} s")
    if failures:
        raise failures[0]
