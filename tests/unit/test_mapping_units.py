import pytest

from adapters.signals.expressions import compiled
from adapters.signals.units import conversion, convertible_to


@pytest.mark.parametrize(
    ("source", "target", "given", "expected"),
    [
        ("m/s", "km/h", 5.5, 19.8),
        ("mph", "km/h", 100, 160.9344),
        ("km", "m", 26_998, 26_998_000),
        ("Wh", "kWh", 49_550, 49.55),
        ("mV", "V", 14_100, 14.1),
        ("K", "Celsius", 0, -273.15),
        ("degF", "Celsius", 212, 100),
        ("bar", "kPa", 2.5, 250),
        ("mbar", "kPa", 1_013, 101.3),
        ("ratio", "percent", 0.5, 50),
        ("s", "h", 5_400, 1.5),
        ("Celsius", "Celsius", 21.5, 21.5),
    ],
)
def test_a_unit_is_converted_to_that_of_vss_without_decimal_dust(
    source: str, target: str, given: float, expected: float
) -> None:
    known = conversion(source, target)
    assert known is not None
    assert compiled(known.formula, ["x"])({"x": float(given)}) == expected


def test_a_unit_that_is_not_known_is_not_converted() -> None:
    assert conversion("furlong", "m") is None
    assert conversion("km", None) is None


def test_the_units_that_can_be_converted_are_offered() -> None:
    assert convertible_to("km/h") == ["km/h", "m/s", "mph"]
    assert convertible_to(None) == []
