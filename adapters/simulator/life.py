"""The life of a car, day by day."""

from collections.abc import Sequence
from typing import Final

from adapters.simulator.day import write_day
from adapters.simulator.driver import driver_of
from adapters.simulator.fleet import Car
from adapters.simulator.state import new_state, road_of
from adapters.simulator.today import Today
from adapters.simulator.trace import DAY_S, PART_S, Said, Trace
from adapters.simulator.warmth import leak_of

PARTS_OF_DAY: Final = DAY_S // PART_S


class CarLife:
    """What is true of one car, for as long as anybody asks: a pure function of the car.

    A day is some thirteen megabytes and is quickly written. So the newest part of a day alone is kept, and the day is
    written again for each part: some hundredths of the time that its frames take. A day needs what the days before it
    have left behind: the first request for a late one writes all of them.
    """

    def __init__(self, car: Car) -> None:
        self.car = car
        self.driver = driver_of(car)
        self.road = road_of(car)
        self._leak = leak_of(car)
        self._begins = [new_state(car, self.road)]  # how the car stands when each day begins
        self._kept: Trace | None = None  # a part of a day

    def day(self, number: int) -> Trace:
        """Return a day by its number: 0, 1, 2 …."""
        assert number >= 0
        while len(self._begins) <= number:
            self._write(len(self._begins) - 1)
        return self._write(number)

    def part(self, number: int, /) -> Trace:
        """Return the part 0, 1, 2 … of the simulation, `PART_S` each."""
        if self._kept is None or self._kept.first_s != number * PART_S:
            day, part_of_day = divmod(number, PARTS_OF_DAY)
            self._kept = self.day(day).part(part_of_day)
        return self._kept

    def said(self, day: int, /) -> Sequence[Said]:
        """Return what control units say on a day."""
        return self._kept.said if self._kept is not None and self._kept.day == day else self.day(day).said

    def _write(self, number: int) -> Trace:
        state = self._begins[number].copy()
        trace = write_day(Today(self.car, self.driver, self.road, self._leak, state, number))
        if number + 1 == len(self._begins):
            self._begins.append(state)
        return trace
