"""The life of a car, day by day."""

from collections import OrderedDict
from typing import Final

from adapters.simulator.day import write_day
from adapters.simulator.driver import driver_of
from adapters.simulator.fleet import Car
from adapters.simulator.state import new_state, road_of
from adapters.simulator.today import Today
from adapters.simulator.trace import Trace
from adapters.simulator.warmth import leak_of

DAYS_KEPT: Final = 1  # a day is some thirteen megabytes, and its last row is the first one of the next


class CarLife:
    """What is true of one car, for as long as anybody asks: a pure function of the car.

    A day needs what the days before it have left behind, so the first request for a late day works them all out. The
    newest `DAYS_KEPT` are kept.
    """

    def __init__(self, car: Car) -> None:
        self.car = car
        self.driver = driver_of(car)
        self.road = road_of(car)
        self._leak = leak_of(car)
        self._begins = [new_state(car, self.road)]  # how the car stands when each day begins
        self._days: OrderedDict[int, Trace] = OrderedDict()

    def day(self, number: int) -> Trace:
        """Return a day by its number: 0, 1, 2 …."""
        assert number >= 0
        while len(self._begins) <= number or number not in self._days:
            self._write(min(number, len(self._begins) - 1))
        self._days.move_to_end(number)
        return self._days[number]

    def _write(self, number: int) -> None:
        state = self._begins[number].copy()
        trace = write_day(Today(self.car, self.driver, self.road, self._leak, state, number))
        if number + 1 == len(self._begins):
            self._begins.append(state)
        self._days[number] = trace
        while len(self._days) > DAYS_KEPT:
            self._days.popitem(last=False)
