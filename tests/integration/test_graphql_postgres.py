"""The API over PostgreSQL: the same answers as in memory, few statements, indexes, a server that fails."""

import json
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from adapters.graphql.execution import Api
from adapters.graphql.schema import CORE_SCHEMA
from adapters.postgres import twin_reader
from adapters.postgres.schema import API_ROLE, BRANDS_SEPARATOR, BRANDS_SETTING
from adapters.postgres.server import EmbeddedServer
from adapters.postgres.twin_reader import PostgresTwinReader, PostgresTwins
from adapters.postgres.whole_statements import whole_statement
from adapters.twins import ANY_VEHICLE, PROJECTIONS, PageOf, Span, VehicleFilter
from adapters.whole_reads import Asked, Asker, By, Wanted
from domain import paths
from domain.errors import StoreError
from domain.units import Micros
from projections.diagnostics.model import QualityRow, TroubleCodeRow, WarningRow
from projections.navigation.model import DestinationRow, TripRow
from projections.signal_rows import SignalRow
from tests.support.databases import database, new_database, server
from tests.support.twins import (
    CATALOGUE,
    CODEC,
    EVERYTHING,
    SECOND,
    T0,
    Car,
    World,
    full_car,
    memory_world,
    postgres_world,
    vin_of,
)

__all__ = ["database", "server"]

CARS = 12
DOCUMENTS = [
    f"{{ vehicles(first: 100) {{ edges {{ cursor node {{ {EVERYTHING} }} }} pageInfo {{ endCursor }} }} }}",
    '{ vehicles(first: 5, filter: { brands: ["Audi"], hasTroubleCode: true }) { edges { node { vin } } } }',
    "{ status { logPosition projections { name version position lag parked } } }",
    """{ vehicles(first: 100) { edges { node { signals { path value unit status reason capturedAt eventId }
        diagnostics { troubleCodes { code ecu status { byte } freezeFrame { path value } capturedAt position }
        warnings { warning value } } } } } }""",
    """{ vehicles(first: 100) { edges { node { events(first: 100, order: NEWEST_FIRST) { edges { cursor node {
        id type version position capturedAt data } } } } } } }""",
    f"""{{ explain(vehicle: "{vin_of(1)}", path: "{paths.SPEED}") {{
        value {{ value status eventId }} event {{ id type }}
        batch {{ streamId sequence origin {{ decoder }} }} times {{ capturedAtRaw capturedAt receivedAt }} }} }}""",
]


def cars() -> list[Car]:
    return [full_car(number, brand="Audi" if number % 3 else "Skoda") for number in range(1, CARS + 1)] + [Car(99)]


@pytest.fixture(scope="module")
def world(database: str) -> Iterator[World]:
    with postgres_world(database, *cars()) as made:
        yield made


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_answer_is_the_same_from_memory_and_from_postgresql(world: World, document: str) -> None:
    assert world.ask(document) == memory_world(*cars()).ask(document)


# --- statements -------------------------------------------------------------------------------------------------------


