"""What a twin shows, held against what was true of the simulated car.

A difference has a cause where a fault of the simulation explains it: a batch that never came, or came out of its order,
a clock that was wrong, a sensor that was stuck. One without a cause is a mistake of the twin, or of the simulator.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from adapters.simulation import STEP_S, SimulatedCar, Simulation
from adapters.simulator.stuck import SENSORS
from adapters.simulator.trace import DAY_S, ChargeTruth, CodeTruth, Trace, TripTruth
from domain import paths
from domain.units import METRES_PER_KILOMETRE, MICROS_PER_SECOND
from projections.diagnostics.model import ChargingRow, DiagnosticsSignalRow, TroubleCodeRow
from projections.diagnostics.projector import DIAGNOSTICS
from projections.media.model import PlayRow
from projections.media.projector import MEDIA
from projections.navigation.model import TripRow
from projections.navigation.projector import NAVIGATION
from projections.ports import ReadModelStore
from projections.projection import Projection, R

TIME_S: Final = 15.0  # by which the start and the end of a drive may differ: speeds below 5 km/h are no motion yet
SONG_S: Final = 5.0
DISTANCE_SHARE: Final = 0.01
DISTANCE_M: Final = 50.0  # or the share above, whichever is more
ENERGY_SHARE: Final = 0.05
ENERGY_KWH: Final = 0.15  # or the share above, whichever is more
PERCENT: Final = 1.5
CODE_S: Final = 2.0
REACH_S: Final = 2 * STEP_S  # how far around it a fault may show

# Newest values: attribute of `Trace`, VSS path, tolerance in the unit of VSS (deadband of the mapping and its rounding)
NEWEST: Final = (
    ("odometer_m", paths.ODOMETER, 1.1 * METRES_PER_KILOMETRE),
    ("outside_celsius", SENSORS["outside temperature"].path, 1.1),
    ("state_of_charge_percent", paths.STATE_OF_CHARGE, 1.1),
    ("tire_kpa", SENSORS["tire pressure"].path, 3.1),
)


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
    found = {vehicle_id: _Rows([], [], [], [], []) for vehicle_id in simulation.vehicle_ids.values()}

    def gather(projection: Projection, row_type: type[R], name: str) -> None:
        for row in store.rows(projection, row_type):
            if row.vehicle_id in found:
                getattr(found[row.vehicle_id], name).append(row)

    gather(NAVIGATION, TripRow, "trips")
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
        yield from self._newest()

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
            cause = self._cause(trip.started_s, trip.ended_s)
            if len(ours) != 1:
                yield self._difference("trip", _trip(trip), f"{len(ours)} trips", cause)
            elif not _same_trip(trip, ours[0], *shown[ours[0]]):
                yield self._difference("trip", _trip(trip), _trip_row(ours[0], *shown[ours[0]]), cause)
        for row in unmatched:
            began, ended = shown[row]
            if self._within(began, ended) and not self._cut(began, ended):
                yield self._difference("trip", "none", _trip_row(row, began, ended), self._cause(began, ended))

    def _plays(self) -> Iterator[Difference]:
        shown = {row: self._second(row.started_at) for row in self._rows.plays if not row.initial}
        for play in self._true("plays"):
            if not self._within(play.at_s, play.at_s):
                continue
            ours = next((row for row, at in shown.items() if abs(at - play.at_s) <= SONG_S), None)
            text = _play(play.title, play.artist, play.album, play.source)
            if ours is not None:
                del shown[ours]
                found = _play(ours.title, ours.artist, ours.album, ours.source)
            else:
                again = (row for row in self._rows.plays if row.initial)
                found = next((text for row in again if abs(self._second(row.started_at) - play.at_s) <= SONG_S), "none")
            if found != text:
                yield self._difference("song", text, found, self._cause(play.at_s, play.at_s))
        for row, at in shown.items():
            if self._within(at, at):
                text = _play(row.title, row.artist, row.album, row.source)
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
            ended = charge.ended_s
            if ended is None or not self._within(charge.started_s, ended):
                continue
            ours = next((row for row, (began, end) in shown.items() if began < ended and end > charge.started_s), None)
            if ours is None or not _same_charge(charge, ours):
                found = "none" if ours is None else f"{ours.start_percent} % to {ours.end_percent} %"
                text = f"{charge.start_percent:.1f} % to {charge.end_percent:.1f} %"
                yield self._difference("charge", text, found, self._cause(charge.started_s, ended))

    def _newest(self) -> Iterator[Difference]:
        """Compare newest values with those of the last moment at which the car spoke."""
        spoke = self._last_awake()
        if spoke is None:
            return
        trace, second = spoke
        known = {row.path: row for row in self._rows.signals}
        stuck = self._simulated.stuck
        for name, path, tolerance in NEWEST:
            row = known.get(path)
            column = getattr(trace, name)
            true = float(column[0][second] if column.ndim > 1 else column[second])
            if row is None or row.number is None or abs(row.number - true) <= tolerance:
                continue
            at = trace.first_s + second
            is_stuck = stuck is not None and SENSORS[stuck.name].path == path
            cause = "its sensor is stuck" if is_stuck else self._cause(at - STEP_S, at)
            yield self._difference(path, f"{true:.1f}", f"{row.number:.1f}", cause)

    def _last_awake(self) -> tuple[Trace, int] | None:
        for trace in map(self._simulated.life.day, reversed(self._days)):
            end = int(min(self._until_s - trace.first_s, DAY_S))
            awake = trace.awake[:end].nonzero()[0]
            if len(awake):
                return trace, int(awake[-1])
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


def _span(window: Sequence[int], cause: str) -> _Faulty:
    began, ended = window
    return _Faulty(began / MICROS_PER_SECOND, ended / MICROS_PER_SECOND, cause)


def _same_trip(true: TripTruth, row: TripRow, began_s: float, ended_s: float) -> bool:
    near = abs(began_s - true.started_s) <= TIME_S and abs(ended_s - true.ended_s) <= TIME_S
    far = abs(row.distance_m - true.distance_m) <= max(DISTANCE_M, DISTANCE_SHARE * true.distance_m)
    if true.energy_kwh is None or row.energy_kwh is None:
        return near and far
    return near and far and abs(row.energy_kwh - true.energy_kwh) <= max(ENERGY_KWH, ENERGY_SHARE * true.energy_kwh)


def _same_charge(true: ChargeTruth, row: ChargingRow) -> bool:
    return (
        row.start_percent is not None
        and row.end_percent is not None
        and abs(row.start_percent - true.start_percent) <= PERCENT
        and abs(row.end_percent - true.end_percent) <= PERCENT
    )


def _trip(trip: TripTruth) -> str:
    return _trip_text(trip.started_s, trip.ended_s, trip.distance_m, trip.energy_kwh)


def _trip_row(row: TripRow, began_s: float, ended_s: float) -> str:
    return _trip_text(began_s, ended_s, row.distance_m, row.energy_kwh)


def _trip_text(began_s: float, ended_s: float, distance_m: float, energy_kwh: float | None) -> str:
    energy = "" if energy_kwh is None else f", {energy_kwh:.2f} kWh"
    return f"{began_s:.0f} s to {ended_s:.0f} s, {distance_m / METRES_PER_KILOMETRE:.2f} km{energy}"


def _play(*texts: str | None) -> str:
    return " · ".join(text or "–" for text in texts)
