"""The fold of navigation."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from domain import events as e
from domain import paths
from domain.events import VehicleEvent
from domain.units import KilowattHours, Metres, Micros
from projections.navigation.model import DestinationRow, NavigationSignalRow, TrackRow, TripRow
from projections.projection import Copied, Key, Projection, Recorded, Renewed, Row, Rows
from projections.signal_rows import SAMPLES, signal_keys, tell, tell_newest

PATHS: Final = frozenset(
    {
        paths.SPEED,
        paths.LATITUDE,
        paths.LONGITUDE,
        paths.HEADING,
        paths.ALTITUDE,
        paths.DESTINATION_LATITUDE,
        paths.DESTINATION_LONGITUDE,
        "Vehicle.Powertrain.Range",
        "Vehicle.Powertrain.TractionBattery.Range",
        "Vehicle.Powertrain.FuelSystem.Range",
    }
)
_POSITION: Final = (paths.LATITUDE, paths.LONGITUDE)
_DESTINATION_STATES: Final[dict[type[VehicleEvent], str]] = {
    e.DestinationSet: "SET",
    e.DestinationReached: "REACHED",
    e.DestinationCleared: "CLEARED",
}
_DESTINATION: Final = (paths.DESTINATION_LATITUDE, paths.DESTINATION_LONGITUDE)


def _sampled(recorded: Recorded, x: e.SignalsSampled | e.LateSamplesRecorded, rows: Rows) -> None:
    tell_newest(rows, NavigationSignalRow, recorded, x, PATHS.__contains__)


def _put_trip(  # the columns of a trip
    recorded: Recorded,
    rows: Rows,
    trip_id: UUID,
    started_at: Micros,
    ended_at: Micros,
    distance_m: Metres,
    energy_kwh: KilowattHours | None,
    end_reason: str | None = None,
) -> None:
    """Put a trip as an event tells it; it is over where a reason is given."""
    event = recorded.event
    row = TripRow(
        event.originator_id,
        trip_id,
        started_at,
        ended_at,
        ended=end_reason is not None,
        end_reason=end_reason,
        distance_m=distance_m,
        energy_kwh=energy_kwh,
        received_at=event.received_at,
        event_version=event.originator_version,
        position=recorded.position,
    )
    rows.put(row)


def _started(recorded: Recorded, x: e.TripStarted, rows: Rows) -> None:
    _put_trip(recorded, rows, x.trip_id, x.started_at, x.started_at, Metres(0.0), None)


def _extended(recorded: Recorded, x: e.TrackExtended, rows: Rows) -> None:
    _put_trip(recorded, rows, x.trip_id, x.trip_started_at, x.trip_ended_at, x.trip_distance_m, x.trip_energy_kwh)
    if not x.fix_captured_at:
        return
    rows.put(
        TrackRow(
            x.originator_id,
            x.originator_version,
            x.fix_captured_at[0],
            x.fix_captured_at[-1],
            x.stream_id,
            [*x.fix_captured_at],
            [*x.latitude_deg],
            [*x.longitude_deg],
            [*x.heading_deg],
            [*x.speed_kmh],
            [*x.altitude_m],
            x.received_at,
            recorded.position,
        )
    )
    at = x.fix_captured_at[-1]
    tell(rows, NavigationSignalRow, recorded, paths.LATITUDE, x.latitude_deg[-1], at)
    tell(rows, NavigationSignalRow, recorded, paths.LONGITUDE, x.longitude_deg[-1], at)


def _ended(recorded: Recorded, x: e.TripEnded, rows: Rows) -> None:
    _put_trip(recorded, rows, x.trip_id, x.started_at, x.ended_at, x.distance_m, x.energy_kwh, x.reason)


def _rearranged(recorded: Recorded, x: e.TripsRearranged, rows: Rows) -> None:
    for trip_id in x.removed_trip_ids:
        rows.delete(TripRow, trip_id)
    for trip in zip(x.trip_id, x.started_at, x.ended_at, x.distance_m, x.energy_kwh, strict=True):
        _put_trip(recorded, rows, *trip)


def _destination(
    recorded: Recorded, x: e.DestinationSet | e.DestinationReached | e.DestinationCleared, rows: Rows
) -> None:
    current = rows.get(DestinationRow)
    row = current
    if row is None or (row.captured_at, row.stream_id, row.sequence) <= (x.captured_at, x.stream_id, x.sequence):
        row = DestinationRow(
            x.originator_id,
            _DESTINATION_STATES[type(x)],
            current and current.latitude_deg,
            current and current.longitude_deg,
            current and current.set_at,
            x.captured_at,
            x.received_at,
            x.stream_id,
            x.sequence,
            x.originator_version,
            recorded.position,
        )
    if isinstance(x, e.DestinationSet):
        newest = (x.captured_at, x.latitude_deg, x.longitude_deg)
        if row.set_at is None or (row.set_at, row.latitude_deg, row.longitude_deg) < newest:
            row = row._replace(set_at=x.captured_at, latitude_deg=x.latitude_deg, longitude_deg=x.longitude_deg)
    rows.put(row)
    if isinstance(x, e.DestinationSet):
        tell(rows, NavigationSignalRow, recorded, paths.DESTINATION_LATITUDE, x.latitude_deg, x.captured_at)
        tell(rows, NavigationSignalRow, recorded, paths.DESTINATION_LONGITUDE, x.longitude_deg, x.captured_at)


def _keys(event: VehicleEvent) -> Sequence[tuple[type[Row], Key]]:
    if isinstance(event, (e.SignalsSampled, e.LateSamplesRecorded)):
        return signal_keys(NavigationSignalRow, PATHS.intersection(event.path))
    if isinstance(event, e.TrackExtended):
        return signal_keys(NavigationSignalRow, _POSITION)
    if isinstance(event, (e.DestinationSet, e.DestinationReached, e.DestinationCleared)):
        return [(DestinationRow, ()), *signal_keys(NavigationSignalRow, _DESTINATION)]
    return ()


NAVIGATION: Final = Projection(
    name="navigation",
    version=1,
    row_types=(NavigationSignalRow, TripRow, TrackRow, DestinationRow),
    folds={
        e.SignalsSampled: _sampled,
        e.LateSamplesRecorded: _sampled,
        e.TripStarted: _started,
        e.TrackExtended: _extended,
        e.TripEnded: _ended,
        e.TripsRearranged: _rearranged,
        e.DestinationSet: _destination,
        e.DestinationReached: _destination,
        e.DestinationCleared: _destination,
    },
    keys=_keys,
    renewed={
        e.SignalsSampled: SAMPLES,
        e.TrackExtended: Renewed(
            "fix_captured_at",
            signals=_POSITION,
            row="trip_id",
            copied=Copied(TrackRow, {"started_at": ("fix_captured_at", 0), "ended_at": ("fix_captured_at", -1)}),
        ),
    },
)
