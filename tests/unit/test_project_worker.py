"""A projector decodes what its projection folds, and counts the versions of everything else."""

from typing import Final
from uuid import UUID

import pytest

from adapters.kafka.cloud_events import cloud_event_headers
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.memory.set_aside import MemorySetAside
from adapters.project_worker import ProjectWorker
from adapters.projecting import Projecting
from adapters.received import Received
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from domain.events import VehicleEvent
from domain.units import Micros
from projections.digest import digest
from projections.projection import Projection
from tests.support.events import VEHICLE_ID, codec, example_events

SOURCE: Final = "vehicle-events/0#1"
AT: Final = Micros(1_770_000_000_000_000)


def now() -> Micros:
    return AT


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)
def test_only_events_that_are_folded_are_decoded_and_the_rows_are_those_of_the_log(projection: Projection) -> None:
    events = example_events()
    records = MemoryEventLog(now)
    log = VehicleLog(records, codec())
    log.append(events)
    expected, rows = MemoryReadModels(), MemoryReadModels()
    Projecting([projection], log, expected, now).catch_up()
    decoded: set[str] = set()

    def decode(topic: str, data: bytes, vehicle_id: UUID, version: int) -> VehicleEvent:
        decoded.add(topic)
        return codec().decode(topic, data, vehicle_id, version)

    worker = ProjectWorker(projection, log, rows, decode, MemorySetAside(), now)
    worker.assign([SOURCE])
    key = str(VEHICLE_ID).encode()
    worker.take(
        [
            Received(
                SOURCE,
                each.position,
                key,
                each.state,
                [
                    *cloud_event_headers(key, str(each.version), each.topic, each.recorded_at),
                    ("version", str(each.version).encode()),
                    ("position", str(each.position).encode()),
                ],
            )
            for each in records.read(0, len(events))
        ]
    )

    assert worker.counts.folded == len(events)
    assert decoded == {event.TOPIC for event in events if type(event) in projection.folds}
    assert digest(rows, projection) == digest(expected, projection)
