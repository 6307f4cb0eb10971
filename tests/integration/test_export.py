"""Histories as Parquet: read as any tool reads them, all or nothing."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from adapters import demo, parquet_export
from adapters.event_log import DirectoryEntry, StoredRecord
from adapters.export_command import export
from adapters.postgres.projection_versions import PostgresProjectionVersions
from adapters.projection_versions import at_version, named
from domain.errors import BadInputError
from domain.events import EVENT_TYPES
from projections.projection import Recorded, row_spec
from tests.support.command_line import CommandLine
from tests.support.events import VEHICLE_ID, codec, example_events
from tests.support.exports import export_events
from tests.support.twins import World, full_car, postgres_world

VIN = "WVWZZZE1ZTP000042"


def read(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ds.dataset(folder, format="parquet", partitioning="hive").to_table().to_pylist()
    return found


def ingest(fleettwin: CommandLine) -> None:
    maps = [word for name in demo.MAPPINGS for word in ("--map", name)]
    with demo.recording() as path:
        fleettwin.ingest(path, "--vin", VIN, "--brand", "Škoda", *maps)


def examples() -> list[tuple[StoredRecord, Recorded]]:
    found = []
    for position, event in enumerate(example_events(), 1):
        state = codec().encode(event)
        record = StoredRecord(
            position, event.originator_id, event.originator_version, event.TOPIC, state, event.received_at
        )
        found.append((record, Recorded(position, event.received_at, event)))
    return found


def test_events_of_every_type_are_columns_and_the_bytes_of_the_log(tmp_path: Path) -> None:
    entries = {VEHICLE_ID: DirectoryEntry(VEHICLE_ID, VIN, "Audi", None, examples()[0][0].recorded_at)}
    count = export_events(tmp_path / "events", examples(), entries)
    assert count == len(examples())
    folders = {each.name for each in (tmp_path / "events").iterdir() if each.is_dir()}
    assert folders == {f"type={each.TOPIC}" for each in EVENT_TYPES}
    for record, recorded in examples():
        table = pq.read_table(tmp_path / "events" / f"type={record.topic}" / "part-0.parquet", partitioning=None)
        assert len(set(table.column_names)) == len(table.column_names)
        (row,) = (each for each in table.to_pylist() if each["position"] == record.position)
        assert codec().decode(record.topic, row["data"], VEHICLE_ID, row["version"]) == recorded.event
        assert row["vehicle_id"] == str(VEHICLE_ID)
        assert row["captured_at"].timestamp() == pytest.approx(recorded.event.captured_at / 1e6, abs=1e-6)


def test_what_the_twin_shows_is_what_other_tools_read(fleettwin: CommandLine, tmp_path: Path) -> None:
    ingest(fleettwin)
    for what in ("events", "navigation", "media", "diagnostics"):
        assert fleettwin.run("export", what, "--out", tmp_path / "out").status == 0
    events = fleettwin.run("events", VIN, "--json").json
    by_type = {path.name.removeprefix("type="): read(path) for path in (tmp_path / "out/events").glob("type=*")}
    assert sum(map(len, by_type.values())) == len(events)
    assert {name: len(rows) for name, rows in by_type.items()} == {
        name: sum(each["type"] == name for each in events) for name in by_type
    }
    (trip,) = read(tmp_path / "out/navigation/trips")
    shown = fleettwin.run("show", VIN, "--json").json["navigation"]["trips"]["edges"][0]["node"]
    assert (trip["brand"], trip["distance_m"], trip["energy_kwh"]) == ("Škoda", shown["distanceM"], shown["energyKwh"])
    assert {row["path"] for row in read(tmp_path / "out/media/signals")}


def export_while(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Export navigation; something happens once its first table is read."""
    twin: Any = SimpleNamespace(records=world.log, read_models=world.models)
    expect, calls = parquet_export.Files.expect, iter(range(100))

    def first_then(*given: Any) -> None:
        expect(*given)
        if next(calls) == 0:
            happens()

    monkeypatch.setattr(parquet_export.Files, "expect", first_then)
    export(twin, "navigation", folder, None, None)


