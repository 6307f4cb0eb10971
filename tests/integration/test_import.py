"""Exported events in an empty store: the same log, the same twins, and telemetry goes on as if nothing had happened."""

import json
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapters import demo
from adapters.postgres.server import EmbeddedServer
from tests.support.command_line import CommandLine
from tests.support.databases import new_database

VIN = "WVWZZZE1ZTP000042"
STREAMS = "events.streams.ndjson"
LATER = """vehicle,captured_at,signal,value
{vin},2026-06-02T08:00:00Z,Vehicle.Speed,31.0
{vin},2026-06-02T08:00:10Z,Vehicle.Speed,35.5
{vin},2026-06-02T08:00:10Z,Vehicle.Powertrain.TractionBattery.StateOfCharge.Current,55.5
"""
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


@pytest.fixture(scope="module")
def driven(database: str, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """Give a twin that has taken the demo's recording, and takes nothing more."""
    fleettwin = CommandLine(tmp_path_factory.mktemp("driven") / "home", database)
    ingest(fleettwin)
    return fleettwin


@pytest.fixture(scope="module")
def original(driven: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an export of it."""
    out = tmp_path_factory.mktemp("export") / "out"
    assert driven.run("export", "events", "--out", out).status == 0
    return out


@pytest.fixture
def exported(original: Path, tmp_path: Path) -> Path:
    """Give a copy of the export."""
    return Path(shutil.copytree(original, tmp_path / "out"))


@pytest.fixture(scope="module")
def empty(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """Give a twin that has its tables, and takes nothing."""
    with new_database(server) as conninfo:
        fleettwin = CommandLine(tmp_path_factory.mktemp("empty") / "home", conninfo)
        fleettwin.status()
        yield fleettwin


def test_an_import_is_the_log_that_was_exported(
    driven: CommandLine, other_fleettwin: CommandLine, exported: Path
) -> None:
    assert other_fleettwin.run("import", exported).status == 0
    assert told(other_fleettwin) == told(driven)
    again = other_fleettwin.run("export", "events", "--out", exported.parent / "again")
    assert again.status == 0
    for path in exported.rglob("*.parquet"):
        assert pq.read_table(path).equals(pq.read_table(exported.parent / "again" / path.relative_to(exported)))
    (first, *streams, end), (other, *others, other_end) = (
        (folder / STREAMS).read_text().splitlines() for folder in (exported, exported.parent / "again")
    )
    assert streams == others
    assert len(streams) > 1
    assert json.loads(end)["events_sha256"] == json.loads(other_end)["events_sha256"]
    assert json.loads(first)["last_position"] == json.loads(other)["last_position"] == len(told(driven)[1])


def test_telemetry_that_comes_again_after_an_import_changes_nothing(
    driven: CommandLine, other_fleettwin: CommandLine, exported: Path
) -> None:
    assert other_fleettwin.run("import", exported).status == 0
    ingest(other_fleettwin)
    assert other_fleettwin.run("events", VIN, "--json").json == driven.run("events", VIN, "--json").json


def test_what_comes_next_goes_on_after_an_import(
    fleettwin: CommandLine, other_fleettwin: CommandLine, exported: Path
) -> None:
    ingest(fleettwin)
    assert other_fleettwin.run("import", exported).status == 0
    later = exported.parent / "later.csv"
    later.write_text(LATER.format(vin=VIN))
    for one in (fleettwin, other_fleettwin):
        assert one.ingest(later)[0]["events"] != {}
        assert one.ingest(later)[0]["events"] == {}
    assert other_fleettwin.events(VIN)[1:] == fleettwin.events(VIN)[1:]  # they are registered twice
    assert other_fleettwin.state(VIN) == fleettwin.state(VIN)
    assert other_fleettwin.run("verify").status == 0


TRIPS = "events/type=vehicle.trip_started.v1/part-0.parquet"


def _first(exported: Path) -> Path:
    return min(exported.rglob("*.parquet"))


def _rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    table = pq.read_table(path, partitioning=None)
    pq.write_table(change(table).replace_schema_metadata(table.schema.metadata), path)


def _with(table: pa.Table, name: str, change: Callable[[Any], Any]) -> pa.Table:
    place = table.schema.get_field_index(name)
    values = [change(each) for each in table.column(name).to_pylist()]
    return table.set_column(place, name, pa.array(values, table.schema.field(place).type))


def _cut(exported: Path) -> None:
    path = max(exported.rglob("*.parquet"), key=lambda each: each.stat().st_size)
    path.write_bytes(path.read_bytes()[:-100])


def _garbage(exported: Path) -> None:
    _first(exported).write_bytes(b"garbage")


def _foreign(exported: Path) -> None:
    pq.write_table(pa.table({"position": [1]}), _first(exported))


def _of_another(exported: Path) -> None:
    table = pq.read_table(exported / TRIPS, partitioning=None)
    pq.write_table(table.replace_schema_metadata({"fleettwin.export": "another"}), exported / TRIPS)


def _type_gone(exported: Path) -> None:
    shutil.rmtree(exported / "events/type=vehicle.trip_started.v1")


def _tail_gone(exported: Path) -> None:
    """Take the newest event away."""
    last = max(exported.rglob("*.parquet"), key=_last_position)
    _rewrite(last, lambda table: table.slice(0, len(table) - 1))


def _hole(exported: Path) -> None:
    _rewrite(exported / TRIPS, lambda table: _with(table, "position", lambda position: position + 10_000))


def _twice(exported: Path) -> None:
    _rewrite(exported / TRIPS, lambda table: _with(table, "position", lambda position: position - 1))


def _swapped(exported: Path) -> None:
    _rewrite(exported / TRIPS, lambda table: _with(table, "version", lambda version: version + 1))


def _earlier(exported: Path) -> None:
    _rewrite(exported / TRIPS, lambda table: _with(table, "recorded_at", lambda at: at.replace(year=1999)))


def _no_position(exported: Path) -> None:
    _rewrite(exported / TRIPS, lambda table: _with(table, "position", lambda _: None))


def _no_id(exported: Path) -> None:
    _rewrite(exported / TRIPS, lambda table: _with(table, "vehicle_id", lambda _: "nobody"))


def _unknown_schema(exported: Path) -> None:
    _rewrite(exported / TRIPS, lambda table: _with(table, "data", lambda data: b"\0\xff\xff\xff\xff" + data[5:]))


def _unknown_topic(exported: Path) -> None:
    _rewrite(exported / TRIPS, lambda table: _with(table, "topic", lambda _: "vehicle.flown.v1"))


def _other_bytes(exported: Path) -> None:
    """Change one bit of what an event tells."""
    _rewrite(exported / TRIPS, lambda table: _with(table, "data", lambda data: data[:-1] + bytes([data[-1] ^ 1])))


def _other_time(exported: Path) -> None:
    """Have the newest event recorded a moment later."""

    def change(table: pa.Table) -> pa.Table:
        last = table.column("position").to_pylist().index(max(map(_last_position, exported.rglob("*.parquet"))))
        times = iter(range(len(table)))
        later = timedelta(microseconds=1)
        return _with(table, "recorded_at", lambda at: at + later if next(times) == last else at)

    _rewrite(max(exported.rglob("*.parquet"), key=_last_position), change)


def _last_position(path: Path) -> int:
    return max(pq.read_table(path, partitioning=None).column("position").to_pylist(), default=0)


def _streams(exported: Path, change: Callable[[list[bytes]], list[bytes]], *, signed: bool = True) -> None:
    """Change lines; where the last one tells of them still, it has the SHA-256 that they would have had."""
    path = exported / STREAMS
    lines = change(path.read_bytes().splitlines(keepends=True))
    if signed and lines and b"lines_sha256" in lines[-1]:
        told = json.loads(lines[-1])
        lines[-1] = json.dumps({**told, "lines_sha256": sha256(b"".join(lines[:-1])).hexdigest()}).encode()
    path.write_bytes(b"".join(lines))


def _spoilt_streams(exported: Path) -> None:
    old, new = b'"last_sequence": ', b'"last_sequence": 1'
    _streams(exported, lambda lines: [each.replace(old, new) for each in lines], signed=False)


def _unsigned_streams(exported: Path) -> None:
    """Have a last line without SHA-256."""
    _streams(exported, lambda lines: [*lines[:-1], json.dumps({"lines": len(lines) - 2}).encode()])


def _row(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Path], None]:
    """Return what changes the row of the first line that has one."""

    def changed(line: bytes) -> bytes:
        told = json.loads(line)
        return json.dumps({**told, "row": change(told["row"])}).encode() + b"\n"

    return lambda exported: _streams(exported, lambda lines: [lines[0], changed(lines[1]), *lines[2:]])


def _without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda row: {key: value for key, value in row.items() if key != name}


def _no_streams(exported: Path) -> None:
    (exported / STREAMS).unlink()


def _empty_streams(exported: Path) -> None:
    _streams(exported, lambda _: [])


def _bad_streams(exported: Path) -> None:
    _streams(exported, lambda lines: [lines[0], b"{\n", *lines[2:]])


def _latin_streams(exported: Path) -> None:
    _streams(exported, lambda lines: [lines[0], '{"table": "fährt"}\n'.encode("latin-1"), *lines[2:]])


def _short_streams(exported: Path) -> None:
    _streams(exported, lambda lines: lines[:-1])


def _lacking_streams(exported: Path) -> None:
    _streams(exported, lambda lines: [lines[0], *lines[2:]])


def _longer_streams(exported: Path) -> None:
    _streams(exported, lambda lines: [*lines, lines[1]])


def _odd_streams(exported: Path) -> None:
    odd = b'{"table": "stream_progress", "row": {"stream_id": "a"}}\n'
    _streams(exported, lambda lines: [lines[0], odd, *lines[2:]])


def _strange_streams(exported: Path) -> None:
    _streams(exported, lambda lines: [lines[0], lines[1].replace(b"stream_progress", b"stream_dreams"), *lines[2:]])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_cut, "is no file of an export"),
        (_garbage, "is no file of an export"),
        (_foreign, "it has no column"),
        (_of_another, "it is not of the same export as events.streams.ndjson"),
        (_type_gone, "events are there, and the log had"),
        (_tail_gone, "events are there, and the log had"),
        (_hole, "is missing; only a whole export can be imported"),
        (_twice, "two events are at position"),
        (_swapped, "is not the next of its vehicle"),
        (_earlier, "was recorded before the one ahead of it"),
        (_no_position, "a position is missing"),
        (_no_id, "is no file of an export"),
        (_unknown_schema, "is nothing that this release can read; import it with the release that exported it"),
        (_unknown_topic, "vehicle.flown.v1 at position"),
        (_no_streams, "is not there: only a whole export can be imported"),
        (_empty_streams, "line 1 does not tell of an export"),
        (_bad_streams, "line 2 is no JSON object"),
        (_latin_streams, "line 2 is no JSON object"),
        (_short_streams, "lines are missing after line"),
        (_lacking_streams, "lines are missing after line"),
        (_longer_streams, "lines are missing after line"),
        (_other_bytes, "the events are not those that were exported"),
        (_other_time, "the events are not those that were exported"),
        (_spoilt_streams, "its lines are not those that were exported"),
        (_unsigned_streams, "its last line has no SHA-256 by which a spoilt one would be known"),
        (_odd_streams, "the export contradicts itself"),
        (_row(lambda row: {**row, "nosuch": 1}), "stream_progress has no column 'nosuch'"),
        (_row(_without("final")), "stream_progress.final is missing"),
        (_row(lambda row: {**row, "final": 1}), "stream_progress.final cannot be 1"),
        (_row(lambda row: {**row, "final": "true"}), 'stream_progress.final cannot be "true"'),
        (_row(lambda row: {**row, "last_sequence": "7"}), 'stream_progress.last_sequence cannot be "7"'),
        (_row(lambda row: {**row, "last_sequence": 7.5}), "the export contradicts itself: "),
        (_row(lambda row: {**row, "last_sequence": None}), "the export contradicts itself: "),
        (_row(lambda row: {**row, "stream_id": 7}), "stream_progress.stream_id cannot be 7"),
        (_row(lambda _: [1]), "nobody here can keep what the export has beside the log"),  # type: ignore[arg-type,return-value]
        (_strange_streams, "nobody here can keep what the export has beside the log"),
        (shutil.rmtree, "there is no export of events"),
    ],
)
def test_what_is_no_whole_export_is_refused_and_nothing_is_written(
    empty: CommandLine, exported: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(exported)
    before = empty.rows()
    complaint = empty.run("import", exported).complaint
    assert said in complaint
    assert len(complaint) < 500
    assert empty.rows() == before


@contextmanager
def at_the_end(fleettwin: CommandLine, body: str) -> Iterator[psycopg.Connection[Any]]:
    """Let the database do something when the last event of an import is written; give a connection."""
    assert fleettwin.database is not None
    fleettwin.status()  # makes the tables
    with psycopg.connect(fleettwin.database, autocommit=True) as connection:
        connection.execute(
            f"CREATE FUNCTION disturb() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NULL; END $$"
        )
        connection.execute("CREATE TRIGGER disturb AFTER INSERT ON directory FOR EACH ROW EXECUTE FUNCTION disturb()")
        yield connection
        connection.execute("DROP TRIGGER disturb ON directory")


def test_a_database_whose_disk_is_full_takes_nothing(
    driven: CommandLine, other_fleettwin: CommandLine, exported: Path
) -> None:
    with at_the_end(other_fleettwin, "RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'"):
        before = other_fleettwin.rows()
        complaint = other_fleettwin.run("import", exported).complaint
        assert complaint.startswith("fleettwin: event store: the database's disk is full; make room and try again")
        assert other_fleettwin.rows() == before
    assert other_fleettwin.run("import", exported).status == 0
    assert told(other_fleettwin) == told(driven)


def test_an_import_that_is_killed_has_taken_nothing(
    driven: CommandLine, other_fleettwin: CommandLine, exported: Path
) -> None:
    with at_the_end(other_fleettwin, "PERFORM pg_advisory_xact_lock(42)") as connection:
        before = other_fleettwin.rows()
        connection.execute("SELECT pg_advisory_lock(42)")
        with other_fleettwin.started("import", exported) as process:
            waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted"
            while (connection.execute(waits).fetchone() or (0,))[0] == 0:
                assert process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait()
        connection.execute("SELECT pg_advisory_unlock(42)")
        connection.execute("BEGIN; LOCK TABLE stored_events; COMMIT")  # its transaction is over
        assert other_fleettwin.rows() == before
    assert other_fleettwin.run("import", exported).status == 0
    assert told(other_fleettwin) == told(driven)


def test_vehicles_of_another_key_are_refused(empty: CommandLine, original: Path) -> None:
    complaint = empty.run("import", original, VIN_KEY="another key of this length").complaint
    assert complaint.startswith("fleettwin: FLEETTWIN_VIN_KEY: the ids of these vehicles were derived with another key")


def test_a_store_that_has_something_takes_no_import(driven: CommandLine, original: Path) -> None:
    assert "the event store is not empty" in driven.run("import", original).complaint


@pytest.mark.parametrize("option", ["--from", "--to"])
def test_an_export_of_a_stretch_of_time_is_no_log(
    driven: CommandLine, empty: CommandLine, original: Path, tmp_path: Path, option: str
) -> None:
    out = tmp_path / "part"
    assert driven.run("export", "events", "--out", out, option, "2026-06-01T07:20:00Z").status == 0
    assert "only a whole export can be imported" in empty.run("import", out).complaint
    shutil.copy(original / STREAMS, out)
    assert "it is not of the same export" in empty.run("import", out).complaint


def test_a_file_that_may_not_grow_in_mid_export_leaves_nothing(driven: CommandLine, tmp_path: Path) -> None:
    """The process is told by a limit of its own what a full disk tells, by the kernel: write(2), EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, hard))  # which children inherit, and Python ignores SIGXFSZ
    try:
        complaint = driven.run("export", "events", "--out", tmp_path / "out").complaint
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert complaint.startswith(f"fleettwin: {tmp_path / 'out/events'}: the disk is full; ")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_cannot_be_is_one_line(empty: CommandLine) -> None:
    complaint = empty.run("import", "a" * 300).complaint
    assert complaint.startswith(f"fleettwin: {'a' * 300}: cannot be read (File name too long); give the folder that ")
