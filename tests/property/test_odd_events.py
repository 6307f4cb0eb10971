"""Whatever the headers of a record of events say: the events of the log are folded, and nothing else is."""

import logging
from collections.abc import Iterator
from functools import cache
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.event_log import StoredRecord
from adapters.kafka.cloud_events import cloud_event_headers
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.memory.set_aside import MemorySetAside
from adapters.project_worker import ProjectWorker
from adapters.projecting import Projecting
from adapters.received import Header, Received
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from domain.errors import StoreError
from projections.digest import digest
from projections.projection import Projection
from tests.support.batches import T0
from tests.support.events import codec, example_events

SOURCE: Final = "vehicle-events/0#1"
EVENTS: Final = 5
NAMES: Final = ("ce_time", "ce_type", "version", "position")
AHEAD: Final = b"99999999"  # a position that a log could have
ODD: Final = st.one_of(
    st.none(),
    st.sampled_from([b"", b"\xff\xfe", b"0", b"-1", AHEAD, b"9" * 30, b"9" * 5_000, b"1.5", b"nan"]),
    st.sampled_from([b"0001-01-01T00:00:00+23:59", b"2026-01-01", b"vehicle.unheard_of.v1", b"9223372036854775808"]),
)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class PickyLog(MemoryEventLog):
    """Takes no more than a bigint, as PostgreSQL does."""

    def events_of(self, originator_id: UUID, after_version: int = 0, limit: int | None = None) -> list[StoredRecord]:
        assert abs(after_version) < 2**63, "no bigint"
        return super().events_of(originator_id, after_version, limit)


@cache
def log() -> tuple[PickyLog, VehicleLog]:
    records = PickyLog(lambda: T0)
    made = VehicleLog(records, codec())
    made.append(example_events()[:EVENTS])
    return records, made


def headers_of(record: StoredRecord) -> list[Header]:
    """Return the headers that a relay gives an event."""
    key, version = str(record.originator_id).encode(), str(record.version)
    return [
        *cloud_event_headers(key, version, record.topic, record.recorded_at),
        ("version", version.encode()),
        ("position", str(record.position).encode()),
    ]


@st.composite
def odd_records(draw: st.DrawFn, record: StoredRecord) -> tuple[bytes, bytes, list[Header]]:
    """Draw an event of which one header is missing, or says what it cannot say."""
    name, headers = draw(st.sampled_from(NAMES)), headers_of(record)
    if draw(st.booleans()):
        headers = [(each, value) for each, value in headers if each != name]
    else:
        odd = draw(ODD)
        headers = [(each, odd if each == name else value) for each, value in headers]
    return str(record.originator_id).encode(), draw(st.sampled_from([record.state, b"garbage"])), headers


@settings(max_examples=150)
@given(st.data(), st.sampled_from(PROJECTIONS))
def test_every_event_is_folded_whatever_lies_between(data: st.DataObject, projection: Projection) -> None:
    records, events = log()
    expected, rows, aside = MemoryReadModels(), MemoryReadModels(), MemorySetAside()
    Projecting(lambda: [projection], events, expected, lambda: T0).catch_up()
    written = records.read(0, EVENTS)
    partition: list[tuple[bytes, bytes, list[Header]]] = []
    for each in written:
        partition += data.draw(st.lists(odd_records(each), max_size=1))
        partition.append((str(each.originator_id).encode(), each.state, headers_of(each)))
    worker = ProjectWorker([projection], events, rows, codec(), aside, lambda: T0)
    worker.assign([SOURCE])

    for offset, (key, value, headers) in enumerate(partition):
        record = Received(SOURCE, offset, key, value, headers)
        if dict(headers).get("position") == AHEAD:
            with pytest.raises(StoreError, match="ahead of the log"):
                worker.take([record])
            worker.assign([SOURCE])
        else:
            worker.take([record])

    assert digest(rows, projection) == digest(expected, projection)
    assert not rows.parked(projection)
