"""Stored events into PostgreSQL read models: one projection at a time, and all three in turns, as `catch_up` does."""

import gc
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SchemaRegistry
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.read_models import PostgresReadModels
from adapters.postgres.server import EmbeddedServer
from adapters.projecting import Projecting
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from bench.fold import PAUSE_S, START, batches
from bench.report import Result
from domain.events import VehicleEvent
from domain.units import MICROS_PER_SECOND, Micros
from domain.vehicle import Vehicle

VEHICLES: Final = 40
APPENDED_AT_ONCE: Final = 5_000
BAR: Final = 20_000  # events/s


def run() -> Sequence[Result]:
    """Fold the drives of 40 vehicles, stored side by side, from the log into tables on a disk that syncs."""
    events = fleet_events()
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer(Path(folder)) as server:
        records = PostgresEventLog.open(server.conninfo())
        read_models = PostgresReadModels(server.conninfo()).open()
        log = VehicleLog(records, AvroCodec(SchemaRegistry.load()))
        for first in range(0, len(events), APPENDED_AT_ONCE):
            log.append(events[first : first + APPENDED_AT_ONCE])
        count = len(events)
        del events  # a process that projects does not hold its log in memory, nor does its collector walk through it
        gc.collect()
        seconds = {}
        for name, chosen in [*((each.name, [each]) for each in PROJECTIONS), ("all three", list(PROJECTIONS))]:
            fresh = [replace(each, version=each.version + len(chosen)) for each in chosen]  # beside one another
            for projection in fresh:
                read_models.prepare(projection)
            began = time.perf_counter()
            Projecting(partial(tuple, fresh), log, read_models, lambda: Micros(0)).catch_up()
            seconds[name] = time.perf_counter() - began
        read_models.close()
        records.close()
    return [
        Result(
            name=f"project {count:,} stored events of {VEHICLES} vehicles: {name}",
            unit="events/s",
            ours=count / took,
            bar=BAR,
        )
        for name, took in seconds.items()
    ]


def fleet_events(vehicles: int = VEHICLES) -> list[VehicleEvent]:
    """Return the events of drives of several vehicles, as a log has them: those of all vehicles mixed."""
    rng = random.Random(23)
    histories = []
    for number in range(vehicles):
        vehicle_id = UUID(int=number, version=4)
        vin = f"WVWZZZE1ZMP{number:06d}"
        vehicle = Vehicle.register(vehicle_id, vin=vin, brand="Volkswagen", model="ID.3", at=Micros(START))
        progress = None
        start = START + rng.randrange(PAUSE_S) * MICROS_PER_SECOND
        for batch in batches(f"drive-{number}", start, rng, vehicle_id):
            progress = vehicle.observe(batch, progress)
        histories.append(list(vehicle.collect_events()))
    longest = max(map(len, histories))
    return [history[place] for place in range(longest) for history in histories if place < len(history)]
