"""Distances on the Earth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.geo import EARTH_RADIUS_M, great_circle_m
from domain.units import Degrees

LATITUDES = st.floats(-90, 90).map(Degrees)
LONGITUDES = st.floats(-180, 180).map(Degrees)
HALF_WAY_ROUND_M = 3.141592653589793 * EARTH_RADIUS_M


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        ((0.0, 0.0), (0.0, 1.0), HALF_WAY_ROUND_M / 180),
        ((48.0, 11.0), (49.0, 11.0), HALF_WAY_ROUND_M / 180),
        ((0.0, 179.5), (0.0, -179.5), HALF_WAY_ROUND_M / 180),  # across the date line
        ((90.0, 0.0), (90.0, 77.0), 0.0),  # a pole is one place
        ((0.0, 0.0), (0.0, 180.0), HALF_WAY_ROUND_M),
        ((52.4227, 10.7865), (50.7374, 7.0982), 316_274.0),  # Wolfsburg to Bonn
    ],
)
def test_known_distances(one: tuple[float, float], other: tuple[float, float], metres: float) -> None:
    measured = great_circle_m(Degrees(one[0]), Degrees(one[1]), Degrees(other[0]), Degrees(other[1]))

    assert measured == pytest.approx(metres, rel=0.005, abs=1e-6)


@given(LATITUDES, LONGITUDES, LATITUDES, LONGITUDES)
def test_there_is_as_far_as_back(lat_1: Degrees, lon_1: Degrees, lat_2: Degrees, lon_2: Degrees) -> None:
    there, back = great_circle_m(lat_1, lon_1, lat_2, lon_2), great_circle_m(lat_2, lon_2, lat_1, lon_1)

    assert there == pytest.approx(back)
    assert 0 <= there <= HALF_WAY_ROUND_M * (1 + 1e-12)
    assert great_circle_m(lat_1, lon_1, lat_1, lon_1) == 0.0
