"""The largest event that the log takes is one that a relay can publish."""

from typing import Final
from uuid import UUID

import pytest
from kafka import KafkaProducer
from kafka.record.default_records import DefaultRecordBatchBuilder

from adapters.event_log import StoredRecord
from adapters.kafka import relay
from adapters.memory.event_store import MemoryEventLog
from adapters.vehicle_log import EVENT_BYTES_MAX, VehicleLog
from domain import events as e
from domain.errors import UnstorableError
from domain.events import EVENT_TYPES
from domain.signals import INTEGER_MAX
from tests.support.batches import T0, VEHICLE_ID
from tests.support.events import codec

TOPIC_BYTES_MAX: Final = (
    1_048_588  # Apache Kafka's `max.message.bytes` where nobody has set another: a batch of records
)
EVENT_HUBS_BYTES_MAX: Final = 1_046_528  # of a request (docs/kafka.md)


def registered(model: str) -> e.VehicleRegistered:
    return e.VehicleRegistered(
        originator_id=VEHICLE_ID,
        originator_version=1,
        captured_at=T0,
        received_at=T0,
        vin="WVWZZZE1ZMP000001",
        brand="Volkswagen",
        model=model,
    )


def test_the_largest_event_fits_into_what_every_producer_and_topic_takes() -> None:
    topic = max((each.TOPIC for each in EVENT_TYPES), key=len)
    state = bytes(EVENT_BYTES_MAX)
    record = StoredRecord(INTEGER_MAX, UUID(int=2**128 - 1), INTEGER_MAX, topic, state, T0)
    key = str(record.originator_id).encode()
    headers = relay._headers(key, record)
    size = DefaultRecordBatchBuilder.estimate_size_in_bytes(key, record.state, headers)

    assert size < min(KafkaProducer.DEFAULT_CONFIG["max_request_size"], TOPIC_BYTES_MAX, EVENT_HUBS_BYTES_MAX)


def test_an_event_of_the_most_bytes_is_taken_and_one_more_is_refused() -> None:
    records = MemoryEventLog(lambda: T0)
    log = VehicleLog(records, codec())
    spare = EVENT_BYTES_MAX - len(codec().encode(registered("x" * 900_000))) + 900_000

    with pytest.raises(
        UnstorableError, match=r"its event vehicle.registered.v1 has 1,000,001 bytes, more than 1,000,000;"
    ):
        log.append([registered("x" * (spare + 1))])
    assert log.last_position() == 0
    log.append([registered("x" * spare)])
    assert len(records.read(0, 1)[0].state) == EVENT_BYTES_MAX
