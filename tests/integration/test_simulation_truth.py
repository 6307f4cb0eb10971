"""The twins of a simulated fleet are held against what was true of it, with every fault that there is."""

from collections import Counter
from collections.abc import Sequence

import pytest

from adapters.signals.catalogue import load_catalogue
from adapters.simulation import Plan, Simulation
from adapters.simulation_check import Difference, differences
from adapters.simulator.delivery import LostBatch
from adapters.simulator.fault_plan import Faults, Window
from adapters.wiring import MemoryTwin, memory_twin
from domain.units import MICROS_PER_SECOND
from projections.media.model import PlayRow
from projections.navigation.model import TripRow
from projections.ports import ReadModelStore
from projections.projection import Projection, R

pytest.importorskip("opendbc", reason="the DBC files of simulated cars have no release for this Python")

ORIGIN_US = 1_780_288_200 * MICROS_PER_SECOND
CATALOGUE = load_catalogue(None)
SPAN_US = 3 * 3_600 * MICROS_PER_SECOND
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
@pytest.mark.parametrize("seed", [1, 2])
def test_with_every_fault_no_difference_is_without_a_cause(seed: int) -> None:
    simulation, twin = simulated(Plan(12, seed, faults=Faults.parse(EVERY_FAULT), frames_per_second=50))
    found = differences(simulation, twin.read_models)

    assert [each for each in found if each.cause is None] == []
    assert simulation.delivery.lost
    assert simulation.delivery.doubled
    assert simulation.delivery.delayed
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
    """A store that shows some rows otherwise than they are."""

    def __init__(self, store: ReadModelStore, row_type: type, change: str) -> None:
        self._store = store
        self._row_type = row_type
        self._change = change

    def rows(self, projection: Projection, row_type: type[R]) -> Sequence[R]:
        """Return the rows, the last one of a table changed."""
        rows = list(self._store.rows(projection, row_type))
        if row_type is not self._row_type:
            return rows
        *others, last = rows
        match self._change:
            case "missing":
                return others
            case "twice":
                return [*rows, last._replace(started_at=last.started_at + 20_000_000)]  # type: ignore[attr-defined]
            case _:
                return [*others, last._replace(distance_m=1.05 * last.distance_m)]  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def honest() -> tuple[Simulation, MemoryTwin]:
    """Return a simulation without faults."""
    return simulated(Plan(3, 5, frames_per_second=50))


@pytest.mark.parametrize(
    ("row_type", "change", "what"),
    [
        (TripRow, "missing", "trip"),
        (TripRow, "longer", "trip"),
        (PlayRow, "missing", "song"),
        (PlayRow, "twice", "song"),
    ],
)
def test_a_twin_that_is_wrong_is_found(
    honest: tuple[Simulation, MemoryTwin], row_type: type, change: str, what: str
) -> None:
    simulation, twin = honest
    store: ReadModelStore = _Changed(twin.read_models, row_type, change)  # type: ignore[assignment]
    (found,) = differences(simulation, store)

    assert isinstance(found, Difference)
    assert (found.what, found.cause) == (what, None)


def test_a_batch_that_is_lost_unseen_is_found(
    honest: tuple[Simulation, MemoryTwin], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation, twin = honest
    monkeypatch.setattr(simulation.delivery, "lost", [LostBatch(0, 1, Window(0, 1))])

    assert ("lost batches", "[1]", "[]") in [each[1:4] for each in differences(simulation, twin.read_models)]
