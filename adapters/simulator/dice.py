"""Chance, from a seed: the same seed gives the same throws, whatever else is thrown in between."""

from enum import IntEnum
from typing import Final

import numpy as np

ALWAYS: Final = 0  # in place of a day, for what is so all of a car's life


class Purpose(IntEnum):
    """What is thrown for. Each purpose has throws of its own: a change to one leaves the others as they were."""

    CAR = 1
    DRIVER = 2
    PLAN = 3
    LEG = 4
    MEDIA = 5
    FAULTS = 6
    WEATHER = 7
    LEAK = 8


def dice(seed: int, number: int, purpose: Purpose, day: int = ALWAYS) -> np.random.Generator:
    """Return the generator of a car (or of a region, by its number) for one purpose on one day."""
    return np.random.default_rng(np.random.SeedSequence((seed, number, purpose, day)))
