"""Ingesting a file twice changes no row, no version and no digest, whatever its format."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapters import demo
from adapters.can.recordings import open_recording
from tests.support import frames as writers
from tests.support.command_line import CommandLine
from tests.support.frames import frames_of
from tests.support.recordings import recording
from tests.support.small_drives import petrol_drive

VIN = "WVWZZZE1ZTP000042"
BEGAN = "2026-06-01T09:00:00Z"

ROWS = [
    {
        "vehicle": VIN,
        "captured_at": f"2026-06-01T07:{second // 60:02}:{second % 60:02}Z",
        "signal": name,
        "value": value,
    }
    for second in range(0, 600, 5)
    for name, value in (("Vehicle.Speed", 30.0 + second % 40), ("Vehicle.TraveledDistance", 5_000_000 + 50 * second))
]


def write_csv(path: Path) -> None:
    lines = [",".join(ROWS[0]), *(",".join(map(str, row.values())) for row in ROWS)]
    path.write_text("\n".join(lines) + "\n")


def write_ndjson(path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))


def write_parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), path)


def write_geojson(path: Path) -> None:
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [10.5 + number / 1000, 52.4]},
            "properties": {
                "time": f"2026-06-01T06:{number // 12:02}:{number % 12 * 5:02}Z",
                "phenomenons": {"Speed": {"value": 40.0 + number % 7, "unit": "km/h"}},
            },
        }
        for number in range(60)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "properties": {}, "features": features}))


def assert_twice_is_once(fleettwin: CommandLine, *arguments: str | Path) -> None:
    first = fleettwin.ingest(*arguments)
    assert all(summary["events"] for summary in first), "each file tells something"
    rows, status = fleettwin.rows(), fleettwin.status()
    again = fleettwin.ingest(*arguments)
    for before, after in zip(first, again, strict=True):
        assert after["events"] == {}
        assert after["duplicateBatches"] == after["batches"] == before["batches"] > 0
        assert before["duplicateBatches"] == 0
    assert fleettwin.rows() == rows
    assert fleettwin.status() == status
    assert {each["lag"] for each in status["projections"]} == {0}


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("drive.log", writers.write_candump),
        ("drive.asc", writers.write_asc),
        ("drive.blf", writers.write_blf),
        ("drive.mf4", writers.write_mf4),
        ("drive-of-python-can.csv", writers.write_python_can_csv),
        ("drive-of-savvycan.csv", writers.write_gvret),
    ],
)
def test_a_can_recording(
    fleettwin: CommandLine, tmp_path: Path, name: str, write: Callable[[Path, list[writers.Frame]], None]
) -> None:
    original = tmp_path / "original.log"
    original.write_text(petrol_drive())
    path = tmp_path / name
    write(path, frames_of(open_recording(original).blocks()))
    assert_twice_is_once(fleettwin, path, "--vin", VIN, "--map", "obd2", "--recorded-at", BEGAN)


@pytest.mark.parametrize(
    ("name", "write", "options"),
    [
        ("rows.csv", write_csv, ()),
        ("rows.ndjson", write_ndjson, ()),
        ("rows.parquet", write_parquet, ()),
        ("track.geojson", write_geojson, ("--vin", VIN, "--map", "envirocar")),
    ],
)
def test_a_file_of_rows(
    fleettwin: CommandLine, tmp_path: Path, name: str, write: Callable[[Path], None], options: tuple[str, ...]
) -> None:
    write(tmp_path / name)
    assert_twice_is_once(fleettwin, tmp_path / name, *options)


def test_the_bundled_recording(fleettwin: CommandLine) -> None:
    with demo.recording() as path:
        maps = [word for name in demo.MAPPINGS for word in ("--map", name)]
        assert_twice_is_once(fleettwin, path, "--vin", VIN, *maps)


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("parts", "options"),
    [
        (("nolic-vw-atlas-mqb-can", "atlas-mqb-ignition-off.log.gz"), ("--map", "vw_mqb")),
        (("nolic-porsche-taycan-can", "off-idle-drive-off-charge-end.log.gz"), ("--map", "vw_meb")),
        (("nolic-vw-pq-can", "vw-pq-med.log.gz"), ("--map", "vw_pq")),
        (("seat-obd2-gps-mf4", "164_00000005-60FEB5A8.MF4"), ("--map", "obd2")),
        (("hyundai-kona-ev-can", "221210-1-2021-dcan-car-scanner-elm327.csv.gz"), ("--map", "obd2")),
        (("envirocar-tracks", "58cc2ff7268d1b091f156169.json.gz"), ("--map", "envirocar")),
    ],
)
def test_a_real_recording(fleettwin: CommandLine, parts: tuple[str, ...], options: tuple[str, ...]) -> None:
    assert_twice_is_once(fleettwin, recording(*parts), "--vin", VIN, "--any-vin", *options, "--recorded-at", BEGAN)


def test_a_copy_under_another_name_is_the_same_recording(fleettwin: CommandLine, tmp_path: Path) -> None:
    original, copy = tmp_path / "drive.log", tmp_path / "copy-of-drive.log"
    original.write_text(petrol_drive())
    copy.write_text(petrol_drive())
    arguments = ("--vin", VIN, "--map", "obd2", "--recorded-at", BEGAN)
    fleettwin.ingest(original, *arguments)
    rows = fleettwin.rows()
    (summary,) = fleettwin.ingest(copy, *arguments)
    assert summary["events"] == {}
    assert fleettwin.rows() == rows


def test_the_same_drive_in_other_formats_is_one_trip(fleettwin: CommandLine, tmp_path: Path) -> None:
    original, blf = tmp_path / "drive.log", tmp_path / "drive.blf"
    original.write_text(petrol_drive())
    writers.write_blf(blf, frames_of(open_recording(original).blocks()))
    first, again = fleettwin.ingest(original, blf, "--vin", VIN, "--map", "obd2")
    assert (first["knownDrives"], again["knownDrives"]) == (0, 1)
    assert len(fleettwin.state(VIN)["navigation"]["trips"]["edges"]) == 1
