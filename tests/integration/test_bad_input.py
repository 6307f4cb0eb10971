"""Bad input: one line that names the file, the place and the remedy, exit status 2, and nothing written."""

import gzip
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters import demo
from adapters.can.recordings import open_recording
from tests.support import frames as writers
from tests.support.command_line import CommandLine
from tests.support.frames import frames_of
from tests.support.small_drives import petrol_drive

VIN = "WVWZZZE1ZTP000042"
OTHER_VIN = "WVWZZZE1ZTP000043"
NO_VEHICLES: dict[str, Any] = {"vehicles": {"edges": []}}


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    path = tmp_path / "drive.log"
    path.write_text(petrol_drive())
    return path


@pytest.fixture(scope="module")
def known(database: str, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A command line whose database has its tables and no vehicle, and stays so: nothing here changes it."""
    fleettwin = CommandLine(tmp_path_factory.mktemp("known") / "home", database)
    fleettwin.status()
    return fleettwin


def refused(fleettwin: CommandLine, *arguments: str | Path, **settings: str) -> str:
    """Return the one line that a command complains with; it has changed nothing."""
    before = fleettwin.rows()
    complaint = fleettwin.run(*arguments, **settings).complaint
    assert complaint.startswith("fleettwin: ")
    assert ";" in complaint, "no remedy"
    assert fleettwin.rows() == before
    return complaint


# --- recordings -------------------------------------------------------------------------------------------------------


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def damaged(path: Path) -> None:
    """Overwrite a stretch in the middle, inside a compressed container."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = b"\xa5" * 64
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
def test_a_truncated_mf4(known: CommandLine, drive: Path, tmp_path: Path, share: float) -> None:
    path = tmp_path / "drive.mf4"
    writers.write_mf4(path, frames_of(open_recording(drive).blocks()))
    cut(path, share)
    assert str(path) in refused(known, "ingest", path, "--vin", VIN, "--map", "obd2")


def test_a_damaged_blf(known: CommandLine, drive: Path, tmp_path: Path) -> None:
    path = tmp_path / "drive.blf"
    writers.write_blf(path, frames_of(open_recording(drive).blocks()))
    damaged(path)
    assert str(path) in refused(known, "ingest", path, "--vin", VIN, "--map", "obd2")


def test_a_cut_off_gzip(known: CommandLine, drive: Path, tmp_path: Path) -> None:
    path = tmp_path / "drive.log.gz"
    path.write_bytes(gzip.compress(drive.read_bytes()))
    cut(path, 0.8)
    complaint = refused(known, "ingest", path, "--vin", VIN, "--map", "obd2")
    assert f"{path}, {path.stat().st_size} bytes into it: the gzip compression is damaged or cut off" in complaint


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("letter.txt", b"Dear Sir or Madam,\nplease find enclosed the recording.\n"),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8),
        ("noise.log", bytes(range(256)) * 64),
        ("page.json", b'{"hello": "world"}\n'),
        ("table.csv", b"a,b,c\n1,2,3\n"),
        ("empty.log", b""),
        ("empty.mf4", b""),
        ("empty.csv", b""),
        ("zeros.blf", bytes(4096)),
    ],
)
def test_a_file_that_is_no_recording(known: CommandLine, tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert str(path) in refused(known, "ingest", path, "--vin", VIN, "--map", "obd2")


def test_a_folder(known: CommandLine, tmp_path: Path) -> None:
    complaint = refused(known, "ingest", tmp_path, "--vin", VIN, "--map", "obd2")
    assert f"{tmp_path}: is a folder; give the files in it: {tmp_path}/*" in complaint


def test_what_can_be_read_only_once(known: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "pipe.log"
    os.mkfifo(path)
    complaint = refused(known, "ingest", path, "--vin", VIN, "--map", "obd2")
    assert f"{path}: is no regular file" in complaint


def test_what_a_recording_can_be_is_told_whole(known: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam")
    complaint = refused(known, "ingest", path, "--vin", VIN, "--map", "obd2")
    for form in ("candump", "MF4", "CSV, NDJSON or Parquet", "GeoJSON"):
        assert form in complaint


def test_a_missing_file(known: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "absent.log"
    complaint = refused(known, "ingest", path, "--vin", VIN, "--map", "obd2")
    assert f"{path}: " in complaint
    assert "No such file" in complaint


def test_a_recording_that_the_mapping_reads_nothing_of(known: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "other.log"
    path.write_text("".join(f"({second}.000000) can0 123#0102030405060708\n" for second in range(100)))
    complaint = refused(known, "ingest", path, "--vin", VIN, "--map", "obd2")
    assert f"{path}: none of its 100 frames" in complaint
    assert "--map" in complaint


def test_one_bad_file_among_good_ones_is_seen_before_anything_is_written(
    known: CommandLine, drive: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.log"
    bad.write_bytes(b"")
    assert str(bad) in refused(known, "ingest", drive, bad, "--vin", VIN, "--map", "obd2")


@pytest.mark.parametrize(
    ("time", "place"),
    [("yesterday", 3), ("2026-13-01T00:00:00Z", 3), ("2026-06-01T08:00:00", 3), ("", 3)],
)
def test_a_row_with_a_bad_time(known: CommandLine, tmp_path: Path, time: str, place: int) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        f"vehicle,captured_at,signal,value\n{VIN},2026-06-01T08:00:00Z,Vehicle.Speed,10\n{VIN},{time},Vehicle.Speed,20\n"
    )
    assert f"{path}:{place}: " in refused(known, "ingest", path)


def test_a_row_of_a_vehicle_that_is_no_vin(known: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    rows = [f"{VIN},2026-06-01T08:00:00Z,Vehicle.Speed,10", "my car,2026-06-01T08:00:01Z,Vehicle.Speed,20"]
    path.write_text("\n".join(["vehicle,captured_at,signal,value", *rows, ""]))
    complaint = refused(known, "ingest", path)
    assert "my car" in complaint.lower()
    assert known.query("{ vehicles(first: 1) { edges { node { id } } } }") == NO_VEHICLES


def test_rows_of_another_car(known: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"vehicle,captured_at,signal,value\n{OTHER_VIN.lower()},2026-06-01T08:00:00Z,Vehicle.Speed,10\n")
    complaint = refused(known, "ingest", path, "--vin", VIN)
    assert f"{path}: its rows are of {OTHER_VIN}, which is not {VIN}; give --vin {OTHER_VIN}" in complaint


def test_a_recording_in_which_another_car_says_its_vin(known: CommandLine) -> None:
    maps = [word for name in demo.MAPPINGS for word in ("--map", name)]
    with demo.recording() as path:
        complaint = refused(known, "ingest", path, "--vin", OTHER_VIN, *maps)
    assert f"{path}: the car says that its VIN is {demo.VIN}, which is not {OTHER_VIN}; " in complaint
    assert "--any-vin" in complaint


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vin", "why"),
    [
        ("WVWZZZE1ZTP00042", "17 characters, this one has 16"),
        ("WVWZZZE1ZTP0000042", "17 characters, this one has 18"),
        ("WVWZZZE1ZTPO00042", "character 12 of a VIN cannot be 'O'"),
        ("", "17 characters"),
    ],
)
def test_a_wrong_vin(known: CommandLine, drive: Path, vin: str, why: str) -> None:
    complaint = refused(known, "ingest", drive, "--vin", vin, "--map", "obd2")
    assert why in complaint
    assert repr(vin) in complaint


def test_no_map_and_no_vin(known: CommandLine, drive: Path) -> None:
    without_map = refused(known, "ingest", drive, "--vin", VIN)
    assert str(drive) in without_map
    assert "--map" in without_map
    without_vin = refused(known, "ingest", drive, "--map", "obd2")
    assert str(drive) in without_vin
    assert "--vin" in without_vin


@pytest.mark.parametrize(
    "time",
    [
        "yesterday",
        "2026-06-01T08:00:00",
        "1999-12-31T23:59:59Z",  # a clock that was never set
        "2999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+12:00",
    ],
)
def test_a_recorded_at_that_is_no_time(known: CommandLine, drive: Path, time: str) -> None:
    complaint = refused(known, "ingest", drive, "--vin", VIN, "--map", "obd2", "--recorded-at", time)
    assert "--recorded-at" in complaint


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("Vehicle.Speed:\n  type: sensor\n   datatype: float\n", ":3"),
        ("Vehicle.Speed: [\n", ""),
        ("- a\n- b\n", ""),
        ("", ""),
        (
            "Vehicle.Warp.Speed:\n  type: sensor\n  datatype: float\n  x-fleettwin: {obd: {service: 1, pid: 0x0D}}\n",
            "Vehicle.Warp.Speed",
        ),
    ],
)
def test_a_mapping_that_cannot_be(known: CommandLine, drive: Path, tmp_path: Path, content: str, place: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    complaint = refused(known, "ingest", drive, "--vin", VIN, "--map", path)
    assert str(path) in complaint
    assert place in complaint


def test_a_mapping_that_does_not_exist(known: CommandLine, drive: Path, tmp_path: Path) -> None:
    assert "vw_mbq" in refused(known, "ingest", drive, "--vin", VIN, "--map", "vw_mbq")
    absent = tmp_path / "absent.yaml"
    assert str(absent) in refused(known, "ingest", drive, "--vin", VIN, "--map", absent)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ('VERSION ""\nBO_ 291 Speed: 8 ECU\n SG_ Kmh : 0|16@1+ (0.01,0 [0|655.35] "km/h" Vector__XXX\n', ":3"),
        ("this is no DBC file\n", ":1"),
        ("", ""),
    ],
)
def test_a_dbc_with_a_syntax_error(known: CommandLine, drive: Path, tmp_path: Path, content: str, place: str) -> None:
    path = tmp_path / "mine.dbc"
    path.write_text(content)
    complaint = refused(known, "ingest", drive, "--vin", VIN, "--map", "gnss", "--dbc", path)
    assert f"{path}{place}" in complaint


def test_a_dbc_that_does_not_exist(known: CommandLine, drive: Path, tmp_path: Path) -> None:
    path = tmp_path / "absent.dbc"
    assert str(path) in refused(known, "ingest", drive, "--vin", VIN, "--map", "gnss", "--dbc", path)


def test_a_dbc_that_no_package_has_is_to_be_given(known: CommandLine, drive: Path) -> None:
    complaint = refused(known, "ingest", drive, "--vin", VIN, "--map", "gnss")
    assert complaint == "fleettwin: mapping gnss: needs the DBC file canmod-gps.dbc; give it with --dbc"


@pytest.mark.parametrize(
    ("line", "place", "what", "help_of"),
    [
        ("simulate --vehicles 1.5", "simulate: ", "'--vehicles'", "fleettwin simulate"),
        ("forget", "", "no such command 'forget'", "fleettwin"),
        ("--bad", "", "no such option: --bad", "fleettwin"),
        ("show --bad", "show: ", "no such option: --bad", "fleettwin show"),
        ("show", "show: ", "missing argument 'VIN'", "fleettwin show"),
        (f"show {VIN} {VIN}", "show: ", "unexpected extra argument", "fleettwin show"),
        ("parked", "parked: ", "missing command", "fleettwin parked"),
        ("parked forget", "parked: ", "no such command 'forget'", "fleettwin parked"),
    ],
)
def test_wrong_use_of_a_command(known: CommandLine, line: str, place: str, what: str, help_of: str) -> None:
    complaint = refused(known, *line.split())
    assert complaint.startswith(f"fleettwin: {place}")
    assert what in complaint
    assert complaint.endswith(f"; see `{help_of} --help`")


@pytest.mark.parametrize(("option", "setting"), [("--port", "FLEETTWIN_PORT"), ("--vin-key", "FLEETTWIN_VIN_KEY")])
def test_an_option_that_is_a_setting_is_told_as_one(known: CommandLine, option: str, setting: str) -> None:
    complaint = known.run("serve", option, "1").complaint
    assert f"serve: no such option: {option}" in complaint
    assert complaint.endswith(f"; set {setting} instead")


@pytest.mark.parametrize("option", ["--brand", "--model"])
def test_an_option_that_is_no_text(known: CommandLine, drive: Path, option: str) -> None:
    complaint = refused(known, "ingest", drive, "--vin", VIN, "--map", "obd2", option, "\udcff")
    assert f"{option}: is no UTF-8 text" in complaint


def test_a_reason_that_is_no_text(known: CommandLine) -> None:
    assert "--reason: is no UTF-8 text" in refused(known, "decommission", VIN, "--reason", "\udcff")


# --- questions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["show", "events"])
def test_a_vehicle_that_is_not_known(known: CommandLine, command: str) -> None:
    assert OTHER_VIN in refused(known, command, OTHER_VIN)
    assert "WRONG" in refused(known, command, "WRONG")


def test_a_type_of_event_that_there_is_not(fleettwin: CommandLine, drive: Path) -> None:
    fleettwin.ingest(drive, "--vin", VIN, "--map", "obd2")
    assert "vehicle.trip_started.v1" in refused(fleettwin, "events", VIN, "--type", "vehicle.trip_start.v1")


def test_a_document_that_is_no_graphql(known: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "mine.graphql"
    for text in ("{ vehicles(first: ", "{ cars { id } }", ""):
        path.write_text(text)
        done = known.run("query", path)
        assert done.status == 1, "the answer to a document is JSON, also where it is an error"
        assert '"errors"' in done.stdout
        assert done.stderr == ""
    path.write_bytes(b"\xff\xfe{}")
    assert str(path) in refused(known, "query", path)
    assert str(tmp_path / "absent") in refused(known, "query", tmp_path / "absent")
    path.write_text("{ status { logPosition } }")
    assert "--variables" in refused(known, "query", path, "--variables", "{oops")
    assert "--variables" in refused(known, "query", path, "--variables", "[1]")


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"DATABASE_ULR": "postgresql://localhost"}, "FLEETTWIN_DATABASE_ULR"),
        ({"PORT": "eighty"}, "FLEETTWIN_PORT"),
        ({"PORT": "65536"}, "FLEETTWIN_PORT"),
        ({"VIN_KEY": "short"}, "FLEETTWIN_VIN_KEY"),
        ({"CONFIG": "/nowhere/fleettwin.toml"}, "/nowhere/fleettwin.toml"),
        ({"VSS_CATALOGUE": "/nowhere/vss.json"}, "/nowhere/vss.json"),
        ({"VSS_CATALOGUE": "~nosuchuser/vss.json"}, "FLEETTWIN_VSS_CATALOGUE"),
        ({"METRICS_HOST": "\udcff"}, "FLEETTWIN_METRICS_HOST"),
        ({"METRICS_PORT": "1" * 5_000}, "FLEETTWIN_METRICS_PORT"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "[::1:9092"}, "FLEETTWIN_KAFKA_BOOTSTRAP_SERVERS"),
    ],
)
def test_a_setting_that_cannot_be(known: CommandLine, drive: Path, settings: dict[str, str], place: str) -> None:
    assert place in refused(known, "ingest", drive, "--vin", VIN, "--map", "obd2", **settings)


