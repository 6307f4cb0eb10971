"""Unit conversion to the units of COVESA VSS 6.0 (`units.yaml`), for sources that speak another one.

Factors are exact by definition (BIPM, The International System of Units, 9th edition; NIST SP 811 for mile and gallon).
"""

from typing import Final, NamedTuple


class Conversion(NamedTuple):
    """VSS value = (source value + `plus`) * `times` / `over`, in this order, so that decimal steps stay decimal."""

    times: float = 1
    over: float = 1
    plus: float = 0

    @property
    def formula(self) -> str:
        """The conversion as a formula of a mapping file."""
        return f"(x + {self.plus!r}) * {self.times!r} / {self.over!r}"


# (unit of the source, unit of VSS): how to convert.
_CONVERSIONS: Final[dict[tuple[str, str], Conversion]] = {
    ("m/s", "km/h"): Conversion(18, 5),
    ("mph", "km/h"): Conversion(1.609344),
    ("km", "m"): Conversion(1000),
    ("mile", "m"): Conversion(1609.344),
    ("m", "km"): Conversion(over=1000),
    ("Wh", "kWh"): Conversion(over=1000),
    ("kW", "W"): Conversion(1000),
    ("W", "kW"): Conversion(over=1000),
    ("mV", "V"): Conversion(over=1000),
    ("mA", "A"): Conversion(over=1000),
    ("K", "Celsius"): Conversion(plus=-273.15),
    ("degF", "Celsius"): Conversion(5, 9, plus=-32),
    ("bar", "kPa"): Conversion(100),
    ("mbar", "kPa"): Conversion(over=10),
    ("Pa", "kPa"): Conversion(over=1000),
    ("psi", "kPa"): Conversion(6.894757293168361),
    ("min", "s"): Conversion(60),
    ("h", "s"): Conversion(3600),
    ("s", "h"): Conversion(over=3600),
    ("ratio", "percent"): Conversion(100),
    ("ml", "l"): Conversion(over=1000),
    ("gallon", "l"): Conversion(3.785411784),
    ("g", "m/s^2"): Conversion(9.80665),
    ("rad", "degrees"): Conversion(57.29577951308232),
}


# What else units are called by whoever exports values: as VSS names them, or this table.
_ALSO: Final = {
    "%": "percent", "c": "Celsius", "°c": "Celsius", "degc": "Celsius", "f": "degF", "°f": "degF", "degf": "degF",
    "deg": "degrees", "°": "degrees", "u/min": "rpm", "1/min": "rpm", "kmh": "km/h", "kph": "km/h", "mi/h": "mph",
    "mi": "mile", "miles": "mile", "kmph": "km/h",
}  # fmt: skip
_UNSAID: Final = ("", "-")


def written_unit(text: str) -> str | None:
    """Return the unit that somebody wrote beside a value, as VSS or `conversion` names it; None: they wrote none."""
    text = text.strip()
    return None if text in _UNSAID else _ALSO.get(text.lower(), text)


def conversion(source: str, target: str | None) -> Conversion | None:
    """Return how `source` becomes `target`, or None if that is not known."""
    return Conversion() if source == target else _CONVERSIONS.get((source, target or ""))


def convertible_to(target: str | None) -> list[str]:
    """Return the units that can be converted to `target`, itself included."""
    return [*([target] if target else []), *(source for source, known in _CONVERSIONS if known == target)]
