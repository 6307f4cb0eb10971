"""The twins of a simulated fleet are held against what was true of it, with every fault that there is."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from adapters.signals.catalogue import load_catalogue
from adapters.simulation import Plan, Simulation
from adapters.simulation_check import TIRES, differences
from adapters.simulator.delivery import LostBatch
from adapters.simulator.fault_plan import Faults, Window
from adapters.wiring import MemoryTwin, memory_twin
from domain import paths
from domain.units import MICROS_PER_SECOND
from projections.diagnostics.model import ChargingRow, DiagnosticsSignalRow, TroubleCodeRow
from projections.media.model import PlayRow
from projections.navigation.model import DestinationRow, NavigationSignalRow, TripRow
from projections.ports import ReadModelStore
from projections.projection import Projection, R

pytest.importorskip("opendbc", reason="the DBC files of simulated cars have no release for this Python")

ORIGIN_US = 1_780_288_200 * MICROS_PER_SECOND
CATALOGUE = load_catalogue(None)
HOUR_US = 3_600 * MICROS_PER_SECOND
SPAN_US = 3 * HOUR_US
LONG_US = 7 * HOUR_US + HOUR_US // 2  # in which a car of seed 17 charges, and one loses a trouble code
EVERY_FAULT = ("all", "lost=0.03", "tunnel=0.2", "clock-1970=0.2", "clock-future=0.2", "stuck-sensor=0.3")


def simulated(plan: Plan, span_us: int = SPAN_US) -> tuple[Simulation, MemoryTwin]:
    """Return a simulation at its end, and the twins that it has made."""
    twin = memory_twin()
    simulation = Simulation(plan, twin.fleet, CATALOGUE, origin_us=ORIGIN_US, session="test")
    simulation.run(span_us, lambda _: None)
    simulation.finish()
    twin.projecting.catch_up()
    return simulation, twin


@pytest.mark.slow
@pytest.mark.parametrize(("cars", "seed", "span_us"), [(12, 2, SPAN_US), (6, 17, LONG_US)])
def test_with_every_fault_no_difference_is_without_a_cause(cars: int, seed: int, span_us: int) -> None:
    simulation, twin = simulated(Plan(cars, seed, faults=Faults.parse(EVERY_FAULT), frames_per_second=30), span_us)
    found = differences(simulation, twin.read_models)

    assert [each for each in found if each.cause is None] == []
    assert simulation.delivery.lost
    assert simulation.delivery.doubled
    delayed = sum(map(len, simulation.delivery.delayed.values()))
    assert delayed
    assert len(found) <= len(simulation.delivery.lost) + delayed  # a fault does not make up for everything
    if span_us == LONG_US:
        assert simulation.counts.events["ChargingEnded"]
        assert simulation.counts.events["TroubleCodeCleared"]
    assert simulation.counts.duplicate_batches == simulation.delivery.doubled
    assert all(
        simulation.counts.events[name] for name in ("TelemetryGapDetected", "LateSamplesRecorded", "ClockCorrected")
    )
    causes = Counter(str(each.cause).split()[0] for each in found)
    assert causes.keys() >= {"batch", "its"}  # a loss and a stuck sensor are seen


@pytest.mark.parametrize("fault", ["doubled=0.5", "tunnel=1"])
def test_what_comes_twice_or_an_hour_late_in_its_order_makes_no_difference(fault: str) -> None:
    simulation, twin = simulated(Plan(5, 4, faults=Faults.parse([fault]), frames_per_second=50))

    assert differences(simulation, twin.read_models) == []
    assert simulation.counts.events["TrackStarted"] > 10


class _Changed:
    """A store that shows the rows of a table otherwise than they are."""

    def __init__(self, store: ReadModelStore, row_type: type, change: Callable[[Any], list[Any]]) -> None:
        self._store = store
        self._row_type = row_type
        self._change = change

    def rows(self, projection: Projection, row_type: type[R]) -> Sequence[R]:
        """Return the rows, each changed."""
        rows = self._store.rows(projection, row_type)
        return [each for row in rows for each in (self._change(row) if row_type is self._row_type else [row])]


@pytest.fixture(scope="module")
def honest() -> tuple[Simulation, MemoryTwin]:
    """Return a simulation without faults, in which a car charges and one loses a trouble code."""
    simulation, twin = simulated(Plan(3, 17, frames_per_second=30), LONG_US)
    assert simulation.counts.events["ChargingEnded"]
    assert simulation.counts.events["TroubleCodeCleared"]
    assert differences(simulation, twin.read_models) == []
    return simulation, twin


def changed(**more: float) -> Callable[[Any], list[Any]]:
    """Return a change that adds to columns."""
    return lambda row: [row._replace(**{name: getattr(row, name) + value for name, value in more.items()})]


def signal(path: str, more: float) -> Callable[[Any], list[Any]]:
    """Return a change of the newest value of a signal."""
    return lambda row: [row._replace(number=row.number + more)] if row.path == path else [row]


SECOND_US = MICROS_PER_SECOND
WRONG: dict[str, tuple[type, Callable[[Any], list[Any]], str]] = {
    "trips are missing": (TripRow, lambda _: [], "trip"),
    "trips are longer": (TripRow, lambda row: [row._replace(distance_m=1.05 * row.distance_m)], "trip"),
    "trips end later": (TripRow, changed(ended_at=60 * SECOND_US), "trip"),
    "trips begin earlier": (TripRow, changed(started_at=-60 * SECOND_US), "trip"),
    "trips go on": (TripRow, lambda row: [row._replace(ended=False)], "trip"),
    "trips took no energy": (TripRow, lambda row: [row._replace(energy_kwh=None)], "trip"),
    "trips took more energy": (TripRow, lambda row: [row._replace(energy_kwh=(row.energy_kwh or 0) + 0.3)], "trip"),
    "songs are missing": (PlayRow, lambda _: [], "song"),
    "songs come twice": (PlayRow, lambda row: [row, row._replace(started_at=row.started_at + 20 * SECOND_US)], "song"),
    "songs are of others": (PlayRow, lambda row: [row._replace(artist="somebody")], "song"),
    "codes are held no more": (TroubleCodeRow, lambda row: [row._replace(held=False)], "trouble code"),
    "codes are held still": (TroubleCodeRow, lambda row: [row._replace(held=True)], "trouble code"),
    "codes are of another failure": (TroubleCodeRow, changed(failure_type=1), "trouble code"),
    "charges are missing": (ChargingRow, lambda _: [], "charge"),
    "charges end higher": (ChargingRow, changed(end_percent=3), "charge"),
    "charges begin later": (ChargingRow, changed(started_at=60 * SECOND_US), "charge"),
    "charges add more": (
        ChargingRow,
        lambda row: [row._replace(energy_added_kwh=1.05 * row.energy_added_kwh)],
        "charge",
    ),
    "charges come twice": (
        ChargingRow,
        lambda row: [
            row,
            row._replace(started_at=row.started_at - 3_000 * SECOND_US, ended_at=row.started_at - SECOND_US),
        ],
        "charge",
    ),
    "destinations are missing": (DestinationRow, lambda _: [], "destination"),
    "destinations are elsewhere": (DestinationRow, changed(latitude_deg=0.01), "destination"),
    "destinations are still set": (DestinationRow, lambda row: [row._replace(state="SET")], "destination"),
    "cars are elsewhere": (NavigationSignalRow, signal(paths.LATITUDE, 0.01), "position"),
    "places are missing": (NavigationSignalRow, lambda _: [], "position"),
    "tyres are not known": (DiagnosticsSignalRow, lambda row: [] if row.path in TIRES else [row], "Vehicle.Chassis"),
    "the odometer is another": (DiagnosticsSignalRow, signal(paths.ODOMETER, 3_000.0), paths.ODOMETER),
    **{
        f"newest {path} is another": (DiagnosticsSignalRow, signal(path, 4.0), path)
        for path in (*TIRES, paths.STATE_OF_CHARGE)
    },
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_twin_that_is_wrong_is_found(honest: tuple[Simulation, MemoryTwin], wrong: str) -> None:
    simulation, twin = honest
    row_type, change, what = WRONG[wrong]
    store: ReadModelStore = _Changed(twin.read_models, row_type, change)  # type: ignore[assignment]
    found = differences(simulation, store)

    assert found
    assert {each.cause for each in found} == {None}
    assert all(each.what.startswith(what) for each in found)


def test_a_fault_explains_no_more_than_it_can() -> None:
    simulation, twin = simulated(Plan(6, 1, faults=Faults.parse(["lost=0.02", "late=0.02"]), frames_per_second=30))
    before = differences(simulation, twin.read_models)
    later: ReadModelStore = _Changed(twin.read_models, TripRow, changed(ended_at=60 * SECOND_US))  # type: ignore[assignment]
    trips = [each for each in differences(simulation, later) if each.what == "trip"]

    assert all(each.cause for each in before)
    assert sum(each.cause is None for each in trips) > len(trips) / 2


def test_a_batch_that_is_lost_unseen_is_found(
    honest: tuple[Simulation, MemoryTwin], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation, twin = honest
    monkeypatch.setattr(simulation.delivery, "lost", [LostBatch(0, 1, Window(0, 1))])

    assert ("lost batches", "[1]", "[]") in [each[1:4] for each in differences(simulation, twin.read_models)]
