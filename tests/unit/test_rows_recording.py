import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapters.rows import formats
from adapters.rows.recording import RowRecording, is_rows, open_rows
from adapters.signals.catalogue import load_catalogue
from adapters.signals.mapping import load_mapping
from adapters.signals.rules import SignalMapping
from domain.errors import BadInputError
from domain.signals import Quality

CATALOGUE = load_catalogue()
SPEED, HOOD, TRACK = "Vehicle.Speed", "Vehicle.Body.Hood.IsOpen", "Vehicle.Cabin.Infotainment.Media.Played.Track"
NOON = 1_714_564_800_000_000
ROWS: list[tuple[str, str, str, Any]] = [
    ("WVWZZZ1KZ6W000001", "2024-05-01T12:00:00Z", SPEED, 50.5),
    ("WVWZZZ1KZ6W000002", "2024-05-01T12:00:00Z", SPEED, 30.0),
    ("WVWZZZ1KZ6W000001", "2024-05-01T12:00:01Z", HOOD, True),
    ("WVWZZZ1KZ6W000001", "2024-05-01T12:00:01Z", SPEED, 51.0),
    ("WVWZZZ1KZ6W000001", "2024-05-01T12:00:02Z", TRACK, "Ain't No Sunshine"),
]


@pytest.fixture(scope="module")
def mapping(tmp_path_factory: pytest.TempPathFactory) -> SignalMapping:
    path = tmp_path_factory.mktemp("map") / "telematics.yaml"
    path.write_text(
        """
Vehicle.Speed: {x-fleettwin: {row: speed_ms, unit: m/s, valid: [0, 400], fallback: [{row: gps_speed}]}}
Vehicle.TraveledDistance: {x-fleettwin: {row: odometer_km, unit: km, not_available: [999999]}}
Vehicle.Body.Trunk.Rear.IsOpen:
  x-fleettwin: {row: trunk, transform: {mapping: [{from: open, to: true}, {from: closed, to: false}]}}
Vehicle.Body.Hood.IsOpen:
  x-fleettwin: {row: hood, transform: {mapping: [{from: 1, to: true}, {from: 2, to: false}]}}
"""
    )
    return load_mapping(path, CATALOGUE)


def write(path: Path, rows: list[tuple[str, str, str, Any]] = ROWS) -> Path:
    names = ("vehicle", "captured_at", "signal", "value")
    if ".csv" in path.name:
        text = "\n".join(",".join(map(str, row)) for row in [names, *rows]) + "\n"
    elif ".ndjson" in path.name:
        text = "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)
    else:
        table = {name: [row[place] for row in rows] for place, name in enumerate(names)}
        table["value"] = [str(value) for value in table["value"]]
        pq.write_table(pa.table(table), path)
        return path
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


def told(recording: RowRecording) -> dict[tuple[str | None, str], list[tuple[float, Any]]]:
    """Return (seconds after noon, value or quality) by vehicle and path."""
    samples: dict[tuple[str | None, str], list[tuple[float, Any]]] = {}
    for block in recording.blocks():
        for vehicle, columns in block.items():
            for column in columns:
                rows = zip(column.captured_at.tolist(), column.values.tolist(), column.quality.tolist(), strict=True)
                samples.setdefault((vehicle, column.path), []).extend(
                    ((at - NOON) / 1e6, Quality(quality).name if quality else value) for at, value, quality in rows
                )
    return samples


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "rows.ndjson", "rows.ndjson.gz", "rows.parquet"])
def test_rows_of_every_format_become_the_same_samples_by_vehicle(
    tmp_path: Path, mapping: SignalMapping, name: str
) -> None:
    path = write(tmp_path / name)
    assert is_rows(path)
    recording = open_rows(path, mapping, CATALOGUE)
    assert told(recording) == {
        ("WVWZZZ1KZ6W000001", SPEED): [(0, 50.5), (1, 51.0)],
        ("WVWZZZ1KZ6W000001", HOOD): [(1, True)],
        ("WVWZZZ1KZ6W000001", TRACK): [(2, "Ain't No Sunshine")],
        ("WVWZZZ1KZ6W000002", SPEED): [(0, 30.0)],
    }
    assert recording.statistics.rows == len(ROWS)
    assert recording.bytes_done == recording.bytes_total == path.stat().st_size
    assert recording.metadata is None


def test_the_digest_is_that_of_the_content(tmp_path: Path, mapping: SignalMapping) -> None:
    digests = [
        open_rows(write(tmp_path / name), mapping, CATALOGUE).content_digest
        for name in ("a.csv", "b.csv", "c.csv.gz", "d.ndjson")
    ]
    assert digests[0] == digests[1] == digests[2] != digests[3]