def test_a_settings_file_with_an_error(known: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    for text, place in (("port = \n", "line 1"), ("prot = 8000\n", "prot"), ("port = -1\n", "port")):
        path.write_text(text)
        complaint = refused(known, "config", CONFIG=str(path))
        assert str(path) in complaint
        assert place in complaint


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])  # noqa: S104  # what is to be refused
def test_an_address_that_others_could_reach(known: CommandLine, host: str) -> None:
    complaint = refused(known, "serve", HOST=host, PORT="0")
    assert host in complaint
    assert "FLEETTWIN_HOST" in complaint


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://127.0.0.1:1/nothing",
        "postgresql:///nothing?host=/nowhere",
        "mysql://localhost/db",
        "postgresql://127.0.0.1:port/db",
        "postgresql://me:my-secret-word@127.0.0.1:1/db",
    ],
)
def test_a_database_that_cannot_be_reached(tmp_path: Path, drive: Path, url: str) -> None:
    fleettwin = CommandLine(tmp_path / "home", url)
    for command in (("status",), ("ingest", drive, "--vin", VIN, "--map", "obd2")):
        complaint = fleettwin.run(*command).complaint
        assert "FLEETTWIN_DATABASE_URL" in complaint
        assert "my-secret-word" not in complaint


def test_a_home_where_nothing_can_be_written(tmp_path: Path, drive: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    for home in (in_the_way, in_the_way / "below"):
        fleettwin = CommandLine(home)
        for command in (("status",), ("ingest", drive, "--vin", VIN, "--map", "obd2")):
            complaint = fleettwin.run(*command).complaint
            assert str(in_the_way) in complaint
            assert "FLEETTWIN_HOME" in complaint
    assert in_the_way.read_bytes() == b""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Give a way to mount a file system of so many MB."""
    mounted: list[Path] = []

    def mount(megabytes: int) -> Path:
        place = tmp_path / f"disk-{len(mounted)}"
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", str(place)],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            pytest.skip(f"this machine does not let us mount a small disk: {done.stderr.strip()}")
        mounted.append(place)
        return place

    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    yield mount
    for place in mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=False)


def test_a_disk_too_small_for_the_database(small_disk: Callable[[int], Path], drive: Path) -> None:
    home = small_disk(16) / "home"
    complaint = CommandLine(home).run("ingest", drive, "--vin", VIN, "--map", "obd2").complaint
    assert str(home) in complaint
    assert "No space left on device" in complaint
    assert "FLEETTWIN_HOME" in complaint


def test_a_disk_that_fills_up_during_an_ingest(small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(200)
    fleettwin = CommandLine(disk / "home")
    before = fleettwin.status()
    ballast = disk / "ballast"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with ballast.open("wb") as file:
        file.write(bytes(free))
    maps = [word for name in demo.MAPPINGS for word in ("--map", name)]
    with demo.recording() as path:
        complaint = fleettwin.run("ingest", path, "--vin", VIN, *maps).complaint
        assert "full" in complaint.lower() or "no space left" in complaint.lower()
        ballast.unlink()
        assert fleettwin.query("{ vehicles(first: 1) { edges { node { id } } } }") == NO_VEHICLES
        assert fleettwin.status() == before
        assert fleettwin.ingest(path, "--vin", VIN, *maps)[0]["events"]
