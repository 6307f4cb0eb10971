"""One simulated car as a check sees it: what was true of it, what its twin shows, and which faults met it."""

from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from adapters.simulation import SimulatedCar, Simulation
from adapters.simulation_check_causes import causes_of
from adapters.simulator.trace import DAY_S, CodesSaid, Flags, Numbers, Trace
from domain.units import MICROS_PER_SECOND
from projections.diagnostics.model import ChargingRow, DiagnosticsSignalRow, TroubleCodeRow
from projections.media.model import MediaSignalRow, PlayRow
from projections.navigation.model import DestinationRow, NavigationSignalRow, TrackRow, TripRow

TRACES_KEPT: Final = 2  # a day has thirteen megabytes


class Difference(NamedTuple):
    """Something that the twin shows otherwise than it was; `cause` is the fault that explains it, if one does."""

    vin: str
    what: str
    true: str
    shown: str
    cause: str | None


class TwinRows(NamedTuple):
    """What a twin shows."""

    trips: list[TripRow]
    tracks: list[TrackRow]
    destinations: list[DestinationRow]
    plays: list[PlayRow]
    codes: list[TroubleCodeRow]
    charges: list[ChargingRow]
    signals: list[NavigationSignalRow | MediaSignalRow | DiagnosticsSignalRow]


class CheckedCar:
    """One car; `rows` are what its twin shows. Times are simulated seconds."""

    def __init__(self, simulation: Simulation, simulated: SimulatedCar, rows: TwinRows) -> None:
        self.car = simulated.car
        self.rows = rows
        self.stuck = simulated.stuck
        self.from_s = simulation.from_us / MICROS_PER_SECOND
        self.until_s = simulation.at_us / MICROS_PER_SECOND
        self.causes = causes_of(simulation, simulated)
        self._origin_us = simulation.origin_us
        self.days = range(int(self.from_s // DAY_S), int(self.until_s // DAY_S) + 1)
        self.trace = lru_cache(maxsize=TRACES_KEPT)(simulated.life.day)
        self._told = [(trace.truth, trace.said) for trace in map(self.trace, self.days)]

    def true(self, name: str) -> Iterator[Any]:
        """Yield what was true, a field of `Truth`, in order of time."""
        for truth, _ in self._told:
            yield from getattr(truth, name)

    @cached_property
    def codes_said(self) -> list[tuple[float, CodesSaid]]:
        """When control units listed their trouble codes, and what they said, in order of time."""
        said = ((one.at_s, one.what) for _, some in self._told for one in some)
        return [(at_s, what) for at_s, what in said if isinstance(what, CodesSaid) and self.within(at_s, at_s)]

    def within(self, began_s: float, ended_s: float) -> bool:
        """Whether something lies in the time that was simulated."""
        return self.from_s <= began_s and ended_s <= self.until_s

    def second(self, at_us: int) -> float:
        """Return the simulated second of a moment that the twin shows."""
        return (at_us - self._origin_us) / MICROS_PER_SECOND

    def column(self, name: str, from_s: float, until_s: float) -> Numbers:
        """Return the seconds from `from_s` to `until_s` of a column of `Trace`, both ends and more than they included.

        A column with several rows is named with one of them: "tire_kpa 0".
        """
        name, _, row = name.partition(" ")
        first, last = int(max(from_s, 0.0)), int(np.ceil(until_s))
        parts: list[Numbers] = []
        for day in range(first // DAY_S, last // DAY_S + 1):
            column = getattr(self.trace(day), name)
            of_day = column[int(row)] if row else column
            parts.append(of_day[max(first - day * DAY_S, 0) : min(last + 1 - day * DAY_S, DAY_S)])
        return np.concatenate(parts)

    def changed_within_faults(self, name: str, from_s: float, until_s: float) -> float:
        """Return by how much a column went up and down within reach of faults."""
        reaches = self.causes.within(from_s, until_s)
        return sum(float(np.abs(np.diff(self.column(name, *reach))).sum()) for reach in reaches)

    def last_awake_s(self, *, at_rest: bool) -> float | None:
        """Return the last second at which the bus spoke, `at_rest`: be it only because the car charged."""
        for day in reversed(self.days):
            trace = self.trace(day)
            end = int(min(self.until_s - trace.first_s, DAY_S))
            spoke = _awake(trace, at_rest=at_rest)[:end].nonzero()[0]
            if len(spoke):
                return max(float(trace.first_s + spoke[-1]), 0.0) if trace.first_s + spoke[-1] >= self.from_s else None
        return None

    def difference(self, what: str, true: str, shown: str, cause: str | None) -> Difference:
        """Return a difference of this car."""
        return Difference(self.car.vin.text, what, true, shown, cause)


def _awake(trace: Trace, *, at_rest: bool) -> Flags:
    """Return when the bus spoke, as `adapters.simulator.bus` has it."""
    in_use = trace.accessories | trace.ignition | trace.driver_door_open
    speaks: Flags = trace.awake & (at_rest | in_use | ~trace.charging)
    return speaks
