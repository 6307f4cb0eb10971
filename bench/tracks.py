"""All recorded drives of enviroCar: ingested as a user does, folded live, rebuilt beside it, and asked about.

These are real tracks of real cars, in `../shared/data/envirocar-tracks` or below FLEETTWIN_TEST_DATA. Each is a vehicle
of its own; their events are copied to other vehicles, so that the start of workers does not count.
"""

import json
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from rich.console import Console

from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SchemaRegistry
from adapters.clock import now
from adapters.graphql.execution import Api
from adapters.ingest import Ingest, RowJob
from adapters.jobs import mapping_of
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
from bench.driven import vins
from bench.past import VEHICLE_BAR_MS
from bench.rebuild import filled
from bench.report import ROOT, Result
from domain.errors import BadInputError
from domain.fleet import Fleet
from domain.vin import Vin
from projections.digest import digest

COPIES: Final = 160
REBUILT: Final = 9  # the version that is compared with the live one
TRACKS: Final = Path(os.environ.get("FLEETTWIN_TEST_DATA", ROOT.parent / "shared/data")) / "envirocar-tracks"
_ASKED: Final = """query ($vin: String!, $asOf: DateTime) { vehicle(vin: $vin, asOf: $asOf) {
    navigation { speed { value } location { latitude longitude } trips(first: 10) { edges { node {
        startedAt endedAt distanceM track(maxPoints: 100) { pointCount } } } } }
    diagnostics { engineSpeed { value } } } }"""


def run() -> Sequence[Result]:
    """Ingest, fold live, rebuild and compare; ask about each drive at a moment of it, with snapshots and without."""
    tracks = sorted(TRACKS.glob("*.json.gz"))
    if not tracks:
        remedy = "set FLEETTWIN_TEST_DATA to the folder that holds envirocar-tracks"
        raise BadInputError("there are no tracks", where=str(TRACKS), remedy=remedy)
    with ExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory())
        conninfo = opened.enter_context(EmbeddedServer(Path(folder))).conninfo()
        records = PostgresEventLog.open(conninfo)
        opened.callback(records.close)
        models = opened.enter_context(closing(PostgresReadModels(conninfo).open()))
        codec = AvroCodec(SchemaRegistry.load())
        log = VehicleLog(records, codec)
        began = time.perf_counter()
        rows = _ingest(log, tracks)
        ingested_s = time.perf_counter() - began
        once = log.last_position()
        for projection in PROJECTIONS:
            models.prepare(projection)
        Projecting(lambda: tuple(PROJECTIONS), log, models, now).catch_up()

        api = Api(opened.enter_context(closing(PostgresTwins(conninfo).open())), load_catalogue(), codec.decode)
        moments = _moments(api, len(tracks))
        whole = [_ask(api, **each) for each in moments]
        snapshots = PostgresSnapshots(fetch_from(records.datastore))
        made = Snapshotting(records, codec.decode, snapshots).catch_up(threading.Event())
        asked_ms = []
        for each, told in zip(moments, whole, strict=True):
            began = time.perf_counter()
            assert _ask(api, **each) == told, "the past differs with snapshots"
            asked_ms.append((time.perf_counter() - began) * 1_000)

        ids = registered(conninfo)
        for projection in PROJECTIONS:
            chosen = at_version(named(projection.name), REBUILT)
            models.prepare(chosen)
            fill_all(conninfo, Job(chosen.name, REBUILT, 0, once), ids, 1, lambda: False, lambda _: None)
            assert digest(models, chosen) == digest(models, projection), f"{projection.name}: rebuilt is not live"
        for turn in range(1, COPIES):
            copy(conninfo, once, turn)
        ids, count = registered(conninfo), COPIES * once
        postgres = int(Path(folder, "postgres/data/postmaster.pid").read_text().partition("\n")[0])
        results = [
            Result(
                name=f"{len(tracks)} recorded drives, {once:,} events: one as of a moment of it, the slowest",
                unit="ms",
                ours=max(asked_ms),
                bar=VEHICLE_BAR_MS,
                lower_is_better=True,
            )
        ]
        for projection in PROJECTIONS:
            name = f"{projection.name} from {len(tracks)} recorded drives {COPIES} times over, {count:,} events"
            results += filled(conninfo, projection.name, models, ids, count, postgres, name)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(f"{rows:,} rows ingested in {ingested_s:,.1f} s, {made:,} snapshots; rebuilt = live, past = past")
    return results


def _ingest(log: VehicleLog, tracks: Sequence[Path]) -> int:
    """Ingest each track as a vehicle of its own; return the number of rows."""
    catalogue = load_catalogue()
    mapping = mapping_of(["envirocar"], catalogue)
    fleet = Fleet(log, b"a key for a benchmark")
    ingest, rows = Ingest(fleet, now), 0
    for path, vin in zip(tracks, vins(1, len(tracks)), strict=True):
        job = RowJob.of(path, mapping, catalogue)
        register = partial(_registered, fleet, vin)
        rows += ingest.rows(job, register, lambda _: None).frames
    return rows


def _registered(fleet: Fleet, vin: Vin, _: str | None) -> UUID:
    return fleet.register(vin, brand="Volkswagen", model="Golf", at=now())


def _moments(api: Api, count: int) -> list[dict[str, str]]:
    """Draw a moment of each drive."""
    rng, found = random.Random(29), []
    for vin in vins(1, count):
        trips = _ask(api, vin=vin.text)["vehicle"]["navigation"]["trips"]["edges"]
        trip = rng.choice(trips)["node"]
        began, ended = (datetime.fromisoformat(trip[name] or trip["startedAt"]) for name in ("startedAt", "endedAt"))
        at = began + rng.random() * (ended - began + timedelta(seconds=1))
        found.append({"vin": vin.text, "asOf": at.isoformat()})
    return found


def _ask(api: Api, **variables: str) -> Any:
    answer = json.loads(json.dumps(api.execute(_ASKED, dict(variables))))
    assert "errors" not in answer, answer["errors"]
    return answer["data"]
