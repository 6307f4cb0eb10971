"""Drives: from the signs of driving in a batch to legs, and from legs to the trips that they make together."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from domain import events as e
from domain import paths, trips
from domain.legs import EnergySeen, Fix, Growth, LegTracker, SpeedSeen
from domain.signals import Quality
from domain.state import Known
from domain.telling import Telling
from domain.trips import Leg, Trip
from domain.units import MICROS_PER_SECOND, Degrees, KilometresPerHour, KilowattHours, Micros

SIGNS: Final = (paths.SPEED, paths.BATTERY_ENERGY)  # that are noted below


def note_sign(heard: Telling, path: str, known: Known) -> None:
    """Note what a speed or an energy that is recorded says of driving."""
    if path == paths.SPEED:
        heard.signs.append(SpeedSeen(known.captured_at, _speed_kmh(known)))
    elif path == paths.BATTERY_ENERGY:
        heard.signs.append(EnergySeen(known.captured_at, _energy_kwh(known)))


def follow(heard: Telling, until: Micros) -> Sequence[Growth]:
    """Return what the signs so far make of the stream's legs; `until` is how far the stream has come."""
    return _tracker(heard).follow(sorted(heard.signs, key=lambda sign: sign.captured_at), until)


def _tracker(heard: Telling) -> LegTracker:
    lane = heard.lane
    speed, latitude, longitude = (lane.last.get(path) for path in (paths.SPEED, paths.LATITUDE, paths.LONGITUDE))
    last_speed = last_fix = None
    if speed:
        last_speed = SpeedSeen(speed.captured_at, _speed_kmh(speed))
    if latitude and longitude and latitude.captured_at == longitude.captured_at:
        good = latitude.quality == longitude.quality == Quality.OK
        if good and isinstance(latitude.value, float) and isinstance(longitude.value, float):
            last_fix = Fix(latitude.captured_at, Degrees(latitude.value), Degrees(longitude.value))
    if last_fix is None and lane.leg:
        last_fix = lane.leg.last_fix
    energy = lane.last.get(paths.BATTERY_ENERGY)
    energy_kwh = _energy_kwh(energy) if energy else None
    return LegTracker(lane.leg, last_speed, last_fix, energy_kwh, lane.driven_until)


def tell_growth(heard: Telling, growth: Growth) -> None:
    """Tell what a leg has grown by, and which trips that makes."""
    leg = growth.leg
    before = heard.lane.leg
    if growth.open and not growth.fixes and before and before.shows_the_same(leg):
        return
    told = Leg(
        leg.started_at, heard.batch.stream_id, leg.ended_at, leg.closed, growth.open, leg.distance_m, leg.energy_kwh
    )
    change = trips.change(heard.state.trips, told)
    _tell_arrangement(heard, heard.state.trips[change.low : change.high], change)
    fixes = growth.fixes
    heard.trigger(
        e.TrackExtended,
        max([leg.ended_at, *(fix.captured_at for fix in fixes[-1:])]),
        trip_id=_trip_id(heard, change.trip),
        trip_started_at=change.trip.started_at,
        trip_ended_at=change.trip.ended_at,
        trip_distance_m=change.trip.distance_m,
        trip_energy_kwh=change.trip.energy_kwh,
        leg_started_at=leg.started_at,
        leg_ended_at=leg.ended_at,
        leg_open=growth.open,
        leg_closed=leg.closed,
        leg_distance_by_fixes_m=leg.distance_by_fixes_m,
        leg_distance_by_speed_m=leg.distance_by_speed_m,
        leg_speed_until=leg.speed_until,
        leg_energy_kwh=leg.energy_kwh,
        leg_energy_at_start_kwh=leg.energy_at_start_kwh,
        fix_captured_at=[fix.captured_at for fix in fixes],
        latitude_deg=[fix.latitude_deg for fix in fixes],
        longitude_deg=[fix.longitude_deg for fix in fixes],
        heading_deg=[fix.heading_deg for fix in fixes],
        speed_kmh=[fix.speed_kmh for fix in fixes],
        altitude_m=[fix.altitude_m for fix in fixes],
    )


def _tell_arrangement(heard: Telling, before: Sequence[Trip], change: trips.Change) -> None:
    """Tell which trips a leg starts, joins or parts, before it is told itself."""
    ids_before = {_trip_id(heard, trip) for trip in before}
    ids_after = {_trip_id(heard, trip) for trip in change.after}
    if ids_before == ids_after:
        return
    removed = sorted(ids_before - ids_after)
    changed = [trip for trip in change.after if trip not in before]
    if not removed and changed == [change.trip]:
        at = change.trip.started_at
        heard.trigger(e.TripStarted, at, trip_id=_trip_id(heard, change.trip), started_at=at)
        return
    heard.trigger(
        e.TripsRearranged,
        change.trip.started_at,
        removed_trip_ids=removed,
        trip_id=[_trip_id(heard, trip) for trip in changed],
        started_at=[trip.started_at for trip in changed],
        ended_at=[trip.ended_at for trip in changed],
        distance_m=[trip.distance_m for trip in changed],
        energy_kwh=[trip.energy_kwh for trip in changed],
    )


def _trip_id(heard: Telling, trip: Trip) -> UUID:
    return trips.trip_id(heard.state.vehicle_id, trip.started_at)


def end_trips(heard: Telling) -> None:
    """Tell the end of each trip that is over, but not while this stream may go on with it."""
    if not heard.state.open_trips:
        return
    leg = None if heard.batch.final else heard.lane.leg
    going_on = leg and (leg.started_at, heard.batch.stream_id)
    for trip in [heard.state.trip_from(started_at) for started_at in sorted(heard.state.open_trips.values())]:
        if not trip.is_over(heard.state.newest_at) or any(leg[:2] == going_on for leg in trip.legs):
            continue
        heard.trigger(
            e.TripEnded,
            trip.ended_at,
            trip_id=_trip_id(heard, trip),
            started_at=trip.started_at,
            ended_at=trip.ended_at,
            distance_m=trip.distance_m,
            duration_s=(trip.ended_at - trip.started_at) / MICROS_PER_SECOND,
            energy_kwh=trip.energy_kwh,
            reason="ignition off" if trip.closed else "standstill",
        )


def _speed_kmh(known: Known) -> KilometresPerHour | None:
    """Return a speed without its direction."""
    return KilometresPerHour(abs(float(known.value))) if isinstance(known.value, (int, float)) else None


def _energy_kwh(known: Known) -> KilowattHours | None:
    return KilowattHours(float(known.value)) if isinstance(known.value, (int, float)) else None
