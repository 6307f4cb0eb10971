"""In which order vehicles are asked for, and what of a list in that order comes after a place in it."""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, NamedTuple
from uuid import UUID

from adapters.event_log import DirectoryEntry
from domain.vin import Vin

Value = str | int | float | None


class OrderBy(Enum):
    """What vehicles are ordered by."""

    VIN = "VIN"
    BRAND = "BRAND"
    MODEL = "MODEL"
    REGION = "REGION"
    REGISTERED_AT = "REGISTERED_AT"
    LAST_SEEN = "LAST_SEEN"
    STATE_OF_CHARGE = "STATE_OF_CHARGE"
    WARNINGS = "WARNINGS"
    TROUBLE_CODES = "TROUBLE_CODES"
    DISTANCE = "DISTANCE"


OF_DIAGNOSTICS: Final = frozenset({OrderBy.STATE_OF_CHARGE, OrderBy.WARNINGS, OrderBy.TROUBLE_CODES})
OF_TELEMETRY: Final = OF_DIAGNOSTICS | {OrderBy.LAST_SEEN, OrderBy.DISTANCE}  # what changes with time


class VehicleOrder(NamedTuple):
    """An order: texts by their code points; vehicles without a value last, those with the same by their ids."""

    by: OrderBy
    descending: bool = False


class Place(NamedTuple):
    """Where a list goes on: after the vehicle that had this value; None: it had none."""

    value: Value
    vehicle_id: UUID


class Placed(NamedTuple):
    """A vehicle and the value that it is ordered by."""

    entry: DirectoryEntry
    value: Value

    @property
    def place(self) -> Place:
        """Its place in the list."""
        return Place(self.value, self.entry.vehicle_id)


def value_of(entry: DirectoryEntry, by: OrderBy) -> Value:
    """Return what a vehicle is ordered by, of what it was registered as."""
    match by:
        case OrderBy.VIN:
            return entry.vin
        case OrderBy.BRAND:
            return entry.brand
        case OrderBy.MODEL:
            return entry.model
        case OrderBy.REGION:
            return Vin(entry.vin).region
    assert by is OrderBy.REGISTERED_AT
    return entry.registered_at


def in_order(vehicles: Iterable[Placed], limit: int, order: VehicleOrder, after: Place | None) -> Sequence[Placed]:
    """Return up to `limit` of these vehicles in order, after a place of the list."""
    by_id = sorted((each for each in vehicles if follows(each.place, after, order)), key=lambda each: each.place[1])
    known = [each for each in by_id if each.value is not None]
    known.sort(key=lambda each: each.value, reverse=order.descending)  # type: ignore[arg-type, return-value]  # of one type
    return [*known, *(each for each in by_id if each.value is None)][:limit]


def follows(place: Place, after: Place | None, order: VehicleOrder) -> bool:
    """Whether a place comes after another in an order; None: the begin of the list."""
    if after is None:
        return True
    if place.value == after.value:
        return place.vehicle_id > after.vehicle_id
    if place.value is None or after.value is None:
        return place.value is None
    return (place.value < after.value) if order.descending else (place.value > after.value)  # type: ignore[operator]
