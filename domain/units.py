"""One type per unit, so that a type checker sees a kilometre given where a metre is wanted.

The unit names in the comments are those of COVESA VSS 6.0 (`units.yaml`), which are also what the API prints.
"""

from typing import Final, NewType

Micros = NewType("Micros", int)  # microseconds since 1970-01-01T00:00:00Z, UTC
KilometresPerHour = NewType("KilometresPerHour", float)  # km/h
Degrees = NewType("Degrees", float)  # degrees, WGS 84 for a latitude or longitude
Metres = NewType("Metres", float)  # m
Seconds = NewType("Seconds", float)  # s
KilowattHours = NewType("KilowattHours", float)  # kWh
Percent = NewType("Percent", float)  # percent

MICROS_PER_SECOND: Final = 1_000_000
SECONDS_PER_HOUR: Final = 3_600
METRES_PER_KILOMETRE: Final = 1_000


def micros(seconds: float) -> Micros:
    """Return `seconds` as whole microseconds, rounded to the nearest."""
    return Micros(round(seconds * MICROS_PER_SECOND))
