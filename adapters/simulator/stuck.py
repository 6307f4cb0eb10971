"""A sensor that repeats itself: from some moment on it says what it said then."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from adapters.simulator.fleet import Car
from adapters.simulator.life import CarLife
from adapters.simulator.trace import DAY_S, Trace


class Sensor(NamedTuple):
    """A column of a `Trace`, and which of its rows where it has several; `path` is what a twin knows it by (VSS)."""

    path: str
    column: str
    row: int | None = None


SENSORS: Final[Mapping[str, Sensor]] = {
    "outside temperature": Sensor("Vehicle.Exterior.AirTemperature", "outside_celsius"),
    "tire pressure": Sensor("Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure", "tire_kpa", 0),
}


@dataclass(frozen=True, slots=True)
class StuckSensor:
    """The life of a car as its frames tell it, with one sensor stuck from the simulated second `from_s` on."""

    life: CarLife
    name: str
    from_s: int

    @property
    def car(self) -> Car:
        """The car."""
        return self.life.car

    def day(self, number: int, /) -> Trace:
        """Return a day with what the stuck sensor says."""
        trace = self.life.day(number)
        stuck_day, second = divmod(self.from_s, DAY_S)
        if number < stuck_day:
            return trace
        sensor = SENSORS[self.name]
        column = getattr(trace, sensor.column).copy()
        row = column if sensor.row is None else column[sensor.row]
        source = getattr(self.life.day(stuck_day), sensor.column)
        value = (source if sensor.row is None else source[sensor.row])[second]
        row[second if number == stuck_day else 0 :] = value
        changed: dict[str, Any] = {sensor.column: column}
        return replace(trace, **changed)
