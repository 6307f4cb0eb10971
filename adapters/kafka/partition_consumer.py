"""Reads the partitions of a topic that a consumer group leaves to this process.

The positions are the worker's, in its store: Kafka only says who reads which partition. The client's callbacks run
while records are being taken, so they do no more than hold a partition that is new. After each poll the assignment is
compared with what the worker has, and new partitions are read from where the worker wants them.

A topic that was deleted and made anew is another one (sources.py): it is looked at again and again whether it was.
"""

import logging
import math
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import Any, Final

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from adapters.collector import COLLECTOR
from adapters.kafka.client import Connection, in_words
from adapters.kafka.group import join_group, poll
from adapters.kafka.partition import PartitionsError
from adapters.kafka.sources import SameTopic, source_of
from adapters.metrics import ASSIGNED_PARTITIONS
from adapters.received import HeldBackError, PartitionWorker, Received
from domain.errors import FleettwinError, PositionConflictError, VersionConflictError

POLL_MS: Final = 500
BACKOFF_S: Final = 1.0  # after a failure that may pass
HELD_S: Final = 30.0  # a partition whose records can neither be taken nor be set aside is tried again after so long
POLL_INTERVAL_MS_MAX: Final = 300_000  # who does not ask for records for so long has lost its partitions
FETCH_BYTES_MAX: Final = 16 * 1_048_576
STEP_RECORDS_MIN: Final = 100  # that a step counts for, in terms of what it leaves behind in memory
SAID_AGAIN_S: Final = 60.0  # that others take the same records
GATHERED_MS: Final = 60  # from one step to the next, at least: a transaction of few records costs most

_TWICE: Final = "; if that is a `serve`, give it --no-project, which leaves the work to `run project`"
_log: Final = logging.getLogger(__name__)


