"""A fleet of 100,000 vehicles in PostgreSQL: the tables of the read models as projections would fill them."""

from contextlib import closing
from typing import Final, LiteralString

import psycopg

from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.read_models import PostgresReadModels, table_name
from adapters.twins import PROJECTIONS, projection_of, signal_table
from domain import paths
from domain.signals import SignalValue
from domain.units import Micros
from projections.projection import row_spec

VEHICLES: Final = 100_000
BRANDS: Final = ("Audi", "Volkswagen")  # by turns
AT: Final = Micros(1_770_000_000_000_000)
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


def vin_of(number: int) -> str:
    """Return the VIN of a vehicle by its number, from 0 on."""
    return f"WVWZZZE1ZMP{number:06d}"


def fill(conninfo: str, vehicles: int = VEHICLES) -> None:
    """Make the tables, and a fleet in them in which each vehicle has told each of `VALUES` once."""
    with closing(PostgresEventLog.open(conninfo)), closing(PostgresReadModels(conninfo).open()) as models:
        for projection in PROJECTIONS:
            models.prepare(projection)
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "INSERT INTO directory (vehicle_id, vin, brand, model, registered_at)"
            " SELECT md5(n::text)::uuid, 'WVWZZZE1ZMP' || lpad(n::text, 6, '0'), (%s::text[])[1 + n %% 2], 'ID.3', %s"
            " FROM generate_series(0, %s) AS n ORDER BY 1",
            [list(BRANDS), AT, vehicles - 1],
        )
        for row_type in dict.fromkeys(signal_table(path) for path in VALUES):
            of_table = {path: value for path, value in VALUES.items() if signal_table(path) is row_type}
            numbers = [value if isinstance(value, float) else None for value in of_table.values()]
            texts = [value if isinstance(value, str) else None for value in of_table.values()]
            columns = ", ".join(column.name for column in row_spec(row_type).columns)
            connection.execute(
                _sql(
                    f"INSERT INTO {table_name(projection_of(row_type), row_spec(row_type))} ({columns})"  # noqa: S608  # names only, from row types
                    " SELECT d.vehicle_id, v.path, CASE WHEN v.number IS NULL THEN 'string' ELSE 'number' END,"
                    " v.number, v.text, NULL, 0, %s + abs(hashtext(d.vin)) %% 1000000 * 977, %s + 1000000000, 'drive',"
                    " 1, 2, abs(hashtext(d.vin)) FROM directory AS d CROSS JOIN"
                    " unnest(%s::text[], %s::double precision[], %s::text[]) AS v (path, number, text) ORDER BY 1, 2"
                ),
                [AT, AT, list(of_table), numbers, texts],
            )
            projection, table = projection_of(row_type), table_name(projection_of(row_type), row_spec(row_type))
            connection.execute(
                _sql(
                    "INSERT INTO projection_vehicles (projection, version, vehicle_id, last_version, seen_at)"  # noqa: S608  # as above
                    f" SELECT %s, %s, vehicle_id, 2, max(captured_at) FROM {table} GROUP BY vehicle_id"
                ),
                [projection.name, projection.version],
            )
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _sql(text: str) -> LiteralString:
    """Mark a statement as made of names that row types declare, never of values."""
    return text
