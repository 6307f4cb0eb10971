"""Where a vehicle is, was and is going."""

from enum import Enum
from typing import Annotated, Final

import strawberry
from strawberry import ID

from adapters.graphql.cohort import Tracks, Twin, signal_field
from adapters.graphql.envelope import NEVER, FloatValue, MeasuredValue, ValueStatus, judge
from adapters.graphql.fields import computed, resolved
from adapters.graphql.ids import cursor_of, event_id_of, trip_id_of
from adapters.graphql.node import OWN_ID, Node
from adapters.graphql.paging import After, Connection, First, Order, Ordered, connection, page_of
from adapters.graphql.scalars import Int64
from adapters.twins import Span
from domain import paths
from domain.errors import BadInputError
from domain.units import MICROS_PER_SECOND, Micros
from projections.navigation.model import DestinationRow, TripRow

POINTS_DEFAULT: Final = 1_000
POINTS_MAX: Final = 10_000
_LOCATION: Final = (paths.LATITUDE, paths.LONGITUDE)
LOCATION_PATH: Final = "Vehicle.CurrentLocation"
_DESTINATION_PATH: Final = "Vehicle.Cabin.Infotainment.Navigation.DestinationSet"
_TRUST: Final = tuple(ValueStatus[name] for name in ("OK", "STALE", "INVALID", "UNSUPPORTED", "NEVER_RECEIVED"))


@strawberry.type(description="A place: latitude and longitude in degrees (WGS 84), told together.")
class LocationValue(MeasuredValue):
    """A place in its envelope."""

    latitude: float | None = strawberry.field(description=f"WGS 84. Unit: degrees. VSS: {paths.LATITUDE}")
    longitude: float | None = strawberry.field(description=f"WGS 84. Unit: degrees. VSS: {paths.LONGITUDE}")


@strawberry.enum(description="What became of a destination.")
class DestinationState(Enum):
    """What became of a destination."""

    SET = strawberry.enum_value("SET", description="It was set, and nothing more is known.")
    REACHED = strawberry.enum_value("REACHED", description="The vehicle came there.")
    CLEARED = strawberry.enum_value("CLEARED", description="It was taken back.")


@strawberry.type(
    description="The newest destination of route guidance: latitude and longitude in degrees (WGS 84). "
    f"VSS: {_DESTINATION_PATH}"
)
class DestinationValue(MeasuredValue):
    """A destination in its envelope."""

    state: DestinationState | None = strawberry.field(description="What became of it.")
    latitude: float | None = strawberry.field(description=f"WGS 84. Unit: degrees. VSS: {_DESTINATION_PATH}.Latitude")
    longitude: float | None = strawberry.field(description=f"WGS 84. Unit: degrees. VSS: {_DESTINATION_PATH}.Longitude")
    set_at: Micros | None = strawberry.field(description="When it was set, by the car's clock.")


@strawberry.type(description="A point of a track; null: not told within 90 s of the fix.")
class TrackPoint:
    """A point of a track."""

    captured_at: Micros = strawberry.field(description="When the car was there, by its own clock, corrected.")
    latitude: float = strawberry.field(description=f"WGS 84. Unit: degrees. VSS: {paths.LATITUDE}")
    longitude: float = strawberry.field(description=f"WGS 84. Unit: degrees. VSS: {paths.LONGITUDE}")
    heading: float | None = strawberry.field(description=f"Clockwise from north. Unit: degrees. VSS: {paths.HEADING}")
    speed: float | None = strawberry.field(description=f"Speed over ground. Unit: km/h. VSS: {paths.SPEED}")
    altitude: float | None = strawberry.field(description=f"Above sea level. Unit: m. VSS: {paths.ALTITUDE}")


@strawberry.type(description="Where a trip went.")
class Track:
    """Where a trip went."""

    point_count: int = strawberry.field(description="Points that are known, shown here or not. Unit: none.")
    points: list[TrackPoint] = strawberry.field(
        description="In order of time; of more than maxPoints, evenly chosen ones with the first and the last."
    )


