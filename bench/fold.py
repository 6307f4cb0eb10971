"""Folding stored events into a Vehicle, against the default projector of the eventsourcing library.

Both fold the same events, as the log gives them, with the folds of `domain.state` and end in the same state: what
differs is what a projector does around a fold, and that ours passes over what later events tell anew. Ours then does
little but read its events from memory, so it is measured with a history that fits into a processor's cache, and with
one that does not. Times are those that the process had a processor for: a busy machine does not change them much.
"""

import random
import time
import timeit
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from importlib.metadata import version
from math import cos, radians, sin
from typing import Any, Final
from uuid import UUID

from eventsourcing.application import project_aggregate

from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SchemaRegistry
from bench.report import Result
from domain import paths
from domain.events import VehicleEvent
from domain.signals import Sample, SignalBatch
from domain.state import FOLDS, VehicleState
from domain.units import MICROS_PER_SECOND, Micros
from domain.vehicle import Vehicle, project_vehicle

VEHICLE_ID: Final = UUID("6f1d0c5e-8c2b-5a44-9d0e-1f2a3b4c5d6e")
START: Final = 1_765_432_100 * MICROS_PER_SECOND
DRIVES: Final = 2
DRIVES_LONG: Final = 38  # 50,000 events
DRIVE_S: Final = 1_200
HALT_S: Final = 30  # at the end of a drive: standing, then the ignition goes off
BATCH_S: Final = 2
PAUSE_S: Final = 3_600
ROUNDS: Final = 50
ROUNDS_LONG: Final = 5
FOLDED_MIN: Final = 20  # times the library's rate
FOLDED_LONG_MIN: Final = 10
DECODED_MIN: Final = 40_000  # events/s: twice what the projection of stored events has to do

Record = tuple[str, bytes, UUID, int]  # topic, bytes, vehicle, version


class PeerVehicle:
    """The aggregate as the library wants it: an id, a version, and the time of its last change."""

    def __init__(self, vehicle_id: UUID) -> None:
        self.id = vehicle_id
        self.version = 0
        self.modified_on: datetime | None = None
        self.state = VehicleState(vehicle_id)


def run() -> Sequence[Result]:
    """Fold drives of 20 minutes, told in batches of 2 s; decode the same events from their bytes."""
    codec = AvroCodec(SchemaRegistry.load())

    def read(records: Iterable[Record]) -> list[VehicleEvent]:
        return [codec.decode(*record) for record in records]

    stored = store(codec, DRIVES)
    short = compare(read(stored), "in cache", ROUNDS, FOLDED_MIN)
    long = compare(read(store(codec, DRIVES_LONG)), "too many for the cache", ROUNDS_LONG, FOLDED_LONG_MIN)
    decoded = Result(
        name=f"decode, {len(stored):,} stored events of one vehicle",
        unit="events/s",
        ours=rate(lambda: read(stored), len(stored), ROUNDS),
        bar=DECODED_MIN,
    )
    return short, long, decoded


def store(codec: AvroCodec, count: int) -> list[Record]:
    """Return the events of drives as the log holds them."""
    return [(e.TOPIC, codec.encode(e), e.originator_id, e.originator_version) for e in drives(count)]


def compare(events: Sequence[VehicleEvent], where: str, rounds: int, bar: float) -> Result:
    """Fold events both ways."""
    peer_events = as_library_events(events)
    ours, peer = project_vehicle(None, events), fold_as_library(peer_events)
    assert ours is not None
    assert (ours.state, ours.version) == (peer.state, peer.version)
    return Result(
        name=f"fold, {len(events):,} events of one vehicle ({where})",
        unit="events/s",
        peer_name=f"eventsourcing {version('eventsourcing')}",
        peer=rate(lambda: fold_as_library(peer_events), len(events), rounds),
        ours=rate(lambda: project_vehicle(None, events), len(events), rounds),
        bar=bar,
    )


def rate(work: Callable[[], object], count: int, rounds: int) -> float:
    """Return the events a second of the best round."""
    return count / min(timeit.repeat(work, timer=time.process_time, number=1, repeat=rounds))


