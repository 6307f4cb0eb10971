"""A year of 1,000 simulated cars: folded live, rebuilt beside it, and asked about at moments of the year.

20 cars take drives that were simulated, in turns and spread over the year; the events of each are copied to 49 more.
Live and rebuilt rows must be the same, and so must answers about the past with snapshots and without. A drive is some
200 events. `BENCH_FLEET_YEAR_DRIVES=52` lets each car drive weekly instead of every fourth week: 10 million events.
"""

import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import psycopg
from rich.console import Console

from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SchemaRegistry
from adapters.clock import now
from adapters.collector import settle
from adapters.graphql.execution import Api
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.read_models import PostgresReadModels
from adapters.postgres.server import EmbeddedServer
from adapters.postgres.snapshots import PostgresSnapshots, fetch_from
from adapters.postgres.twin_reader import PostgresTwins
from adapters.projecting import Projecting
from adapters.projection_versions import at_version, named
from adapters.rebuild import Job, fill_all
from adapters.signals.catalogue import load_catalogue
from adapters.snapshotting import Snapshotting
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from bench.copies import copy, registered
from bench.driven import captured_last, shifted, simulated_drives, vins
from bench.past import BEGAN_AT, DAY_US, FLEET_BAR_S, ask_fleet, moment
from bench.rebuild import BAR
from bench.report import Result
from domain.fleet import Fleet
from domain.signals import SignalBatch
from domain.units import Micros
from projections.digest import digest

CARS: Final = 20
COPIES: Final = 50
DAYS: Final = 365
DRIVES: Final = int(os.environ.get("BENCH_FLEET_YEAR_DRIVES", "13"))  # of each car
BATCHES_AT_ONCE: Final = 500
WORKERS: Final = 2
MOMENTS: Final = 5


def run() -> Sequence[Result]:
    """Fold the year live, rebuild it with two workers, compare; make snapshots, ask about moments of the fleet."""
    with ExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory())
        conninfo = opened.enter_context(EmbeddedServer(Path(folder))).conninfo()
        records = PostgresEventLog.open(conninfo)
        opened.callback(records.close)
        models = opened.enter_context(closing(PostgresReadModels(conninfo).open()))
        codec = AvroCodec(SchemaRegistry.load())
        log = VehicleLog(records, codec)
        _drive(log)
        base = log.last_position()
        for turn in range(1, COPIES):
            copy(conninfo, base, turn)
        vehicle_ids = registered(conninfo)
        assert len(vehicle_ids) == CARS * COPIES
        events = log.last_position()

        for projection in PROJECTIONS:
            models.prepare(projection)
        began = time.perf_counter()
        Projecting(lambda: tuple(PROJECTIONS), log, models, now).catch_up()
        live_s = time.perf_counter() - began
        rebuilt_s = {}
        for projection in PROJECTIONS:
            chosen = at_version(named(projection.name), projection.version + 1)
            models.prepare(chosen)
            began = time.perf_counter()
            job = Job(chosen.name, chosen.version, 0, events)
            fill_all(conninfo, job, vehicle_ids, WORKERS, lambda: False, lambda _: None)
            rebuilt_s[projection.name] = time.perf_counter() - began
            assert digest(models, chosen) == digest(models, projection), f"{projection.name}: rebuilt is not live"

        api = Api(opened.enter_context(closing(PostgresTwins(conninfo).open())), load_catalogue(), codec.decode)
        rng = random.Random(23)
        moments = [moment(rng.uniform(0, DAYS)) for _ in range(MOMENTS)]
        began = time.perf_counter()
        told = ask_fleet(api, moments[0], CARS * COPIES)
        whole_s = time.perf_counter() - began
        began = time.perf_counter()
        made = Snapshotting(records, codec.decode, PostgresSnapshots(fetch_from(records.datastore))).catch_up(
            threading.Event()
        )
        snapshots_s = time.perf_counter() - began
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
        settle()
        assert ask_fleet(api, moments[0], CARS * COPIES) == told, "the past differs with snapshots"
        asked_s = []
        for at in moments:
            began = time.perf_counter()
            ask_fleet(api, at, CARS * COPIES)
            asked_s.append(time.perf_counter() - began)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(f"all three folded live, in one process: {events / live_s:,.0f} events/s; digests equal")
    console.print(f"{made:,} snapshots in {snapshots_s:,.0f} s; the fleet by a whole fold: {whole_s:,.1f} s")
    what = f"a year of {CARS * COPIES:,} cars, {events:,} events"
    return [
        Result(
            name=f"rebuild {name} from {what}, {WORKERS} workers",
            unit="events/s",
            ours=events / took_s,
            bar=BAR * WORKERS,
        )
        for name, took_s in rebuilt_s.items()
    ] + [
        Result(
            name=f"{what}: the fleet as of a moment, the slowest of {MOMENTS}",
            unit="s",
            ours=max(asked_s),
            bar=FLEET_BAR_S,
            lower_is_better=True,
        )
    ]


def _drive(log: VehicleLog) -> None:
    """Let the cars drive through the year, one after another and in turns."""
    fleet = Fleet(log, b"a key for a benchmark")
    cars = [fleet.register(vin, brand="Volkswagen", model="ID.3", at=BEGAN_AT) for vin in vins(1, CARS)]
    drives = simulated_drives()
    every_us = DAYS * DAY_US // DRIVES
    pending: list[SignalBatch] = []
    for number in range(DRIVES * CARS):
        turn, place = divmod(number, CARS)
        drive = drives[number % len(drives)]
        starts_at = Micros(BEGAN_AT + turn * every_us + place * every_us // CARS)
        for sequence, batch in enumerate(drive, 1):
            one = shifted(batch, cars[place], sequence, starts_at - captured_last(drive[0]))
            pending.append(replace(one, stream_id=f"drive-{turn}"))
        while len(pending) >= BATCHES_AT_ONCE:
            fleet.take(pending[:BATCHES_AT_ONCE])
            del pending[:BATCHES_AT_ONCE]
    fleet.take(pending)