def thinned(count: int, most: int) -> list[int]:
    """Return the indices of at most `most` of `count` points, evenly spread, the first and the last among them."""
    if count <= most:
        return list(range(count))
    if most == 1:
        return [count - 1]
    return [round(number * (count - 1) / (most - 1)) for number in range(most)]


@strawberry.type(description="A drive, from its first to its last sign of driving.")
class Trip(Node):
    """A trip."""

    row: strawberry.Private[TripRow]
    tracks: strawberry.Private[Tracks]

    id: ID = computed(lambda trip: trip_id_of(trip.row.vehicle_id, trip.row.trip_id), OWN_ID)
    started_at: Micros = computed(lambda trip: trip.row.started_at, "When it began, by the car's clock.")
    ended_at: Micros = computed(lambda trip: trip.row.ended_at, "The last moment that is known to belong to the trip.")
    ended: bool = computed(lambda trip: trip.row.ended, "Whether the trip is over.")
    end_reason: str | None = computed(
        lambda trip: trip.row.end_reason,
        'What ended it: "ignition off", else "standstill", also where its telemetry breaks off.',
    )
    distance_m: float = computed(
        lambda trip: trip.row.distance_m,
        f"Distance, along the fixes or by speed. Unit: m. VSS, added up: {LOCATION_PATH}, {paths.SPEED}",
    )
    duration_s: float = computed(
        lambda trip: (trip.row.ended_at - trip.row.started_at) / MICROS_PER_SECOND,
        "From startedAt to endedAt. Unit: s.",
    )
    energy_kwh: float | None = computed(
        lambda trip: trip.row.energy_kwh,
        "Energy taken from the traction battery; null: the car does not tell. Unit: kWh. VSS, the difference:"
        f" {paths.BATTERY_ENERGY}",
    )
    received_at: Micros = computed(lambda trip: trip.row.received_at, "When the newest data of the trip reached us.")
    event_id: ID = computed(
        lambda trip: event_id_of(trip.row.vehicle_id, trip.row.event_version), "The event that told it last."
    )
    position: Int64 = computed(lambda trip: trip.row.position, "The position of that event in the whole log.")

    @resolved("Where the trip went. Scopes: navigation:read, navigation:history.")
    def track(
        self,
        max_points: Annotated[
            int, strawberry.argument(description=f"Show no more points than this, 1 to {POINTS_MAX}.")
        ] = POINTS_DEFAULT,
    ) -> Track | None:
        """Return the track."""
        if not 1 <= max_points <= POINTS_MAX:
            remedy = f"give a number from 1 to {POINTS_MAX}"
            raise BadInputError(f"a track of {max_points} points cannot be", where="maxPoints", remedy=remedy)
        row = self.row
        if not self.tracks.permits.may_show(row.vehicle_id, "Trip.track"):
            return None
        fixes = self.tracks.fixes(Span(row.vehicle_id, row.started_at, row.ended_at))
        shown = (fixes[index] for index in thinned(len(fixes), max_points))
        points = [
            TrackPoint(
                captured_at=fix.captured_at,
                latitude=fix.latitude_deg,
                longitude=fix.longitude_deg,
                heading=fix.heading_deg,
                speed=fix.speed_kmh,
                altitude=fix.altitude_m,
            )
            for fix in shown
        ]
        return Track(point_count=len(fixes), points=points)


def _location(model: "Navigation") -> LocationValue:
    twin = model.twin
    refusal = twin.refusal(LOCATION_PATH)
    if refusal:
        return LocationValue(
            row=None,
            path=LOCATION_PATH,
            unit="degrees",
            status=ValueStatus.FORBIDDEN,
            reason=refusal,
            latitude=None,
            longitude=None,
        )
    rows = [twin.cohort.signal(twin.id, path) for path in _LOCATION]
    reference = twin.cohort.age_reference(twin.id)
    judged = [judge(row, reference) for row in rows]
    worst = max(judged, key=lambda each: _TRUST.index(each.status))
    latitude, longitude = (each.value for each in judged)
    known = [row for row in rows if row is not None]
    whole = isinstance(latitude, float) and isinstance(longitude, float)
    return LocationValue(
        row=min(known, key=lambda row: row.captured_at) if known else None,
        path=LOCATION_PATH,
        unit="degrees",
        status=worst.status,
        reason=worst.reason,
        latitude=latitude if whole and isinstance(latitude, float) else None,
        longitude=longitude if whole and isinstance(longitude, float) else None,
    )