def fold_as_library(events: Sequence[VehicleEvent]) -> PeerVehicle:
    """Fold with the library's default projector."""
    vehicle = project_aggregate(PeerVehicle(VEHICLE_ID), events)
    assert vehicle is not None
    return vehicle


def as_library_events(events: Sequence[VehicleEvent]) -> list[VehicleEvent]:
    """Return the same events as the library wants them: with a method `apply` that folds them."""

    def with_apply(event_type: type[VehicleEvent]) -> type[VehicleEvent]:
        fold = FOLDS[event_type]

        def apply(self: VehicleEvent, aggregate: PeerVehicle) -> None:
            fold(aggregate.state, self)

        return type(event_type.__name__, (event_type,), {"apply": apply})

    def twin(event: VehicleEvent) -> VehicleEvent:
        """Return an event that lies in memory like the codec's."""
        made = object.__new__(types[type(event)])
        object.__setattr__(made, "__dict__", vars(event).copy())
        return made

    types = {event_type: with_apply(event_type) for event_type in FOLDS}
    return [twin(event) for event in events]


def drives(count: int) -> list[VehicleEvent]:
    """Return the events of a vehicle that drives, is parked, and drives again; each drive is a stream."""
    vehicle = Vehicle.register(VEHICLE_ID, vin="WVWZZZE1ZMP000001", brand="Volkswagen", model="ID.3", at=Micros(START))
    rng = random.Random(17)
    for drive in range(count):
        progress = None
        for batch in batches(f"drive-{drive}", START + drive * (DRIVE_S + PAUSE_S) * MICROS_PER_SECOND, rng):
            progress = vehicle.observe(batch, progress)
    return list(vehicle.collect_events())


def batches(stream_id: str, start: int, rng: random.Random, vehicle_id: UUID = VEHICLE_ID) -> Iterator[SignalBatch]:
    """Yield what a car tells of a drive: what changes every second, and what changes now and then."""
    speed, heading, latitude, longitude, metres = 0.0, 90.0, 52.4227, 10.7865, 26_998_000.0
    samples: list[Sample] = []
    for second in range(DRIVE_S):
        at = Micros(start + second * MICROS_PER_SECOND)
        moving = second < DRIVE_S - HALT_S
        speed = min(130.0, max(0.0, speed + rng.uniform(-8, 9))) if moving else 0.0
        heading = (heading + rng.uniform(-3, 3)) % 360
        metres += speed / 3.6
        latitude += speed / 3.6 / 111_320 * cos(radians(heading))
        longitude += speed / 3.6 / 67_900 * sin(radians(heading))
        told: dict[str, Any] = {
            paths.SPEED: round(speed, 2),
            paths.LATITUDE: round(latitude, 6),
            paths.LONGITUDE: round(longitude, 6),
            paths.HEADING: round(heading, 1),
        }
        if second % 10 == 0:
            told |= {
                paths.ODOMETER: round(metres, -2),
                paths.STATE_OF_CHARGE_DISPLAYED: round(80 - second / 200, 1),
                paths.LOW_VOLTAGE: round(14.2 + rng.uniform(-0.1, 0.1), 2),
                paths.LOW_VOLTAGE_SYSTEM_STATE: "ON" if moving else "OFF",
                "Vehicle.Exterior.AirTemperature": round(rng.uniform(9, 9.4), 1),
                "Vehicle.Cabin.Door.Row1.DriverSide.IsOpen": second == 0,
            }
        if second % 200 == 0:
            told |= {paths.MEDIA_TITLE: f"Piece {second}", paths.MEDIA_ARTIST: "Ensemble", paths.MEDIA_VOLUME: 30.0}
        samples += [Sample(path, at, value) for path, value in told.items()]
        if second % BATCH_S == BATCH_S - 1:
            sequence, received_at = second // BATCH_S + 1, Micros(at + MICROS_PER_SECOND)
            final = second == DRIVE_S - 1
            yield SignalBatch(vehicle_id, stream_id, sequence, received_at, tuple(samples), final=final)
            samples = []