def test_reading_again_begins_anew(tmp_path: Path, mapping: SignalMapping) -> None:
    recording = open_rows(write(tmp_path / "rows.csv"), mapping, CATALOGUE)
    assert recording.check().rows == len(ROWS)
    assert told(recording) == told(recording)
    assert recording.statistics.rows == len(ROWS)


def test_a_file_of_one_car_need_not_name_it(tmp_path: Path, mapping: SignalMapping) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"signal,value,captured_at\n{SPEED},7,2024-05-01T12:00:00Z\n")
    assert told(open_rows(path, mapping, CATALOGUE)) == {(None, SPEED): [(0, 7.0)]}


def test_names_of_the_mapping_are_converted_as_it_says(tmp_path: Path, mapping: SignalMapping) -> None:
    at = "2024-05-01T12:00:00Z"
    rows = [
        ("car", at, "speed_ms", 10),
        ("car", at, "odometer_km", 26_998),
        ("car", "2024-05-01T12:00:01Z", "odometer_km", 999_999),
        ("car", at, "trunk", "open"),
        ("car", at, "hood", 2),
    ]
    for name in ("rows.csv", "rows.ndjson", "rows.parquet"):
        assert told(open_rows(write(tmp_path / name, rows), mapping, CATALOGUE)) == {
            ("car", SPEED): [(0, 36.0)],
            ("car", "Vehicle.TraveledDistance"): [(0, 26_998_000), (1, "NOT_AVAILABLE")],
            ("car", "Vehicle.Body.Trunk.Rear.IsOpen"): [(0, True)],
            ("car", HOOD): [(0, False)],
        }


def test_a_second_name_of_a_path_speaks_only_where_the_first_is_silent(tmp_path: Path, mapping: SignalMapping) -> None:
    rows = [
        ("a", "2024-05-01T12:00:00Z", "gps_speed", 36),
        ("a", "2024-05-01T12:00:00Z", "speed_ms", 10),
        ("a", "2024-05-01T12:00:05Z", "gps_speed", 37),
        ("b", "2024-05-01T12:00:05Z", "gps_speed", 38),
        ("a", "2024-05-01T12:00:30Z", "gps_speed", 39),
    ]
    samples = told(open_rows(write(tmp_path / "rows.csv", rows), mapping, CATALOGUE))
    assert samples == {("a", SPEED): [(0, 36.0), (30, 39.0)], ("b", SPEED): [(5, 38.0)]}


def test_an_unknown_signal_is_counted_by_name(tmp_path: Path, mapping: SignalMapping) -> None:
    rows = [("car", "2024-05-01T12:00:00Z", name, 1) for name in ("boost", "boost", "Vehicle.Sped", SPEED)]
    recording = open_rows(write(tmp_path / "rows.csv", rows), mapping, CATALOGUE)
    assert list(told(recording)) == [("car", SPEED)]
    assert recording.statistics.unknown_signals == {"boost": 2, "Vehicle.Sped": 1}
    assert recording.statistics.rows == 4


@pytest.mark.parametrize(("name", "nothing"), [("rows.ndjson", None), ("rows.ndjson", ""), ("rows.csv", "")])
def test_an_empty_value_is_not_available(
    tmp_path: Path, mapping: SignalMapping, name: str, nothing: str | None
) -> None:
    rows = [("car", "2024-05-01T12:00:00Z", path, nothing) for path in (SPEED, HOOD, TRACK)]
    recording = open_rows(write(tmp_path / name, rows), mapping, CATALOGUE)
    assert list(told(recording).values()) == [[(0, "NOT_AVAILABLE")]] * 3
    assert not recording.statistics.unreadable_values


def test_a_value_that_cannot_be_read_is_invalid_and_its_first_place_is_told(
    tmp_path: Path, mapping: SignalMapping
) -> None:
    rows = [("car", "2024-05-01T12:00:00Z", SPEED, value) for value in (1, "12km/h", "nan", 401, True)]
    path = write(tmp_path / "rows.ndjson", rows)
    recording = open_rows(path, mapping, CATALOGUE)
    assert told(recording) == {("car", SPEED): [(0, 1.0), (0, "INVALID"), (0, "INVALID"), (0, 401.0), (0, 1.0)]}
    assert recording.statistics.unreadable_values == {SPEED: 1}
    assert recording.statistics.first_unreadable == f"{path}:2: '12km/h' is no float ({SPEED})"


def test_a_value_outside_the_range_of_vss_is_invalid(tmp_path: Path, mapping: SignalMapping) -> None:
    path = write(tmp_path / "rows.csv", [("car", "0", "Vehicle.CurrentLocation.Latitude", value) for value in (91, 90)])
    (values,) = told(open_rows(path, mapping, CATALOGUE)).values()
    assert [value for _, value in values] == ["INVALID", 90.0]


