"""Asking the API: a small document and a page of fifty vehicles, over a real PostgreSQL."""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from graphql import parse

from adapters.access import OPERATOR
from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SchemaRegistry
from adapters.graphql.cohort import Context
from adapters.graphql.execution import Api
from adapters.graphql.permits import Permits
from adapters.graphql.port import Catalogue, Twins
from adapters.graphql.schema import FIELD_PATHS, SCHEMA
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.read_models import PostgresReadModels
from adapters.postgres.server import EmbeddedServer
from adapters.postgres.twin_reader import PostgresTwins
from adapters.signals.catalogue import load_catalogue
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from bench.report import Result
from domain import paths
from domain.fleet import Fleet
from domain.signals import Sample, SignalBatch, SignalValue
from domain.units import Micros
from domain.vin import Vin
from projections.runner import Runner

VEHICLES: Final = 200
AT: Final = Micros(1_770_000_000_000_000)
ROUNDS: Final = 300
PAGE_ROUNDS: Final = 15
BAR: Final = 1.5  # times the peer
PAGE_BAR_MS: Final = 50.0
VALUES: Final[dict[str, SignalValue]] = {
    paths.SPEED: 51.5,
    paths.LATITUDE: 52.42,
    paths.LONGITUDE: 10.78,
    paths.HEADING: 91.0,
    paths.ODOMETER: 26_998_000.0,
    paths.STATE_OF_CHARGE_DISPLAYED: 67.0,
    paths.FUEL_LEVEL: 83.0,
    paths.LOW_VOLTAGE_SYSTEM_STATE: "ON",
    paths.MEDIA_TITLE: "Piece",
    paths.MEDIA_SOURCE: "DAB",
    paths.MEDIA_VOLUME: 20.0,
}
VALUE: Final = "{ value unit status capturedAt }"
SMALL: Final = '{ vehicle(vin: "%s") { brand diagnostics { odometer { value unit } } } }'
PAGE: Final = f"""{{ vehicles(first: 50) {{ edges {{ node {{ id vin brand
    navigation {{ latitude {VALUE} longitude {VALUE} speed {VALUE} heading {VALUE} }}
    media {{ title {VALUE} source {VALUE} volume {VALUE} }}
    diagnostics {{ odometer {VALUE} stateOfCharge {VALUE} fuelLevel {VALUE} ignition {VALUE} }}
}} }} pageInfo {{ endCursor }} }} }}"""


def run() -> Sequence[Result]:
    """Answer a document about two fields of one vehicle, and one about 50 vehicles with 11 values of three models each.

    The peer is Strawberry's own `execute_sync`, which parses and validates each time, on the same schema and database.
    The page is 550 values in their envelopes: nearly all of its time is that of GraphQL-core.
    """
    with ExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory())
        server = opened.enter_context(EmbeddedServer(Path(folder)))
        codec, catalogue = AvroCodec(SchemaRegistry.load()), load_catalogue()
        vin = _fill(server.conninfo(), codec)
        twins = opened.enter_context(closing(PostgresTwins(server.conninfo()).open()))
        api = Api(twins, catalogue, codec.decode)
        small = SMALL % vin
        assert api.execute(small) == {"data": _as_strawberry(twins, catalogue, codec, small)}
        peer_ms, small_ms = _best_ms(
            ROUNDS,
            lambda: json.dumps(_as_strawberry(twins, catalogue, codec, small)),
            lambda: json.dumps(api.execute(small)),
        )
        (page_ms,) = _best_ms(PAGE_ROUNDS, lambda: json.dumps(api.execute(PAGE)))
    peer = f"strawberry {version('strawberry-graphql')}"
    small_result = Result(
        name="GraphQL: two fields of one vehicle",
        unit="ms",
        peer_name=peer,
        peer=peer_ms,
        ours=small_ms,
        bar=BAR,
        lower_is_better=True,
    )
    page_result = Result(
        name="GraphQL: 50 vehicles with 11 values each", unit="ms", ours=page_ms, bar=PAGE_BAR_MS, lower_is_better=True
    )
    return [small_result, page_result]


def _fill(conninfo: str, codec: AvroCodec) -> str:
    """Write the fleet and project it; return the VIN of its first vehicle."""
    with closing(PostgresEventLog.open(conninfo)) as records, closing(PostgresReadModels(conninfo).open()) as models:
        log = VehicleLog(records, codec)
        fleet = Fleet(log, b"a key for a benchmark")
        vins = [Vin.parse(f"WVWZZZE1ZMP{number:06d}") for number in range(VEHICLES)]
        samples = tuple(Sample(path, AT, value) for path, value in VALUES.items())
        batches = [
            SignalBatch(fleet.register(vin, brand="Volkswagen", model="ID.3", at=AT), "drive", 1, AT, samples)
            for vin in vins
        ]
        fleet.take(batches)
        for projection in PROJECTIONS:
            models.prepare(projection)
            Runner(projection, log, models, lambda: AT).run_until(log.last_position())
    return vins[0].text


def _as_strawberry(twins: Twins, catalogue: Catalogue, codec: AvroCodec, document: str) -> Any:
    with twins.reading() as read:
        context = Context(read, catalogue, codec.decode, _parsed(document), FIELD_PATHS, Permits(OPERATOR))
        result = SCHEMA.execute_sync(document, context_value=context)
    assert not result.errors
    return result.data


_parsed: Final = lru_cache(parse)  # ours alone looks ahead: the peer is given what that takes


def _best_ms(rounds: int, *sides: Callable[[], object]) -> list[float]:
    """Return the best time of each side, in milliseconds; the sides take turns."""
    best = [float("inf")] * len(sides)
    for _ in range(rounds):
        for number, side in enumerate(sides):
            began = time.perf_counter()
            side()
            best[number] = min(best[number], (time.perf_counter() - began) * 1_000)
    return best
