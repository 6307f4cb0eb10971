"""Who asks, and what they may see: whichever technology told it, and whichever keeps what is seen."""

from enum import StrEnum
from typing import Final, NamedTuple

from domain.errors import FleettwinError
from domain.units import Micros


class Scope(StrEnum):
    """What a token may be good for."""

    NAVIGATION_READ = "navigation:read"
    NAVIGATION_HISTORY = "navigation:history"
    MEDIA_READ = "media:read"
    DIAGNOSTICS_READ = "diagnostics:read"
    EVENTS_READ = "events:read"


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


class TokenRefusedError(FleettwinError):
    """A token that is not taken; the message is what its bearer may be told."""
