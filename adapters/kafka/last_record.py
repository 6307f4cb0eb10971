"""What the topic itself says of how far it was published."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol, Self

from kafka import KafkaConsumer, TopicPartition

from adapters.event_log import StoredRecord
from adapters.kafka.client import Connection
from domain.errors import StoreError

POSITION: Final = "position"  # header
VERSION: Final = "version"  # header
LOOK_BACK: Final = 64  # offsets before the end; markers of transactions are among them
SILENT_S_MAX: Final = 20.0  # without anything of what the partition holds
_POLL_MS: Final = 1_000
_DIGITS_MAX: Final = 18  # of a position or version: what PostgreSQL takes


class EventLog(Protocol):
    """What was published."""

    def read(self, after_position: int, limit: int) -> Sequence[StoredRecord]:
        """Return up to `limit` events after a position."""

    def last_position(self) -> int:
        """Return the position of the newest event."""


class _Published(NamedTuple):
    """What a record says that is as a relay makes it."""

    position: int
    key: str
    version: int

    @classmethod
    def of(cls, record: Any) -> Self | None:
        headers = {name: value for name, value in record.headers if value is not None}
        position, version = headers.get(POSITION, b""), headers.get(VERSION, b"")
        if not all(each.isdigit() and len(each) <= _DIGITS_MAX for each in (position, version)):
            return None
        if not record.key or not int(position) or headers.get("ce_id") != b"%b/%b" % (record.key, version):
            return None
        return cls(int(position), record.key.decode(errors="replace"), int(version))

    def is_in(self, log: EventLog, *, or_newer: bool) -> bool:
        """Return whether it is an event of the log, or with `or_newer` one that a newer copy of it may have."""
        if self.position > log.last_position():
            return or_newer
        return any(
            (each.position, str(each.originator_id), each.version) == self for each in log.read(self.position - 1, 1)
        )


def last_position(connection: Connection, partition: TopicPartition, log: EventLog, *, noted: bool = False) -> int:
    """Return the position of the log that the last committed event of a partition has; 0 where there is none.

    Anybody may write into the topic: a record that is no event of the log says nothing. One that comes after the end of
    the log counts as of a newer copy of it, unless relays have `noted` how far they have published: they would have
    noted that. Raises StoreError where the partition does not give what it holds.
    """
    consumer = KafkaConsumer(**connection.settings(), isolation_level="read_committed", enable_auto_commit=False)
    try:
        consumer.assign([partition])
        first = consumer.beginning_offsets([partition])[partition]
        end = consumer.end_offsets([partition])[partition]
        back = LOOK_BACK
        while end > first:
            begin = max(first, end - back)
            found = list(events_between(consumer, partition, begin, end))
            for each in reversed(found):
                if each.is_in(log, or_newer=not noted):
                    return each.position
            if begin == first:
                break
            end, back = begin, back * 4
        return 0
    finally:
        consumer.close()


def events_between(consumer: KafkaConsumer, partition: TopicPartition, begin: int, end: int) -> Iterator[_Published]:
    """Give what was published between two offsets. Raises StoreError where that does not come."""
    consumer.seek(partition, begin)
    reached, reached_at_s = begin, time.monotonic()
    while reached < end:
        for record in consumer.poll(timeout_ms=_POLL_MS).get(partition, ()):
            published = _Published.of(record) if record.offset < end else None
            if published:
                yield published
        now_at = consumer.position(partition)
        if now_at > reached:
            reached, reached_at_s = now_at, time.monotonic()
        elif time.monotonic() - reached_at_s > SILENT_S_MAX:
            where = f"{partition.topic}/{partition.partition}"
            raise StoreError(f"{where} has not given what it holds from offset {reached} on for {SILENT_S_MAX:.0f} s")