class Watched(PostgresTwinReader):
    """Notes each statement, and how PostgreSQL would execute it."""

    plans: list[tuple[str, str]]

    def _fetch(self, make: Any, statement: Any, parameters: Any) -> list[Any]:
        explained = super()._fetch(tuple, f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {statement}", parameters)
        self.plans.append((statement, json.dumps(explained[0][0][0]["Plan"])))
        return super()._fetch(make, statement, parameters)


class WatchedTwins:
    def __init__(self, pool: ConnectionPool[Connection[TupleRow]], brands: Collection[str] | None = None) -> None:
        self._pool = pool
        self._brands = brands
        self.plans: list[tuple[str, str]] = []

    @contextmanager
    def reading(self, _: Any = None) -> Iterator[Watched]:
        with closing(Watched(self._pool, self._brands)) as reader:
            reader.plans = self.plans
            yield reader


def statements(twins: Any, document: str) -> list[tuple[str, str]]:
    watched = WatchedTwins(twins._pool)
    answer = Api(watched, CATALOGUE, CODEC.decode).execute(document)
    assert "errors" not in answer, answer["errors"]
    return watched.plans


@pytest.mark.parametrize("first", [2, 13])  # the first of them has no trips
def test_a_page_with_everything_in_it_is_as_many_statements_for_one_vehicle_as_for_many(
    world: World, first: int
) -> None:
    document = f"{{ vehicles(first: {first}) {{ edges {{ node {{ {EVERYTHING} }} }} }} }}"
    assert len(statements(world.twins, document)) == 15  # one of them asks which versions are shown


def test_a_page_with_three_models_is_two_statements_and_one_for_their_versions(world: World) -> None:
    models = "navigation { speed { value } } media { title { value } } diagnostics { odometer { value unit } }"
    assert len(statements(world.twins, f"{{ vehicles(first: 50) {{ edges {{ node {{ id {models} }} }} }} }}")) == 3


def test_the_way_of_a_value_is_one_statement_more_than_the_value(world: World) -> None:
    fields = "value { value } event { id } batch { origin { decoder } } times { recordedAt projectedAt }"
    asked = statements(world.twins, f'{{ explain(vehicle: "{vin_of(1)}", path: "{paths.SPEED}") {{ {fields} }} }}')
    assert len(asked) == 4  # the vehicle, which versions are shown, the value, its way


def test_a_document_that_asks_for_no_data_takes_no_connection(server: EmbeddedServer) -> None:
    with new_database(server) as conninfo:
        twins = PostgresTwins(conninfo)  # its pool is not open: taking a connection would fail
        assert Api(twins, CATALOGUE, CODEC.decode).execute("{ __typename __schema { queryType { name } } }") == {
            "data": {"__typename": "Query", "__schema": {"queryType": {"name": "Query"}}}
        }


# --- indexes ----------------------------------------------------------------------------------------------------------

VEHICLES = 6_000
SIGNALS = 20
TRIPS = 10
FILL = f"""
INSERT INTO directory
    SELECT ('00000000-0000-8000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'VIN' || lpad(n::text, 14, '0'),
        CASE n % 7 WHEN 0 THEN 'Audi' ELSE 'Skoda' END, NULL, n
    FROM generate_series(1, {VEHICLES}) AS n;
INSERT INTO diagnostics_v1_signals
    SELECT d.vehicle_id, 'Vehicle.Signal' || s, 'number', s, NULL, NULL, 0, {T0}, {T0}, 's', 1, 1, 1
    FROM directory AS d, generate_series(1, {SIGNALS}) AS s;
INSERT INTO navigation_v1_signals
    SELECT d.vehicle_id, p, 'number', 1, NULL, NULL, 0, {T0}, {T0}, 's', 1, 1, 1
    FROM directory AS d, unnest(ARRAY['{paths.SPEED}', '{paths.LATITUDE}', '{paths.LONGITUDE}']) AS p;
INSERT INTO media_v1_signals
    SELECT d.vehicle_id, '{paths.MEDIA_TITLE}', 'string', NULL, 'x', NULL, 0, {T0}, {T0}, 's', 1, 1, 1
    FROM directory AS d;
INSERT INTO navigation_v1_trips
    SELECT d.vehicle_id, gen_random_uuid(), {T0} + t, {T0} + t, true, 'standstill', 1, NULL, {T0}, 1, 1
    FROM directory AS d, generate_series(1, {TRIPS}) AS t;
INSERT INTO media_v1_plays
    SELECT d.vehicle_id, {T0} + t, 'x', NULL, NULL, NULL, false, {T0}, 's', 1, 1, 1
    FROM directory AS d, generate_series(1, {TRIPS}) AS t;
INSERT INTO diagnostics_v1_trouble_codes
    SELECT d.vehicle_id, '7E8', 's', 'P000' || c, -1, true, true, 1, 1, 1, NULL, '{{}}', 1, 1, 's', 1, 1, 1
    FROM directory AS d, generate_series(1, 9) AS c WHERE d.registered_at % 5 = 0;
INSERT INTO stream_origins
    SELECT d.vehicle_id, 's' || s, 1, 'decoder', 'mapping' FROM directory AS d, generate_series(1, 10) AS s;
INSERT INTO projection_vehicles
    SELECT p, 1, d.vehicle_id, 10, {T0} FROM directory AS d, unnest(ARRAY['navigation', 'media', 'diagnostics']) AS p;
INSERT INTO stored_events (notification_id, recorded_at, originator_version, originator_id, topic, state)
    SELECT row_number() OVER (), 1, v, d.vehicle_id, 'vehicle.trip_started.v1', ''
    FROM directory AS d, generate_series(1, 10) AS v;
ANALYZE;
"""


@pytest.fixture(scope="module")
def many(server: EmbeddedServer) -> Iterator[PostgresTwins]:
    """Give a fleet that is large enough for a wrong plan to show."""
    with new_database(server) as conninfo, postgres_world(conninfo) as world:
        with psycopg.connect(conninfo) as connection:
            connection.execute(FILL)
        assert isinstance(world.twins, PostgresTwins)
        yield world.twins


SOME_CAR = UUID("00000000-0000-8000-8000-000000001000")
QUESTIONS: dict[str, tuple[str, Sequence[Any]]] = {
    "vehicles": ("vehicles", (51, None, ANY_VEHICLE)),
    "vehicles after one": ("vehicles", (51, UUID("00000000-0000-8000-8000-000000001000"), ANY_VEHICLE)),
    "vehicles with a code": ("vehicles", (51, None, VehicleFilter(has_trouble_code=True))),
    "vehicles without a code": ("vehicles", (51, None, VehicleFilter(has_trouble_code=False))),
    "vehicles with this code": ("vehicles", (51, None, VehicleFilter(trouble_codes=["P0001"]))),
    "vehicles of a brand": ("vehicles", (51, None, VehicleFilter(brands=["Audi"]))),
    "vehicles seen since": ("vehicles", (51, None, VehicleFilter(last_seen_after=Micros(T0 - 1)))),
    "vehicles by vin": ("vehicles", (51, None, VehicleFilter(vins=["VIN00000000000007"]))),
    "vehicle": ("vehicle", (UUID("00000000-0000-8000-8000-000000001000"),)),
    "vehicle by vin": ("vehicle_by_vin", ("VIN00000000000007",)),
    "signals": (
        "signals",
        ([paths.SPEED, paths.LATITUDE, paths.MEDIA_TITLE, "Vehicle.Signal3", "Vehicle.Signal4"], []),
    ),
    "branch": ("signals", ([], ["Vehicle.S"])),
    "last seen": ("last_seen", ()),
    "trips": ("trips", (PageOf(6),)),
    "current trips": ("current_trips", ()),
    "plays": ("plays", (PageOf(6, (T0 + 8,)),)),
    "vehicles by ids and VINs": ("vehicles_named", ([SOME_CAR], [f"VIN000000000000{n:02}" for n in range(50)])),
    "trouble codes": ("trouble_codes", ()),
    "events": ("events", (PageOf(6), None)),
    "events of a type": ("events", (PageOf(6), ["vehicle.trip_started.v1"])),
    "positions": ("positions", ()),
    "hops": (
        "hops",
        (SignalRow(SOME_CAR, paths.SPEED, "number", 1, None, None, 0, T0, T0, "s7", 1, 7, 1),),
    ),
    "origins": ("origins", (SOME_CAR, "s7")),
}
OF_VEHICLES = {"signals", "last_seen", "trips", "current_trips", "plays", "trouble_codes", "events"}


@pytest.mark.parametrize("brands", [None, {"Skoda"}, {"Skoda", "Audi"}], ids=["all", "one brand", "two brands"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_about_fifty_vehicles_reads_a_table_of_the_whole_fleet(
    many: PostgresTwins, question: str, brands: set[str] | None
) -> None:
    """Joins that begin with the first row of a table, or sort a whole one, take a hundred times as long.

    Whose vehicles they are is looked up by key, and conditions go into the index, not behind the policy.
    """
    name, arguments = QUESTIONS[question]
    watched = WatchedTwins(many._pool, brands)
    with watched.reading() as read:
        ids = [entry.vehicle_id for entry in read.vehicles(50, None, ANY_VEHICLE)]
        watched.plans.clear()
        getattr(read, name)(*([ids] if name in OF_VEHICLES else []), *arguments)
    ((statement, plan),) = watched.plans
    for table in ("directory", "signals", "trips", "plays", "stored_events", "stream_origins", "projection_vehicles"):
        if f'_{table}"' in plan or f'"{table}"' in plan:
            assert not _scanned(json.loads(plan), table), f"{statement}\n{plan}"
    assert _rows_read(json.loads(plan)) < 5_000, f"{statement}\n{plan}"


READ_WHOLE: Final = ("directory", "signals", "trips", "destinations", "trouble_codes", "warnings", "quality")
OF_VEHICLE: Final = (TripRow, DestinationRow, TroubleCodeRow, WarningRow, QualityRow)


@pytest.mark.parametrize("brands", [{"Skoda"}, {"Skoda", "Audi"}], ids=["one brand", "two brands"])
@pytest.mark.parametrize(("by", "key"), [(By.PAGE, SOME_CAR), (By.ID, SOME_CAR), (By.VIN, "VIN00000000000008")])
def test_a_compiled_document_reads_no_table_of_the_whole_fleet(
    many: PostgresTwins, by: By, key: Any, brands: set[str]
) -> None:
    """The vehicles are found first, and then what is theirs: with a plan for any values, as it is executed."""
    signals = (paths.SPEED, paths.MEDIA_TITLE, "Vehicle.Signal3")
    wanted = Wanted(by, signals, provenance=True, last_seen=True, rows=OF_VEHICLE, on_record=(paths.SPEED,))
    versions = frozenset((each.name, each.version) for each in PROJECTIONS)
    statement = whole_statement(wanted, versions, by_brand=len(brands) == 1)
    asker = Asker(uuid4(), "an app", "somebody", brands)
    with many._pool.connection() as connection, closing(psycopg.RawCursor(connection)) as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(f"SET LOCAL ROLE {API_ROLE}")
        cursor.execute("SELECT set_config($1, $2, true)", [BRANDS_SETTING, BRANDS_SEPARATOR.join(brands)])
        explain: LiteralString = f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {statement.text}"
        ((found,),) = cursor.execute(explain, statement.parameters(Asked(wanted, key, 51, 50), asker)).fetchall()
        connection.rollback()
    plan = found[0]["Plan"]
    assert plan["Actual Rows"] == (51 if by is By.PAGE else 1)
    assert not any(_scanned(plan, table) for table in READ_WHOLE), plan
    assert _rows_read(plan) < 5_000, plan


def _scanned(plan: Any, table: str) -> bool:
    here = plan["Node Type"] == "Seq Scan" and plan.get("Relation Name", "").endswith(table) and _rows(plan) > 5_000
    return here or any(_scanned(child, table) for child in plan.get("Plans", ()))


def _rows(plan: Any) -> int:
    rows: int = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return rows


def _rows_read(plan: Any) -> int:
    own = _rows(plan) if "Relation Name" in plan else 0
    return int(own + sum(_rows_read(child) for child in plan.get("Plans", ())))


# --- what happens meanwhile -------------------------------------------------------------------------------------------


def test_a_view_stays_the_same_while_others_write(server: EmbeddedServer) -> None:
    with new_database(server) as conninfo, postgres_world(conninfo, full_car(1)) as world:
        with world.twins.reading() as read:
            before = (read.positions(), read.vehicles(9, None, ANY_VEHICLE))
            world.write(full_car(2))
            assert (read.positions(), read.vehicles(9, None, ANY_VEHICLE)) == before
        with world.twins.reading() as read:
            assert len(read.vehicles(9, None, ANY_VEHICLE)) == 2


def test_nothing_can_be_written_through_a_view(world: World) -> None:
    with world.twins.reading() as read:
        assert isinstance(read, PostgresTwinReader)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            read._fetch(tuple, "DELETE FROM directory", [])


def test_connections_that_were_lost_are_replaced(world: World) -> None:
    document = f'{{ vehicle(vin: "{vin_of(1)}") {{ brand }} }}'
    assert world.ask(document)
    _use_every_connection(world)
    with world.twins.reading() as read:
        assert isinstance(read, PostgresTwinReader)
        own = read._rows(tuple, "SELECT pg_backend_pid()", [])[0][0]
        read._rows(
            tuple,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
            " AND query NOT LIKE '%%LISTEN%%'",
            [own],
        )
        with psycopg.connect(read._connection.info.dsn) as other:  # type: ignore[union-attr]
            other.execute("SELECT pg_terminate_backend(%s)", [own])
    for _ in range(twin_reader.CONNECTIONS_MAX + 1):
        assert world.ask(document) == {"vehicle": {"brand": "Audi"}}


def _use_every_connection(world: World) -> None:
    with ExitStack() as views:
        for _ in range(twin_reader.CONNECTIONS_MAX):
            views.enter_context(world.twins.reading()).positions()


def test_a_connection_that_is_lost_in_the_middle_is_an_error_of_that_view_only(world: World) -> None:
    with world.twins.reading() as read:
        assert isinstance(read, PostgresTwinReader)
        read.positions()
        assert read._connection is not None
        read._connection.pgconn.finish()
        with pytest.raises(StoreError):
            read.positions()
    assert world.ask("{ status { logPosition } }")


def test_a_view_waits_once_for_a_database_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twin_reader, "CONNECTION_WAIT_S", 0.1)
    twins = PostgresTwins(f"host={tmp_path}").open()
    waits: list[float] = []
    try:
        with twins.reading() as read:
            getconn = twins._pool.getconn

            def counted(timeout: float) -> Any:
                waits.append(timeout)
                return getconn(timeout)

            monkeypatch.setattr(twins._pool, "getconn", counted)
            for _ in range(3):
                with pytest.raises(StoreError):
                    read.positions()
    finally:
        twins.close()
    assert waits == [0.1]


def test_a_database_without_tables_is_a_store_that_does_not_answer(server: EmbeddedServer) -> None:
    with new_database(server) as conninfo:
        twins = PostgresTwins(conninfo).open()
        try:
            (error,) = Api(twins, CATALOGUE, CODEC.decode).execute("{ status { logPosition } }")["errors"]
        finally:
            twins.close()
    assert error["extensions"]["code"] == "SERVICE_UNAVAILABLE"


def test_many_threads_ask_at_once_and_each_gets_its_own_answer(world: World) -> None:
    wrong: list[Any] = []

    def ask(number: int) -> None:
        for _ in range(5):
            data = world.ask(f'{{ vehicle(vin: "{vin_of(number)}") {{ vin navigation {{ speed {{ value }} }} }} }}')
            if data["vehicle"]["vin"] != vin_of(number):
                wrong.append(data)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, CARS + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_tracks_of_a_trip_are_found_by_time_whatever_their_versions(server: EmbeddedServer) -> None:
    """A recording that is ingested later, but is older, has later versions."""
    car = Car(1)
    car.trip(2, T0 + 7200 * SECOND)
    car.trip(1, T0)
    with new_database(server) as conninfo, postgres_world(conninfo, car) as world, world.twins.reading() as read:
        found = read.tracks([Span(car.id, Micros(T0), Micros(T0 + 600 * SECOND))])
        assert [piece.started_at for _, piece in found] == [T0]


def test_every_field_of_the_schema_that_takes_a_page_takes_its_size_and_a_cursor() -> None:
    for name, kind in CORE_SCHEMA.type_map.items():
        for field_name, field in getattr(kind, "fields", {}).items():
            if str(getattr(field, "type", "")).rstrip("!").endswith("Connection"):
                assert {"first", "after"} <= set(field.args), f"{name}.{field_name}"
