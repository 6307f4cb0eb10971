"""A projector decodes what its projection folds, and counts the versions of everything else."""

from dataclasses import replace
from typing import Final
from uuid import UUID

import pytest

from adapters.event_log import StoredRecord
from adapters.kafka.cloud_events import cloud_event_headers
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.memory.set_aside import MemorySetAside
from adapters.metrics import REGISTRY
from adapters.project_worker import ProjectWorker
from adapters.projecting import Projecting
from adapters.received import Received
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from domain.errors import PositionConflictError
from domain.events import EVENT_TYPES, VehicleEvent, VehicleRegistered
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


class Counting:
    """A codec that keeps the types of what it has decoded."""

    def __init__(self) -> None:
        self.decoded: list[str] = []

    def decode(self, topic: str, data: bytes, vehicle_id: UUID, version: int) -> VehicleEvent:
        self.decoded.append(topic)
        return codec().decode(topic, data, vehicle_id, version)

    def is_of(self, topic: str, data: bytes) -> bool:
        return codec().is_of(topic, data)


def about(caplog: pytest.LogCaptureFixture) -> tuple[object, ...]:
    """Return what the one entry of the log is about."""
    (entry,) = caplog.records
    return tuple(getattr(entry, name, None) for name in ("partition", "position", "vehicle_id", "projection"))


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)
def test_only_events_that_are_folded_are_decoded_and_the_rows_are_those_of_the_log(projection: Projection) -> None:
    events = example_events()
    records = MemoryEventLog(now)
    log = VehicleLog(records, codec())
    log.append(events)
    expected, rows = MemoryReadModels(), MemoryReadModels()
    Projecting(lambda: [projection], log, expected, now).catch_up()
    counting = Counting()
    worker = ProjectWorker([projection], log, rows, counting, MemorySetAside(), now)
    worker.assign([SOURCE])
    worker.take([received(each) for each in records.read(0, len(events))])

    assert worker._projectors[0]._folder.counts.folded == len(events)
    assert set(counting.decoded) == {event.TOPIC for event in events if type(event) in projection.folds}
    assert digest(rows, projection) == digest(expected, projection)


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)
def test_a_record_that_is_no_event_counts_as_none_whatever_its_headers_say(
    projection: Projection, caplog: pytest.LogCaptureFixture
) -> None:
    log = VehicleLog(MemoryEventLog(now), codec())
    set_aside = MemorySetAside()
    worker = ProjectWorker([projection], log, MemoryReadModels(), codec(), set_aside, now)
    worker.assign([SOURCE])
    before = REGISTRY.get_sample_value("fleettwin_set_aside_total") or 0.0

    worker.take([received(StoredRecord(1, VEHICLE_ID, 99_999, VehicleRegistered.TOPIC, b"garbage", AT))])

    assert (worker._projectors[0]._folder.counts.folded, set_aside.count()) == (0, 1)
    assert about(caplog) == (SOURCE, 1, VEHICLE_ID, projection.id)
    assert caplog.records[0].message.startswith(
        f"{SOURCE}, position 1, is set aside: version 99999 at position 1 is no"
    )

    caplog.clear()
    worker.take([Received(SOURCE, 2, b"no vehicle id", b"x")])
    assert about(caplog) == (SOURCE, 2, None, projection.id)
    assert REGISTRY.get_sample_value("fleettwin_set_aside_total") == before + 2


def test_a_record_that_is_taken_from_the_log_instead_is_said(caplog: pytest.LogCaptureFixture) -> None:
    records = MemoryEventLog(now)
    log = VehicleLog(records, codec())
    log.append(example_events())
    worker = ProjectWorker([PROJECTIONS[0]], log, MemoryReadModels(), codec(), MemorySetAside(), now)
    worker.assign([SOURCE])

    (first,) = records.read(0, 1)
    worker.take([received(first._replace(state=b"garbage"))])

    assert about(caplog) == (SOURCE, first.position, VEHICLE_ID, PROJECTIONS[0].id)


