"""Opaque texts: the global ids of nodes (Relay, Object Identification) and the cursors of lists (Relay, Connections).

Both are base64url without padding of a tag byte and the key in big-endian binary form.
"""

import base64
import binascii
import struct
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from domain.errors import BadInputError

Kind = Literal["vehicle", "trip", "event"]
List = Literal[
    "vehicles", "past vehicles", "trips", "plays", "charging", "events", "the log", "parked", "differences", "digest"
]

_ID: Final[dict[Kind, struct.Struct]] = {
    "vehicle": struct.Struct(">c16s"),
    "trip": struct.Struct(">c16s16s"),
    "event": struct.Struct(">c16sq"),
}
_CURSOR: Final[dict[List, struct.Struct]] = {
    "vehicles": struct.Struct(">c16s"),
    "past vehicles": struct.Struct(">c16sqqq"),  # with a position of the log, and the times that were asked for
    "trips": struct.Struct(">cq16s"),
    "plays": struct.Struct(">cq"),
    "charging": struct.Struct(">cq16s"),
    "events": struct.Struct(">cq"),
    "the log": struct.Struct(">cq"),
    "parked": struct.Struct(">cqq16s"),
    "differences": struct.Struct(">cqqq16sq"),  # of which projection, and of which versions
    # of which projection and version, from which position on, whether it is proved; how far it is; both sums, halved
    "digest": struct.Struct(">cqqqq16sqqq16s16s16s16s"),
}
_ID_TAGS: Final[dict[Kind, bytes]] = {"vehicle": b"V", "trip": b"T", "event": b"E"}
_CURSOR_TAGS: Final[dict[List, bytes]] = {
    "vehicles": b"v",
    "past vehicles": b"w",
    "trips": b"t",
    "plays": b"p",
    "charging": b"c",
    "events": b"e",
    "the log": b"l",
    "parked": b"k",
    "differences": b"d",
    "digest": b"g",
}


class NodeKey(NamedTuple):
    """What a global id names: a vehicle, a trip of it (`part` is its id) or an event of it (`part` is its version)."""

    kind: Kind
    vehicle_id: UUID
    part: UUID | int | None = None


def vehicle_id_of(vehicle_id: UUID) -> str:
    """Return the global id of a vehicle."""
    return opaque(b"V" + vehicle_id.bytes)


def trip_id_of(vehicle_id: UUID, trip_id: UUID) -> str:
    """Return the global id of a trip."""
    return opaque(b"T" + vehicle_id.bytes + trip_id.bytes)


def event_id_of(vehicle_id: UUID, version: int) -> str:
    """Return the global id of an event."""
    return opaque(_ID["event"].pack(b"E", vehicle_id.bytes, version))


def read_id(text: str, *, where: str = "id") -> NodeKey:
    """Return what a global id names. Raises `BadInputError`; `where` says who asked."""
    data = bytes_of(text)
    for kind, tag in _ID_TAGS.items():
        if data[:1] == tag and len(data) == _ID[kind].size:
            _, vehicle, *part = _ID[kind].unpack(data)
            return NodeKey(kind, UUID(bytes=vehicle), _part(part[0]) if part else None)
    raise BadInputError(
        f"{shortened(text)} is no id of this API", where=where, remedy="give an id that this API has returned"
    )


def cursor_of(kind: List, *key: UUID | int) -> str:
    """Return the cursor of a row by its key."""
    parts = [part.bytes if isinstance(part, UUID) else part for part in key]
    return opaque(_CURSOR[kind].pack(_CURSOR_TAGS[kind], *parts))


def read_cursor(kind: List, text: str) -> tuple[Any, ...]:
    """Return the key that a cursor of this list holds. Raises `BadInputError`."""
    data = bytes_of(text)
    if data[:1] != _CURSOR_TAGS[kind] or len(data) != _CURSOR[kind].size:
        remedy = f"give the cursor of an edge, or endCursor, of {kind}, or leave it out for the first page"
        if kind == "the log":
            remedy = "give the cursor of an event or of status, or leave it out to begin with the first event"
        raise BadInputError(f"{shortened(text)} is no cursor of {kind}", where="after", remedy=remedy)
    return tuple(_part(part) for part in _CURSOR[kind].unpack(data)[1:])


def _part(part: bytes | int) -> UUID | int:
    return UUID(bytes=part) if isinstance(part, bytes) else part


def opaque(data: bytes) -> str:
    """Return bytes as an opaque text."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def bytes_of(text: str) -> bytes:
    """Return the bytes of a text that `opaque` made, none of any other."""
    try:
        data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return b""
    return data if opaque(data) == text else b""


def shortened(text: str) -> str:
    """Return a text as an error repeats it."""
    return repr(text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…")


SHOWN_MAX: Final = 60  # characters of a wrong text that an error repeats
