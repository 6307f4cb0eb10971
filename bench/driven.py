"""Telemetry of simulated cars, for many more vehicles than are simulated: each drives what one of the simulated did."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from typing import Final, NamedTuple
from uuid import UUID

from adapters.clock import now
from adapters.signals.catalogue import load_catalogue
from adapters.simulation import Plan, Simulation
from bench.distributed import VIN_KEY
from domain import paths
from domain.errors import StoreError
from domain.fleet import Taken
from domain.signals import Sample, SignalBatch
from domain.streams import StreamProgress
from domain.units import MICROS_PER_SECOND, Micros
from domain.vin import Vin

CARS: Final = 6
FRAMES_PER_SECOND: Final = 100  # of a bus: enough for every signal that is mapped
BATCH_S: Final = 5  # of a drive
SAMPLES: Final = 20  # in a batch, on average
BATCHES: Final = 100  # of each car
SIMULATED_S_MAX: Final = 12 * 3_600

Drive = Sequence[SignalBatch]


class Probe(NamedTuple):
    """What shows in each of the three read models that a batch has come through."""

    vin: str
    captured_at: Micros


class _Heard:
    """Stands where the fleet is in a simulation, and keeps the batches."""

    def __init__(self) -> None:
        self.drives: defaultdict[UUID, list[SignalBatch]] = defaultdict(list)

    def register(self, vin: Vin, *, brand: str, model: str | None, at: Micros) -> UUID:  # noqa: ARG002  # the port
        """Return the id of a vehicle."""
        return vehicle_id_of(vin)

    def take(self, batches: Sequence[SignalBatch]) -> Taken:
        """Keep batches."""
        for batch in batches:
            self.drives[batch.vehicle_id].append(batch)
        return Taken([], 0, 0)

    def progress(self, vehicle_id: UUID, stream_id: str) -> StreamProgress:  # noqa: ARG002  # the port
        """Return that nothing was taken before."""
        return StreamProgress(stream_id)


def simulated_drives() -> list[Drive]:
    """Return what simulated cars tell of their drives, from the first start of their engines on, in batches of 5 s."""
    heard = _Heard()
    simulation = Simulation(
        Plan(CARS, seed=7, frames_per_second=FRAMES_PER_SECOND), heard, load_catalogue(), origin_us=0, session="bench"
    )
    at_s = 0
    while len(heard.drives) < CARS or min(map(len, heard.drives.values())) < BATCHES:
        at_s += BATCH_S
        if at_s > SIMULATED_S_MAX:
            raise StoreError(f"not every simulated car drives within {SIMULATED_S_MAX} s")
        simulation.step(at_s * MICROS_PER_SECOND)
    return [_filled(drive[:BATCHES]) for drive in heard.drives.values()]


def _filled(drive: Drive) -> Drive:
    """Return a drive with as many samples as it should have: where some are missing, a batch says some once more."""
    filled: list[SignalBatch] = []
    missing = 0
    for batch in drive:
        missing += SAMPLES - len(batch.samples)
        again = tuple(
            sample._replace(captured_at=Micros(sample.captured_at + number))
            for number, sample in zip(range(1, missing + 1), cycle(batch.samples), strict=False)
        )
        missing -= len(again)
        filled.append(replace(batch, samples=(*batch.samples, *again)))
    return filled


def vins(first: int, count: int) -> list[Vin]:
    """Return so many VINs."""
    return [Vin.parse(f"WVWZZZE1ZMP{number:06d}") for number in range(first, first + count)]


def vehicle_id_of(vin: Vin) -> UUID:
    """Return the id of a vehicle in a benchmark."""
    return vin.vehicle_id(VIN_KEY.encode())


def as_driven_by(vin: Vin, drive: Drive, shift_us: int) -> list[SignalBatch]:
    """Return a drive as one of another vehicle, so much later."""
    vehicle_id = vehicle_id_of(vin)
    return [shifted(batch, vehicle_id, sequence, shift_us) for sequence, batch in enumerate(drive, start=1)]


def first_batch(vin: Vin, drive: Drive) -> SignalBatch:
    """Return what a car says when it is started, captured now."""
    return shifted(drive[0], vehicle_id_of(vin), 1, now() - captured_last(drive[0]))


def shifted(batch: SignalBatch, vehicle_id: UUID, sequence: int, shift_us: int) -> SignalBatch:
    """Return a batch as one of another vehicle, so much later."""
    return replace(
        batch,
        vehicle_id=vehicle_id,
        sequence=sequence,
        received_at=Micros(batch.received_at + shift_us),
        samples=tuple(sample._replace(captured_at=Micros(sample.captured_at + shift_us)) for sample in batch.samples),
        trouble_codes=tuple(
            report._replace(captured_at=Micros(report.captured_at + shift_us)) for report in batch.trouble_codes
        ),
    )


def captured_last(batch: SignalBatch) -> Micros:
    """Return when the newest sample of a batch was captured."""
    return max(sample.captured_at for sample in batch.samples)


def with_probe(batch: SignalBatch, at: Micros) -> SignalBatch:
    """Return a batch with a new value for each of the read models, captured at a time."""
    turn = batch.sequence % 2
    probe = (  # values that no simulated car tells
        Sample(paths.SPEED, at, 50.0625 + turn),
        Sample(paths.MEDIA_VOLUME, at, 40.0625 + turn),
        Sample(paths.FUEL_LEVEL, at, 60.0625 + turn),
    )
    return replace(batch, samples=(*batch.samples, *probe))


def assigned(drives: Sequence[Drive], vehicles: Sequence[Vin]) -> list[tuple[Vin, Drive]]:
    """Give each vehicle a drive."""
    return list(zip(vehicles, cycle(drives), strict=False))
