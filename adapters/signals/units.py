"""Unit conversion to the units of COVESA VSS 6.0 (`units.yaml`), for sources that speak another one.

Factors are exact by definition (BIPM, The International System of Units, 9th edition; NIST SP 811 for mile and gallon).
"""

from typing import Final, NamedTuple


class Conversion(NamedTuple):
    """VSS value = (source value + `before`) * `factor`."""

    factor: float
    before: float = 0.0


# (unit of the source, unit of VSS): how to convert.
_CONVERSIONS: Final[dict[tuple[str, str], Conversion]] = {
    ("m/s", "km/h"): Conversion(3.6),
    ("mph", "km/h"): Conversion(1.609344),
    ("km", "m"): Conversion(1000),
    ("mile", "m"): Conversion(1609.344),
    ("m", "km"): Conversion(0.001),
    ("Wh", "kWh"): Conversion(0.001),
    ("kW", "W"): Conversion(1000),
    ("W", "kW"): Conversion(0.001),
    ("mV", "V"): Conversion(0.001),
    ("mA", "A"): Conversion(0.001),
    ("K", "Celsius"): Conversion(1, before=-273.15),
    ("degF", "Celsius"): Conversion(5 / 9, before=-32),
    ("bar", "kPa"): Conversion(100),
    ("mbar", "kPa"): Conversion(0.1),
    ("Pa", "kPa"): Conversion(0.001),
    ("psi", "kPa"): Conversion(6.894757293168361),
    ("min", "s"): Conversion(60),
    ("h", "s"): Conversion(3600),
    ("s", "h"): Conversion(1 / 3600),
    ("ratio", "percent"): Conversion(100),
    ("ml", "l"): Conversion(0.001),
    ("gallon", "l"): Conversion(3.785411784),
    ("g", "m/s^2"): Conversion(9.80665),
    ("rad", "degrees"): Conversion(57.29577951308232),
}


def conversion(source: str, target: str | None) -> Conversion | None:
    """Return how `source` becomes `target`, or None if that is not known."""
    return Conversion(1) if source == target else _CONVERSIONS.get((source, target or ""))


def convertible_to(target: str | None) -> list[str]:
    """Return the units that can be converted to `target`, itself included."""
    return [*([target] if target else []), *(source for source, known in _CONVERSIONS if known == target)]
