"""The warnings that a vehicle's values raise, with their hysteresis.

A warning is raised when its value passes `limit` and cleared only when the value has come back past `clear_limit`, so that a value that trembles at the
limit does not raise it again and again.
"""

from dataclasses import dataclass
from typing import Final

from domain import paths


@dataclass(frozen=True, slots=True)
class WarningRule:
    """One warning: `limit` and `clear_limit` in the unit of `path`; `below` tells on which side of the limit the danger lies."""

    warning: str
    path: str
    limit: float
    clear_limit: float
    below: bool

    def state(self, value: float, *, raised: bool) -> bool:
        """Return whether the warning stands at `value`, given whether it stood before."""
        limit = self.clear_limit if raised else self.limit
        return value < limit if self.below else value > limit


TIRE_PRESSURE_LOW_KPA: Final = 180.0
TIRE_PRESSURE_OK_KPA: Final = 200.0

WARNINGS: Final[tuple[WarningRule, ...]] = (
    WarningRule("STATE_OF_CHARGE_LOW", paths.STATE_OF_CHARGE_DISPLAYED, 10.0, 15.0, below=True),
    WarningRule("FUEL_LEVEL_LOW", paths.FUEL_LEVEL, 10.0, 15.0, below=True),
    WarningRule("COOLANT_TEMPERATURE_HIGH", paths.COOLANT_TEMPERATURE, 118.0, 110.0, below=False),
    WarningRule("LOW_VOLTAGE_BATTERY_LOW", paths.LOW_VOLTAGE, 11.5, 12.2, below=True),
    WarningRule(
        "TIRE_PRESSURE_LOW_FRONT_LEFT",
        paths.TIRE_PRESSURE_FRONT_LEFT,
        TIRE_PRESSURE_LOW_KPA,
        TIRE_PRESSURE_OK_KPA,
        below=True,
    ),
    WarningRule(
        "TIRE_PRESSURE_LOW_FRONT_RIGHT",
        paths.TIRE_PRESSURE_FRONT_RIGHT,
        TIRE_PRESSURE_LOW_KPA,
        TIRE_PRESSURE_OK_KPA,
        below=True,
    ),
    WarningRule(
        "TIRE_PRESSURE_LOW_REAR_LEFT",
        paths.TIRE_PRESSURE_REAR_LEFT,
        TIRE_PRESSURE_LOW_KPA,
        TIRE_PRESSURE_OK_KPA,
        below=True,
    ),
    WarningRule(
        "TIRE_PRESSURE_LOW_REAR_RIGHT",
        paths.TIRE_PRESSURE_REAR_RIGHT,
        TIRE_PRESSURE_LOW_KPA,
        TIRE_PRESSURE_OK_KPA,
        below=True,
    ),
)

WARNING_BY_PATH: Final = {rule.path: rule for rule in WARNINGS}
