"""What a twin should come to know of a day, by the rules of the Vehicle (domain.legs, domain.observation)."""

from collections.abc import Iterable
from typing import Final

import numpy as np

from adapters.simulator.trace import DestinationTruth, Flags, Numbers, TripTruth
from domain.geo import EARTH_RADIUS_M

MOVING_KMH: Final = 5.0  # as domain.legs: a trip begins with this speed
ARRIVAL_RADIUS_M: Final = 100.0  # as domain.observation


def trip(day_s: int, on: int, speed_kmh: Numbers, odometer_m: Numbers, energy_kwh: Numbers | None) -> TripTruth:
    """Return the trip of a drive, whose columns reach from row `on`, ignition on, to ignition off.

    It begins when the car comes to `MOVING_KMH` and ends with the ignition, which goes off within minutes of the
    arrival. Distance and energy are those in between.
    """
    row = int(np.argmax(speed_kmh >= MOVING_KMH))
    before, after = float(speed_kmh[row - 1]), float(speed_kmh[row])
    share = (MOVING_KMH - before) / (after - before)
    start = row - 1 + share

    def gone(column: Numbers) -> float:
        return float(column[-1] - (column[row - 1] + share * (column[row] - column[row - 1])))

    energy = None if energy_kwh is None else -gone(energy_kwh)
    return TripTruth(day_s + on + start, day_s + on + len(speed_kmh) - 1.0, gone(odometer_m), energy)


def destination(
    day_s: int, shown: tuple[int, int], place: tuple[float, float], way: tuple[Numbers, Numbers, Flags]
) -> Iterable[DestinationTruth]:
    """Return what becomes of a destination that is shown from one row to another.

    It is reached with the first fix within `ARRIVAL_RADIUS_M` of it; else it is cleared when it is shown no more. `way`
    are latitude, longitude and whether there is a fix, in the rows that it is shown in.
    """
    yield DestinationTruth(float(day_s + shown[0]), "SET", *place)
    latitude, longitude, fixed = way
    near = fixed & (distances_m(latitude, longitude, place) <= ARRIVAL_RADIUS_M)
    if near.any():
        yield DestinationTruth(float(day_s + shown[0] + int(np.argmax(near))), "REACHED", *place)
    else:
        yield DestinationTruth(float(day_s + shown[1]), "CLEARED", *place)


def distances_m(latitude_deg: Numbers, longitude_deg: Numbers, place: tuple[float, float]) -> Numbers:
    """Return the great circles to a place, as `domain.geo.great_circle_m` does for one."""
    phi, phi_to = np.radians(latitude_deg), np.radians(place[0])
    half = np.sin(np.radians(longitude_deg - place[1]) / 2)
    h = np.sin((phi - phi_to) / 2) ** 2 + np.cos(phi) * np.cos(phi_to) * half**2
    metres: Numbers = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(h, 1.0)))
    return metres
