"""Readers that are not ours: Confluent's client, and what it decodes in plain values."""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from tests.support.kafka import PARTITIONS

PATIENCE_S: Final = 120
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


class Read(NamedTuple):
    """A record as others read it."""

    partition: int
    key: str
    headers: Mapping[str, str]
    value: bytes

    @property
    def schema_id(self) -> int:
        return int.from_bytes(self.value[1:5], "big")


def read_by_others(bootstrap_servers: str, topic: str, count: int) -> list[Read]:
    """Return so many committed records of a topic, those of each partition in order, and fail if there are more."""
    return list(_read(bootstrap_servers, topic, count))


def _read(bootstrap_servers: str, topic: str, count: int) -> Iterator[Read]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "others",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": False,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        deadline, found = time.monotonic() + PATIENCE_S, 0
        while found < count:
            assert time.monotonic() < deadline, f"{found} of {count} records"
            message = consumer.poll(0.5)
            if message is None:
                continue
            assert message.error() is None, message.error()
            found += 1
            yield _as_read(message)
        assert consumer.poll(0.5) is None, "there are more"
    finally:
        consumer.close()


def _as_read(message: Message) -> Read:
    partition, key, headers, value = message.partition(), message.key(), message.headers(), message.value()
    assert partition is not None
    assert isinstance(key, bytes)
    assert isinstance(headers, list)
    assert isinstance(value, bytes)
    said = {name: each.decode() for name, each in headers if isinstance(each, bytes)}
    return Read(partition, key.decode(), said, value)


class Deserializer:
    """Confluent's, as anybody would make it: asks a registry for each schema."""

    def __init__(self, registry: SchemaRegistryClient) -> None:
        self._decode = AvroDeserializer(registry)

    def fields(self, topic: str, value: bytes) -> dict[str, Any]:
        """Return the fields of a record, times and ids as our codec has them."""
        fields: dict[str, Any] = plain(self._decode(value, SerializationContext(topic, MessageField.VALUE)))
        return fields


def plain(value: Any) -> Any:
    """Return times as microseconds since 1970, all else as it is."""
    match value:
        case datetime():
            return (value - EPOCH) // MICROSECOND
        case dict():
            return {name: plain(each) for name, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case str() | bool() | int() | float() | bytes() | UUID() | None:
            return value
    raise AssertionError(type(value))
