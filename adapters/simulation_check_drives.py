"""Drives, tracks and destinations of a twin, held against what was true of the car."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from adapters.simulation_check_car import CheckedCar, Difference
from adapters.simulator.trace import DestinationTruth, Numbers, TripTruth
from domain.geo import EARTH_RADIUS_M
from domain.units import METRES_PER_KILOMETRE
from projections.navigation.model import DestinationRow, TrackRow, TripRow

TIME_S: Final = 3.0  # every message comes once a second at least
DISTANCE_SHARE: Final = 0.01  # lines from fix to fix are shorter than the road
DISTANCE_M: Final = 20.0  # and the share above
ENERGY_SHARE: Final = 0.01
ENERGY_KWH: Final = 0.06  # and the share above: deadband and resolution of the energy in the battery
FIX_M: Final = 5.0
DESTINATION_DEG: Final = 1e-6


def trip_differences(car: CheckedCar) -> Iterator[Difference]:
    """Compare drives, and look for trips that were none."""
    shown = {row: (car.second(row.started_at), car.second(row.ended_at)) for row in car.rows.trips}
    unmatched = dict.fromkeys(shown)
    for trip in car.true("trips"):
        ours = [row for row, (began, ended) in shown.items() if began < trip.ended_s and ended > trip.started_s]
        for row in ours:
            unmatched.pop(row, None)
        if not car.within(trip.started_s, trip.ended_s):
            continue
        pieces = sorted(shown[row] for row in ours)
        causes = list(_of_trip(car, trip, ours, pieces))
        if causes:
            text = " and ".join(_trip_row(row, *shown[row]) for row in ours) or "none"
            yield car.difference("trip", _trip(trip), text, _all_of(causes))
    for row in unmatched:
        began, ended = shown[row]
        if car.within(began, ended):
            yield car.difference("trip", "none", _trip_row(row, began, ended), car.causes.of(began, ended))


def _of_trip(
    car: CheckedCar, trip: TripTruth, ours: list[TripRow], pieces: list[tuple[float, float]]
) -> Iterator[str | None]:
    """Yield the cause, or None, of each thing that is wrong with a trip."""
    causes = car.causes
    if not pieces:
        yield causes.of(trip.started_s, trip.ended_s)
        return
    for true_s, shown_s in ((trip.started_s, pieces[0][0]), (trip.ended_s, pieces[-1][1])):
        if abs(true_s - shown_s) > TIME_S:
            yield causes.of(true_s, shown_s)
    for (_, ended), (began, _) in pairwise(pieces):
        yield causes.of(ended, began)
    tolerance_m = DISTANCE_M + DISTANCE_SHARE * trip.distance_m
    off_m = abs(sum(row.distance_m for row in ours) - trip.distance_m)
    if off_m > tolerance_m:
        yield _if_explained(car, trip, "odometer_m", off_m - tolerance_m)
    energies = [row.energy_kwh for row in ours if row.energy_kwh is not None]
    if trip.energy_kwh is None:
        if energies:
            yield None
        return
    tolerance_kwh = ENERGY_KWH + ENERGY_SHARE * abs(trip.energy_kwh)
    off_kwh = abs(sum(energies) - trip.energy_kwh)
    if not energies or off_kwh > tolerance_kwh:
        yield _if_explained(car, trip, "energy_kwh", off_kwh - tolerance_kwh)


def _if_explained(car: CheckedCar, trip: TripTruth, column: str, off: float) -> str | None:
    """Return a fault that met a trip, if no more is wrong than what went by within reach of faults."""
    parts = list(car.causes.within(trip.started_s, trip.ended_s))
    most = car.changed_within_faults(column, trip.started_s, trip.ended_s)
    return car.causes.of(*parts[0]) if parts and off <= most else None


def _all_of(causes: list[str | None]) -> str | None:
    """Return a cause if everything has one."""
    known = [cause for cause in causes if cause is not None]
    return known[0] if len(known) == len(causes) else None


class _WrongFix(NamedTuple):
    away_m: float
    at_s: float
    true: str
    shown: str


def track_differences(car: CheckedCar) -> Iterator[Difference]:
    """Compare every fix with where the car was; of the wrong ones the farthest is told, one for each cause."""
    farthest: dict[str | None, _WrongFix] = {}
    for row in car.rows.tracks:
        for fix in _wrong_fixes(car, row):
            cause = car.causes.of(fix.at_s)
            farthest[cause] = max(fix, farthest.get(cause, fix))
    for cause, fix in farthest.items():
        shown = f"{fix.shown}, {fix.away_m:.0f} m away"
        yield car.difference("track", f"{fix.true} at {fix.at_s:.0f} s", shown, cause)


def _wrong_fixes(car: CheckedCar, row: TrackRow) -> Iterator[_WrongFix]:
    at_s = np.array([car.second(at) for at in row.fix_captured_at])
    inside = np.clip(at_s, 0.0, car.until_s)
    latitude_deg, longitude_deg = _at(car, "latitude_deg", inside), _at(car, "longitude_deg", inside)
    north_deg = np.array(row.latitude_deg) - latitude_deg
    east_deg = (np.array(row.longitude_deg) - longitude_deg) * np.cos(np.radians(latitude_deg))
    away_m = np.radians(np.hypot(north_deg, east_deg)) * EARTH_RADIUS_M
    for place in (away_m > FIX_M).nonzero()[0].tolist():
        true = _place(float(latitude_deg[place]), float(longitude_deg[place]))
        shown = _place(row.latitude_deg[place], row.longitude_deg[place])
        yield _WrongFix(float(away_m[place]), float(at_s[place]), true, shown)


def _at(car: CheckedCar, name: str, at_s: Numbers) -> Numbers:
    """Return a column at some moments."""
    first = int(at_s.min())
    column = car.column(name, first, float(at_s.max()) + 1)
    return np.interp(at_s, np.arange(first, first + len(column)), column)


def destination_differences(car: CheckedCar) -> Iterator[Difference]:
    """Compare the newest destination with the last one that was set, reached or cleared."""
    so_far = [one for one in car.true("destinations") if car.within(one.at_s, one.at_s)]
    last = so_far[-1:]
    if last and last[0].at_s > car.until_s - TIME_S:
        last = so_far[-2:]  # what has just happened may not be told yet
    row = next(iter(car.rows.destinations), None)
    if (row is None and len(last) != 1) or (row and any(_same_destination(car, true, row) for true in last)):
        return
    true_text = _destination(last[-1]) if last else "none"
    if row is None:
        yield car.difference("destination", true_text, "none", car.causes.of(last[-1].at_s, car.until_s))
        return
    at_s = car.second(row.captured_at)
    shown = f"{row.state} at {at_s:.0f} s, {_place(row.latitude_deg, row.longitude_deg)}"
    cause = None
    if last and (last[-1].state == "CLEARED" or _same_place(last[-1], row)):
        cause = car.causes.of(last[-1].at_s, at_s)
    yield car.difference("destination", true_text, shown, cause)


def _same_destination(car: CheckedCar, true: DestinationTruth, row: DestinationRow) -> bool:
    near = abs(car.second(row.captured_at) - true.at_s) <= TIME_S
    return near and row.state == true.state and _same_place(true, row)


def _same_place(true: DestinationTruth, row: DestinationRow) -> bool:
    if row.latitude_deg is None or row.longitude_deg is None:
        return False
    north_deg, east_deg = row.latitude_deg - true.latitude_deg, row.longitude_deg - true.longitude_deg
    return abs(north_deg) <= DESTINATION_DEG and abs(east_deg) <= DESTINATION_DEG


def _destination(true: DestinationTruth) -> str:
    return f"{true.state} at {true.at_s:.0f} s, {_place(true.latitude_deg, true.longitude_deg)}"


def _place(latitude_deg: float | None, longitude_deg: float | None) -> str:
    if latitude_deg is None or longitude_deg is None:
        return "nowhere"
    return f"{latitude_deg:.5f}, {longitude_deg:.5f}"


def _trip(trip: TripTruth) -> str:
    return _trip_text(trip.started_s, trip.ended_s, trip.distance_m, trip.energy_kwh)


def _trip_row(row: TripRow, began_s: float, ended_s: float) -> str:
    return _trip_text(began_s, ended_s, row.distance_m, row.energy_kwh)


def _trip_text(began_s: float, ended_s: float, distance_m: float, energy_kwh: float | None) -> str:
    energy = "" if energy_kwh is None else f", {energy_kwh:.2f} kWh"
    return f"{began_s:.0f} s to {ended_s:.0f} s, {distance_m / METRES_PER_KILOMETRE:.2f} km{energy}"
