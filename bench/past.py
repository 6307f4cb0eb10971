"""Asking for the past: one vehicle with a year of history, and a fleet of 1,000; with snapshots, and by a whole fold.

The year is two drives a day of a simulated car, told in batches of 5 s; each vehicle of the fleet has driven some of
these. The moments that are asked about are spread over all of it.
"""

import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import Connection
from rich.console import Console

from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SchemaRegistry
from adapters.collector import settle
from adapters.graphql.execution import Api
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.read_models import PostgresReadModels
from adapters.postgres.server import EmbeddedServer
from adapters.postgres.snapshots import PostgresSnapshots, fetch_from
from adapters.postgres.twin_reader import PostgresTwins
from adapters.signals.catalogue import load_catalogue
from adapters.snapshotting import Snapshotting
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from bench.driven import Drive, captured_last, shifted, simulated_drives, vins
from bench.report import Result
from domain.fleet import Fleet
from domain.units import MICROS_PER_SECOND, Micros

DAYS: Final = 365
DRIVES_A_DAY: Final = 2
FLEET: Final = 1_000
FLEET_EVENTS: Final = 1_500  # of each vehicle
BATCHES_AT_ONCE: Final = 500
MOMENTS: Final = 40
WHOLE_MOMENTS: Final = 3  # of those, by a whole fold
FLEET_ROUNDS: Final = 5
PAGE: Final = 100
VEHICLE_BAR_MS: Final = 50.0
FLEET_BAR_S: Final = 2.0
_TABLES: Final = ("stored_events", "snapshot_blocks", "snapshot_states", "snapshot_rows")
DAY_US: Final = 24 * 3_600 * MICROS_PER_SECOND
_BEGAN: Final = datetime(2025, 6, 1, tzinfo=UTC)
BEGAN_AT: Final = Micros(int(_BEGAN.timestamp()) * MICROS_PER_SECOND)
_VALUE: Final = "{ value unit status capturedAt }"
_VEHICLE: Final = f"""query ($vin: String!, $asOf: DateTime!) {{ vehicle(vin: $vin, asOf: $asOf) {{ seenPosition
    navigation {{ latitude {_VALUE} longitude {_VALUE} speed {_VALUE}
        trips(first: 10) {{ edges {{ node {{ startedAt endedAt distanceM }} }} }} }}
    media {{ title {_VALUE} volume {_VALUE} playHistory(first: 10) {{ edges {{ node {{ title startedAt }} }} }} }}
    diagnostics {{ odometer {_VALUE} stateOfCharge {_VALUE} troubleCodes {{ code }} }} }} }}"""
_FLEET: Final = f"""query ($asOf: DateTime!, $after: String) {{ vehicles(first: {PAGE}, asOf: $asOf, after: $after) {{
    edges {{ node {{ vin navigation {{ latitude {{ value }} longitude {{ value }} }}
        diagnostics {{ stateOfCharge {{ value }} }} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"""