def test_parquet_brings_its_own_types(tmp_path: Path, mapping: SignalMapping) -> None:
    path = tmp_path / "rows.parquet"
    times = pa.array([datetime(2024, 5, 1, 12, tzinfo=UTC)] * 2, pa.timestamp("us", tz="UTC"))
    names = pa.array([SPEED, SPEED]).dictionary_encode()
    pq.write_table(pa.table({"Captured_At": times, "signal": names, "value": [1.5, None], "other": ["", ""]}), path)
    assert told(open_rows(path, mapping, CATALOGUE)) == {(None, SPEED): [(0, 1.5), (0, "NOT_AVAILABLE")]}


def test_a_long_file_is_read_in_blocks_of_the_same_size(
    tmp_path: Path, mapping: SignalMapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.rows.recording.ROWS_AT_ONCE", 10)
    monkeypatch.setattr(formats, "ROWS_AT_ONCE", 10)
    rows = [("car", str(NOON + n * 1_000_000), SPEED, n) for n in range(25)]
    for name in ("rows.csv", "rows.ndjson", "rows.parquet"):
        recording = open_rows(write(tmp_path / name, rows), mapping, CATALOGUE)
        done, sizes = [], []
        for block in recording.blocks():
            done.append(recording.bytes_done)
            sizes += [len(column.captured_at) for column in block["car"]]
        assert sizes == [10, 10, 5]
        assert done == sorted(done)
        assert [value for _, value in told(recording)["car", SPEED]] == list(range(25))


HEADER = "vehicle,captured_at,signal,value\n"
GOOD = f"car,2024-05-01T12:00:00Z,{SPEED},1\n"


@pytest.mark.parametrize(
    ("name", "text", "line", "what"),
    [
        ("rows.csv", f"{HEADER}{GOOD}car,2024-05-01T12:00:00,{SPEED},1\n", 3, "says no offset from UTC"),
        ("rows.csv", f"{HEADER}{GOOD}{GOOD}car,soon,{SPEED},1\n", 4, "captured_at"),
        ("rows.csv", f"{HEADER}{GOOD}car,1\n", 3, "2 fields under a header of 4"),
        ("rows.csv", f'{HEADER}{GOOD}car,1,"{SPEED}"x,1\n', 3, "no valid CSV"),
        ("rows.ndjson", f'{{"captured_at": 1, "signal": "{SPEED}", "value": 1}}\n{{"captured_at": 1,\n', 2, "no valid"),
        ("rows.ndjson", f'{{"captured_at": 1, "signal": "{SPEED}", "value": 1}}\n[1]\n', 2, "no JSON object"),
        (
            "rows.ndjson",
            f'{{"captured_at": 1, "signal": "{SPEED}", "value": 1}}\n\n{{"signal": 1}}\n',
            3,
            "captured_at",
        ),
    ],
)
def test_a_malformed_row_is_refused_with_its_line(
    tmp_path: Path, mapping: SignalMapping, name: str, text: str, line: int, what: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(BadInputError, match=what) as refused:
        open_rows(path, mapping, CATALOGUE).check()
    assert refused.value.where == f"{path}:{line}"


def test_a_row_that_is_no_text_is_refused(tmp_path: Path, mapping: SignalMapping) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(HEADER.encode() + GOOD.encode() + b"car,1,\xff\xfe,1\n")
    with pytest.raises(BadInputError, match="no UTF-8 text"):
        open_rows(path, mapping, CATALOGUE).check()


def test_damaged_files_are_refused(tmp_path: Path, mapping: SignalMapping) -> None:
    cut = write(tmp_path / "rows.csv.gz")
    cut.write_bytes(cut.read_bytes()[:-20])
    with pytest.raises(BadInputError, match="gzip compression is damaged or cut off"):
        open_rows(cut, mapping, CATALOGUE).check()
    parquet = write(tmp_path / "rows.parquet")
    parquet.write_bytes(parquet.read_bytes()[:-20])
    with pytest.raises(BadInputError, match="no valid Parquet"):
        open_rows(parquet, mapping, CATALOGUE).check()


@pytest.mark.parametrize(
    "content", [b"", b"(1.0) can0 123#00\n", b"a,b\n1,2\n", b'{"a": 1}\n', b"\x00" * 100, HEADER.encode()[:20]]
)
def test_a_file_that_holds_no_rows_is_refused(tmp_path: Path, mapping: SignalMapping, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert not is_rows(path)
    with pytest.raises(BadInputError, match="holds no rows"):
        open_rows(path, mapping, CATALOGUE)


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot be read"):
        is_rows(tmp_path / "none.csv")
    with pytest.raises(BadInputError, match="cannot be read"):
        is_rows(tmp_path)
