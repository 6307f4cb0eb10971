"""Which scopes a field, a signal and an event need.

What is no envelope, and what the token may not read, is null; the answer's `extensions.withheld` says why.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from adapters.access import Scope
from domain import events as e
from domain.events import EVENT_TYPES, VehicleEvent
from projections.media.projector import PREFIX as MEDIA_PREFIX
from projections.navigation.projector import PATHS as NAVIGATION_PATHS

Scopes = frozenset[Scope]

NONE: Final[Scopes] = frozenset()
NAVIGATION: Final[Scopes] = frozenset({Scope.NAVIGATION_READ})
NAVIGATION_PAST: Final[Scopes] = frozenset({Scope.NAVIGATION_READ, Scope.NAVIGATION_HISTORY})
MEDIA: Final[Scopes] = frozenset({Scope.MEDIA_READ})
DIAGNOSTICS: Final[Scopes] = frozenset({Scope.DIAGNOSTICS_READ})
EVENTS: Final[Scopes] = frozenset({Scope.EVENTS_READ})
OPERATIONS: Final[Scopes] = frozenset({Scope.OPERATIONS_READ})
OPERATIONS_CHANGED: Final[Scopes] = frozenset({Scope.OPERATIONS_READ, Scope.OPERATIONS_WRITE})
OF_VEHICLES: Final[Scopes] = frozenset(Scope) - OPERATIONS_CHANGED
PERSONAL: Final[Scopes] = NAVIGATION_PAST | MEDIA  # what is read by these is put on record

PATHS_REMEMBERED_MAX: Final = 4_096
KEPT_CHARACTERS_MAX: Final = 256  # of a path that is remembered: clients may give any
_PLACES: Final = frozenset({"CurrentLocation", "Location", "Navigation", "Latitude", "Longitude"})  # in a path

# Of the fields that are no envelope, and no signal.
FIELDS: Final[Mapping[str, Scopes]] = {
    "Query.node(Trip)": NAVIGATION_PAST,
    "Query.node(Event)": EVENTS,
    "Query.operations": OPERATIONS,
    "Vehicle.events": EVENTS,
    "Vehicle.delivered": DIAGNOSTICS,
    "Explanation.event": EVENTS,
    "ParkedEvent.event": EVENTS,
    "Fleet.byTroubleCode": DIAGNOSTICS,
    "Fleet.byWarning": DIAGNOSTICS,
    "Navigation.destination": NAVIGATION,
    "Navigation.currentTrip": NAVIGATION,
    "Navigation.trips": NAVIGATION_PAST,
    "Trip.track": NAVIGATION_PAST,
    "Media.playHistory": MEDIA,
    "Diagnostics.troubleCodes": DIAGNOSTICS,
    "Diagnostics.warnings": DIAGNOSTICS,
    "Diagnostics.chargingSessions": DIAGNOSTICS,
    "Diagnostics.telemetryQuality": DIAGNOSTICS,
}

_OF_PROJECTION: Final[Mapping[str, Scopes]] = {
    "navigation": NAVIGATION_PAST,
    "media": MEDIA,
    "diagnostics": DIAGNOSTICS,
}
_BY_PATH: Final = (e.SignalsSampled, e.LateSamplesRecorded)
_OF_EVENTS: Final[Mapping[Scopes, tuple[type[VehicleEvent], ...]]] = {
    NONE: (e.VehicleRegistered, e.VehicleDecommissioned, e.TelemetryGapDetected, e.ClockCorrected, *_BY_PATH),
    NAVIGATION_PAST: (
        e.TripStarted,
        e.TrackExtended,
        e.TripEnded,
        e.TripsRearranged,
        e.DestinationSet,
        e.DestinationReached,
        e.DestinationCleared,
    ),
    MEDIA: (e.MediaSourceSelected, e.TrackStarted, e.PlaybackStateChanged, e.VolumeChanged),
    DIAGNOSTICS: (
        e.IgnitionTurnedOn,
        e.IgnitionTurnedOff,
        e.TroubleCodesRead,
        e.TroubleCodeRaised,
        e.TroubleCodeCleared,
        e.WarningRaised,
        e.WarningCleared,
        e.ChargingStarted,
        e.ChargingEnded,
        e.OdometerAdvanced,
    ),
}
_OF_EVENT: Final = {event_type: scopes for scopes, types in _OF_EVENTS.items() for event_type in types}
assert _OF_EVENT.keys() == set(EVENT_TYPES), "an event whose data no scope guards"


def of_path(path: str, *, past: bool) -> Scopes:
    """Return what a signal needs, of the present or of the past."""
    return (of_kept_path if len(path) <= KEPT_CHARACTERS_MAX else _of_path)(path, past)


def _of_path(path: str, past: bool) -> Scopes:  # by position, which a cache looks up faster
    if is_place(path) or path in NAVIGATION_PATHS:
        return NAVIGATION_PAST if past else NAVIGATION
    return MEDIA if path.startswith(MEDIA_PREFIX) else DIAGNOSTICS


of_kept_path: Final = lru_cache(PATHS_REMEMBERED_MAX)(_of_path)


def is_place(path: str) -> bool:
    """Whether a signal tells where a vehicle is, or is going."""
    return not _PLACES.isdisjoint(path.split("."))


def of_field(name: str, *, past: bool = False) -> Scopes:
    """Return what a field that is no signal needs, of the present or of the past."""
    scopes = FIELDS[name]
    return NAVIGATION_PAST if past and scopes == NAVIGATION else scopes


def of_event(event: VehicleEvent) -> Scopes:
    """Return what the data of an event needs, beside what its signals do: of one that nobody knows everything."""
    return _OF_EVENT.get(type(event), OF_VEHICLES)


def of_difference(projection: str, table: str, key: Sequence[object]) -> Scopes:
    """Return what the values of a row need, in which two versions of a projection differ: as of the past."""
    needed = _OF_PROJECTION.get(projection, OF_VEHICLES)
    if table == "trouble_codes":  # a freeze frame may have places
        needed |= NAVIGATION_PAST
    for part in key:
        if isinstance(part, str) and "." in part:
            needed |= of_path(part, past=True)
    return needed


def lacking(scopes: Scopes) -> str:
    """Return what is said where these are missing."""
    named = " and ".join(sorted(scopes))
    return f"the token lacks the scope{'s' if len(scopes) > 1 else ''} {named}"