def run() -> Sequence[Result]:
    """Ask for vehicle and fleet at moments of the year."""
    with ExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory())
        conninfo = opened.enter_context(EmbeddedServer(Path(folder))).conninfo()
        records = PostgresEventLog.open(conninfo)
        opened.callback(records.close)
        models = opened.enter_context(closing(PostgresReadModels(conninfo).open()))
        for projection in PROJECTIONS:
            models.prepare(projection)
        codec = AvroCodec(SchemaRegistry.load())
        vin, events = _drive_a_year(VehicleLog(records, codec))
        _copy_fleet(conninfo)
        twins = opened.enter_context(closing(PostgresTwins(conninfo).open()))
        api = Api(twins, load_catalogue(), codec.decode)
        settle()  # as the server does
        rng = random.Random(17)
        moments = [moment(rng.uniform(0, DAYS)) for _ in range(MOMENTS)]
        vehicle_whole_ms = [_ms(partial(_ask, api, _VEHICLE, vin=vin, asOf=at)) for at in moments[:WHOLE_MOMENTS]]
        told = [_ask(api, _VEHICLE, vin=vin, asOf=at) for at in moments[:WHOLE_MOMENTS]]
        fleet_at = moment(FLEET_EVENTS / events * DAYS * 0.6)
        fleet_whole_s = _ms(partial(ask_fleet, api, fleet_at, FLEET + 1)) / 1_000

        snapshots = PostgresSnapshots(fetch_from(records.datastore))
        began = time.perf_counter()
        made = Snapshotting(records, codec.decode, snapshots).catch_up(threading.Event())
        took_s = time.perf_counter() - began
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            sizes = [_megabytes(connection, table) for table in _TABLES]
        assert [_ask(api, _VEHICLE, vin=vin, asOf=at) for at in moments[:WHOLE_MOMENTS]] == told
        vehicle_ms = sorted(_ms(partial(_ask, api, _VEHICLE, vin=vin, asOf=at)) for at in moments)
        fleet_s = sorted(_ms(partial(ask_fleet, api, fleet_at, FLEET + 1)) / 1_000 for _ in range(FLEET_ROUNDS))
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(f"{made:,} snapshots in {took_s:,.0f} s; {', '.join(sizes)}")
    console.print(f"by a whole fold: vehicle {max(vehicle_whole_ms):,.0f} ms, fleet {fleet_whole_s:,.1f} s")
    return [
        Result(
            name=f"a vehicle with a year of history ({events:,} events) as of a moment, {share} of {MOMENTS}",
            unit="ms",
            ours=vehicle_ms[place],
            bar=VEHICLE_BAR_MS,
            lower_is_better=True,
        )
        for share, place in (("half", MOMENTS // 2), ("the slowest", -1))
    ] + [
        Result(
            name=f"{FLEET:,} vehicles ({FLEET_EVENTS:,} events each) as of a moment, the slowest of {FLEET_ROUNDS}",
            unit="s",
            ours=fleet_s[-1],
            bar=FLEET_BAR_S,
            lower_is_better=True,
        )
    ]


def _drive_a_year(log: VehicleLog) -> tuple[str, int]:
    """Write the events of one vehicle; return its VIN, and how many there are."""
    fleet = Fleet(log, b"a key for a benchmark")
    (vin,) = vins(1, 1)
    vehicle_id = fleet.register(vin, brand="Volkswagen", model="ID.3", at=BEGAN_AT)
    drives: list[Drive] = simulated_drives()
    pending = []
    for number in range(DAYS * DRIVES_A_DAY):
        drive = drives[number % len(drives)]
        shift_us = BEGAN_AT + number * DAY_US // DRIVES_A_DAY - captured_last(drive[0])
        for sequence, batch in enumerate(drive, 1):
            pending.append(replace(shifted(batch, vehicle_id, sequence, shift_us), stream_id=f"drive-{number}"))
        while len(pending) >= BATCHES_AT_ONCE:
            fleet.take(pending[:BATCHES_AT_ONCE])
            del pending[:BATCHES_AT_ONCE]
    fleet.take(pending)
    return vin.text, log.last_position()


def _copy_fleet(conninfo: str) -> None:
    """Let more vehicles have driven what the one did at the beginning of its year."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "INSERT INTO directory SELECT md5(n::text)::uuid, 'WVWZZZE1ZMP' || lpad((n + 1)::text, 6, '0'), brand,"
            " model, registered_at FROM directory, generate_series(1, %s) AS n",
            [FLEET],
        )
        connection.execute(
            "INSERT INTO stored_events SELECT (SELECT max(notification_id) FROM stored_events)"
            " + (n - 1) * %(events)s + e.originator_version, e.recorded_at, e.originator_version, md5(n::text)::uuid,"
            " e.topic, e.state FROM stored_events AS e, generate_series(1, %(fleet)s) AS n"
            " WHERE e.originator_version <= %(events)s",
            {"events": FLEET_EVENTS, "fleet": FLEET},
        )
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


def _megabytes(connection: Connection[Any], table: str) -> str:
    row = connection.execute("SELECT pg_total_relation_size(%s::regclass) / 1000000", [table]).fetchone()
    return f"{table} {row[0] if row else 0:,} MB"


def moment(days: float) -> str:
    """Return so many days after the year began, as GraphQL takes it."""
    return (_BEGAN + timedelta(days=days)).isoformat()


def _ask(api: Api, document: str, **variables: Any) -> Any:
    answer = json.loads(json.dumps(api.execute(document, variables)))
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


def ask_fleet(api: Api, at: str, vehicles: int) -> list[Any]:
    """Ask page by page; return what is told of the vehicles, which are so many."""
    found: list[Any] = []
    after = None
    while True:
        page = _ask(api, _FLEET, asOf=at, after=after)["vehicles"]
        found += [edge["node"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            assert len(found) == vehicles
            return found


def _ms(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return (time.perf_counter() - began) * 1_000
