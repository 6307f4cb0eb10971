"""Who drives a car, and what for: the plan of a day."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

import numpy as np

from adapters.simulator.dice import Purpose, dice
from adapters.simulator.faults import has_early_fault
from adapters.simulator.fleet import Car

HOUR_S: Final = 3_600
HALF_PAST_SIX_S: Final = 23_400  # the time of the day at which a simulated day begins
SHORTEST_S, LONGEST_S = 330, 3_300  # of a drive
FIRST_GROUP, SECOND_GROUP = 0.3, 0.68  # shares of cars that start within half a minute, within twenty minutes


class Habit(Enum):
    """What a car is used for."""

    COMMUTER = "to work and back"
    FAMILY = "errands"
    FIELD = "from customer to customer"
    SHIFT = "to the late shift and back at night"


@dataclass(frozen=True, slots=True)
class Driver:
    """What a driver is like, all of the car's life."""

    habit: Habit
    pace: float  # next to the WLTC
    way_s: int  # a usual drive
    guided: float  # share of drives with a destination
    music: float  # share of drives with music
    wallbox: bool
    charges_below_percent: float
    limit_percent: float


class Errand(NamedTuple):
    """A drive that is planned: when the car is opened, how long it should take, whether it ends at home."""

    start_s: int
    wanted_s: int
    homeward: bool


def driver_of(car: Car) -> Driver:
    """Return the driver of a car."""
    chance = dice(car.seed, car.number, Purpose.DRIVER)
    habit = Habit(chance.choice([habit.value for habit in Habit], p=[0.45, 0.25, 0.2, 0.1]))
    return Driver(
        habit=habit,
        pace=float(chance.uniform(0.92, 1.03)),
        way_s=int(chance.integers(900, 2_700)),
        guided=float(chance.uniform(0.5, 0.95)),
        music=float(chance.uniform(0.75, 1.0)),
        wallbox=bool(chance.random() < 0.75),
        charges_below_percent=float(chance.choice([55.0, 70.0, 85.0])),
        limit_percent=float(chance.choice([80.0, 80.0, 90.0, 100.0])),
    )


def plan(car: Car, driver: Driver, day: int) -> list[Errand]:
    """Return the drives of a day in order of time, by seconds of the day; they may come too close to each other.

    On day 0 most cars start soon, a third of them at once, and some of these drives are short.
    """
    chance = dice(car.seed, car.number, Purpose.PLAN, day)
    errands = _usual(chance, driver)
    if day == 0:
        first = _first(chance, driver, early=has_early_fault(car))
        errands = [first, *(errand for errand in errands if errand.start_s > first.start_s + first.wanted_s + 900)]
    if chance.random() < 0.12:
        late = _at(chance, 22.3, 0.4, 600, homeward=False)
        errands += [late, Errand(late.start_s + late.wanted_s + 1_500, late.wanted_s, homeward=True)]
    return sorted(errands)


def _first(chance: np.random.Generator, driver: Driver, *, early: bool) -> Errand:
    group = 0.0 if early else chance.random()
    short = not early and chance.random() < 0.4
    wanted_s = int(chance.integers(360, 560)) if short else max(driver.way_s, 900)
    if group < FIRST_GROUP:
        return Errand(int(chance.integers(1, 30)), wanted_s, homeward=False)
    if group < SECOND_GROUP:
        return Errand(int(chance.integers(30, 1_140)), wanted_s, homeward=False)
    return Errand(int(chance.integers(1_500, 2 * HOUR_S)), wanted_s, homeward=False)


def _usual(chance: np.random.Generator, driver: Driver) -> list[Errand]:
    way_s = driver.way_s
    if driver.habit is Habit.COMMUTER:
        errands = [_at(chance, 7.4, 0.35, way_s), _at(chance, 17.0, 0.7, way_s, homeward=True)]
        if chance.random() < 0.45:
            out = _at(chance, 19.2, 0.3, 540)
            errands += [out, Errand(out.start_s + out.wanted_s + int(chance.integers(900, 2_700)), 540, homeward=True)]
        return errands
    if driver.habit is Habit.SHIFT:
        errand = _at(chance, 10.0, 0.6, 600)
        return [
            errand,
            Errand(errand.start_s + 600 + int(chance.integers(1_200, 3_600)), 600, homeward=True),
            _at(chance, 13.2, 0.2, way_s),
            _at(chance, 22.4, 0.2, way_s, homeward=True),
        ]
    first, last, drives = (6.9, 17.2, 7) if driver.habit is Habit.FIELD else (7.6, 18.5, 5)
    drives = max(2, drives + int(chance.integers(-2, 2)))
    usual_s = way_s if driver.habit is Habit.FIELD else way_s // 2
    hours = np.linspace(first, last, drives)
    return [_at(chance, float(hour), 0.3, usual_s, homeward=hour == last) for hour in hours]


def _at(chance: np.random.Generator, hour: float, spread_h: float, wanted_s: int, *, homeward: bool = False) -> Errand:
    """Return an errand at about an hour of the day (7.5: half past seven) and of about the wanted length."""
    start_s = int(float(chance.normal(hour, spread_h)) * HOUR_S) - HALF_PAST_SIX_S
    about_s = int(wanted_s * float(chance.uniform(0.85, 1.2)))
    return Errand(max(120, start_s), min(max(about_s, SHORTEST_S), LONGEST_S), homeward=homeward)
