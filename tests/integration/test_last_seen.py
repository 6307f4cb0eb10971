"""When a vehicle was seen last is kept beside how far it is folded: it is always what the rows say."""

from contextlib import closing
from typing import Any, Final, LiteralString

import psycopg
import pytest

from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.read_models import table_name
from adapters.projection_versions import at_version, named
from adapters.rebuild import Job, chunks, filler
from adapters.twins import SEEN_ROWS, projection_of
from projections.projection import row_spec
from tests.support.command_line import CommandLine
from tests.support.former_database import undo_migrations
from tests.support.small_drives import petrol_drive
from tests.support.twins import SECOND, T0, full_car, postgres_world

KEPT: Final[LiteralString] = (
    "SELECT vehicle_id, seen_at FROM projection_vehicles WHERE projection = %s AND version = %s AND seen_at IS NOT NULL"
)
NAMES: Final = ("navigation", "media", "diagnostics")


def kept(conninfo: str, name: str, version: int = 1) -> dict[Any, int]:
    with psycopg.connect(conninfo) as connection:
        return dict(connection.execute(KEPT, [name, version]).fetchall())


def told(conninfo: str, name: str, version: int = 1) -> dict[Any, int]:
    """Return what the rows of a version say."""
    projection = at_version(named(name), version)
    found: dict[Any, int] = {}
    with psycopg.connect(conninfo) as connection:
        for row_type in SEEN_ROWS:
            if projection_of(row_type).name == name:
                table: Any = table_name(projection, row_spec(row_type))
                for vehicle_id, at in connection.execute(f"SELECT vehicle_id, captured_at FROM {table}"):
                    found[vehicle_id] = max(at, found.get(vehicle_id, at))
    assert found
    return found


def test_it_is_what_the_rows_say_live_late_and_rebuilt(fresh_database: str) -> None:
    late = full_car(3)
    late.sample(T0 - 3600 * SECOND, {"Vehicle.Speed": 1.0})
    late.code(T0 + 90_000 * SECOND)
    with postgres_world(fresh_database, full_car(1), full_car(2), late) as world:
        car = full_car(4)
        world.write(car)
        car.sample(T0 + 90_000 * SECOND, {"Vehicle.Speed": 1.0, "Vehicle.Exterior.AirTemperature": 2.0})
        world.write(car)
        for name in NAMES:
            assert kept(fresh_database, name) == told(fresh_database, name)
            world.models.prepare(at_version(named(name), 2))
            job = Job(name, 2, 0, world.log.last_position())
            with filler(fresh_database) as one:
                for chunk in chunks([entry.vehicle_id for entry in world.log.vehicles()]):
                    assert sum(one.fill(job, chunk))
            assert kept(fresh_database, name, 2) == told(fresh_database, name, 2) == told(fresh_database, name)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_is_what_the_rows_say_after_a_rebuild_by_the_command(
    fleettwin: CommandLine, tmp_path: Any, workers: str
) -> None:
    database = fleettwin.database
    assert database is not None
    path = tmp_path / "drive.log"
    path.write_text(petrol_drive())
    fleettwin.ingest(path, "--vin", "WVWZZZE1ZTP000042", "--brand", "Audi", "--map", "obd2")
    assert fleettwin.run("rebuild", "diagnostics", "--version", "2", "--workers", workers).status == 0
    assert kept(database, "diagnostics", 2) == told(database, "diagnostics", 2) == kept(database, "diagnostics")


def test_a_database_of_the_release_before_has_it_from_its_rows(fresh_database: str) -> None:
    with postgres_world(fresh_database, full_car(1), full_car(2)):
        with psycopg.connect(fresh_database) as connection:
            undo_migrations(connection, after=11)
        with closing(PostgresEventLog.open(fresh_database)):
            for name in NAMES:
                assert kept(fresh_database, name) == told(fresh_database, name)
