"""What a twin shows, held against what was true of the simulated car.

A difference has a cause where a fault of the simulation explains it: a batch that never came, or came out of its order,
a clock that was wrong, a sensor that was stuck. One without a cause is a mistake of the twin, or of the simulator.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np

from adapters.simulation import STEP_S, SimulatedCar, Simulation
from adapters.simulation_sameness import (
    TIME_S,
    charge_row_text,
    charge_text,
    distance_tolerance_m,
    play_text,
    same_charge,
    same_energy,
    same_trip,
    trip_row_text,
    trip_text,
)
from adapters.simulator.stuck import SENSORS
from adapters.simulator.trace import DAY_S, CodeTruth, Flags, Trace, TripTruth
from domain import paths
from domain.geo import great_circle_m
from domain.units import METRES_PER_KILOMETRE, MICROS_PER_SECOND, SECONDS_PER_HOUR, Degrees
from projections.diagnostics.model import ChargingRow, DiagnosticsSignalRow, TroubleCodeRow
from projections.diagnostics.projector import DIAGNOSTICS
from projections.media.model import PlayRow
from projections.media.projector import MEDIA
from projections.navigation.model import DestinationRow, NavigationSignalRow, TripRow
from projections.navigation.projector import NAVIGATION
from projections.ports import ReadModelStore
from projections.projection import Projection, R

SONG_S: Final = 5.0
PLACE_M: Final = 50.0
SAID_WITHIN_S: Final = 3  # each message comes once a second at least
REACH_S: Final = 2 * STEP_S  # how far around it a fault may show

# Newest values: attribute of `Trace`, VSS path, tolerance in the unit of VSS (deadband of the mapping and its rounding)
NEWEST: Final = (
    ("odometer_m", paths.ODOMETER, 1.1 * METRES_PER_KILOMETRE),
    ("outside_celsius", SENSORS["outside temperature"].path, 1.1),
)
CHARGE_PERCENT: Final = 1.1  # tolerance, as above
TIRE_KPA: Final = 3.1  # tolerance, as above
TIRES: Final = (
    paths.TIRE_PRESSURE_FRONT_LEFT,
    paths.TIRE_PRESSURE_FRONT_RIGHT,
    paths.TIRE_PRESSURE_REAR_LEFT,
    paths.TIRE_PRESSURE_REAR_RIGHT,
)  # as the rows of `Trace.tire_kpa`


class Difference(NamedTuple):
    """Something that the twin shows otherwise than it was; `cause` is the fault that explains it, if one does."""

    vin: str
    what: str
    true: str
    shown: str
    cause: str | None


class _Faulty(NamedTuple):
    """A span of simulated seconds in which a fault may show."""

    from_s: float
    until_s: float
    cause: str


class _Rows(NamedTuple):
    trips: list[TripRow]
    destinations: list[DestinationRow]
    places: list[NavigationSignalRow]
    plays: list[PlayRow]
    codes: list[TroubleCodeRow]
    charges: list[ChargingRow]
    signals: list[DiagnosticsSignalRow]


def differences(simulation: Simulation, store: ReadModelStore) -> list[Difference]:
    """Compare every twin with the truth. The simulation has been finished, and its events have been projected."""
    by_vehicle = _rows(simulation, store)
    found: list[Difference] = []
    for simulated in simulation.cars:
        rows = by_vehicle[simulation.vehicle_ids[simulated.car.number]]
        found += _Comparison(simulation, simulated, rows).all()
    return found


def _rows(simulation: Simulation, store: ReadModelStore) -> dict[UUID, _Rows]:
    found = {vehicle_id: _Rows([], [], [], [], [], [], []) for vehicle_id in simulation.vehicle_ids.values()}

    def gather(projection: Projection, row_type: type[R], name: str) -> None:
        for row in store.rows(projection, row_type):
            if row.vehicle_id in found:
                getattr(found[row.vehicle_id], name).append(row)

    gather(NAVIGATION, TripRow, "trips")
    gather(NAVIGATION, DestinationRow, "destinations")
    gather(NAVIGATION, NavigationSignalRow, "places")
    gather(MEDIA, PlayRow, "plays")
    gather(DIAGNOSTICS, TroubleCodeRow, "codes")
    gather(DIAGNOSTICS, ChargingRow, "charges")
    gather(DIAGNOSTICS, DiagnosticsSignalRow, "signals")
    return found


class _Comparison:
    """One car."""

    def __init__(self, simulation: Simulation, simulated: SimulatedCar, rows: _Rows) -> None:
        self._simulation = simulation
        self._simulated = simulated
        self._rows = rows
        self._from_s = simulation.from_us / MICROS_PER_SECOND
        self._until_s = simulation.at_us / MICROS_PER_SECOND
        self._days = range(int(self._from_s // DAY_S), int(self._until_s // DAY_S) + 1)
        self._truths = [simulated.life.day(number).truth for number in self._days]
        self._faulty = list(self._faults())

    def all(self) -> Iterator[Difference]:
        yield from self._missing()
        yield from self._trips()
        yield from self._plays()
        yield from self._codes()
        yield from self._charges()
        yield from self._destination()
        yield from self._newest()
        yield from self._place()

    def _faults(self) -> Iterator[_Faulty]:
        delivery, number = self._simulation.delivery, self._simulated.car.number
        for lost in delivery.lost:
            if lost.car == number:
                yield _span(lost.window, f"batch {lost.sequence} was lost")
        for delayed in delivery.delayed[number]:
            yield _span(delayed.window, "a batch came late")
        if self._simulated.clock:
            # What a wrong clock has dated is dated by the arrival of its first batch, be that hours later, and goes on
            # from there for as long as the clock was wrong.
            began, ended = self._simulated.clock.window
            arrivals = [
                delayed.arrived_us
                for delayed in delivery.delayed[number]
                if delayed.window.from_us < ended and delayed.window.until_us > began
            ]
            yield _span((began, max([ended, *(at + ended - began for at in arrivals)])), "the clock was wrong")

    def _missing(self) -> Iterator[Difference]:
        """Compare the batches on record as missing with those that were lost."""
        simulation, number = self._simulation, self._simulated.car.number
        true = sorted(lost.sequence for lost in simulation.delivery.lost if lost.car == number)
        progress = simulation.progress_of(number)
        shown = [sequence for first, last in progress.missing for sequence in range(first, last + 1)]
        if true != shown:
            yield self._difference("lost batches", str(true), str(shown), None)

    def _trips(self) -> Iterator[Difference]:
        shown = {row: self._span_s(row.started_at, row.ended_at) for row in self._rows.trips}
        unmatched = dict.fromkeys(shown)
        for trip in self._true("trips"):
            if not self._within(trip.started_s, trip.ended_s):
                continue
            ours = [row for row, (began, ended) in shown.items() if began < trip.ended_s and ended > trip.started_s]
            for row in ours:
                unmatched.pop(row, None)
            if len(ours) != 1:
                cause = self._cause(trip.started_s, trip.ended_s)
                yield self._difference("trip", trip_text(trip), f"{len(ours)} trips", cause)
            elif not same_trip(trip, ours[0], *shown[ours[0]]):
                cause = self._cause_of_trip(trip, ours[0], *shown[ours[0]])
                yield self._difference("trip", trip_text(trip), trip_row_text(ours[0], *shown[ours[0]]), cause)
        for row in unmatched:
            began, ended = shown[row]
            if self._within(began, ended) and not self._cut(began, ended):
                yield self._difference("trip", "none", trip_row_text(row, began, ended), self._cause(began, ended))

    def _cause_of_trip(self, trip: TripTruth, row: TripRow, began_s: float, ended_s: float) -> str | None:
        """Return the fault that explains a trip, if faults explain all that differs.

        An end that differs is explained by a fault between the two; distance and energy as far as the car was driven,
        and its battery used, around the faults.
        """
        for true_s, shown_s in ((trip.started_s, began_s), (trip.ended_s, ended_s)):
            if abs(true_s - shown_s) > TIME_S and self._cause(*sorted((true_s, shown_s))) is None:
                return None
        trace = self._simulated.life.day(int(trip.started_s // DAY_S))
        second = np.arange(DAY_S) + trace.first_s
        near = np.zeros(DAY_S, np.bool_)
        for faulty in self._faulty:
            near |= (second >= faulty.from_s - REACH_S) & (second <= faulty.until_s + REACH_S)
        near &= (second >= trip.started_s - REACH_S) & (second <= trip.ended_s)
        used = near.copy()
        if self._simulated.clock:  # what it has dated may have become part of this drive, and begin its energy
            began_us, ended_us = self._simulated.clock.window
            since = second >= began_us / MICROS_PER_SECOND
            near |= since & (second <= ended_us / MICROS_PER_SECOND)
            used |= since & (second <= trip.ended_s)
        driven_m = float(np.diff(trace.odometer_m)[near].sum())
        used_kwh = float(np.abs(trace.battery_power_kw[:DAY_S][used]).sum()) / SECONDS_PER_HOUR
        too_far = abs(row.distance_m - trip.distance_m) > driven_m + distance_tolerance_m(trip)
        energies = (trip.energy_kwh, row.energy_kwh)
        if too_far or (None not in energies and not same_energy(*energies, more_kwh=used_kwh)):
            return None
        return self._cause(trip.started_s, trip.ended_s)

    def _plays(self) -> Iterator[Difference]:
        shown = {row: self._second(row.started_at) for row in self._rows.plays if not row.initial}
        for play in self._true("plays"):
            if not self._within(play.at_s, play.at_s):
                continue
            ours = next((row for row, at in shown.items() if abs(at - play.at_s) <= SONG_S), None)
            text = play_text(play.title, play.artist, play.album, play.source)
            if ours is not None:
                del shown[ours]
                found = play_text(ours.title, ours.artist, ours.album, ours.source)
            else:
                again = (row for row in self._rows.plays if row.initial)
                texts = [
                    play_text(row.title, row.artist, row.album, row.source)
                    for row in again
                    if abs(self._second(row.started_at) - play.at_s) <= SONG_S
                ]
                found = text if text in texts else (texts or ["none"])[0]
            if found != text:
                yield self._difference("song", text, found, self._cause(play.at_s, play.at_s))
        for row, at in shown.items():
            if self._within(at, at):
                text = play_text(row.title, row.artist, row.album, row.source)
                yield self._difference("song", "none", text, self._cause(at, at))

    def _codes(self) -> Iterator[Difference]:
        true: dict[tuple[str, str, int], list[CodeTruth]] = {}
        for told in self._true("codes"):
            if told.at_s < self._until_s:
                true.setdefault((told.ecu, told.code, told.failure_type), []).append(told)
        shown = {(row.ecu, row.code, row.failure_type): row for row in self._rows.codes}
        for key in true.keys() | shown.keys():
            history, row = true.get(key, []), shown.get(key)
            held = bool(history) and history[-1].raised
            at = history[-1].at_s if history else 0.0
            if row is None or row.held != held:
                state = "unknown" if row is None else "held" if row.held else "not held"
                name = f"{key[1]}-{key[2]:02X} of {key[0]}"
                yield self._difference(
                    f"trouble code {name}", "held" if held else "not held", state, self._cause(at, at)
                )

    def _charges(self) -> Iterator[Difference]:
        shown = {row: self._span_s(row.started_at, row.ended_at) for row in self._rows.charges}
        for charge in self._true("charges"):
            began, ended = charge.started_s, charge.ended_s
            ours = [row for row, (from_s, until_s) in shown.items() if from_s < ended and until_s > began]
            spans = [shown.pop(row) for row in ours]
            if not self._within(began, ended):
                continue
            if len(ours) != 1 or not same_charge(charge, ours[0], *spans[0]):
                found = ", ".join(charge_row_text(row, *span) for row, span in zip(ours, spans, strict=True))
                yield self._difference("charge", charge_text(charge), found or "none", self._cause(began, ended))
        for row, (began, ended) in shown.items():
            yield self._difference("charge", "none", charge_row_text(row, began, ended), self._cause(began, ended))

    def _destination(self) -> Iterator[Difference]:
        """Compare what became of the newest destination."""
        told = [each for each in self._true("destinations") if self._from_s <= each.at_s < self._until_s]
        true = told[-1] if told else None
        row = next(iter(self._rows.destinations), None)
        if true is None and row is None:
            return
        shown = "none" if row is None else f"{row.state} at {self._second(row.captured_at):.0f} s"
        at_s = 0.0 if true is None else true.at_s
        if true is not None and row is not None and row.state == true.state and row.latitude_deg is not None:
            assert row.longitude_deg is not None
            away_m = great_circle_m(
                row.latitude_deg, row.longitude_deg, Degrees(true.latitude_deg), Degrees(true.longitude_deg)
            )
            if away_m <= PLACE_M and abs(self._second(row.captured_at) - at_s) <= TIME_S:
                return
            shown += f", {away_m:.0f} m from there"
        text = "none" if true is None else f"{true.state} at {at_s:.0f} s"
        yield self._difference("destination", text, shown, self._cause(at_s, at_s))

    def _newest(self) -> Iterator[Difference]:
        """Compare newest values with those of the last moment at which the car spoke of them."""
        known = {row.path: row.number for row in self._rows.signals}
        stuck = self._simulated.stuck
        for at_s, path, true, tolerance in self._true_values():
            number = known.get(path)
            if number is not None and abs(number - true) <= tolerance:
                continue
            is_stuck = stuck is not None and SENSORS[stuck.name].path == path
            cause = "its sensor is stuck" if is_stuck else self._cause(at_s - STEP_S, at_s)
            yield self._difference(path, f"{true:.1f}", "none" if number is None else f"{number:.1f}", cause)

    def _true_values(self) -> Iterator[tuple[float, str, float, float]]:
        """Yield second, path, value and tolerance of what a car has said last; one that only charges says less."""
        if spoke := self._last(_speaks):
            trace, row = spoke
            if _speaks(trace)[max(row - SAID_WITHIN_S, 0) : row + 1].all():
                at_s = float(trace.first_s + row)
                for name, path, tolerance in NEWEST:
                    yield at_s, path, float(getattr(trace, name)[row]), tolerance
                for path, column in zip(TIRES, trace.tire_kpa, strict=True):
                    yield at_s, path, float(column[row]), TIRE_KPA
        if self._simulated.car.spec.battery_kwh and (spoke := self._last(lambda trace: trace.awake)):
            trace, row = spoke
            if trace.awake[max(row - SAID_WITHIN_S, 0) : row + 1].all():
                percent = float(trace.state_of_charge_percent[row])
                yield float(trace.first_s + row), paths.STATE_OF_CHARGE, percent, CHARGE_PERCENT

    def _place(self) -> Iterator[Difference]:
        """Compare the newest position, of a car whose receiver had a fix when it spoke last."""
        spoke = self._last(lambda trace: trace.awake)
        if spoke is None or not spoke[0].fixed[spoke[1]]:
            return
        trace, second = spoke
        known = {row.path: row.number for row in self._rows.places}
        latitude_deg, longitude_deg = known.get(paths.LATITUDE), known.get(paths.LONGITUDE)
        true = Degrees(float(trace.latitude_deg[second])), Degrees(float(trace.longitude_deg[second]))
        shown = "none"
        if latitude_deg is not None and longitude_deg is not None:
            away_m = great_circle_m(Degrees(latitude_deg), Degrees(longitude_deg), *true)
            if away_m <= PLACE_M:
                return
            shown = f"{away_m:.0f} m from there"
        at = trace.first_s + second
        yield self._difference("position", f"{true[0]:.5f}, {true[1]:.5f}", shown, self._cause(at - STEP_S, at))

    def _last(self, holds: Callable[[Trace], Flags]) -> tuple[Trace, int] | None:
        """Return the last second of the time that was simulated in which something holds, as day and row."""
        for trace in map(self._simulated.life.day, reversed(self._days)):
            end = int(min(self._until_s - trace.first_s, DAY_S))
            rows = holds(trace)[:end].nonzero()[0]
            if len(rows):
                return trace, int(rows[-1])
        return None

    def _true(self, name: str) -> Iterator[Any]:
        for truth in self._truths:
            yield from getattr(truth, name)

    def _within(self, began_s: float, ended_s: float) -> bool:
        """Whether something lies in the time that was simulated."""
        return self._from_s <= began_s and ended_s <= self._until_s

    def _cut(self, began_s: float, ended_s: float) -> bool:
        """Whether something is of a drive that begins before, or goes on after, the time that was simulated."""
        return any(
            trip.started_s < ended_s and trip.ended_s > began_s and not self._within(trip.started_s, trip.ended_s)
            for trip in self._true("trips")
        )

    def _cause(self, began_s: float, ended_s: float) -> str | None:
        return next(
            (
                faulty.cause
                for faulty in self._faulty
                if faulty.from_s - REACH_S <= ended_s and faulty.until_s + REACH_S >= began_s
            ),
            None,
        )

    def _second(self, at: int) -> float:
        return (at - self._simulation.origin_us) / MICROS_PER_SECOND

    def _span_s(self, began: int, ended: int | None) -> tuple[float, float]:
        return self._second(began), self._until_s if ended is None else self._second(ended)

    def _difference(self, what: str, true: str, shown: str, cause: str | None) -> Difference:
        return Difference(self._simulated.car.vin.text, what, true, shown, cause)


def _speaks(trace: Trace) -> Flags:
    """Return when a car sends everything: not when it only charges (adapters.simulator.bus)."""
    return trace.awake & (~trace.charging | trace.accessories | trace.ignition | trace.driver_door_open)


def _span(window: Sequence[int], cause: str) -> _Faulty:
    began, ended = window
    return _Faulty(began / MICROS_PER_SECOND, ended / MICROS_PER_SECOND, cause)
