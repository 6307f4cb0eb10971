"""Where a drive leads: from its speeds to distance, position, heading, height and steering."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from adapters.simulator.physics import integral, per_second
from adapters.simulator.routes import Route
from adapters.simulator.trace import Numbers

STEERING_RATIO: Final = 15.0  # of the steering wheel to the front wheels
STEERING_MAX_DEG: Final = 480.0
_TURN_M: Final = 80.0  # a bend of the road's points is driven over so many metres
_HILLS: Final = ((15.0, 9_000.0), (3.0, 2_300.0))  # half the height and the length of gentle waves, in metres


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Columns of a drive from its first to its last standstill."""

    speed_kmh: Numbers
    distance_m: Numbers  # from 0: the integral of the speed, which is straight in between
    latitude_deg: Numbers
    longitude_deg: Numbers
    heading_deg: Numbers
    altitude_m: Numbers
    acceleration_ms2: Numbers
    steering_deg: Numbers
    place_m: float  # on the road at the end


def move(
    road: Route, place_m: float, heading_deg: float, speed_kmh: Numbers, wheelbase_m: float, *, onward: bool
) -> Motion:
    """Return the drive along a road from a place, where the car stands with some heading; onward or back."""
    speed_ms = speed_kmh / 3.6
    distance = integral(speed_ms)
    start_m = place_m if onward else 2 * road.length_m - place_m
    positions = road.at(start_m + distance)
    heading = _driven_heading(distance, positions.heading_deg, heading_deg)
    turning = np.radians(per_second(heading))  # a second
    wheel = np.arctan2(wheelbase_m * turning, np.maximum(speed_ms, 1.5))
    steering = np.clip(-STEERING_RATIO * np.degrees(wheel), -STEERING_MAX_DEG, STEERING_MAX_DEG)
    acceleration = per_second(speed_ms)
    acceleration[-1] = 0.0  # the car stands
    end_m = place_m + distance[-1] if onward else place_m - distance[-1]
    along_m = place_m + distance if onward else place_m - distance
    return Motion(
        speed_kmh=speed_kmh,
        distance_m=distance,
        latitude_deg=positions.latitude_deg,
        longitude_deg=positions.longitude_deg,
        heading_deg=heading,
        altitude_m=altitude_m(road, along_m),
        acceleration_ms2=acceleration,
        steering_deg=np.where(speed_kmh > 0, steering, 0.0),
        place_m=float(end_m),
    )


def _driven_heading(distance_m: Numbers, road_deg: Numbers, start_deg: float) -> Numbers:
    """Return the mean heading of the road over the last metres, without jumps at north.

    Before the drive it was `start_deg`.
    """
    degrees = np.unwrap(np.concatenate(([start_deg], road_deg)), period=360.0)
    metres = np.concatenate(([-_TURN_M], distance_m))
    steps = np.diff(metres) * degrees[:-1]
    summed = np.concatenate(([0.0], np.cumsum(steps)))
    moved = np.flatnonzero(np.concatenate(([True], np.diff(metres) > 0)))  # np.interp wants places that grow
    before = np.interp(distance_m - _TURN_M, metres[moved], summed[moved])
    heading: Numbers = (summed[1:] - before) / _TURN_M
    return heading


def altitude_m(road: Route, along_m: Numbers) -> Numbers:
    """Return the height of the ground, which is this simulation's own: the points of a road have none."""
    metres = np.full(len(along_m), 40.0)
    for number, (height_m, length_m) in enumerate(_HILLS):
        phase = road.latitude_deg[0] * 10 + road.longitude_deg[0] * (number + 1)
        metres += height_m * np.sin(2 * np.pi * along_m / length_m + phase)
    return metres