class _Added(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """Holds partitions that are new, until it is known where to read them from."""

    def __init__(self) -> None:
        self.consumer: KafkaConsumer | None = None
        self.partitions: set[TopicPartition] = set()

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Hold them."""
        assert self.consumer is not None
        for partition in assigned:
            self.consumer.seek(partition, 0)  # else the client asks the group, which keeps no offsets
            self.consumer.pause(partition)
        self.partitions.update(assigned)

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Do nothing: the assignment is looked at after each poll."""


class PartitionWatch:
    """What else is looked at while partitions are read. This one looks at nothing."""

    def look(self, client: KafkaAdminClient, sources: Mapping[TopicPartition, str], consumer: KafkaConsumer) -> None:
        """Look at the partitions that are read, all of whose records before the consumer's position are taken."""


class PartitionConsumer:
    """One member of a group. `records_max` are taken in one transaction, at most."""

    def __init__(
        self,
        connection: Connection,
        topic: str,
        partitions: int,
        group: str,
        worker: PartitionWorker,
        records_max: int,
        watch: PartitionWatch | None = None,
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._partitions = partitions
        self._group = group
        self._worker = worker
        self._records_max = records_max
        self._watch = watch or PartitionWatch()
        self._topic_id = ""
        self._overtaken_said_s = -math.inf
        self._added = _Added()
        self._next: dict[TopicPartition, int] = {}  # of the worker's partitions: the position that it takes next
        self._held_until_s: dict[TopicPartition, float] = {}  # of those among them that are held back
        self._held_because = ""
        self._failure: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why records are not taken, of some partitions or of all; None: they are."""
        if self._failure is None and self._held_until_s:
            return f"{len(self._held_until_s)} of {len(self._next)} partitions are held back: {self._held_because}"
        return self._failure

    def run(self, stopping: threading.Event) -> None:
        """Take records until `stopping`; where the cluster or the store does not answer, wait for it.

        Raises PartitionsError where the topic has another number of partitions.
        """
        while not stopping.is_set():
            try:
                with ExitStack() as stack:
                    stack.enter_context(COLLECTOR.held(0))  # a record that is unpacked is two dozen objects
                    client = stack.enter_context(self._connection.admin_client())
                    same = SameTopic(client, self._topic, self._partitions)
                    self._topic_id = same.identity
                    self._added = _Added()
                    consumer = self._added.consumer = stack.enter_context(closing(self._open()))
                    while not stopping.is_set():
                        began_s = time.monotonic()
                        taken = self._step(consumer, client, same, stopping)
                        COLLECTOR.passed(max(taken, STEP_RECORDS_MIN))
                        stopping.wait(max(0.0, began_s + GATHERED_MS / 1_000 - time.monotonic()))
            except PartitionsError:
                raise
            except (KafkaError, FleettwinError) as error:
                self._failure = f"the reader of {self._topic} begins anew: {in_words(error)}"
                _log.warning("%s", self._failure)
                stopping.wait(BACKOFF_S)
            except Exception:  # noqa: BLE001  # standing still shows as lag; a process that ended would not come back
                self._failure = f"the reader of {self._topic} failed and tries again: see the log"
                _log.exception("the reader of %s failed and tries again", self._topic)
                stopping.wait(BACKOFF_S)
            finally:
                self._leave(list(self._next))

    def _open(self) -> KafkaConsumer:
        return join_group(
            self._connection,
            self._group,
            self._topic,
            self._added,
            auto_offset_reset="none",  # where to read from is the worker's business
            max_poll_interval_ms=POLL_INTERVAL_MS_MAX,
            max_poll_records=self._records_max,
            fetch_max_bytes=FETCH_BYTES_MAX,
            fetch_max_wait_ms=POLL_MS,  # records have gathered before it is asked for them
        )

    def _step(
        self, consumer: KafkaConsumer, client: KafkaAdminClient, same: SameTopic, stopping: threading.Event
    ) -> int:
        """Take the next records; return how many there were."""
        polled = poll(consumer, POLL_MS)
        try:
            new = self._follow(consumer, same)
            self._let_go(consumer)
            received = {
                partition: self._received(partition, found)
                for partition, found in polled.items()
                if partition in self._next and partition not in new
            }
            if any(received.values()):
                self._worker.take([record for records in received.values() for record in records])
                self._next.update({each: records[-1].position + 1 for each, records in received.items() if records})
            if not new:
                same.check_now_and_then()
                self._watch.look(client, {each: self._source(each) for each in self._next}, consumer)
            self._failure = None
        except HeldBackError as error:
            self._hold(consumer, error)
        except (VersionConflictError, PositionConflictError) as error:
            self._say_overtaken(error)
            self._leave(list(self._next))
        except PartitionsError:
            raise
        except FleettwinError as error:
            self._failure = f"the reader of {self._topic} waits: {error}"
            _log.warning("%s", self._failure)
            self._leave(list(self._next))
            stopping.wait(BACKOFF_S)
        return sum(map(len, polled.values()))

    def _hold(self, consumer: KafkaConsumer, error: HeldBackError) -> None:
        """Leave partitions as they are for a while, and take those of the others again: nothing of them was taken."""
        self._held_because = str(error)
        for partition, position in self._next.items():
            if partition not in self._held_until_s:
                consumer.seek(partition, position)
                if self._source(partition) in error.sources:
                    consumer.pause(partition)
                    self._held_until_s[partition] = time.monotonic() + HELD_S
        _log.warning("of %s are held back: %s: %s", self._topic, ", ".join(sorted(error.sources)), error)

    def _let_go(self, consumer: KafkaConsumer) -> None:
        """Go on with partitions that were held back for long enough."""
        for partition in [each for each, until_s in self._held_until_s.items() if time.monotonic() >= until_s]:
            del self._held_until_s[partition]
            consumer.resume(partition)

    def _say_overtaken(self, error: FleettwinError) -> None:
        """Say, once in a while, that the store has another position: always so where others do the same work."""
        if time.monotonic() < self._overtaken_said_s + SAID_AGAIN_S:
            return
        self._overtaken_said_s = time.monotonic()
        hint = _TWICE if isinstance(error, PositionConflictError) else ""
        said = "another process has taken records of these partitions, or the database has crashed; they are read anew"
        _log.warning("%s: %s%s", said, error, hint)

    def _received(self, partition: TopicPartition, records: Sequence[Any]) -> list[Received]:
        source, begin = self._source(partition), self._next[partition]
        return [
            Received(source, each.offset, each.key, each.value, each.headers)
            for each in records
            if each.offset >= begin
        ]

    def _follow(self, consumer: KafkaConsumer, same: SameTopic) -> Collection[TopicPartition]:
        """Give the worker the partitions that the group has left to this process, and no other; return the new ones."""
        added, self._added.partitions = self._added.partitions, set()
        assigned = consumer.assignment()
        gone = [each for each in self._next if each not in assigned or each in added]
        if gone:
            self._leave(gone)
        new = {partition: self._source(partition) for partition in assigned if partition not in self._next}
        if not new:
            return ()
        positions = dict(self._worker.assign(list(new.values())))
        first = consumer.beginning_offsets(list(new))
        end = consumer.end_offsets(list(new))
        # Deleted before it was read; or lost by brokers, which is not what they promise.
        moved = {
            source: first[partition]
            for partition, source in new.items()
            if not first[partition] <= positions[source] <= end[partition]
        }
        if moved:
            same.check()  # of a topic that is being made anew these would be the ends
            self._worker.restart(moved)
        for partition, source in new.items():
            self._next[partition] = (positions | moved)[source]
            consumer.seek(partition, self._next[partition])
            consumer.resume(partition)
        ASSIGNED_PARTITIONS.labels(self._group).set(len(self._next))
        _log.info("reads %s", ", ".join(sorted(map(self._source, self._next))))
        return new

    def _leave(self, partitions: Collection[TopicPartition]) -> None:
        for partition in partitions:
            self._held_until_s.pop(partition, None)
        sources = [self._source(partition) for partition in partitions if self._next.pop(partition, None) is not None]
        if sources:
            self._worker.revoke(sources)
            ASSIGNED_PARTITIONS.labels(self._group).set(len(self._next))

    def _source(self, partition: TopicPartition) -> str:
        return source_of(partition, self._topic_id)