def test_who_parks_a_vehicle_says_which_and_why(caplog: pytest.LogCaptureFixture) -> None:
    def fold(*_: object) -> None:
        raise ValueError("spoilt")

    records, rows = MemoryEventLog(now), MemoryReadModels()
    log = VehicleLog(records, codec())
    log.append(example_events()[:3])
    spoilt = replace(PROJECTIONS[0], folds=dict.fromkeys(EVENT_TYPES, fold))
    worker = ProjectWorker([spoilt], log, rows, codec(), MemorySetAside(), now)
    worker.assign([SOURCE])
    parks = f"{spoilt.id} parks vehicle {VEHICLE_ID} at position 1 (see `fleettwin parked show`): ValueError: spoilt"

    worker.take([received(each) for each in records.read(0, 2)])
    assert (caplog.records[0].message, about(caplog)) == (parks, (None, 1, VEHICLE_ID, spoilt.id))
    assert caplog.records[0].levelname == "WARNING"
    caplog.clear()
    worker.take([received(each) for each in records.read(2, 1)])
    assert caplog.records == []  # it is parked already

    Projecting(lambda: [spoilt], log, MemoryReadModels(), now).catch_up()
    assert (caplog.records[0].message, about(caplog)) == (parks, (None, 1, VEHICLE_ID, spoilt.id))


def published() -> tuple[VehicleLog, list[Received], MemoryReadModels]:
    """Return a log, all of its events as a relay publishes them, and their fold into all projections."""
    records, expected = MemoryEventLog(now), MemoryReadModels()
    log = VehicleLog(records, codec())
    log.append(example_events())
    Projecting(lambda: PROJECTIONS, log, expected, now).catch_up()
    return log, [received(each) for each in records.read(0, log.last_position())], expected


def test_a_record_is_decoded_once_for_all_projections() -> None:
    log, everything, expected = published()
    rows, counting = MemoryReadModels(), Counting()
    worker = ProjectWorker(PROJECTIONS, log, rows, counting, MemorySetAside(), now)
    worker.assign([SOURCE])
    worker.take(everything)

    folded = {event for projection in PROJECTIONS for event in projection.folds}
    assert sorted(counting.decoded) == sorted(event.TOPIC for event in example_events() if type(event) in folded)
    for projection in PROJECTIONS:
        assert digest(rows, projection) == digest(expected, projection)


def test_a_projection_that_is_behind_the_others_takes_from_the_log_what_it_lacks() -> None:
    log, everything, expected = published()
    rows = MemoryReadModels()
    half = len(everything) // 2
    alone = ProjectWorker(PROJECTIONS[1:], log, rows, codec(), MemorySetAside(), now)
    alone.assign([SOURCE])
    alone.take(everything[:half])

    together = ProjectWorker(PROJECTIONS, log, rows, codec(), MemorySetAside(), now)
    begin = everything[half - 1].position + 1
    assert together.assign([SOURCE]) == {SOURCE: begin}
    together.take(everything[half:])
    for projection in PROJECTIONS:
        assert digest(rows, projection) == digest(expected, projection)
        assert rows.consumed(projection, [SOURCE]) == {SOURCE: everything[-1].position + 1}


def test_where_one_projection_is_overtaken_the_others_begin_anew_with_it() -> None:
    log, everything, expected = published()
    rows = MemoryReadModels()
    worker = ProjectWorker(PROJECTIONS, log, rows, codec(), MemorySetAside(), now)
    worker.assign([SOURCE])
    other = ProjectWorker(PROJECTIONS[:1], log, rows, codec(), MemorySetAside(), now)
    other.assign([SOURCE])
    other.take(everything[:1])

    with pytest.raises(PositionConflictError):
        worker.take(everything)
    begin = worker.assign([SOURCE])[SOURCE]
    worker.take([each for each in everything if each.position >= begin])
    for projection in PROJECTIONS:
        assert digest(rows, projection) == digest(expected, projection)
