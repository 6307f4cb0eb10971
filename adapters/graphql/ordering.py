"""Vehicles in an order that a caller chooses.

A cursor carries the order, what the vehicle was ordered by, and of the past the moment: so a page begins behind it even
where that vehicle has told something else, or has gone, meanwhile.
"""

import math
import struct
from enum import Enum
from typing import Final, NamedTuple
from uuid import UUID

import strawberry

from adapters.graphql.errors import ForbiddenError
from adapters.graphql.ids import bytes_of, opaque, shortened
from adapters.graphql.permits import Permits
from adapters.graphql.scopes import DIAGNOSTICS, lacking
from adapters.twins import VehicleFilter
from adapters.vehicle_order import OF_DIAGNOSTICS, OrderBy, Place, Value
from adapters.vehicle_order import VehicleOrder as Chosen
from domain import paths
from domain.errors import BadInputError
from domain.units import Micros

_TAG: Final = b"o"
_HEAD: Final = struct.Struct(">c1sBqqq16s")  # tag, order, flags, position, asOf, knownAt, vehicle; then the value
_DESCENDING, _KNOWN, _PAST = 1, 2, 4  # flags
_CODES: Final = {
    OrderBy.VIN: b"v",
    OrderBy.BRAND: b"b",
    OrderBy.MODEL: b"m",
    OrderBy.REGION: b"r",
    OrderBy.REGISTERED_AT: b"g",
    OrderBy.LAST_SEEN: b"s",
    OrderBy.STATE_OF_CHARGE: b"c",
    OrderBy.WARNINGS: b"w",
    OrderBy.TROUBLE_CODES: b"t",
    OrderBy.DISTANCE: b"d",
}
_NUMBERS: Final = {
    OrderBy.REGISTERED_AT: struct.Struct(">q"),
    OrderBy.LAST_SEEN: struct.Struct(">q"),
    OrderBy.STATE_OF_CHARGE: struct.Struct(">d"),
    OrderBy.WARNINGS: struct.Struct(">q"),
    OrderBy.TROUBLE_CODES: struct.Struct(">q"),
    OrderBy.DISTANCE: struct.Struct(">d"),
}  # all others are texts


@strawberry.enum(name="OrderDirection", description="Whether a list begins with the least or with the greatest.")
class Direction(Enum):
    """Whether a list begins with the least or with the greatest."""

    ASC = strawberry.enum_value("ASC", description="The least first.")
    DESC = strawberry.enum_value("DESC", description="The greatest first.")


@strawberry.enum(description="What vehicles are ordered by.")
class VehicleOrderField(Enum):
    """What vehicles are ordered by."""

    VIN = strawberry.enum_value(OrderBy.VIN, description="Vehicle.vin.")
    BRAND = strawberry.enum_value(OrderBy.BRAND, description="Vehicle.brand, by its code points.")
    MODEL = strawberry.enum_value(OrderBy.MODEL, description="Vehicle.model, by its code points.")
    REGION = strawberry.enum_value(OrderBy.REGION, description="Vehicle.region, by its name.")
    REGISTERED_AT = strawberry.enum_value(OrderBy.REGISTERED_AT, description="Vehicle.registeredAt.")
    LAST_SEEN = strawberry.enum_value(OrderBy.LAST_SEEN, description="Vehicle.lastSeenAt.")
    STATE_OF_CHARGE = strawberry.enum_value(
        OrderBy.STATE_OF_CHARGE,
        description="The newest state of charge that is known, as the driver sees it. Unit: percent. Scope:"
        f" diagnostics:read. VSS: {paths.STATE_OF_CHARGE_DISPLAYED}",
    )
    WARNINGS = strawberry.enum_value(
        OrderBy.WARNINGS, description="How many warnings are raised. Scope: diagnostics:read."
    )
    TROUBLE_CODES = strawberry.enum_value(
        OrderBy.TROUBLE_CODES,
        description="How many trouble codes ECUs hold, one that several hold once. Scope: diagnostics:read.",
    )
    DISTANCE = strawberry.enum_value(
        OrderBy.DISTANCE,
        description="From the point of the filter `near`, which is needed, to the newest place. Unit: m. Scope:"
        " navigation:read.",
    )


