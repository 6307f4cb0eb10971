"""The log of vehicles: what it gives the write side and the feed where bytes cannot be read."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent

from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SchemaRegistry
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.rebuild import Filler, Job
from adapters.vehicle_log import VehicleLog
from domain.errors import UnknownEventError
from projections.digest import digest
from projections.history import verify
from projections.projection import Projection, UnreadableEvent
from projections.runner import Runner
from tests.support.batches import DOOR, T0, VEHICLE_ID, Stream, sample
from tests.support.events import example_events, whole_history
from tests.support.given import Car
from tests.support.read_side import PROJECTIONS

OTHER_ID = UUID(int=9)


def log_with_a_spoilt_event() -> VehicleLog:
    """Return a log of two vehicles, of which one has an event with a byte too many after its first ones."""
    records, codec = MemoryEventLog(), AvroCodec(SchemaRegistry.load())
    for vehicle_id in (VEHICLE_ID, OTHER_ID):
        car, stream = Car(), Stream()
        car.observe(*(stream.batch(sample(DOOR, n, value=n % 2 == 0)) for n in range(4)))
        stored = [
            StoredEvent(vehicle_id, event.originator_version, event.TOPIC, codec.encode(event)) for event in car.events
        ]
        if vehicle_id == VEHICLE_ID:
            spoilt = stored[2]
            stored[2] = StoredEvent(vehicle_id, spoilt.originator_version, spoilt.topic, spoilt.state + b"\0")
        records.append(stored)
    return VehicleLog(records, codec)


def test_an_event_that_cannot_be_read_has_its_place_in_the_feed() -> None:
    page = log_with_a_spoilt_event().read(0, 100)

    assert [each.position for each in page] == list(range(1, len(page) + 1))
    (unreadable,) = [each.event for each in page if isinstance(each.event, UnreadableEvent)]
    assert (unreadable.originator_id, unreadable.originator_version) == (VEHICLE_ID, 3)
    assert "1 bytes are left over" in unreadable.reason


def test_an_event_that_cannot_be_read_parks_its_vehicle_and_no_other() -> None:
    log, store = log_with_a_spoilt_event(), MemoryReadModels()
    for projection in PROJECTIONS:
        running = Runner(projection, log, store, lambda: T0)
        running.run_until(log.last_position())

        assert store.position(projection) == log.last_position()
        assert store.versions(projection, [VEHICLE_ID, OTHER_ID]) == {VEHICLE_ID: 2, OTHER_ID: 5}
        (parked,) = store.parked(projection).values()
        assert (parked.vehicle_id, parked.version) == (VEHICLE_ID, 3)
        assert re.search("UnknownEventError: .*1 bytes are left over", parked.error)


def test_nothing_is_decided_on_a_history_that_cannot_be_read() -> None:
    log = log_with_a_spoilt_event()

    with pytest.raises(UnknownEventError, match="1 bytes are left over"):
        whole_history(log, VEHICLE_ID)
    assert len(whole_history(log, OTHER_ID)) == 5


def spoilt_end(data: bytes) -> bytes:
    return data + b"\0"


def spoilt_begin(data: bytes) -> bytes:
    return b"\0\0\0\0\0" + data[5:]


@pytest.mark.parametrize("spoil", [spoilt_end, spoilt_begin])
@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)
def test_whatever_cannot_be_read_live_and_rebuilt_rows_are_what_the_log_says(
    projection: Projection, spoil: Callable[[bytes], bytes]
) -> None:
    """A projection is stopped by events that it would fold, and by those of which nobody knows what they are."""
    codec, told = AvroCodec(SchemaRegistry.load()), example_events()
    for version in range(1, len(told) + 1):
        records, store, beside = MemoryEventLog(), MemoryReadModels(), replace(projection, version=2)
        stored = [StoredEvent(VEHICLE_ID, each.originator_version, each.TOPIC, codec.encode(each)) for each in told * 2]
        for at, each in enumerate(stored):
            state = spoil(each.state) if at + 1 == version else each.state
            records.append([StoredEvent(VEHICLE_ID, at + 1, each.topic, state)])
        log = VehicleLog(records, codec)
        Runner(projection, log, store, lambda: T0).run_until(len(stored))
        for _ in Filler(log, cast("Any", store)).fill(Job(beside.name, beside.version, 0, len(stored)), [VEHICLE_ID]):
            pass
        stops = spoil is spoilt_begin or type(told[version - 1]) in projection.folds
        where = told[version - 1].TOPIC
        assert [each.version for each in store.parked(projection).values()] == [version] * stops, where
        assert [each.version for each in store.parked(beside).values()] == [version] * stops, where
        (proved,) = verify(projection, store, log, iter([[VEHICLE_ID]]), len(stored), store.parked(projection))
        assert (proved.kept, proved.first) == (proved.told, None), where
        assert digest(store, beside) == digest(store, projection), where
