"""What goes into and comes out of an event log, whichever technology keeps it."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Final, NamedTuple
from uuid import UUID

from domain.errors import BadInputError
from domain.events import VehicleEvent
from domain.fleet import ConsumedChange as ConsumedChange  # noqa: PLC0414  # an explicit re-export
from domain.fleet import DirectoryEntry as DirectoryEntry  # noqa: PLC0414
from domain.fleet import OriginFrom as OriginFrom  # noqa: PLC0414
from domain.fleet import ProgressChange as ProgressChange  # noqa: PLC0414
from domain.units import Micros

PREFIX_BYTES: Final = (
    5  # (also in the SQL of the event store) that the bytes of an event begin with: they say of which schema it is
)
_ENVELOPE: Final = {field.name for field in fields(VehicleEvent)}


class StoredRecord(NamedTuple):
    """An event as the log keeps it; `state` is the very bytes that were appended."""

    position: int  # in the whole log: 1, 2, 3 … without a hole
    originator_id: UUID
    version: int  # in its stream of events: 1, 2, 3 …
    topic: str
    state: bytes
    recorded_at: Micros  # never goes down as the position goes up


class VehiclePage(NamedTuple):
    """Events in order of vehicle and version, without those that were to be passed over."""

    records: list[StoredRecord]
    reach: dict[
        UUID, tuple[int, int]
    ]  # of each vehicle: every event after the one version, up to the other, is among them or passed over
    events: int  # passed over ones too
    place: tuple[UUID, int]  # vehicle and version of the last


def vehicle_page(
    records: list[StoredRecord], found: Iterable[tuple[UUID, int, int, int]], place: tuple[UUID, int]
) -> VehiclePage:
    """Make a page; `found` tells the first and the last version of each vehicle and how many there are, in order."""
    reach: dict[UUID, tuple[int, int]] = {}
    events = 0
    for vehicle_id, first, last, count in found:
        if count == last - first + 1:
            reach[vehicle_id] = (first - 1, last)
        events += count
        place = (vehicle_id, last)
    return VehiclePage(records, reach, events, place)


def own_fields(event: VehicleEvent) -> dict[str, Any]:
    """Return the fields of an event that not every event has, by name."""
    return {name: value for name, value in vars(event).items() if name not in _ENVELOPE}


def check_position(position: int, end: int, *, where: str) -> None:
    """Raise BadInputError for a position that a log which ends at `end` has not come to."""
    if not 0 <= position <= end:
        what = f"the log has no position {position}"
        raise BadInputError(what, where=where, remedy=f"give one from 0 to {end}")


def other_vin_key(where: str) -> BadInputError:
    """Return the error of a VIN that is registered already, under an id that another key gave it."""
    return BadInputError(
        "this VIN is registered under another vehicle id, so the key that ids are derived with was another one then",
        where=where,
        remedy="set FLEETTWIN_VIN_KEY to the key that the vehicle was registered with",
    )
