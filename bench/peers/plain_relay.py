"""A relay as one writes it with kafka-python alone: a transactional producer, a transaction a page of the log."""

from contextlib import closing
from typing import Final

from kafka import ConsumerGroupMetadata, KafkaProducer, OffsetAndMetadata, TopicPartition

from adapters.kafka.cloud_events import cloud_event_headers
from adapters.postgres.event_store import PostgresEventLog

EVENTS_MAX: Final = 1_000  # in one transaction


def publish(conninfo: str, bootstrap_servers: str, topic: str, partitions: int, group: str) -> None:
    """Publish the log: the same bytes, keys and headers as ours; `group` keeps the position, as ours does."""
    producer = KafkaProducer(
        bootstrap_servers=bootstrap_servers, transactional_id=f"{group}-plain", compression_type="lz4"
    )
    producer.init_transactions()
    member = ConsumerGroupMetadata(group, -1, "", None)
    position = 0
    with closing(PostgresEventLog.open(conninfo)) as log:
        while page := log.read(position, EVENTS_MAX):
            producer.begin_transaction()
            for record in page:
                key, version = str(record.originator_id).encode(), str(record.version)
                headers = [
                    *cloud_event_headers(key, version, record.topic, record.recorded_at),
                    ("version", version.encode()),
                    ("position", str(record.position).encode()),
                ]
                producer.send(topic, record.state, key=key, headers=headers, timestamp_ms=record.recorded_at // 1_000)
            position = page[-1].position
            published = OffsetAndMetadata(position, "", -1)
            offsets = {TopicPartition(topic, number): published for number in range(partitions)}
            producer.send_offsets_to_transaction(offsets, member)
            producer.commit_transaction()
    producer.close()
