"""A charging session: power into the battery by its state of charge."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from adapters.simulator.physics import integral
from adapters.simulator.specs import CarSpec
from adapters.simulator.trace import Numbers

AC_EFFICIENCY: Final = 0.90  # of the charger in the car
DC_EFFICIENCY: Final = 0.95  # battery and cooling
_DC_SHARE: Final = ([0.0, 5.0, 40.0, 60.0, 80.0, 100.0], [0.7, 1.0, 0.9, 0.65, 0.45, 0.08])  # of the best, by percent
_AC_SHARE: Final = ([0.0, 94.0, 100.0], [1.0, 1.0, 0.25])
_GRID: Final = 400


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """Columns of n + 1 values, from the second the session begins to the one it ends."""

    battery_kw: Numbers  # 0 at both ends
    energy_kwh: Numbers
    mean_kw: Numbers  # at the plug, so far
    left_min: Numbers


def charge(spec: CarSpec, energy_kwh: float, limit_percent: float, most_s: int, *, direct: bool) -> Session | None:
    """Return a session up to a limit, or of `most_s` seconds; None where there is nothing to charge."""
    goal_kwh = spec.battery_kwh * limit_percent / 100
    if goal_kwh - energy_kwh < 0.2 or most_s < 120:
        return None
    efficiency = DC_EFFICIENCY if direct else AC_EFFICIENCY
    grid_kwh = np.linspace(energy_kwh, goal_kwh, _GRID)
    share = np.interp(100 * grid_kwh / spec.battery_kwh, *(_DC_SHARE if direct else _AC_SHARE))
    grid_kw = (spec.dc_kw if direct else spec.ac_kw) * efficiency * share
    hours = np.diff(grid_kwh) * (1 / grid_kw[1:] + 1 / grid_kw[:-1]) / 2
    grid_s = np.concatenate(([0.0], np.cumsum(hours * 3600)))
    seconds = min(int(grid_s[-1]), most_s)
    at_s = np.arange(seconds + 1.0)
    power = np.interp(at_s, grid_s, grid_kw)
    power[0] = power[-1] = 0.0
    gained = integral(power) / 3600
    excess = energy_kwh + gained[-1] - goal_kwh
    if excess > 0:
        power *= 1 - excess / gained[-1]
        gained = integral(power) / 3600
    mean = np.zeros(seconds + 1)
    mean[1:] = gained[1:] / efficiency / (at_s[1:] / 3600)
    return Session(power, np.minimum(energy_kwh + gained, goal_kwh), mean, (seconds - at_s) / 60)