def _destination(model: "Navigation") -> DestinationValue:
    twin = model.twin
    refusal = twin.cohort.context.permits.refusal_of_field(twin.id, "Navigation.destination", past=twin.is_past)
    rows = () if refusal else twin.cohort.rows(twin.id, "destinations", lambda read, ids: read.destinations(ids))
    row: DestinationRow | None = next(iter(rows), None)
    nothing = ValueStatus.FORBIDDEN if refusal else ValueStatus.NEVER_RECEIVED
    return DestinationValue(
        row=row,
        path=_DESTINATION_PATH,
        unit="degrees",
        status=nothing if row is None else ValueStatus.OK,
        reason=(refusal or NEVER) if row is None else None,
        state=row and DestinationState(row.state),
        latitude=row and row.latitude_deg,
        longitude=row and row.longitude_deg,
        set_at=row and row.set_at,
    )


def _current_trip(model: "Navigation") -> Trip | None:
    twin = model.twin
    if not twin.may_show("Navigation.currentTrip"):
        return None
    key = "current trips"
    row = next(iter(twin.cohort.rows(twin.id, key, lambda read, ids: read.current_trips(ids))), None)
    return None if row is None else Trip(row=row, tracks=twin.cohort.tracks(key))


@strawberry.type(
    description="Where a vehicle is, was and is going. Scope: navigation:read; of the past navigation:history too."
)
class Navigation:
    """The navigation of a vehicle."""

    twin: strawberry.Private[Twin]

    location: LocationValue = computed(
        _location, "Latitude and longitude together. Unit: degrees. VSS: Vehicle.CurrentLocation", shows=_LOCATION
    )
    latitude: FloatValue = signal_field(FloatValue, paths.LATITUDE, "degrees", "Latitude, WGS 84")
    longitude: FloatValue = signal_field(FloatValue, paths.LONGITUDE, "degrees", "Longitude, WGS 84")
    heading: FloatValue = signal_field(FloatValue, paths.HEADING, "degrees", "Heading, clockwise from north")
    altitude: FloatValue = signal_field(FloatValue, paths.ALTITUDE, "m", "Altitude above sea level")
    speed: FloatValue = signal_field(FloatValue, paths.SPEED, "km/h", "Speed over ground")
    range: FloatValue = signal_field(FloatValue, "Vehicle.Powertrain.Range", "m", "Range with all that is on board")
    battery_range: FloatValue = signal_field(
        FloatValue, "Vehicle.Powertrain.TractionBattery.Range", "m", "Range with the traction battery alone"
    )
    fuel_range: FloatValue = signal_field(
        FloatValue, "Vehicle.Powertrain.FuelSystem.Range", "m", "Range with the fuel alone"
    )
    destination: DestinationValue = computed(
        _destination, f"The newest destination of route guidance. Unit: degrees. VSS: {_DESTINATION_PATH}"
    )
    current_trip: Trip | None = computed(_current_trip, "The trip that the vehicle is on; null: it is on none.")

    @resolved("Trips by the time of their start. Scopes: navigation:read, navigation:history.")
    def trips(self, first: First, after: After = None, order: Ordered = Order.NEWEST_FIRST) -> Connection[Trip] | None:
        """Return a page of trips."""
        page = page_of("trips", first, after, order)
        if not self.twin.may_show("Navigation.trips"):
            return None
        key = ("trips", page)
        cohort = self.twin.cohort
        rows = cohort.rows(self.twin.id, key, lambda read, ids: read.trips(ids, page))
        return connection(
            rows,
            page,
            lambda row: cursor_of("trips", row.started_at, row.trip_id),
            lambda row: Trip(row=row, tracks=cohort.tracks(key)),
        )
