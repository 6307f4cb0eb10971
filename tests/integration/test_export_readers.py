"""What an export holds is what the store says, to each of three tools: DuckDB, Polars and pandas."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import duckdb
import pandas as pd
import polars as pl
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg import sql

from adapters import demo
from adapters.clock import micros_of
from adapters.event_log import StoredRecord
from adapters.parquet_export import _columns_of, _schema_of
from adapters.twins import PROJECTIONS
from domain import events as e
from domain.events import EVENT_TYPES
from projections.media.model import PlayRow
from projections.media.projector import MEDIA
from projections.projection import Recorded, UnreadableEvent, row_spec
from tests.support.command_line import CommandLine
from tests.support.events import VEHICLE_ID, codec, example_events
from tests.support.exports import export_events, export_rows
from tests.support.twins import T0, Car

VIN: Final = "WVWZZZE1ZTP000042"
TABLES: Final = [
    (projection.name, row_type) for projection in PROJECTIONS for row_type in projection.row_types
]  # every table of every read model
Rows = list[dict[str, Any]]
Read = Callable[[Path], Rows]


def plain(value: Any) -> Any:
    """Return a value of any tool as Python has it."""
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return None if value is pd.NaT or value is pd.NA or (isinstance(value, float) and value != value) else value  # noqa: PLR0124  # not a number


def by_duckdb(folder: Path) -> Rows:
    """Read as it is said to be read: https://duckdb.org/docs/current/data/partitioning/hive_partitioning."""
    with duckdb.connect() as connection:
        found = connection.sql(f"SELECT * FROM read_parquet('{folder}/**/*.parquet', hive_partitioning = true)")
        return [dict(zip(found.columns, map(plain, row), strict=True)) for row in found.fetchall()]


def by_polars(folder: Path) -> Rows:
    return [{name: plain(each) for name, each in row.items()} for row in _polars(folder).to_dicts()]


def _polars(folder: Path) -> pl.DataFrame:
    frame = pl.scan_parquet(folder, hive_partitioning=True).collect()
    assert isinstance(frame, pl.DataFrame)
    return frame


def by_pandas(folder: Path) -> Rows:
    frame = pd.read_parquet(folder)
    return [{name: plain(each) for name, each in row.items()} for row in frame.to_dict("records")]


TOOLS: Final = {"DuckDB": by_duckdb, "Polars": by_polars, "pandas": by_pandas}
by_tool: Final = pytest.mark.parametrize("read", TOOLS.values(), ids=TOOLS)


class Exported(NamedTuple):
    """An export, and the store that it is of."""

    folder: Path
    database: str
    events: Rows  # as the API tells them

    def rows(self, statement: sql.Composed) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database) as connection:
            return connection.execute(statement).fetchall()


