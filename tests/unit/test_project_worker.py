"""A projector decodes what its projection folds, and counts the versions of everything else."""

from typing import Final
from uuid import UUID

import pytest

from adapters.event_log import StoredRecord
from adapters.kafka.cloud_events import cloud_event_headers
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.memory.set_aside import MemorySetAside
from adapters.project_worker import ProjectWorker
from adapters.projecting import Projecting
from adapters.received import Received
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from domain.events import VehicleEvent, VehicleRegistered
from domain.units import Micros
from projections.digest import digest
from projections.projection import Projection
from tests.support.events import VEHICLE_ID, codec, example_events

SOURCE: Final = "vehicle-events/0#1"
AT: Final = Micros(1_770_000_000_000_000)


def now() -> Micros:
    return AT


def received(record: StoredRecord) -> Received:
    """Return an event as a relay publishes it."""
    key, version = str(record.originator_id).encode(), str(record.version)
    headers = [
        *cloud_event_headers(key, version, record.topic, record.recorded_at),
        ("version", version.encode()),
        ("position", str(record.position).encode()),
    ]
    return Received(SOURCE, record.position, key, record.state, headers)


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)
def test_only_events_that_are_folded_are_decoded_and_the_rows_are_those_of_the_log(projection: Projection) -> None:
    events = example_events()
    records = MemoryEventLog(now)
    log = VehicleLog(records, codec())
    log.append(events)
    expected, rows = MemoryReadModels(), MemoryReadModels()
    Projecting([projection], log, expected, now).catch_up()
    decoded: set[str] = set()

    class Codec:
        def decode(self, topic: str, data: bytes, vehicle_id: UUID, version: int) -> VehicleEvent:
            decoded.add(topic)
            return codec().decode(topic, data, vehicle_id, version)

        def is_of(self, topic: str, data: bytes) -> bool:
            return codec().is_of(topic, data)

    worker = ProjectWorker(projection, log, rows, Codec(), MemorySetAside(), now)
    worker.assign([SOURCE])
    worker.take([received(each) for each in records.read(0, len(events))])

    assert worker._folder.counts.folded == len(events)
    assert decoded == {event.TOPIC for event in events if type(event) in projection.folds}
    assert digest(rows, projection) == digest(expected, projection)


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)
def test_a_record_that_is_no_event_counts_as_none_whatever_its_headers_say(projection: Projection) -> None:
    log = VehicleLog(MemoryEventLog(now), codec())
    set_aside = MemorySetAside()
    worker = ProjectWorker(projection, log, MemoryReadModels(), codec(), set_aside, now)
    worker.assign([SOURCE])

    worker.take([received(StoredRecord(1, VEHICLE_ID, 99_999, VehicleRegistered.TOPIC, b"garbage", AT))])

    assert (worker._folder.counts.folded, set_aside.count()) == (0, 1)