def test_an_export_is_of_one_moment_and_tells_its_position(
    fresh_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with postgres_world(fresh_database, full_car(1), full_car(2)) as world:
        position = world.models.position(named("navigation"))
        export_while(world, tmp_path, monkeypatch, lambda: world.write(full_car(3)))
        assert world.models.position(named("navigation")) > position
    tables = [row_spec(each).table for each in named("navigation").row_types]
    for table in tables:
        assert len({row["vehicle_id"] for row in read(tmp_path / "navigation" / table)}) == 2, table
    for path in (tmp_path / "navigation").rglob("*.parquet"):
        told = pq.read_schema(path).metadata
        assert (told[b"fleettwin.projection"], told[b"fleettwin.position"]) == (b"navigation v1", b"%d" % position)
    assert f" rows of navigation v1 at position {position:,} are in " in " ".join(capsys.readouterr().out.split())


def test_a_version_that_is_exported_is_not_discarded(
    fresh_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.postgres.projection_versions.VIEWS_END_S", 0.3)
    versions, live = PostgresProjectionVersions(fresh_database), named("navigation")

    def discard() -> None:
        versions.switch("navigation", 2, 1)
        with pytest.raises(BadInputError, match=r"may show it .*; try again when they have ended"):
            versions.discard(live)

    with postgres_world(fresh_database, full_car(1)) as world:
        world.models.prepare(at_version(live, 2))
        export_while(world, tmp_path, monkeypatch, discard)
        versions.discard(live)
    assert len(read(tmp_path / "navigation" / "trips")) == 3


def test_a_stretch_of_the_vehicles_time_is_chosen(fleettwin: CommandLine, tmp_path: Path) -> None:
    ingest(fleettwin)
    times = ("--from", "2026-06-01T07:20:00Z", "--to", "2026-06-01T07:21:00+00:00")
    assert fleettwin.run("export", "events", "--out", tmp_path, *times).status == 0
    found = [row for path in (tmp_path / "events").glob("type=*") for row in read(path)]
    assert found
    assert {(row["captured_at"].hour, row["captured_at"].minute) for row in found} <= {(7, 20), (7, 21)}


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (("nav", "--out", "x"), "nav"),
        (("events", "--out", "x", "--from", "yesterday"), "--from"),
        (("events", "--out", "x", "--from", "2026-06-02T00:00:00Z", "--to", "2026-06-01T00:00:00Z"), "--to"),
        (("events", "--out", "/proc/nobody"), "/proc/nobody/events"),
        (("events", "--out", ""), "--out"),
        (("events", "--out", "a" * 300), f"{'a' * 300}/events"),
    ],
)
def test_what_cannot_be_is_one_line(other_fleettwin: CommandLine, arguments: tuple[str, ...], where: str) -> None:
    assert other_fleettwin.run("export", *arguments).complaint.startswith(f"fleettwin: {where}: ")


def test_an_export_that_is_there_is_not_overwritten(other_fleettwin: CommandLine, tmp_path: Path) -> None:
    assert other_fleettwin.run("export", "media", "--out", tmp_path).status == 0
    assert "is there already" in other_fleettwin.run("export", "media", "--out", tmp_path).complaint


def test_a_full_disk_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(parquet_export, "ITEMS_AT_ONCE", 1)
    written = pq.ParquetWriter.write_table
    calls = iter(range(100))
    monkeypatch.setattr(pq.ParquetWriter, "write_table", lambda *given: written(*given) if next(calls) < 5 else fill())
    with pytest.raises(BadInputError, match="the disk is full"):
        export_events(tmp_path / "events", examples())
    assert list(tmp_path.iterdir()) == []


def whole_export(folder: Path) -> None:
    with parquet_export.whole_or_nothing(folder) as files:
        files.add_streams(len(examples()), ['{"table": "stream_progress", "row": {}}'])
        parquet_export.write_events(files, examples(), lambda _: None, lambda _: True)


def test_a_file_of_lines_that_has_no_place_leaves_nothing(tmp_path: Path) -> None:
    lines = tmp_path / "events.streams.ndjson"
    (lines / "of another").mkdir(parents=True)
    with pytest.raises(BadInputError, match="nothing was left there") as refused:
        whole_export(tmp_path / "events")
    assert refused.value.where == str(lines)
    assert list(tmp_path.iterdir()) == [lines]


def test_a_folder_that_has_no_place_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def rename_files(path: Path, target: Path) -> Path:
        if path.is_dir():
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_files)
    with pytest.raises(BadInputError, match="the disk is full"):
        whole_export(tmp_path / "events")
    assert list(tmp_path.iterdir()) == []


def test_a_second_export_to_the_same_place_is_refused_and_the_first_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "events"
    with parquet_export.whole_or_nothing(folder) as files:
        with pytest.raises(BadInputError, match="another export is writing there right now"):
            export_events(folder, examples())
        count = parquet_export.write_events(files, examples(), lambda _: None, lambda _: True)
    assert count == len(examples())
    assert [each.name for each in tmp_path.iterdir()] == ["events"]
    with pytest.raises(BadInputError, match="is there already"):
        export_events(folder, examples())
    assert [each.name for each in tmp_path.iterdir()] == ["events"]


@pytest.mark.parametrize(("of", "name"), [(Path, "mkdir"), (os, "open")])
def test_one_that_came_too_late_to_see_the_other_leaves_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: Any, name: str
) -> None:
    """The first ends between two looks of the second: before it has the folder, or after it has opened it."""
    folder = tmp_path / "events"
    before = getattr(of, name)

    def late(*given: Any, **named: Any) -> Any:
        found = before(*given, **named)
        monkeypatch.setattr(of, name, before)
        export_events(folder, examples())
        (tmp_path / ".events.part").mkdir(exist_ok=True)  # a third begins
        return found

    monkeypatch.setattr(of, name, late)
    with pytest.raises(BadInputError, match=r"is there already|writing there right now"):
        export_events(folder, examples())
    assert name == "mkdir" or (tmp_path / ".events.part").exists()
    assert sum(len(read(each)) for each in folder.glob("type=*")) == len(examples())


def test_what_one_that_was_killed_has_left_is_no_part_of_the_next(tmp_path: Path) -> None:
    left = tmp_path / ".events.part" / "type=other"
    left.mkdir(parents=True)
    (left / "part-0.parquet").write_bytes(b"half of it")
    (left.parent / "streams.ndjson").write_bytes(b"half of it")
    export_events(tmp_path / "events", examples())
    assert not (tmp_path / "events" / "type=other").exists()
    assert [each.name for each in tmp_path.iterdir()] == ["events"]