@strawberry.input(
    description="An order of vehicles. Those of which it is not known come last, whatever the direction; of those with"
    " the same the one with the smaller id comes first."
)
class VehicleOrder:
    """An order of vehicles."""

    field: VehicleOrderField = strawberry.field(description="What they are ordered by.")
    direction: Direction = strawberry.field(default=Direction.ASC, description="Which way.")

    def chosen(self, permits: Permits, among: VehicleFilter) -> Chosen:
        """Return the order of chosen vehicles as the reader takes it.

        Raises `BadInputError` for one that the token may not ask, and for one from a point that the filter has not.
        """
        by = OrderBy(self.field.value)
        missing = permits.missing(DIAGNOSTICS) if by in OF_DIAGNOSTICS else None
        if missing:
            remedy = "choose another order, or ask for a token with this scope"
            what = by.value.lower().replace("_", " ")
            raise ForbiddenError(f"{what}: {lacking(missing)}", where="orderBy", remedy=remedy)
        if by is OrderBy.DISTANCE and among.circle is None:
            remedy = "give filter: { near: … }, or choose another order"
            raise BadInputError(
                "DISTANCE is from the point of a filter, and there is none", where="orderBy", remedy=remedy
            )
        return Chosen(by, self.direction is Direction.DESC)


class Times(NamedTuple):
    """The times that a list is asked for with; both None: it is of the present."""

    as_of: Micros | None
    known_at: Micros | None

    @property
    def is_past(self) -> bool:
        """Whether the list is of the past."""
        return self != (None, None)


class Cursor(NamedTuple):
    """Where a list goes on."""

    place: Place
    position: int | None  # of the log that the past is seen from


def cursor_in_order(order: Chosen, cursor: Cursor, times: Times) -> str:
    """Return the cursor of a vehicle in an order."""
    value = cursor.place.value
    flags = _DESCENDING * order.descending | _KNOWN * (value is not None) | _PAST * times.is_past
    moment = (cursor.position or 0, times.as_of or 0, times.known_at or 0)
    head = _HEAD.pack(_TAG, _CODES[order.by], flags, *moment, cursor.place.vehicle_id.bytes)
    return opaque(head + (b"" if value is None else _packed(order.by, value)))


def read_cursor_in_order(order: Chosen, text: str, times: Times) -> Cursor:
    """Return where a list in this order goes on. Raises `BadInputError` for another text, order or moment."""
    data = bytes_of(text)
    if data[:1] != _TAG or len(data) < _HEAD.size:
        raise _no_cursor(text)
    _, code, flags, position, as_of, known_at, vehicle_id = _HEAD.unpack_from(data)
    if (code, bool(flags & _DESCENDING)) != (_CODES[order.by], order.descending):
        remedy = "give the orderBy of the page that it ends, or leave it out for the first page"
        raise BadInputError("this cursor is of another order", where="after", remedy=remedy)
    if (bool(flags & _PAST), as_of, known_at) != (times.is_past, times.as_of or 0, times.known_at or 0):
        remedy = "give those of the page that it ends, or leave it out for the first page"
        raise BadInputError("this cursor is of other times", where="after", remedy=remedy)
    value = _unpacked(order.by, data[_HEAD.size :], text) if flags & _KNOWN else None
    return Cursor(Place(value, UUID(bytes=vehicle_id)), position if times.is_past else None)


def _no_cursor(text: str) -> BadInputError:
    remedy = "give the cursor of an edge, or endCursor, of vehicles in this order, or leave it out for the first page"
    return BadInputError(f"{shortened(text)} is no cursor of vehicles in an order", where="after", remedy=remedy)


def _packed(by: OrderBy, value: Value) -> bytes:
    return _NUMBERS[by].pack(value) if by in _NUMBERS else str(value).encode()


def _unpacked(by: OrderBy, data: bytes, text: str) -> Value:
    """Return the value that a cursor holds. Raises BadInputError for one that cannot be."""
    try:
        value: Value = _NUMBERS[by].unpack(data)[0] if by in _NUMBERS else data.decode()
    except (struct.error, UnicodeDecodeError) as error:
        raise _no_cursor(text) from error
    if (isinstance(value, float) and not math.isfinite(value)) or (isinstance(value, str) and "\0" in value):
        raise _no_cursor(text)
    return value
