"""The temperature outside, the same for all cars of a region."""

from functools import lru_cache
from typing import Final

import numpy as np

from adapters.simulator.dice import Purpose, dice
from adapters.simulator.fleet import Region
from adapters.simulator.trace import DAY_S, ROWS, Numbers

_MEAN_CELSIUS: Final = {Region.EUROPE: 11.0, Region.CHINA: 17.0, Region.UNITED_STATES: 18.0}
_SWING_CELSIUS: Final = 5.0
_WARMEST_S: Final = 31_500  # half past three in the afternoon
_DAYS_KEPT: Final = 8


@lru_cache(maxsize=_DAYS_KEPT)
def outside_celsius(seed: int, region: Region, day: int) -> Numbers:
    """Return the temperature of a day by the second (float64[ROWS], read-only); days join."""
    before, after = (float(dice(seed, region, Purpose.WEATHER, d).normal(0.0, 3.5)) for d in (day, day + 1))
    share = np.arange(ROWS) / DAY_S
    of_day = np.cos(2 * np.pi * (np.arange(ROWS) % DAY_S - _WARMEST_S) / DAY_S)
    celsius: Numbers = (_MEAN_CELSIUS[region] + _SWING_CELSIUS * of_day) + (before * (1 - share) + after * share)
    celsius.flags.writeable = False
    return celsius
