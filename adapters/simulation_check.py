"""What a twin shows, held against what was true of the simulated car.

A difference has a cause where a fault of the simulation explains it: a batch that never came, or came out of its order,
a clock that was wrong, a sensor that was stuck. One without a cause is a mistake of the twin, or of the simulator.
"""

from collections.abc import Iterator
from uuid import UUID

from adapters.simulation import SimulatedCar, Simulation
from adapters.simulation_check_car import CheckedCar, Difference, TwinRows
from adapters.simulation_check_drives import destination_differences, track_differences, trip_differences
from adapters.simulation_check_newest import newest_differences
from adapters.simulation_check_states import charge_differences, code_differences, song_differences
from projections.diagnostics.model import ChargingRow, DiagnosticsSignalRow, TroubleCodeRow
from projections.diagnostics.projector import DIAGNOSTICS
from projections.media.model import MediaSignalRow, PlayRow
from projections.media.projector import MEDIA
from projections.navigation.model import DestinationRow, NavigationSignalRow, TrackRow, TripRow
from projections.navigation.projector import NAVIGATION
from projections.ports import ReadModelStore
from projections.projection import Projection, R

__all__ = ["Difference", "differences"]


def differences(simulation: Simulation, store: ReadModelStore) -> list[Difference]:
    """Compare every twin with the truth. The simulation has been finished, and its events have been projected."""
    by_vehicle = _rows(simulation, store)
    found: list[Difference] = []
    for simulated in simulation.cars:
        rows = by_vehicle[simulation.vehicle_ids[simulated.car.number]]
        found += _of_car(simulation, simulated, rows)
    return found


def _of_car(simulation: Simulation, simulated: SimulatedCar, rows: TwinRows) -> Iterator[Difference]:
    car = CheckedCar(simulation, simulated, rows)
    yield from _missing(simulation, car)
    yield from trip_differences(car)
    yield from track_differences(car)
    yield from destination_differences(car)
    yield from song_differences(car)
    yield from code_differences(car)
    yield from charge_differences(car)
    yield from newest_differences(car)


def _missing(simulation: Simulation, car: CheckedCar) -> Iterator[Difference]:
    """Compare the batches on record as missing with those that were lost."""
    number = car.car.number
    true = sorted(lost.sequence for lost in simulation.delivery.lost if lost.car == number)
    progress = simulation.progress_of(number)
    shown = [sequence for first, last in progress.missing for sequence in range(first, last + 1)]
    if true != shown:
        yield car.difference("lost batches", str(true), str(shown), None)


def _rows(simulation: Simulation, store: ReadModelStore) -> dict[UUID, TwinRows]:
    found = {vehicle_id: TwinRows([], [], [], [], [], [], []) for vehicle_id in simulation.vehicle_ids.values()}

    def gather(projection: Projection, row_type: type[R], name: str) -> None:
        for row in store.rows(projection, row_type):
            if row.vehicle_id in found:
                getattr(found[row.vehicle_id], name).append(row)

    gather(NAVIGATION, TripRow, "trips")
    gather(NAVIGATION, TrackRow, "tracks")
    gather(NAVIGATION, DestinationRow, "destinations")
    gather(MEDIA, PlayRow, "plays")
    gather(DIAGNOSTICS, TroubleCodeRow, "codes")
    gather(DIAGNOSTICS, ChargingRow, "charges")
    # Speed, heading and range are kept by two projections; of neither is anything compared.
    gather(NAVIGATION, NavigationSignalRow, "signals")
    gather(MEDIA, MediaSignalRow, "signals")
    gather(DIAGNOSTICS, DiagnosticsSignalRow, "signals")
    return found
