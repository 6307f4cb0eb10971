"""Who asks, and what they may see: whichever technology told it, and whichever keeps what is seen."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from domain.errors import FleettwinError
from domain.units import Micros


class Scope(StrEnum):
    """What a token may be good for."""

    NAVIGATION_READ = "navigation:read"
    NAVIGATION_HISTORY = "navigation:history"
    MEDIA_READ = "media:read"
    DIAGNOSTICS_READ = "diagnostics:read"
    EVENTS_READ = "events:read"
    OPERATIONS_READ = "operations:read"
    OPERATIONS_WRITE = "operations:write"


class Access(NamedTuple):
    """Who asks: a client on behalf of a subject, for some brands; brands None: for every one."""

    client: str
    subject: str
    brands: frozenset[str] | None
    scopes: frozenset[Scope]
    expires_at: Micros | None = None  # None: never
    audited: bool = True  # what it sees of personal data is put on record
    metered: bool = True  # what it asks for is counted, and limited


_ALL: Final = frozenset(Scope)
# Has the database anyway.
OPERATOR: Final = Access("operator", "operator", None, _ALL, audited=False, metered=False)
# Asks without a token.
DEVELOPMENT: Final = Access("development", "anyone on this machine", None, _ALL, metered=False)


class Shown(NamedTuple):
    """What one request is about to be shown of personal data: by vehicle, the fields of the schema and the signals."""

    request_id: UUID
    client: str
    subject: str
    fields: Mapping[UUID, Collection[str]]


class ShownOnce(NamedTuple):
    """What one request was shown of one vehicle, as it was put on record."""

    recorded_at: Micros
    request_id: UUID
    client: str
    subject: str
    fields: Sequence[str]


class TokenRefusedError(FleettwinError):
    """A token that is not taken; the message is what its bearer may be told."""