@pytest.fixture(scope="module")
def exported(database: str, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Give the export of the recording of the demo."""
    folder = tmp_path_factory.mktemp("export")
    fleettwin = CommandLine(folder / "home", database)
    maps = [word for name in demo.MAPPINGS for word in ("--map", name)]
    with demo.recording() as path:
        fleettwin.ingest(path, "--vin", VIN, "--brand", "Škoda", "--model", "Enyaq", *maps)
    for what in ("events", *(each.name for each in PROJECTIONS)):
        assert fleettwin.run("export", what, "--out", folder).status == 0
    return Exported(folder, database, fleettwin.run("events", VIN, "--json").json)


def same(value: Any, stored: Any) -> bool:
    if isinstance(value, datetime):
        return value.utcoffset() == timedelta(0) and micros_of(value) == stored
    if isinstance(stored, UUID):
        return bool(value == str(stored))
    if isinstance(stored, list) and value and isinstance(value[0], datetime):
        return all(map(same, value, stored))
    return bool(value == stored)


@by_tool
@pytest.mark.parametrize(("name", "row_type"), TABLES, ids=[f"{name} {row_spec(each).table}" for name, each in TABLES])
def test_every_row_of_every_table_is_the_one_of_the_store(
    exported: Exported, read: Read, name: str, row_type: Any
) -> None:
    spec = row_spec(row_type)
    names = [column.name for column in spec.columns]
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    statement = sql.SQL("SELECT {} FROM {}").format(columns, sql.Identifier(f"{name}_v1_{spec.table}"))
    stored = exported.rows(statement)
    found = read(exported.folder / name / spec.table)
    assert len(found) == len(stored)
    assert {(each["brand"], each["model"]) for each in found} == ({("Škoda", "Enyaq")} if found else set())
    place = names.index("position")
    key = (
        [names.index(each) for each in spec.key[1:] if isinstance(stored[0][names.index(each)], str)] if stored else []
    )
    stored.sort(key=lambda row: (row[place], [row[each] for each in key]))
    found.sort(key=lambda row: (row["position"], [row[names[each]] for each in key]))
    pairs = zip(found, stored, strict=True)
    for row, expected in pairs:
        assert [key for key, value in zip(names, expected, strict=True) if not same(row[key], value)] == []


def test_types_are_those_of_the_field_in_every_tool(exported: Exported) -> None:
    trips, tracks = exported.folder / "navigation/trips", exported.folder / "navigation/tracks"
    with duckdb.connect() as connection:

        def types(folder: Path) -> dict[str, str]:
            found = connection.sql(f"FROM read_parquet('{folder}/**/*.parquet', hive_partitioning = true)")
            return dict(zip(found.columns, map(str, found.types), strict=True))

        kinds, pieces = types(trips), types(tracks)
        assert {kinds[name] for name in ("started_at", "ended_at", "received_at")} == {"TIMESTAMP WITH TIME ZONE"}
        assert (kinds["ended"], kinds["distance_m"], kinds["position"]) == ("BOOLEAN", "DOUBLE", "BIGINT")
        assert (kinds["brand"], kinds["vehicle_id"]) == ("VARCHAR", "VARCHAR")
        assert (pieces["latitude_deg"], pieces["fix_captured_at"]) == ("DOUBLE[]", "BIGINT[]")
    schema = _polars(trips).schema
    assert schema["started_at"] == pl.Datetime("us", "UTC")
    assert [str(schema[name]) for name in ("brand", "ended", "energy_kwh")] == ["String", "Boolean", "Float64"]
    frame = pd.read_parquet(trips)
    assert str(frame["started_at"].dtype) == "datetime64[us, UTC]"
    assert list(frame["brand"].unique()) == ["Škoda"]


def values_of(samples: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return what samples of an export say, checked: one kind of value, or none."""
    found = []
    for sample in samples:
        value = sample["value"]
        told = {name: each for name, each in (value or {}).items() if each is not None}
        if "integer" in told:
            assert told.pop("number") == float(told["integer"])
        assert len(told) == (value is not None), sample
        found.append(next(iter(told.values()), None))
    return found


@by_tool
def test_a_value_is_a_number_a_text_a_flag_or_nothing_as_the_event_says(exported: Exported, read: Read) -> None:
    kind = e.SignalsSampled.TOPIC
    rows = sorted(read(exported.folder / "events" / f"type={kind}"), key=lambda row: row["version"])
    told = [each["data"] for each in exported.events if each["type"] == kind]
    assert len(rows) == len(told) > 0
    seen = set()
    for row, data in zip(rows, told, strict=True):
        values = values_of(row["samples"])
        assert values == data["value"]
        if read is not by_pandas:  # to which an integer beside nothing is a float
            assert [*map(repr, values)] == [*map(repr, data["value"])]
        assert [each["path"] for each in row["samples"]] == data["path"]
        assert [micros_of(each["sampled_at"]) for each in row["samples"]] == data["sampled_at"]
        assert [each["changed"] for each in row["samples"]] == data["changed"]
        seen |= {type(each) for each in values}
    assert seen | {int} == {int, float, str, bool, type(None)}


COMMON: Final = ("position", "recorded_at", "vehicle_id", "version", "captured_at", "received_at", "brand", "type")


def test_all_events_are_read_as_one(exported: Exported) -> None:
    """Each tool in the way that docs/analysis.md shows."""
    folder, count = exported.folder / "events", len(exported.events)
    with duckdb.connect() as connection:
        every = f"read_parquet('{folder}/*/*.parquet', hive_partitioning = true, union_by_name = true)"
        assert len(connection.sql(f"SELECT * FROM {every}").fetchall()) == count
        by_type = dict(connection.sql(f"SELECT type, count(*) FROM {every} GROUP BY type").fetchall())
    files = sorted(folder.glob("*/*.parquet"))
    frame = pl.concat([pl.scan_parquet(file, hive_partitioning=True) for file in files], how="diagonal").collect()
    assert isinstance(frame, pl.DataFrame)
    assert len(frame) == count
    assert dict(frame.group_by("type").len().rows()) == by_type
    common = pd.read_parquet(folder, columns=[*COMMON])
    assert sorted(common["position"]) == sorted(each["position"] for each in exported.events)
    counts = common["type"].value_counts()
    assert {name: size for name, size in counts.items() if size} == by_type
    assert by_type == {name: sum(each["type"] == name for each in exported.events) for name in by_type}


def test_a_column_has_one_type_wherever_it_is() -> None:
    schemas = [_schema_of(_columns_of(kind)) for kind in (*EVENT_TYPES, UnreadableEvent)]
    assert len(pa.unify_schemas(schemas)) > 50
    for schema in schemas:
        assert len(set(schema.names)) == len(schema.names)
        assert "type" not in schema.names  # which the folder says: in both, tools take one or the other


@by_tool
def test_every_event_of_every_type_is_read_as_it_is(tmp_path: Path, read: Read) -> None:
    events = [
        (record_of(position, event), Recorded(position, event.received_at, event))
        for position, event in enumerate(example_events(), 1)
    ]
    export_events(tmp_path / "events", events)
    for kind in EVENT_TYPES:
        rows = {row["position"]: row for row in read(tmp_path / "events" / f"type={kind.TOPIC}")}
        expected = [(record, each.event) for record, each in events if type(each.event) is kind]
        assert rows.keys() == {record.position for record, _ in expected}
        for record, event in expected:
            row = rows[record.position]
            assert row["topic"] == record.topic
            assert bytes(row["data"]) == record.state
            listed = [name for name, value in vars(event).items() if isinstance(value, list)]
            together = next((row[name] for name in ("samples", "fixes", "trips") if name in row), None)
            for name, value in vars(event).items():
                if name in ("originator_id", "originator_version"):
                    continue
                if name in listed and together is not None and name != "removed_trip_ids":
                    items = [each[name] for each in together]
                    assert same_items(values_of(together) if name == "value" else items, value), name
                elif isinstance(value, dict):
                    assert dict(map(pair, row[name].items() if isinstance(row[name], dict) else row[name])) == value
                else:
                    assert same(row[name], value) or same_items(row[name], value), name


def pair(entry: Any) -> tuple[Any, Any]:
    """Return an entry of a map, which Polars gives as a struct."""
    return (entry["key"], entry["value"]) if isinstance(entry, dict) else tuple(entry)


def same_items(items: Any, values: Any) -> bool:
    return isinstance(values, list) and len(items) == len(values) and all(map(same, items, values))


def record_of(position: int, event: e.VehicleEvent) -> StoredRecord:
    state = codec().encode(event)
    return StoredRecord(position, event.originator_id, event.originator_version, event.TOPIC, state, event.received_at)


BRANDS: Final = [
    "Škoda",
    "A&B = C",
    "Süß/Co",
    "100%",
    "what?",
    "a–b",
    ".hidden.",
    " Audi ",
    "x\\y",
    "大众",
    'say "hi"',
    "'",
]


@by_tool
def test_a_brand_is_read_as_it_was_given(tmp_path: Path, read: Read) -> None:
    cars = [Car(number, brand=brand) for number, brand in enumerate(BRANDS, 1)]
    rows = [PlayRow(car.id, T0, car.entry.brand or "", None, None, None, False, T0, "s", 1, 2, 2) for car in cars]
    nobody = PlayRow(VEHICLE_ID, T0, "unknown", None, None, None, False, T0, "s", 1, 2, 2)
    entries = {car.id: car.entry for car in cars}
    count = export_rows(tmp_path / "media", MEDIA, lambda table: [*rows, nobody] if table is PlayRow else [], entries)
    found = read(tmp_path / "media/plays")
    assert len(found) == count == len(BRANDS) + 1
    assert {row["title"]: row["brand"] for row in found} == {each: each for each in [*BRANDS, "unknown"]}


@by_tool
def test_what_is_empty_is_there_and_has_its_columns(tmp_path: Path, read: Read) -> None:
    export_events(tmp_path / "events", [])
    export_rows(tmp_path / "media", MEDIA, lambda _: [])
    for folder in (*(tmp_path / "events").glob("type=*"), *(tmp_path / "media").iterdir()):
        assert read(folder) == []
    assert {each.name for each in (tmp_path / "events").glob("type=*")} == {
        f"type={each.TOPIC}" for each in EVENT_TYPES
    }
    frame = pd.read_parquet(tmp_path / "media/plays")
    assert {"title", "brand", "started_at"} <= set(frame.columns)


@pytest.mark.parametrize("first", [True, False])
def test_an_event_that_cannot_be_read_takes_nothing_from_the_others(tmp_path: Path, first: bool) -> None:
    event = next(each for each in example_events() if isinstance(each, e.OdometerAdvanced))
    at = event.received_at
    unreadable = UnreadableEvent(
        originator_id=VEHICLE_ID,
        originator_version=99,
        captured_at=at,
        received_at=at,
        reason="no schema has the id 99",
    )
    bad = StoredRecord(99, VEHICLE_ID, 99, event.TOPIC, b"\0\0\0\0\x63", at)
    pairs = [(bad, Recorded(99, at, unreadable)), (record_of(1, event), Recorded(1, at, event))]
    export_events(tmp_path / "events", pairs if first else pairs[::-1])
    table = pq.read_table(tmp_path / "events" / f"type={event.TOPIC}/part-0.parquet", partitioning=None)
    assert table["odometer_m"].to_pylist() == [event.odometer_m]
    (row,) = by_duckdb(tmp_path / "events/type=unreadable")
    assert (row["topic"], row["reason"], row["data"]) == (event.TOPIC, "no schema has the id 99", bad.state)
