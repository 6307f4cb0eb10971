"""The twins of a simulated fleet are held against what was true of it, with every fault that there is."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from adapters.signals.catalogue import load_catalogue
from adapters.simulation import Plan, Simulation
from adapters.simulation_check import differences
from adapters.simulator.delivery import LostBatch
from adapters.simulator.fault_plan import Faults, Window
from adapters.wiring import MemoryTwin, memory_twin
from domain import paths
from domain.units import MICROS_PER_SECOND
from projections.diagnostics.model import ChargingRow, DiagnosticsSignalRow, TroubleCodeRow
from projections.media.model import MediaSignalRow, PlayRow
from projections.navigation.model import DestinationRow, NavigationSignalRow, TrackRow, TripRow
from projections.ports import ReadModelStore
from projections.projection import Projection, R

pytest.importorskip("opendbc", reason="the DBC files of simulated cars have no release for this Python")

ORIGIN_US = 1_780_288_200 * MICROS_PER_SECOND
CATALOGUE = load_catalogue(None)
HOUR_US = 3_600 * MICROS_PER_SECOND
SPAN_US = 3 * HOUR_US
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
@pytest.mark.parametrize(("cars", "seed", "hours"), [(12, 2, 3.0), (6, 17, 7.5)])
def test_with_every_fault_no_difference_is_without_a_cause(cars: int, seed: int, hours: float) -> None:
    plan = Plan(cars, seed, faults=Faults.parse(EVERY_FAULT), frames_per_second=30)
    simulation, twin = simulated(plan, round(hours * HOUR_US))
    found = differences(simulation, twin.read_models)

    assert [each for each in found if each.cause is None] == []
    assert simulation.delivery.lost
    assert simulation.delivery.doubled
    assert simulation.delivery.delayed
    assert simulation.counts.duplicate_batches == simulation.delivery.doubled
    long = ("ChargingEnded", "TroubleCodeCleared") if hours > 3 else ("ClockCorrected",)
    assert all(simulation.counts.events[name] for name in ("TelemetryGapDetected", "LateSamplesRecorded", *long))
    causes = Counter(str(each.cause).split()[0] for each in found)
    assert causes.keys() >= {"batch", "its"}  # a loss and a stuck sensor are seen
    assert len(found) <= len(simulation.delivery.lost) + len(simulation.delivery.overtaken)

    later: ReadModelStore = _Changed(twin.read_models, TripRow, with_(ended_at=a_minute_later))  # type: ignore[assignment]
    wrong = [each for each in differences(simulation, later) if each.what == "trip"]
    assert sum(each.cause is None for each in wrong) > 0.7 * len(wrong)


@pytest.mark.parametrize("fault", ["doubled=0.5", "tunnel=1"])
def test_what_comes_twice_or_an_hour_late_in_its_order_makes_no_difference(fault: str) -> None:
    simulation, twin = simulated(Plan(5, 4, faults=Faults.parse([fault]), frames_per_second=50))

    assert differences(simulation, twin.read_models) == []
    assert simulation.counts.events["TrackStarted"] > 10


class _Changed:
    """A store that shows the rows of one table otherwise than they are."""

    def __init__(self, store: ReadModelStore, row_type: type, change: Callable[[Any], Sequence[Any]]) -> None:
        self._store = store
        self._row_type = row_type
        self._change = change

    def rows(self, projection: Projection, row_type: type[R]) -> Sequence[R]:
        """Return the rows, those of the one table changed."""
        rows = list(self._store.rows(projection, row_type))
        return [each for row in rows for each in self._change(row)] if row_type is self._row_type else rows


def with_(**changes: Callable[[Any], Any]) -> Callable[[Any], Sequence[Any]]:
    """Return what changes columns that have a value."""

    def change(row: Any) -> Sequence[Any]:
        told = {name: getattr(row, name) for name in changes}
        return [row._replace(**{name: changes[name](value) for name, value in told.items() if value is not None})]

    return change


def signal(path: str, **changes: Callable[[Any], Any]) -> Callable[[Any], Sequence[Any]]:
    """Return what changes the row of one signal."""
    change = with_(**changes)
    return lambda row: change(row) if row.path == path else [row]


def gone(_row: Any) -> Sequence[Any]:
    return []


def a_minute_later(at_us: int) -> int:
    return at_us + 60 * MICROS_PER_SECOND


@pytest.fixture(scope="module")
def honest() -> tuple[Simulation, MemoryTwin]:
    """Return a simulation without faults, in which a charge ends and a trouble code is cleared."""
    eight_hours_us = 8 * 3_600 * MICROS_PER_SECOND
    return simulated(Plan(6, 12, frames_per_second=10), eight_hours_us)


def test_without_faults_there_is_no_difference(honest: tuple[Simulation, MemoryTwin]) -> None:
    simulation, twin = honest

    assert differences(simulation, twin.read_models) == []
    assert all(simulation.counts.events[name] for name in ("ChargingEnded", "TroubleCodeCleared", "DestinationReached"))


@pytest.mark.parametrize(
    ("row_type", "change", "what"),
    [
        (TripRow, gone, "trip"),
        (TripRow, with_(ended_at=a_minute_later), "trip"),
        (TripRow, with_(distance_m=lambda metres: 1.05 * metres), "trip"),
        (TripRow, with_(energy_kwh=lambda kwh: 1.05 * kwh), "trip"),
        (TripRow, with_(energy_kwh=lambda _: None), "trip"),
        (TrackRow, with_(latitude_deg=lambda column: [each + 0.01 for each in column]), "track"),
        (DestinationRow, gone, "destination"),
        (DestinationRow, with_(state=lambda _: "SET"), "destination"),
        (DestinationRow, with_(longitude_deg=lambda degrees: degrees + 0.01), "destination"),
        (PlayRow, gone, "song"),
        (PlayRow, lambda row: [row, row._replace(started_at=row.started_at + 20_000_000)], "song"),
        (ChargingRow, gone, "charge"),
        (ChargingRow, lambda row: [row, row._replace(started_at=1, ended_at=2)], "charge"),
        (ChargingRow, with_(start_percent=lambda percent: percent + 3), "charge"),
        (ChargingRow, with_(end_percent=lambda percent: percent + 3), "charge"),
        (ChargingRow, with_(energy_added_kwh=lambda kwh: 1.1 * kwh), "charge"),
        (ChargingRow, with_(ended_at=a_minute_later), "charge"),
        (TroubleCodeRow, gone, "trouble code"),
        (TroubleCodeRow, with_(held=lambda held: not held), "trouble code"),
        (TroubleCodeRow, with_(active=lambda active: not active), "trouble code"),
        (TroubleCodeRow, with_(status=lambda _: 0), "trouble code"),
        (MediaSignalRow, gone, paths.MEDIA_VOLUME),
        (NavigationSignalRow, signal(paths.LATITUDE, number=lambda degrees: degrees + 0.01), paths.LATITUDE),
        *(
            (DiagnosticsSignalRow, signal(path, number=lambda kpa: kpa + 8), path)
            for path in (
                paths.TIRE_PRESSURE_FRONT_LEFT,
                paths.TIRE_PRESSURE_FRONT_RIGHT,
                paths.TIRE_PRESSURE_REAR_LEFT,
                paths.TIRE_PRESSURE_REAR_RIGHT,
            )
        ),
    ],
)
def test_a_twin_that_is_wrong_is_found(
    honest: tuple[Simulation, MemoryTwin], row_type: type, change: Callable[[Any], Sequence[Any]], what: str
) -> None:
    simulation, twin = honest
    store: ReadModelStore = _Changed(twin.read_models, row_type, change)  # type: ignore[assignment]
    found = differences(simulation, store)

    assert any(each.what.startswith(what) for each in found)
    assert all(each.cause is None for each in found)


def test_a_batch_that_is_lost_unseen_is_found(
    honest: tuple[Simulation, MemoryTwin], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation, twin = honest
    monkeypatch.setattr(simulation.delivery, "lost", [LostBatch(0, 1, Window(0, 1))])

    assert ("lost batches", "[1]", "[]") in [each[1:4] for each in differences(simulation, twin.read_models)]
