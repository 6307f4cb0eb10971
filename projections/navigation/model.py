"""The rows of navigation."""

from typing import NamedTuple
from uuid import UUID

from domain.units import Degrees, KilometresPerHour, KilowattHours, Metres, Micros
from projections.projection import table
from projections.signal_rows import SIGNAL_KEY, SignalRow


@table("signals", key=SIGNAL_KEY, rewritten=True)
class NavigationSignalRow(SignalRow):
    """The newest sample of a signal about place, motion or destination."""

    __slots__ = ()


@table("trips", key=("vehicle_id", "trip_id"), rewritten=True, grows=True)
class TripRow(NamedTuple):
    """A trip. `ended_at` is its last known moment; it is over when `ended`."""

    vehicle_id: UUID
    trip_id: UUID
    started_at: Micros
    ended_at: Micros
    ended: bool
    end_reason: str | None
    distance_m: Metres
    energy_kwh: KilowattHours | None
    received_at: Micros
    event_version: int
    position: int


@table("tracks", key=("vehicle_id", "event_version"), grows=True)
class TrackRow(NamedTuple):
    """A piece of track: fixes of one stream as columns of equal length, in order of time."""

    vehicle_id: UUID
    event_version: int
    started_at: Micros
    ended_at: Micros
    stream_id: str
    fix_captured_at: list[int]
    latitude_deg: list[float]
    longitude_deg: list[float]
    heading_deg: list[float | None]
    speed_kmh: list[float | None]
    altitude_m: list[float | None]
    received_at: Micros
    position: int


@table("destinations", key=("vehicle_id",))
class DestinationRow(NamedTuple):
    """The newest destination: state "SET", "REACHED" or "CLEARED" at `captured_at`; it was set at `set_at`."""

    vehicle_id: UUID
    state: str
    latitude_deg: Degrees | None
    longitude_deg: Degrees | None
    set_at: Micros | None
    captured_at: Micros
    received_at: Micros
    stream_id: str
    sequence: int
    event_version: int
    position: int


class Fix(NamedTuple):
    """One position of a track."""

    captured_at: Micros
    latitude_deg: Degrees
    longitude_deg: Degrees
    heading_deg: Degrees | None
    speed_kmh: KilometresPerHour | None
    altitude_m: Metres | None


def merge_track(pieces: list[TrackRow], started_at: Micros, ended_at: Micros) -> list[Fix]:
    """Return the fixes from `started_at` to `ended_at` in order of time, one a moment.

    Where streams tell the same moment, the stream that sorts last wins; where a stream tells it twice (the last fix of
    one leg is the first of the next), what it told first.
    """
    fixes: dict[Micros, Fix] = {}
    for piece in sorted(pieces, key=lambda piece: (piece.stream_id, -piece.event_version)):
        columns = (
            piece.fix_captured_at,
            piece.latitude_deg,
            piece.longitude_deg,
            piece.heading_deg,
            piece.speed_kmh,
            piece.altitude_m,
        )
        for values in zip(*columns, strict=True):
            if started_at <= values[0] <= ended_at:
                fixes[values[0]] = Fix._make(values)
    return [fixes[at] for at in sorted(fixes)]
