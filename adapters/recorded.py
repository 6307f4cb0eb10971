"""Events of the log as the read side takes them: decoded, each with its place."""

from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from adapters.event_log import StoredRecord
from domain.errors import UnknownEventError
from domain.events import VehicleEvent
from projections.projection import Recorded, UnreadableEvent


class PassedOver(NamedTuple):
    """Stands for an event of a type that no projection folds: only its version counts."""

    originator_id: UUID
    originator_version: int


Decode = Callable[[str, bytes, UUID, int], VehicleEvent]  # topic, bytes, vehicle and version


def recorded(record: StoredRecord, decode: Decode) -> Recorded:
    """Return the event that a record holds; one that cannot be decoded is an `UnreadableEvent`."""
    event: VehicleEvent
    try:
        event = decode(record.topic, record.state, record.originator_id, record.version)
    except UnknownEventError as error:
        event = UnreadableEvent(
            originator_id=record.originator_id,
            originator_version=record.version,
            captured_at=record.recorded_at,
            received_at=record.recorded_at,
            reason=str(error),
            begins_as=error.begins_as,
        )
    return Recorded(record.position, record.recorded_at, event)
