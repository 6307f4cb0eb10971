"""Publishes the log: every event once in the topic, those of a vehicle in the order of their versions.

A relay is a member of a consumer group that reads nothing: the group shares the partitions of the topic among relays.
What a relay publishes and the position of the log up to which it has published are one Kafka transaction, which the
brokers refuse from a member that has lost its partitions (KIP-447). Kafka's transactions can tear (KIP-890): a reader
still has to look at the `version` header.

A topic that was deleted and made anew is another one, into which nothing was published yet. Before a transaction is
committed, and now and then, it is looked at whether it is still the same.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from typing import Any, Final, Protocol
from uuid import uuid4

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError, RetriableError
from kafka.structs import MemberState

from adapters.clock import now
from adapters.event_log import StoredRecord
from adapters.kafka.client import Connection, abandon, in_words
from adapters.kafka.cloud_events import Headers, cloud_event_headers
from adapters.kafka.group import join_group, poll
from adapters.kafka.hanging import HangingTransactions
from adapters.kafka.last_record import POSITION, VERSION, EventLog, last_position
from adapters.kafka.pages import Pages
from adapters.kafka.partition import PartitionsError, partition_of
from adapters.kafka.relayed import (
    BehindKafkaError,
    about_another,
    another_event,
    check_log,
    event_at,
    mark_in,
    mark_of,
    noted,
    position_in,
)
from adapters.kafka.sources import SameTopic
from adapters.metrics import ASSIGNED_PARTITIONS, PUBLISHED_EVENTS, RELAY_SECONDS
from domain.errors import FleettwinError, StoreError
from domain.units import Micros

WAIT_MS: Final = 500  # for new events, before the group is heard again
GATHERED_MS: Final = 40  # between two pages: a transaction of few events costs most
SAID_MS: Final = 100  # after which positions are said though nothing was to be published
BACKOFF_S: Final = 1.0  # after a failure that may pass
TRANSACTION_TIMEOUT_MS: Final = 10_000  # a relay that is silent for so long in a transaction has lost it
CONFIRMED_WITHIN_MS: Final = 8_000
STUCK_S: Final = 30.0  # a transaction that takes longer is given up with its producer

_log: Final = logging.getLogger(__name__)


class PublishedLog(EventLog, Protocol):
    """What is published."""

    def read(self, after_position: int, limit: int, bytes_max: int | None = None) -> Sequence[StoredRecord]:
        """Return up to `limit` events after a position; with `bytes_max` of so many bytes, but for a larger first."""

    def wait(self, after_position: int, timeout_ms: int) -> int:
        """Wait for an event after a position, at most so long; return the newest position."""


class _Moved(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """Notes partitions that came or went: what has gone and come back within one poll looks as if it had stayed."""

    def __init__(self) -> None:
        self.partitions: deque[TopicPartition] = deque()  # filled by a thread of the client

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Note them."""
        self.partitions.extend(assigned)

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Note them, also those that are lost."""
        self.partitions.extend(revoked)


class Relay:
    """One relay. `exchange` gives the bytes that go out for those that the log holds, where these are others."""

    def __init__(
        self,
        connection: Connection,
        topic: str,
        partitions: int,
        group: str,
        log: PublishedLog,
        exchange: Callable[[bytes], bytes] = bytes,
        clock: Callable[[], Micros] = now,
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._partitions = partitions
        self._group = group
        self._log = log
        self._exchange = exchange
        self._clock = clock
        self._producer: KafkaProducer | None = None
        self._pages = Pages()
        self._positions: dict[TopicPartition, int] = {}  # of the log, up to which each of its partitions is published
        self._noted: dict[int, StoredRecord | None] = {}  # the events at these positions; none at 0
        self._moved = _Moved()
        self._unsaid = False  # whether the group does not know them all yet
        self._said_at_s = 0.0
        self._began_s = 0.0
        self._member_id = ""  # in the group, when the partitions were taken
        self._topic_id = ""  # of the topic that the positions are about

    def run(self, stopping: threading.Event, tell: Callable[[int], None] = lambda _: None) -> None:
        """Publish until `stopping`; where the cluster or the log does not answer, wait for it.

        `tell` is told up to which position of the log all of its partitions are published. Raises BehindKafkaError
        where the topic holds events that the log does not have, PartitionsError where it has another number of
        partitions.
        """
        while not stopping.is_set():
            try:
                with ExitStack() as stack:
                    client = stack.enter_context(self._connection.admin_client())
                    same = SameTopic(client, self._topic, self._partitions)
                    self._topic_id = same.identity
                    hanging = HangingTransactions(client, self._topic, self._transactional_id_prefix)
                    consumer = stack.enter_context(closing(self._join()))
                    while not stopping.is_set():
                        hanging.end_now_and_then()  # before it is asked for positions, which may be part of one
                        self._step(consumer, same)
                        if self._positions:
                            tell(min(self._positions.values()))
            except (BehindKafkaError, PartitionsError):
                raise
            except (KafkaError, FleettwinError) as error:
                _log.warning("the relay begins anew: %s", in_words(error))
                stopping.wait(BACKOFF_S)
            except Exception:  # noqa: BLE001  # standing still shows as lag; a process that ended would not come back
                _log.exception("the relay failed and begins anew")
                stopping.wait(BACKOFF_S)
            finally:
                self._positions.clear()
                self._noted.clear()
                self._unsaid = False
                ASSIGNED_PARTITIONS.labels(self._group).set(0)
                self._drop_producer()

    @property
    def _transactional_id_prefix(self) -> str:
        return f"{self._group}-"

    def _join(self) -> KafkaConsumer:
        return join_group(self._connection, self._group, self._topic, self._moved, auto_offset_reset="latest")

    def _step(self, consumer: KafkaConsumer, same: SameTopic) -> None:
        """Publish the next events, or wait for some."""
        group = self._follow(consumer)
        same.check_now_and_then()
        if not self._positions:
            return
        time.sleep(max(0.0, self._began_s + GATHERED_MS / 1_000 - time.monotonic()))
        self._began_s = time.monotonic()
        after = min(self._positions.values())
        page = self._read(after)
        if page:
            # A partition that another relay had may be further already: this one catches up with its others first.
            reached = {each: max(position, page[-1].position) for each, position in self._positions.items()}
            self._noted[page[-1].position] = page[-1]
            self._publish(page, reached, group, same)
            self._positions = reached
            self._noted = {each: self._noted[each] for each in set(reached.values())}
            return
        newest = self._log.wait(after, self._wait_ms())
        if newest < after:
            check_log(self._log, f"topic {self._topic}", after)
        if newest <= after:
            self._say_positions(group, same)

    def _read(self, after: int) -> Sequence[StoredRecord]:
        """Return the next events of the log. Raises BehindKafkaError where it has not those any more that it had.

        A log that went back and has grown since shows in these only: they are read from the last known one on.
        """
        before = self._noted[after]
        if before is None:
            page = self._log.read(after, self._pages.events_max, self._pages.bytes_max)
        else:
            bytes_max = self._pages.bytes_max + len(before.state)
            page = self._log.read(after - 1, self._pages.events_max + 1, bytes_max)
        found = {each.position: each for each in page}
        for position, event in self._noted.items():
            if page and position <= page[-1].position and found.get(position) != event:
                raise another_event(f"topic {self._topic}", position)
        return page if before is None else page[1:]

    def _follow(self, consumer: KafkaConsumer) -> Any:
        """Take the partitions that the group has left to this process; return the proof of it that brokers look at."""
        poll(consumer, 0 if self._positions else WAIT_MS)
        # In this order: a proof that is older than the partitions is refused, one that is newer would not be.
        group, assigned = consumer.group_metadata(), consumer.assignment()
        consumer.pause(*assigned)
        while self._moved.partitions:  # after the proof, too: others may have published these since
            self._positions.pop(self._moved.partitions.popleft(), None)
        if group.member_id != self._member_id:  # it has fallen out: so may all
            self._positions.clear()
            self._member_id = group.member_id
        if group.state != MemberState.STABLE:  # nothing new, and nothing at all without a proof: nobody would refuse it
            assigned = assigned & self._positions.keys()
        found = {each: self._published(consumer, each) for each in assigned if each not in self._positions}
        if found:
            _log.info("publishes %s", ", ".join(f"{each.topic}/{each.partition}" for each in sorted(assigned)))
        self._positions = {each: (self._positions | found)[each] for each in assigned}
        self._noted = {
            each: self._noted.get(each) or event_at(self._log, each) for each in set(self._positions.values())
        }
        ASSIGNED_PARTITIONS.labels(self._group).set(len(self._positions))
        return group

    def _published(self, consumer: KafkaConsumer, partition: TopicPartition) -> int:
        """Return the position of the log up to which a partition is published."""
        said = consumer.committed(partition, metadata=True, timeout_ms=TRANSACTION_TIMEOUT_MS + CONFIRMED_WITHIN_MS)
        if about_another(said, self._topic_id):
            _log.warning("%s was made anew: partition %s is published from the beginning", *partition)
            return 0  # also where it holds records: what comes before them went into the other topic only
        where = f"{partition.topic}/{partition.partition}"
        noted_at = position_in(said, self._topic_id) or 0
        check_log(self._log, where, noted_at, mark_in(said))
        # The position of a group that nobody belonged to for a week is gone, the records may be there.
        found_at = last_position(self._connection, partition, self._log, noted=bool(noted_at))
        check_log(self._log, where, found_at)
        return max(noted_at, found_at)

    def _publish(
        self,
        page: Sequence[StoredRecord],
        reached: Mapping[TopicPartition, int],
        group: Any,
        same: SameTopic,
    ) -> None:
        numbers = {partition.partition: position for partition, position in self._positions.items()}
        chosen: list[tuple[int, bytes, StoredRecord]] = []
        for record in page:
            key = str(record.originator_id).encode()
            number = partition_of(key, self._partitions)
            if record.position > numbers.get(number, record.position):
                chosen.append((number, key, record))
        # What is in the partitions of other relays is said now and then: it moves the readers' position (published.py).
        if chosen or time.monotonic() - self._said_at_s > SAID_MS / 1_000:
            self._commit(chosen, reached, group, same)
        else:
            self._unsaid = True

    def _say_positions(self, group: Any, same: SameTopic) -> None:
        """Say how far the partitions are, where nothing had to be published lately."""
        if self._unsaid:
            self._commit([], self._positions, group, same)

    def _wait_ms(self) -> int:
        return SAID_MS if self._unsaid else WAIT_MS

    def _commit(
        self,
        chosen: Collection[tuple[int, bytes, StoredRecord]],
        reached: Mapping[TopicPartition, int],
        group: Any,
        same: SameTopic,
    ) -> None:
        marks = {position: mark_of(self._noted[position]) for position in set(reached.values())}
        offsets = {each: noted(position, self._topic_id, marks[position]) for each, position in reached.items()}
        producer = self._producer = self._producer or self._open_producer()
        try:
            with RELAY_SECONDS.time():
                _within(STUCK_S, lambda: self._transact(producer, chosen, offsets, group, same))
        except (RetriableError, StoreError):  # it is not known whether it was more than brokers take in the time
            self._pages.late()
            raise
        if chosen:
            self._pages.confirmed()
            PUBLISHED_EVENTS.inc(len(chosen))
        self._unsaid, self._said_at_s = False, time.monotonic()

    def _transact(
        self,
        producer: KafkaProducer,
        chosen: Collection[tuple[int, bytes, StoredRecord]],
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        group: Any,
        same: SameTopic,
    ) -> None:
        producer.begin_transaction()
        try:
            self._fill(producer, chosen, offsets, group, same)
        except Exception as error:
            if not isinstance(error, RetriableError):  # refused: readers would wait till its time is over
                with suppress(KafkaError):
                    producer.abort_transaction()
            raise
        producer.commit_transaction()

    def _fill(
        self,
        producer: KafkaProducer,
        chosen: Collection[tuple[int, bytes, StoredRecord]],
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        group: Any,
        same: SameTopic,
    ) -> None:
        """Send what a transaction is to hold. After a RetriableError it is not known what was sent, or refused."""
        # Brokers refuse times that are an hour ahead, of a store whose clock was or is. The time of a record only says
        # how long they keep it; when its event was recorded is among the headers.
        latest = self._clock()
        futures = [
            producer.send(
                self._topic,
                self._exchange(record.state),
                key=key,
                headers=_headers(key, record),
                partition=number,
                timestamp_ms=min(record.recorded_at, latest) // 1_000,
            )
            for number, key, record in chosen
        ]
        if futures:
            producer.flush(timeout=CONFIRMED_WITHIN_MS / 1_000)
        for future in futures:
            future.get(timeout=0)
        if futures:
            same.check()  # these would be in a new topic without what was in the one before
        producer.send_offsets_to_transaction(offsets, group)

    def _open_producer(self) -> KafkaProducer:
        producer = KafkaProducer(
            **self._connection.settings(),
            transactional_id=f"{self._transactional_id_prefix}{uuid4()}",  # the group fences, not the name
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            delivery_timeout_ms=CONFIRMED_WITHIN_MS,
            request_timeout_ms=CONFIRMED_WITHIN_MS // 2,
            max_block_ms=CONFIRMED_WITHIN_MS,
            compression_type="lz4",
            linger_ms=5,
            batch_size=131_072,
            allow_auto_create_topics=False,
        )
        try:
            producer.init_transactions()
        except BaseException:
            abandon(producer)
            raise
        return producer

    def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            abandon(producer)


def _headers(key: bytes, record: StoredRecord) -> Headers:
    """Return the headers of a record: those of a CloudEvent, version and position."""
    version = str(record.version)
    return [
        *cloud_event_headers(key, version, record.topic, record.recorded_at),
        (VERSION, version.encode()),
        (POSITION, str(record.position).encode()),
    ]


def _within(seconds: float, work: Callable[[], None]) -> None:
    """Do something in a thread of its own, which is left behind if it takes longer: raises StoreError.

    The client waits for a commit without end. What is left behind ends with its producer, and changes nothing here.
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
