"""The warnings that a vehicle's values raise, with their hysteresis.

A warning is raised when its value passes `limit` and cleared only when the value has come back past `clear_limit`, so
that a value that trembles at the limit does not raise it again and again.
"""

from dataclasses import dataclass
from typing import Final

from domain import paths


@dataclass(frozen=True, slots=True)
class WarningRule:
    """One warning: limits in the unit of `path`; `below` tells on which side of the limit the danger lies."""

    warning: str
    path: str
    limit: float
    clear_limit: float
    below: bool

    def verdict(self, value: object) -> bool | None:
        """Return whether the warning stands at a value; None: it stays as it was, as within the hysteresis."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        if value < self.limit if self.below else value > self.limit:
            return True
        return None if (value < self.clear_limit if self.below else value > self.clear_limit) else False


TIRE_PRESSURE_LOW_KPA: Final = 180.0
TIRE_PRESSURE_OK_KPA: Final = 200.0


def _tire(place: str, path: str) -> WarningRule:
    return WarningRule(f"TIRE_PRESSURE_LOW_{place}", path, TIRE_PRESSURE_LOW_KPA, TIRE_PRESSURE_OK_KPA, below=True)


WARNINGS: Final[tuple[WarningRule, ...]] = (
    WarningRule("STATE_OF_CHARGE_LOW", paths.STATE_OF_CHARGE_DISPLAYED, 10.0, 15.0, below=True),
    WarningRule("FUEL_LEVEL_LOW", paths.FUEL_LEVEL, 10.0, 15.0, below=True),
    WarningRule("COOLANT_TEMPERATURE_HIGH", paths.COOLANT_TEMPERATURE, 118.0, 110.0, below=False),
    WarningRule("LOW_VOLTAGE_BATTERY_LOW", paths.LOW_VOLTAGE, 11.5, 12.2, below=True),
    _tire("FRONT_LEFT", paths.TIRE_PRESSURE_FRONT_LEFT),
    _tire("FRONT_RIGHT", paths.TIRE_PRESSURE_FRONT_RIGHT),
    _tire("REAR_LEFT", paths.TIRE_PRESSURE_REAR_LEFT),
    _tire("REAR_RIGHT", paths.TIRE_PRESSURE_REAR_RIGHT),
)

WARNING_NAMES: Final = tuple(rule.warning for rule in WARNINGS)
WARNING_BY_PATH: Final = {rule.path: rule for rule in WARNINGS}
