"""What stays warm after a drive, coolant and tyres, and the pressure that follows from it."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from adapters.simulator.dice import Purpose, dice
from adapters.simulator.fleet import Car
from adapters.simulator.physics import AIR_PASCAL, ZERO_CELSIUS_K
from adapters.simulator.trace import DAY_S, ROWS, Numbers

COOLANT_COOLS_S: Final = 6_000.0  # time constants
TIRES_COOL_S: Final = 2_700.0
TIRES_WARM_S: Final = 900.0
_NOTHING_K: Final = 0.01  # less does not change any more
_AIR_KPA: Final = AIR_PASCAL / 1000
_COLD_K: Final = ZERO_CELSIUS_K + 20.0


class Warmth:
    """How much warmer than the air outside something is, by the second of a day; written in order of time."""

    __slots__ = ("column", "cools_s", "written")

    def __init__(self, warmer_k: float, cools_s: float) -> None:
        self.column = np.empty(ROWS)
        self.column[0] = warmer_k
        self.cools_s = cools_s
        self.written = 1  # rows

    @property
    def now_k(self) -> float:
        """How much warmer it is at the last row that is written."""
        return float(self.column[self.written - 1])

    def cool(self, end: int) -> None:
        """Write the rows up to `end`, and not that one, at rest."""
        self._settle(end, 0.0, self.cools_s)

    def warm(self, end: int, goal_k: float, warms_s: float) -> None:
        """Write the rows up to `end`, and not that one, on the way to `goal_k`."""
        self._settle(end, goal_k, warms_s)

    def write(self, values: Numbers) -> None:
        """Write the next rows."""
        self.column[self.written : self.written + len(values)] = values
        self.written += len(values)

    def _settle(self, end: int, goal_k: float, within_s: float) -> None:
        away_k, rows = self.now_k - goal_k, end - self.written
        if abs(away_k) < _NOTHING_K:
            self.column[self.written : end] = self.now_k
        else:
            self.column[self.written : end] = goal_k + away_k * np.exp(np.arange(1.0, rows + 1) / -within_s)
        self.written = end


@dataclass(frozen=True, slots=True)
class Leak:
    """A tyre that loses air, until somebody pumps it up."""

    wheel: int
    kpa_per_s: float
    pumped_below_kpa: float


def leak_of(car: Car) -> Leak | None:
    """Return the leak of a car, if it has one: one car in eight, most of them slow."""
    chance = dice(car.seed, car.number, Purpose.LEAK)
    kpa_per_day = float(chance.choice([6.0, 12.0, 30.0], p=[0.5, 0.3, 0.2]))
    wheel, below_kpa = int(chance.integers(4)), float(chance.uniform(160.0, 190.0))
    return Leak(wheel, kpa_per_day / DAY_S, below_kpa) if chance.random() < 1 / 8 else None


def tires_kpa(
    cold_kpa: tuple[float, float, float, float], celsius: Numbers, leak: Leak | None, usual_kpa: float, pump_row: int
) -> tuple[Numbers, tuple[float, float, float, float]]:
    """Return the pressures of a day above that of the air, float64[4, ROWS], and the cold ones at its end.

    The volume stays, so the absolute pressure goes with the absolute temperature (ideal gas). A tyre that has come too
    low is pumped up at `pump_row`.
    """
    share = (celsius + ZERO_CELSIUS_K) / _COLD_K
    pressures = np.empty((4, ROWS))
    after = list(cold_kpa)
    for wheel, cold in enumerate(cold_kpa):
        if leak and wheel == leak.wheel:
            column = cold - leak.kpa_per_s * np.arange(ROWS)
            if column[pump_row] < leak.pumped_below_kpa:
                column[pump_row:] += usual_kpa - column[pump_row]
            after[wheel] = float(column[-1])
            np.multiply(share, column + _AIR_KPA, out=pressures[wheel])
        else:
            np.multiply(share, cold + _AIR_KPA, out=pressures[wheel])
    pressures -= _AIR_KPA
    a, b, c, d = after
    return pressures, (a, b, c, d)
