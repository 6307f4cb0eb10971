"""What the topic itself says of how far it was published."""

from typing import Final

from kafka import KafkaConsumer, TopicPartition

from adapters.kafka.client import Connection

POSITION: Final = "position"  # header
LOOK_BACK: Final = 64  # offsets before the end; markers of transactions are among them
_POLL_MS: Final = 1_000


def last_position(connection: Connection, partition: TopicPartition) -> int:
    """Return the position of the log that the last committed record of a partition has; 0 where there is none."""
    consumer = KafkaConsumer(**connection.settings(), isolation_level="read_committed", enable_auto_commit=False)
    try:
        consumer.assign([partition])
        first = consumer.beginning_offsets([partition])[partition]
        end = consumer.end_offsets([partition])[partition]
        back = LOOK_BACK
        while end > first:
            begin = max(first, end - back)
            found = _last_between(consumer, partition, begin, end)
            if found is not None or begin == first:
                return found or 0
            back *= 4
        return 0
    finally:
        consumer.close()


def _last_between(consumer: KafkaConsumer, partition: TopicPartition, begin: int, end: int) -> int | None:
    consumer.seek(partition, begin)
    found = None
    while consumer.position(partition) < end:
        for record in consumer.poll(timeout_ms=_POLL_MS).get(partition, ()):
            headers = dict(record.headers)
            found = int(headers[POSITION]) if POSITION in headers else found
    return found
