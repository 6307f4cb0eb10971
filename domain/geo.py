"""Distances on the Earth."""

from math import asin, cos, radians, sin, sqrt
from typing import Final

from domain.units import Degrees, Metres

EARTH_RADIUS_M: Final = 6_371_008.8  # mean radius (2a + b) / 3 of the WGS 84 ellipsoid (NIMA TR8350.2)


def great_circle_m(
    latitude_1_deg: Degrees, longitude_1_deg: Degrees, latitude_2_deg: Degrees, longitude_2_deg: Degrees
) -> Metres:
    """Return the great-circle distance between two points by the haversine formula.

    The Earth is taken for a sphere, which is within 0.5 % of the ellipsoid.
    """
    phi_1, phi_2 = radians(latitude_1_deg), radians(latitude_2_deg)
    half_phi = (phi_2 - phi_1) / 2
    half_lambda = radians(longitude_2_deg - longitude_1_deg) / 2
    h = sin(half_phi) ** 2 + cos(phi_1) * cos(phi_2) * sin(half_lambda) ** 2
    return Metres(2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(h))))
