"""Row-level security: no statement that is made for a partner shows another's vehicle, whatever it says."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from adapters.access import DEVELOPMENT, OPERATOR, Access, Scope
from adapters.clock import now
from adapters.postgres.access_records import PostgresAccessRecords
from adapters.postgres.datastore import Datastore
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.read_models import PostgresReadModels
from adapters.postgres.schema import API_ROLE
from adapters.postgres.server import EmbeddedServer
from adapters.postgres.twin_reader import PostgresTwinReader
from adapters.twins import ANY_VEHICLE, PROJECTIONS
from domain import paths
from domain.errors import BadInputError
from tests.support.databases import database, new_database, server
from tests.support.former_database import undo_migrations
from tests.support.twins import Car, World, full_car, postgres_world

__all__ = ["database", "server"]


def cars() -> list[Car]:
    """Return cars that no log has yet."""
    return [full_car(1, brand="Audi"), full_car(2, brand="Skoda"), Car(3, brand="Skoda")]


CARS = cars()
# What tells nothing of any vehicle, and what nobody but the owner reads.
WITHOUT_VEHICLES = {"projection_positions", "shown_projections"}
OF_THE_OWNER = {
    *("consumed_positions", "projection_sources", "schema_version", "set_aside", "stream_progress"),
    "set_aside_counted",
    "trusted_documents",
}
WITH_VEHICLES_ELSEWHERE = {"projection_versions"}  # in a list


@pytest.fixture(scope="module")
def world(database: str) -> Iterator[World]:
    with postgres_world(database, *cars()) as made:
        yield made


def rows(world: World, statement: LiteralString, brands: set[str] | None, *parameters: Any) -> list[tuple[Any, ...]]:
    """Return what a statement gives that is run as the API would."""
    with world.twins.reading(brands) as read:
        assert isinstance(read, PostgresTwinReader)
        return read._rows(tuple, statement, parameters)


def tables(world: World) -> dict[str, dict[str, Any]]:
    """Return every table: whether its rows are protected, whether the API may read it, its ids and policies."""
    found = rows(
        world,
        "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity, has_table_privilege(%s, c.oid, 'SELECT'),"
        " array(SELECT a.attname::text FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0"
        " AND a.atttypid IN ('uuid'::regtype, 'uuid[]'::regtype)),"
        " array(SELECT p.polname::text FROM pg_policy AS p JOIN pg_roles AS r ON r.oid = ANY (p.polroles)"
        " WHERE p.polrelid = c.oid AND r.rolname = %s)"
        " FROM pg_class AS c WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND c.relnamespace = 'public'::regnamespace",
        None,
        API_ROLE,
        API_ROLE,
    )
    return {name: dict(zip(("forced", "readable", "ids", "policies"), rest, strict=True)) for name, *rest in found}


def test_every_table_with_a_vehicle_in_it_is_protected_and_so_will_be_a_new_one(world: World) -> None:
    """A table that is in neither list has a vehicle in it, until somebody says why not."""
    every = tables(world)
    assert every.keys() > WITHOUT_VEHICLES | OF_THE_OWNER
    for name, table in every.items():
        if name in WITHOUT_VEHICLES:
            assert not table["ids"], name
        elif name in OF_THE_OWNER:
            assert not table["readable"], name
            assert table["forced"] or not table["ids"], name
        else:
            assert table["forced"], f"{name}: rows are not protected"
            assert len(table["policies"]) == 1, f"{name}: no policy for {API_ROLE}"
    protected = {name for name, table in every.items() if table["policies"]}
    assert {"directory", "stored_events", "stream_origins", "snapshot_rows", "navigation_v1_trips"} < protected


def test_the_api_cannot_pass_by_the_policies_and_can_change_nothing(world: World) -> None:
    ((may, owned, members),) = rows(
        world,
        "SELECT r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcanlogin,"
        " (SELECT count(*) FROM pg_class AS c WHERE c.relowner = r.oid),"
        " (SELECT count(*) FROM pg_auth_members AS m WHERE m.member = r.oid) FROM pg_roles AS r WHERE r.rolname = %s",
        None,
        API_ROLE,
    )
    assert (may, owned, members) == (False, 0, 0)
    writable = rows(
        world,
        "SELECT c.relname, p FROM pg_class AS c, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p"
        " WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND has_table_privilege(%s, c.oid, p)",
        None,
        API_ROLE,
    )
    assert writable == [("access_records", "INSERT")]


def test_a_statement_without_any_condition_shows_the_own_vehicles_only(world: World) -> None:
    """The fault of a resolver that forgets whom it answers, planted in every table."""
    for name, table in tables(world).items():
        if not table["readable"] or name in WITHOUT_VEHICLES | WITH_VEHICLES_ELSEWHERE:
            continue
        (column,) = set(table["ids"]) & {"vehicle_id", "originator_id"}
        text = sql.SQL("SELECT DISTINCT {} FROM {}").format(sql.Identifier(column), sql.Identifier(name)).as_string()
        statement: LiteralString = text
        whole, own, none = (rows(world, statement, brands) for brands in (None, {"Audi"}, set()))
        assert own == [row for row in whole if row[0] == CARS[0].id], name
        assert none == [], name


def test_when_vehicles_were_seen_is_told_of_the_own_ones_only(world: World) -> None:
    """A function that no policy stands before."""
    statement: LiteralString = (
        "SELECT vehicle_id FROM vehicles_seen(ARRAY['navigation', 'media'], ARRAY[1, 1]::bigint[])"
    )
    whole, own, none = ({each for (each,) in rows(world, statement, brands)} for brands in (None, {"Audi"}, set()))
    assert (whole, own, none) == ({car.id for car in CARS}, {CARS[0].id}, set())


@pytest.mark.parametrize("name", ["directory", "stored_events", "navigation_v1_signals"])
@pytest.mark.usefixtures("world")
def test_where_no_brand_was_set_there_are_no_rows(database: str, name: str) -> None:
    with psycopg.connect(database) as connection:
        counted = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))
        assert connection.execute(counted).fetchone() != (0,)
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(API_ROLE)))
        assert connection.execute(counted).fetchone() == (0,)
        connection.execute("SELECT set_config('fleettwin.brands', '', true)")
        assert connection.execute(counted).fetchone() == (0,)


def test_role_and_brands_end_with_the_transaction(world: World) -> None:
    """The next request may get the same connection."""
    told: LiteralString = "SELECT pg_backend_pid(), current_user::text, current_setting('fleettwin.brands', true)"
    processes = set()
    for brands, user, setting in [({"Audi"}, API_ROLE, "Audi"), (None, "", ""), (set(), API_ROLE, "")] * 8:
        ((process, found, brand),) = rows(world, told, brands)
        processes.add(process)
        assert (found == API_ROLE) == bool(user)
        assert (brand or "") == setting
    assert len(processes) < 20


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM set_aside",
        "SELECT * FROM stream_progress",
        "SELECT * FROM schema_version",
        "DELETE FROM directory",
        "INSERT INTO shown_projections VALUES ('navigation', 9, NULL, 0)",
        "SELECT append_events('{}', '{}', '{}', '{}')",
        "SELECT protect_vehicles('schema_version', 'x')",
        "ALTER TABLE directory DISABLE ROW LEVEL SECURITY",
        "COPY directory TO '/tmp/never'",
        "SELECT * FROM access_records",
        "UPDATE access_records SET client = 'another'",
        "DELETE FROM access_records",
        "TRUNCATE access_records",
        (
            "INSERT INTO access_records (request_id, client, subject, vehicle_ids, fields)"
            " VALUES (gen_random_uuid(), 'a', 'b', '{}', '{}') RETURNING id"
        ),
    ],
)
def test_what_is_the_owners_is_refused(world: World, statement: LiteralString) -> None:
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
        rows(world, statement, {"Audi"})


def test_who_was_shown_what_is_on_record_for_good(world: World, database: str) -> None:
    access = Access("an app", "somebody", frozenset({"Audi", "Skoda"}), frozenset(Scope))
    request, other = uuid4(), uuid4()
    document = "{ vehicles(first: 9) { edges { node { navigation { speed { value } } media { title { value } } } } } }"
    assert "errors" not in world.api.answer(document, access=access, request_id=request).body
    document = f'{{ vehicle(vin: "{CARS[1].vin}") {{ navigation {{ trips(first: 20) {{ edges {{ cursor }} }} }} }} }}'
    for each in (access, DEVELOPMENT, OPERATOR):
        assert "errors" not in world.api.answer(document, access=each, request_id=other).body
    records = PostgresAccessRecords(Datastore(database))
    before = now()
    first, second, third = records.of_vehicle(CARS[1].id, 9)
    assert third[1:] == (request, "an app", "somebody", [paths.MEDIA_TITLE, paths.SPEED])
    assert second[1:] == (other, "an app", "somebody", ["Navigation.trips"])
    assert first[1:4] == (other, "development", "anyone on this machine")
    assert first.recorded_at >= second.recorded_at >= third.recorded_at > before - 600_000_000
    assert [each.request_id for each in records.of_vehicle(CARS[0].id, 9)] == [request]
    assert len(records.of_vehicle(CARS[1].id, 2)) == 2
    assert rows(world, "SELECT vehicle_ids, fields FROM access_records", None)[0][0] == sorted(car.id for car in CARS)
    assert "WVWZZZ" not in str(rows(world, "SELECT r::text FROM access_records AS r", None))


def test_a_request_that_cannot_be_put_on_record_is_not_answered(world: World, database: str) -> None:
    document = f'{{ vehicle(vin: "{CARS[0].vin}") {{ vin navigation {{ speed {{ value }} }} }} }}'
    access = Access("an app", "somebody", frozenset({"Audi"}), frozenset(Scope))
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sql.SQL("REVOKE INSERT ON access_records FROM {}").format(sql.Identifier(API_ROLE)))
        try:
            body = world.api.answer(document, access=access).body
        finally:
            connection.execute(sql.SQL("GRANT INSERT ON access_records TO {}").format(sql.Identifier(API_ROLE)))
    assert body["data"] is None
    assert body["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
    assert world.api.answer(document, access=access).body["data"]["vehicle"]["vin"] == CARS[0].vin


def test_a_new_version_of_a_projection_is_protected_from_its_beginning(world: World) -> None:
    version = replace(PROJECTIONS[0], version=7)
    world.models.prepare(version)
    world.models.prepare(version)
    made = {name: table for name, table in tables(world).items() if name.startswith("navigation_v7_")}
    assert len(made) == len(version.row_types)
    assert all(table["forced"] and table["policies"] and table["readable"] for table in made.values())


def test_a_version_that_names_vehicles_is_not_told_of(world: World, database: str) -> None:
    with psycopg.connect(database) as connection:
        for number, ids in ((8, None), (9, [CARS[1].id])):
            connection.execute(
                "INSERT INTO projection_versions VALUES ('navigation', %s, 'building', 0, 0, %s)", [number, ids]
            )
    assert rows(world, "SELECT version FROM projection_versions", {"Audi"}) == [(8,)]


# --- a database of one's own, whose owner is no superuser -------------------------------------------------------------


@pytest.fixture
def owned(server: EmbeddedServer) -> Iterator[tuple[str, str]]:
    """Give an empty database of somebody who is no superuser, and the administrator's way to it."""
    owner = f"owner_{uuid4().hex[:12]}"
    with new_database(server) as administrators:
        name = psycopg.conninfo.conninfo_to_dict(administrators)["dbname"]
        with psycopg.connect(administrators, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {owner} NOLOGIN")
            connection.execute(f"ALTER DATABASE {name} OWNER TO {owner}")
        try:
            yield make_conninfo(administrators, options=f"-c role={owner}"), administrators
        finally:
            with psycopg.connect(administrators, autocommit=True) as connection:
                connection.execute(f"DROP OWNED BY {owner} CASCADE; REASSIGN OWNED BY {owner} TO CURRENT_USER")
                connection.execute(f"ALTER DATABASE {name} OWNER TO CURRENT_USER")
                connection.execute(f"DROP ROLE {owner}")


def test_an_owner_who_may_not_make_the_role_is_told_what_to_have_done(owned: tuple[str, str]) -> None:
    conninfo, administrators = owned
    with psycopg.connect(administrators, autocommit=True) as connection:
        (owner,) = connection.execute(
            "SELECT r.rolname FROM pg_database AS d JOIN pg_roles AS r ON r.oid = d.datdba"
            " WHERE d.datname = current_database()"
        ).fetchone() or ("",)
        with pytest.raises(BadInputError, match=f"GRANT {API_ROLE} TO") as error:
            PostgresEventLog.open(conninfo)
        assert "\n" not in str(error.value)
        connection.execute(f"GRANT {API_ROLE} TO {owner}")
    # And then everything works as for a superuser: writing, projecting, reading, for one brand and for all.
    with postgres_world(conninfo, *cars()) as world:
        with world.twins.reading() as read:
            assert len(read.vehicles(9, None, ANY_VEHICLE)) == 3
        with world.twins.reading({"Audi"}) as read:
            assert [entry.vehicle_id for entry in read.vehicles(9, None, ANY_VEHICLE)] == [CARS[0].id]
        for name in ("directory", "stored_events", "navigation_v1_signals"):
            statement: LiteralString = f"SELECT count(*) > 0 FROM {name}"
            assert rows(world, statement, None) == [(True,)]


def test_migrations_protect_what_was_there_before(server: EmbeddedServer) -> None:
    """A database of the release before, with a version of a projection in it."""
    with new_database(server) as conninfo:
        with closing(PostgresEventLog.open(conninfo)), closing(PostgresReadModels(conninfo).open()) as models:
            models.prepare(PROJECTIONS[1])
        with psycopg.connect(conninfo, autocommit=True) as connection:
            undo_migrations(connection, after=7)
        with postgres_world(conninfo, *cars()) as world:
            assert all(table["forced"] for name, table in tables(world).items() if name.startswith("media_v1_"))
            test_a_statement_without_any_condition_shows_the_own_vehicles_only(world)
