"""The road and the motion of the demo drive: from Fallersleben to the Allerpark in Wolfsburg.

The waypoints follow the general course of public roads, to some tens of metres; they are no survey. Motion and energy
come from plain longitudinal dynamics of a compact electric car. Nothing but +, -, ×, / and square roots goes into the
motion, so that every machine makes the same drive.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from math import atan2, degrees, sqrt
from random import Random
from typing import Final, NamedTuple

TICK_S: Final = 0.1
METRES_PER_DEGREE_LATITUDE: Final = 111_260.0  # at 52.4° north, WGS 84
METRES_PER_DEGREE_LONGITUDE: Final = 68_065.0

WAYPOINTS: Final = (
    (52.41920, 10.71720),  # Fallersleben, by the castle
    (52.42010, 10.72050),
    (52.42120, 10.72620),
    (52.42210, 10.73180),
    (52.42300, 10.74000),  # east along the Mittellandkanal
    (52.42410, 10.74800),
    (52.42490, 10.75650),
    (52.42580, 10.76500),
    (52.42660, 10.77350),
    (52.42740, 10.78150),
    (52.42810, 10.78680),  # central station
    (52.42840, 10.79050),
    (52.42840, 10.79450),
    (52.43000, 10.79560),  # over canal and railway
    (52.43220, 10.79650),
    (52.43280, 10.79950),
    (52.43310, 10.80250),
    (52.43360, 10.80480),  # Allerpark
)
LIMITS: Final = ((0, 30), (650, 50), (1_500, 70), (4_150, 50), (5_300, 28), (5_430, 50), (6_150, 30))  # from m: km/h
HALTS: Final = ((640, 14), (1_490, 46), (3_020, 26), (4_640, 64), (5_290, 33), (6_140, 12))  # at m: s, traffic lights
ALTITUDES: Final = ((0, 63.0), (1_500, 60.0), (4_500, 58.0), (5_450, 67.0), (6_000, 59.0), (9_000, 59.0))  # at m: m

ACCELERATION_MS2: Final = 1.7
BRAKING_MS2: Final = 1.6
MASS_KG: Final = 1_900.0
ROLLING: Final = 0.0105
DRAG_AREA_M2: Final = 0.63  # drag coefficient times frontal area
AIR_KG_M3: Final = 1.2
GRAVITY_MS2: Final = 9.81
DRIVE_EFFICIENCY: Final = 0.88
RECUPERATION: Final = 0.62
AUXILIARY_KW: Final = 0.7


class Moment(NamedTuple):
    """Where the car is and what it does, a tenth of a second after the moment before."""

    distance_m: float
    speed_ms: float
    latitude_deg: float
    longitude_deg: float
    heading_deg: float
    altitude_m: float
    battery_power_kw: float  # out of the battery: negative, as VSS has it


def drive(rng: Random) -> Iterator[Moment]:
    """Yield the moments of the drive, from standing still to standing still."""
    road = _Road(WAYPOINTS)
    halts = [*HALTS, (road.length_m - 1, 0)]
    distance, speed, whim = 0.0, 0.0, 0.0
    waiting_s = 0.0
    while halts:
        place, wait_s = halts[0]
        whim = 0.98 * whim + 0.02 * rng.uniform(-1, 1)
        aimed = _aimed_ms(distance, place) * (1 + 0.25 * whim)
        change = max(-BRAKING_MS2 * 1.2, min(ACCELERATION_MS2 - speed / 25, (aimed - speed) / TICK_S))
        if waiting_s > 0 or (place - distance < 0.3 and speed < 0.25):
            change = -speed / TICK_S
            waiting_s = waiting_s - TICK_S if waiting_s > 0 else float(wait_s)
            if waiting_s <= 0:
                halts.pop(0)
        before, speed = speed, max(0.0, speed + change * TICK_S)
        distance += (before + speed) / 2 * TICK_S
        latitude, longitude, heading = road.at(distance)
        power = battery_power_kw(speed, (speed - before) / TICK_S)
        yield Moment(distance, speed, latitude, longitude, heading, between(ALTITUDES, distance), power)


def battery_power_kw(speed_ms: float, acceleration_ms2: float) -> float:
    """Return the power of the battery: of inertia, rolling, air and auxiliaries; negative while it is discharged."""
    force_n = MASS_KG * (acceleration_ms2 + (GRAVITY_MS2 * ROLLING if speed_ms else 0))
    force_n += AIR_KG_M3 / 2 * DRAG_AREA_M2 * speed_ms * speed_ms
    wheels_kw = force_n * speed_ms / 1_000
    return -(wheels_kw / DRIVE_EFFICIENCY if wheels_kw > 0 else wheels_kw * RECUPERATION) - AUXILIARY_KW


def between(points: tuple[tuple[float, float], ...], x: float) -> float:
    """Return the value at `x` of the straight lines through `points`."""
    right = min(max(1, bisect_right(points, (x, float("inf")))), len(points) - 1)
    (x0, y0), (x1, y1) = points[right - 1], points[right]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def _aimed_ms(distance_m: float, halt_m: float) -> float:
    """Return the speed that the limit here, a lower one ahead and the next halt allow."""
    aimed = sqrt(2 * BRAKING_MS2 * max(0.0, halt_m - distance_m))
    here_ms = 0.0
    for place, limit_kmh in LIMITS:
        limit_ms = limit_kmh / 3.6
        if place <= distance_m:
            here_ms = limit_ms
        else:
            aimed = min(aimed, sqrt(limit_ms * limit_ms + 2 * BRAKING_MS2 * (place - distance_m)))
    return min(aimed, here_ms)


class _Road:
    """A line through the waypoints, its corners cut (Chaikin), measured in metres on a plane."""

    def __init__(self, waypoints: tuple[tuple[float, float], ...]) -> None:
        points = [
            (longitude * METRES_PER_DEGREE_LONGITUDE, latitude * METRES_PER_DEGREE_LATITUDE)
            for latitude, longitude in waypoints
        ]
        for _ in range(4):
            cut = [points[0]]
            for (x0, y0), (x1, y1) in pairwise(points):
                cut += [((3 * x0 + x1) / 4, (3 * y0 + y1) / 4), ((x0 + 3 * x1) / 4, (y0 + 3 * y1) / 4)]
            points = [*cut, points[-1]]
        self._points = points
        self._at = [0.0]
        for (x0, y0), (x1, y1) in pairwise(points):
            self._at.append(self._at[-1] + sqrt((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0)))
        self.length_m = self._at[-1]

    def at(self, distance_m: float) -> tuple[float, float, float]:
        """Return latitude, longitude and heading in degrees after so many metres."""
        right = min(max(1, bisect_right(self._at, distance_m)), len(self._at) - 1)
        (x0, y0), (x1, y1) = self._points[right - 1], self._points[right]
        share = (distance_m - self._at[right - 1]) / (self._at[right] - self._at[right - 1])
        x, y = x0 + (x1 - x0) * share, y0 + (y1 - y0) * share
        heading = degrees(atan2(x1 - x0, y1 - y0)) % 360
        return y / METRES_PER_DEGREE_LATITUDE, x / METRES_PER_DEGREE_LONGITUDE, heading
