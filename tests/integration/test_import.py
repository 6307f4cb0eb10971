"""Exported events in an empty store: the same log, the same twins, and telemetry goes on as if nothing had happened."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapters import demo
from adapters.parquet_export import STREAMS
from tests.support.command_line import CommandLine

VIN = "WVWZZZE1ZTP000042"
MAPS = [word for name in demo.MAPPINGS for word in ("--map", name)]


def ingest(fleettwin: CommandLine) -> Any:
    with demo.recording() as path:
        return fleettwin.ingest(path, "--vin", VIN, "--brand", "Volkswagen", *MAPS)


def told(fleettwin: CommandLine) -> Any:
    """Return everything that a store says of its vehicle, and the proofs of its rows."""
    return [
        fleettwin.run("show", VIN, "--json").json,
        fleettwin.run("events", VIN, "--json").json,
        fleettwin.run("verify", "--json").json,
        fleettwin.status(),
        fleettwin.run("explain", VIN, "Vehicle.Speed", "--json").json["batch"],
    ]


@pytest.fixture
def exported(fleettwin: CommandLine, tmp_path: Path) -> Path:
    """Give an export of the demo's recording."""
    ingest(fleettwin)
    assert fleettwin.run("export", "events", "--out", tmp_path / "out").status == 0
    return tmp_path / "out"


def test_an_import_is_the_log_that_was_exported(
    fleettwin: CommandLine, other_fleettwin: CommandLine, exported: Path
) -> None:
    assert other_fleettwin.run("import", exported).status == 0
    assert told(other_fleettwin) == told(fleettwin)
    again = other_fleettwin.run("export", "events", "--out", exported.parent / "again")
    assert again.status == 0
    for path in exported.rglob("*.parquet"):
        assert pq.read_table(path).equals(pq.read_table(exported.parent / "again" / path.relative_to(exported)))
    streams = [(folder / "events" / STREAMS).read_text() for folder in (exported, exported.parent / "again")]
    assert streams[0] == streams[1] != ""


def test_telemetry_that_comes_again_after_an_import_changes_nothing(
    fleettwin: CommandLine, other_fleettwin: CommandLine, exported: Path
) -> None:
    assert other_fleettwin.run("import", exported).status == 0
    ingest(other_fleettwin)
    assert other_fleettwin.run("events", VIN, "--json").json == fleettwin.run("events", VIN, "--json").json


def _cut(exported: Path) -> None:
    path = max(exported.rglob("*.parquet"), key=lambda each: each.stat().st_size)
    path.write_bytes(path.read_bytes()[:-100])


def _garbage(exported: Path) -> None:
    next(iter(sorted(exported.rglob("*.parquet")))).write_bytes(b"garbage")


def _foreign(exported: Path) -> None:
    pq.write_table(pa.table({"position": [1]}), next(iter(sorted(exported.rglob("*.parquet")))))


def _hole(exported: Path) -> None:
    shutil.rmtree(exported / "events/type=vehicle.trip_started.v1")


def _twice(exported: Path) -> None:
    path = exported / "events/type=vehicle.trip_started.v1/part-0.parquet"
    shutil.copy(path, path.with_name("part-1.parquet"))


def _swapped(exported: Path) -> None:
    path = exported / "events/type=vehicle.trip_started.v1/part-0.parquet"
    table = pq.read_table(path, partitioning=None)
    place = table.schema.get_field_index("version")
    later = pa.array([value + 1 for value in table.column("version").to_pylist()], pa.int64())
    pq.write_table(table.set_column(place, "version", later), path)


def _no_streams(exported: Path) -> None:
    (exported / "events" / STREAMS).unlink()


def _bad_streams(exported: Path) -> None:
    (exported / "events" / STREAMS).write_text("{\n")


def _odd_streams(exported: Path) -> None:
    (exported / "events" / STREAMS).write_text('{"table": "stream_progress", "row": {"stream_id": "a"}}\n')


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_cut, "is no file of an export"),
        (_garbage, "is no file of an export"),
        (_foreign, "it has no column"),
        (_hole, "is missing: only a whole export can be imported"),
        (_twice, "two events are at position"),
        (_swapped, "is not the next of its vehicle"),
        (_no_streams, "there is no export of events"),
        (_bad_streams, "line 1 is no JSON object"),
        (_odd_streams, "the export contradicts itself"),
        (shutil.rmtree, "there is no export of events"),
    ],
)
def test_what_is_no_whole_export_is_refused_and_nothing_is_written(
    other_fleettwin: CommandLine, exported: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(exported)
    other_fleettwin.status()  # makes the tables
    before = other_fleettwin.rows()
    assert said in other_fleettwin.run("import", exported).complaint
    assert other_fleettwin.rows() == before


def test_vehicles_of_another_key_are_refused(other_fleettwin: CommandLine, exported: Path) -> None:
    complaint = other_fleettwin.run("import", exported, VIN_KEY="another key of this length").complaint
    assert complaint.startswith("fleettwin: FLEETTWIN_VIN_KEY: the ids of these vehicles were derived with another key")


def test_a_store_that_has_something_takes_no_import(fleettwin: CommandLine, exported: Path) -> None:
    assert "the event store is not empty" in fleettwin.run("import", exported).complaint


def test_an_export_of_a_stretch_of_time_is_no_log(
    fleettwin: CommandLine, other_fleettwin: CommandLine, exported: Path
) -> None:
    out = exported.parent / "part"
    assert fleettwin.run("export", "events", "--out", out, "--from", "2026-06-01T07:20:00Z").status == 0
    assert "only a whole export can be imported" in other_fleettwin.run("import", out).complaint
