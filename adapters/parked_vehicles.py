"""What the command line shows of vehicles that a projection has parked."""

from typing import Any

from adapters.clock import iso_time
from adapters.event_log import own_fields
from adapters.wiring import FleetTwin
from domain.errors import BadInputError, UnknownEventError
from projections.ports import Parked
from projections.projection import Projection


def parked_list(twin: FleetTwin) -> list[dict[str, Any]]:
    """Return every vehicle that a projection has parked, with event and error."""
    return [_told(projection, parked) for projection, parked in twin.projecting.parked()]


def parked_details(twin: FleetTwin, vehicle_id: str) -> list[dict[str, Any]]:
    """Return all of a parked vehicle, once for each projection: how much was left out, and the event that failed.

    Raises BadInputError for a vehicle that is not parked.
    """
    found = [
        {**_told(projection, parked), "newestVersion": parked.newest_version, "event": _event(twin, parked)}
        for projection, parked in twin.projecting.parked()
        if str(parked.vehicle_id) == vehicle_id.strip().lower()
    ]
    if not found:
        raise BadInputError("no such vehicle is parked", where=vehicle_id, remedy="see `fleettwin parked list`")
    return found


def _told(projection: Projection, parked: Parked) -> dict[str, Any]:
    return {
        "projection": projection.id,
        "vehicleId": str(parked.vehicle_id),
        "version": parked.version,
        "position": parked.position,
        "attempts": parked.attempts,
        "parkedAt": iso_time(parked.parked_at),
        "error": parked.error,
    }


def _event(twin: FleetTwin, parked: Parked) -> dict[str, Any] | None:
    """Return the event that failed, as the log has it; None where the log lacks it."""
    found = twin.records.events_of(parked.vehicle_id, parked.version - 1, 1)
    if not found or found[0].version != parked.version:
        return None
    record = found[0]
    told = {"type": record.topic, "recordedAt": iso_time(record.recorded_at), "bytes": record.state.hex()}
    try:
        event = twin.codec.decode(record.topic, record.state, record.originator_id, record.version)
    except UnknownEventError as error:
        return {**told, "data": None, "unreadable": str(error)}
    return {**told, "data": own_fields(event)}
