"""A new version of a projection filled from the log, by one process and by two.

The log holds the drives of 80 vehicles, side by side.
"""

import gc
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SchemaRegistry
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.read_models import PostgresReadModels
from adapters.postgres.server import EmbeddedServer
from adapters.projection_versions import at_version
from adapters.rebuild import Job, fill_all
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from bench.project import fleet_events
from bench.report import Result
from projections.digest import digest

VEHICLES: Final = 80
APPENDED_AT_ONCE: Final = 5_000
BAR: Final = 100_000  # events/s a core
TWO_WORKERS_BAR: Final = 1.7  # times one


def run() -> Sequence[Result]:
    """Fill each projection twice, and compare the rows."""
    events = fleet_events(VEHICLES)
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer(Path(folder)) as server:
        conninfo = server.conninfo()
        records = PostgresEventLog.open(conninfo)
        models = PostgresReadModels(conninfo).open()
        log = VehicleLog(records, AvroCodec(SchemaRegistry.load()))
        for first in range(0, len(events), APPENDED_AT_ONCE):
            log.append(events[first : first + APPENDED_AT_ONCE])
        vehicle_ids = sorted({event.originator_id for event in events})
        count = len(events)
        del events
        gc.collect()
        results = []
        for projection in PROJECTIONS:
            name = f"{projection.name}, {count:,} events of {VEHICLES} vehicles"
            rates = []
            for workers in (1, 2):
                version = at_version(projection, 1 + workers)
                models.prepare(version)
                job = Job(version.name, version.version, 0, count)
                began = time.perf_counter()
                fill_all(conninfo, job, vehicle_ids, workers, lambda: False, lambda _: None)
                rates.append(count / (time.perf_counter() - began))
            assert digest(models, at_version(projection, 2)) == digest(models, at_version(projection, 3))
            results += [
                Result(name=f"rebuild {name}", unit="events/s", ours=rates[0], bar=BAR),
                Result(
                    name=f"rebuild {name}, two workers",
                    unit="events/s",
                    ours=rates[1],
                    peer=rates[0],
                    peer_name="one worker",
                    bar=TWO_WORKERS_BAR,
                ),
            ]
        models.close()
        records.close()
    return results
