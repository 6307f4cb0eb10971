"""Which fault of a simulation explains a difference, and how large a one."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from adapters.simulation import STEP_S, SimulatedCar, Simulation
from adapters.simulator.fault_plan import Window
from domain.units import MICROS_PER_SECOND

REACH_S: Final = 60.0  # how far around it a fault may show: a value that does not change is told once a minute
DRIVEN_REACH_S: Final = 5.0  # likewise for what goes by in a drive, which is told more often
BATCH_S: Final = float(STEP_S)  # a batch tells of no more; one longer on record follows a time in which the car slept


class Stretch(NamedTuple):
    """A span of simulated seconds, and the fault that may show in it."""

    from_s: float
    until_s: float
    cause: str


class Causes:
    """The faults that met one car.

    A fault explains what lies in the stretch that it met, or within `REACH_S` of it, and nothing that reaches further:
    where a moment is shown wrongly, all that lies between it and the true one.
    """

    def __init__(self, stretches: Iterable[Stretch]) -> None:
        self._stretches = sorted(stretches)
        self._reaches = _joined(self._stretches, REACH_S)
        self._driven = _joined(self._stretches, DRIVEN_REACH_S)

    def of(self, *moments_s: float) -> str | None:
        """Return the fault that explains a difference between the earliest and the latest of some moments."""
        from_s, until_s = min(moments_s), max(moments_s)
        within = any(reach.from_s <= from_s and until_s <= reach.until_s for reach in self._reaches)
        return min(self._stretches, key=lambda one: _away_s(one, from_s, until_s)).cause if within else None

    def within(self, from_s: float, until_s: float) -> Iterator[tuple[float, float]]:
        """Yield the parts of a drive or a charge that faults have met."""
        for reach in self._driven:
            if reach.from_s < until_s and reach.until_s > from_s:
                yield max(reach.from_s, from_s), min(reach.until_s, until_s)

    def since(self, at_s: float) -> float:
        """Return from when a value may be that is shown for a moment: earlier than it only in reach of a fault."""
        return next((reach.from_s for reach in self._reaches if reach.from_s <= at_s <= reach.until_s), at_s)


def _joined(stretches: Iterable[Stretch], reach_s: float) -> list[Stretch]:
    """Return what is in reach of faults, in order of time; what two of them reach is one stretch."""
    joined: list[Stretch] = []
    for stretch in stretches:
        reach = Stretch(stretch.from_s - reach_s, stretch.until_s + reach_s, stretch.cause)
        if joined and reach.from_s <= joined[-1].until_s:
            joined[-1] = joined[-1]._replace(until_s=max(joined[-1].until_s, reach.until_s))
        else:
            joined.append(reach)
    return joined


def causes_of(simulation: Simulation, simulated: SimulatedCar) -> Causes:
    """Return what may explain differences of a car, its stuck sensor apart."""
    return Causes(_stretches(simulation, simulated))


def _stretches(simulation: Simulation, simulated: SimulatedCar) -> Iterator[Stretch]:
    delivery, number = simulation.delivery, simulated.car.number
    for lost in delivery.lost:
        if lost.car == number:
            yield _told_in(lost.window, f"batch {lost.sequence} was lost")
    for delayed in delivery.delayed[number]:
        if (number, delayed.sequence) in delivery.overtaken:
            yield _told_in(delayed.window, "a batch came late")
    if simulated.clock:
        # What a wrong clock has dated is dated by the arrival of its first batch, be that hours later, and goes on
        # from there for as long as the clock was wrong.
        began, ended = simulated.clock.window
        arrivals = [
            delayed.arrived_us
            for delayed in delivery.delayed[number]
            if delayed.window.from_us < ended and delayed.window.until_us > began
        ]
        until_us = max([ended, *(at + ended - began for at in arrivals)])
        yield Stretch(began / MICROS_PER_SECOND, until_us / MICROS_PER_SECOND, "the clock was wrong")


def _told_in(window: Window, cause: str) -> Stretch:
    """Return the time that a batch tells of."""
    until_s = window.until_us / MICROS_PER_SECOND
    return Stretch(max(window.from_us / MICROS_PER_SECOND, until_s - BATCH_S), until_s, cause)


def _away_s(stretch: Stretch, from_s: float, until_s: float) -> float:
    return max(stretch.from_s - until_s, from_s - stretch.until_s, 0.0)
