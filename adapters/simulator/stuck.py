"""A sensor that repeats itself: from some moment on it says what it said then."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapters.simulator.fleet import Car
from adapters.simulator.life import CarLife
from adapters.simulator.trace import DAY_S, PART_S, Said, Trace


class Sensor(NamedTuple):
    """A column of a `Trace`, and which of its rows where it has several; `path` is what a twin knows it by (VSS)."""

    path: str
    column: str
    row: int | None = None


SENSORS: Final[Mapping[str, Sensor]] = {
    "outside temperature": Sensor("Vehicle.Exterior.AirTemperature", "outside_celsius"),
    "tire pressure": Sensor("Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure", "tire_kpa", 0),
}


class StuckSensor:
    """The life of a car as its frames tell it, with one sensor stuck from the simulated second `from_s` on."""

    def __init__(self, life: CarLife, name: str, from_s: int) -> None:
        self.life = life
        self.name = name
        self.from_s = from_s

    @property
    def car(self) -> Car:
        """The car."""
        return self.life.car

    @cached_property
    def says(self) -> float:
        """What the sensor said when it got stuck."""
        day, second = divmod(self.from_s, DAY_S)
        return float(_values(getattr(self.life.day(day), SENSORS[self.name].column), SENSORS[self.name])[second])

    def part(self, number: int, /) -> Trace:
        """Return a part of a day with what the stuck sensor says."""
        trace = self.life.part(number)
        stuck_from = self.from_s - trace.first_s
        if stuck_from >= PART_S:
            return trace
        sensor = SENSORS[self.name]
        column = getattr(trace, sensor.column).copy()
        _values(column, sensor)[max(stuck_from, 0) :] = self.says
        changed: dict[str, Any] = {sensor.column: column}
        return replace(trace, **changed)

    def said(self, day: int, /) -> Sequence[Said]:
        """Return what control units say on a day."""
        return self.life.said(day)


def _values(column: NDArray[np.float64], sensor: Sensor) -> NDArray[np.float64]:
    return column if sensor.row is None else column[sensor.row]
