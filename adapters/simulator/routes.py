"""Real roads in Europe, China and the United States, and where on one a car is after so many metres.

Source: OpenStreetMap, by way of scgraph-data (`data/README.md`: how they were made, how exact they are, the licence).
"""

import json
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.geo import EARTH_RADIUS_M
from domain.units import Metres

_FILE: Final = "routes.json"
_HALF_TURN_DEG: Final = 180.0
_FULL_TURN_DEG: Final = 360.0


class Positions(NamedTuple):
    """n places of a car: `latitude_deg` and `longitude_deg` (WGS 84) and `heading_deg`, all float64[n].

    The heading is clockwise from true north, at least 0 and less than 360.
    """

    latitude_deg: NDArray[np.float64]
    longitude_deg: NDArray[np.float64]
    heading_deg: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A road from one place to another: n points of WGS 84, joined by straight pieces. All its arrays are read-only.

    `region` is europe, china or united_states; `latitude_deg` and `longitude_deg` float64[n] degrees, no two points in
    a row alike; `distance_m` float64[n] metres from the first point along the road.
    """

    name: str
    region: str
    from_place: str
    to_place: str
    latitude_deg: NDArray[np.float64]
    longitude_deg: NDArray[np.float64]
    distance_m: NDArray[np.float64] = field(init=False)
    _heading_deg: NDArray[np.float64] = field(init=False, repr=False)  # float64[n - 1], of each piece

    def __post_init__(self) -> None:
        steps_m = _great_circles_m(self.latitude_deg, self.longitude_deg)
        object.__setattr__(self, "distance_m", np.concatenate(([0.0], np.cumsum(steps_m))))
        object.__setattr__(self, "_heading_deg", _bearings_deg(self.latitude_deg, self.longitude_deg))
        for array in (self.latitude_deg, self.longitude_deg, self.distance_m, self._heading_deg):
            array.flags.writeable = False

    @property
    def length_m(self) -> Metres:
        """The metres from the first point to the last, one way."""
        return Metres(float(self.distance_m[-1]))

    def at(self, distance_m: NDArray[np.float64]) -> Positions:
        """Return where a car is that has driven `distance_m` (float64[n] metres) since the first point.

        At the end of the road it turns and drives back, at the start it turns again, for ever: the heading on the way
        back is the opposite one. Between two points latitude and longitude grow evenly with the distance.
        """
        lap_m = np.mod(distance_m, 2 * self.length_m)
        returning = lap_m > self.length_m
        along_m = np.where(returning, 2 * self.length_m - lap_m, lap_m)
        piece = np.clip(np.searchsorted(self.distance_m, along_m, side="right") - 1, 0, len(self._heading_deg) - 1)
        return Positions(
            np.interp(along_m, self.distance_m, self.latitude_deg),
            np.interp(along_m, self.distance_m, self.longitude_deg),
            np.mod(self._heading_deg[piece] + np.where(returning, _HALF_TURN_DEG, 0.0), _FULL_TURN_DEG),
        )


def load_routes() -> tuple[Route, ...]:
    """Return every bundled route, in the order of the file: Europe, China, the United States."""
    text = (files("adapters.simulator") / "data" / _FILE).read_text(encoding="utf-8")
    return tuple(_route(entry["points"], entry) for entry in json.loads(text))


def _route(points_deg: list[list[float]], entry: dict[str, str]) -> Route:
    latitude_deg, longitude_deg = np.array(points_deg, np.float64).T.copy()
    return Route(entry["name"], entry["region"], entry["from"], entry["to"], latitude_deg, longitude_deg)


def _great_circles_m(latitude_deg: NDArray[np.float64], longitude_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the metres of each piece, as `domain.geo.great_circle_m` does for one: float64[n - 1]."""
    phi, half_lambda = np.radians(latitude_deg), np.radians(np.diff(longitude_deg)) / 2
    h = np.sin(np.diff(phi) / 2) ** 2 + np.cos(phi[:-1]) * np.cos(phi[1:]) * np.sin(half_lambda) ** 2
    metres: NDArray[np.float64] = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(h))
    return metres


def _bearings_deg(latitude_deg: NDArray[np.float64], longitude_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the direction of each piece at its start, in degrees clockwise from true north: float64[n - 1]."""
    phi, across = np.radians(latitude_deg), np.radians(np.diff(longitude_deg))
    east = np.sin(across) * np.cos(phi[1:])
    north = np.cos(phi[:-1]) * np.sin(phi[1:]) - np.sin(phi[:-1]) * np.cos(phi[1:]) * np.cos(across)
    degrees: NDArray[np.float64] = np.degrees(np.arctan2(east, north))
    return degrees
