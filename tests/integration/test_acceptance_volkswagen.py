"""Recordings of cars of the Volkswagen group, tried as a new user would: the twin says what their READMEs say."""

import gzip
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from adapters.can.dbc import load_dbc, opendbc_path
from adapters.signals.preference import HOLD_US
from tests.support.command_line import CommandLine
from tests.support.recordings import recording

ATLAS = "1V2AP2CA0JC000000"  # made up: the car says another one on its bus
TAYCAN = "WP0ZZZY1ZMS000000"
PQ = "WVWZZZ1KZBW000000"
BEGAN = "2026-06-01T08:00:00Z"
BEGAN_US = 1_780_300_800_000_000
INVALID = 1

pytestmark = pytest.mark.recordings

History = list[tuple[int, Any]]


@pytest.fixture(scope="module")
def taycan(database: str, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    fleettwin = CommandLine(tmp_path_factory.mktemp("taycan") / "home", database)
    path = recording("nolic-porsche-taycan-can", "off-idle-drive-off-charge-end.log.gz")
    arguments = ("--vin", TAYCAN, "--brand", "porsche", "--model", "Taycan", "--map", "vw_meb", "--recorded-at", BEGAN)
    (summary,) = fleettwin.ingest(path, *arguments)
    assert summary["frames"] == 57_476
    assert summary["checksums"] == {"checkable": 2_891, "failed": 0}
    return fleettwin


def taycan_frames() -> Iterator[tuple[int, int, bytes]]:
    """Time since the first frame in µs, identifier and payload, read without any code of ours."""
    first = None
    with gzip.open(recording("nolic-porsche-taycan-can", "off-idle-drive-off-charge-end.log.gz"), "rt") as lines:
        for line in lines:
            stamp, _, frame = line.split()
            can_id, data = frame.split("#")
            at = int(stamp.strip("()").replace(".", ""))
            first = at if first is None else first
            yield at - first, int(can_id, 16), bytes.fromhex(data)


def sent(dbc: Path, message: str, *signals: str) -> History:
    """When the recorded values of some signals of a message changed, and to what, as cantools decodes them."""
    found: History = []
    known = load_dbc(dbc).messages
    (can_id,) = (can_id for can_id, each in known.items() if each.name == message)
    for at, frame_id, payload in taycan_frames():
        if frame_id == can_id:
            values: Any = known[can_id].decode(payload, decode_choices=False, allow_truncated=True)
            found.append((BEGAN_US + at, tuple(values[name] for name in signals)))
    return changes(found)


def changes(history: History) -> History:
    return [
        now for before, now in pairwise([(0, None), *sorted(history, key=lambda each: each[0])]) if now[1] != before[1]
    ]


def told(events: list[dict[str, Any]], path: str) -> History:
    """When a signal changed according to the events, and to what."""
    samples = [event["data"] for event in events if event["type"] == "vehicle.signals_sampled.v1"]
    return changes(
        [
            (at, value)
            for data in samples
            for name, at, value in zip(data["path"], data["sampled_at"], data["value"], strict=True)
            if name == path
        ]
    )


def test_an_atlas_tells_its_odometer_tank_temperature_and_gear(fleettwin: CommandLine) -> None:
    path = recording("nolic-vw-atlas-mqb-can", "atlas-mqb-ignition-off.log.gz")
    arguments = (
        "--vin",
        ATLAS,
        "--any-vin",
        "--brand",
        "vw",
        "--model",
        "Atlas",
        "--map",
        "vw_mqb",
        "--recorded-at",
        BEGAN,
    )
    (summary,) = fleettwin.ingest(path, *arguments)
    assert summary["frames"] == 10_094
    assert summary["checksums"] == {"checkable": 414, "failed": 0}
    assert sum(summary["unknownIds"].values()) + summary["decodedFrames"] <= summary["frames"]

    signals = fleettwin.signals(ATLAS)
    expected = {
        "Vehicle.TraveledDistance": (26_998_000, "m"),
        "Vehicle.Powertrain.FuelSystem.AbsoluteLevel": (58.9, "l"),
        "Vehicle.Powertrain.FuelSystem.RelativeLevel": (83, "percent"),
        "Vehicle.Exterior.AirTemperature": (25.0, "Celsius"),
        "Vehicle.Powertrain.Transmission.SelectedGear": (126, None),  # VSS: 126 is P
        "Vehicle.Speed": (0, "km/h"),
    }
    found = {path: signals[path] for path in expected}
    assert {path: (each["value"], each["unit"]) for path, each in found.items()} == expected
    assert {each["status"] for each in found.values()} == {"OK"}

    odometer = fleettwin.query(
        "query Q($vin: String!) { vehicle(vin: $vin) { diagnostics { odometer { value unit status } } } }", vin=ATLAS
    )
    assert odometer["vehicle"]["diagnostics"]["odometer"] == {"value": 26_998_000, "unit": "m", "status": "OK"}


@pytest.mark.parametrize(
    ("path", "message", "signals", "meaning"),
    [
        (
            "Vehicle.LowVoltageSystemState",
            "Klemmen_Status_01",
            ("ZAS_Kl_S", "ZAS_Kl_15", "ZAS_Kl_50_Startanforderung"),
            lambda s, on, start: "START" if start else "ON" if on else "ACC" if s else "OFF",
        ),
        ("Vehicle.Cabin.Door.Row1.DriverSide.IsOpen", "TSG_FT_01", ("FT_Tuer_geoeffnet",), bool),
        ("Vehicle.Cabin.Door.Row1.PassengerSide.IsLocked", "ZV_02", ("ZV_verriegelt_extern_ist",), bool),
        (
            "Vehicle.Powertrain.Transmission.SelectedGear",
            "WBA_03",
            ("WBA_Fahrstufe_02",),
            lambda gear: {0: None, 1: 126, 2: -1, 3: 0}.get(gear, 127),  # VSS: 126 is P, 127 is D; None: not available
        ),
        (
            "Vehicle.Body.Lights.Brake.IsActive",
            "Motor_14",
            ("MO_Fahrer_bremst",),
            lambda braked: "ACTIVE" if braked else "INACTIVE",
        ),
    ],
)
def test_a_taycan_tells_every_change_when_it_happened(
    taycan: CommandLine, path: str, message: str, signals: tuple[str, ...], meaning: Callable[..., Any]
) -> None:
    dbc = recording("vw-dbc-opendbc", "vw_meb.dbc")
    expected = changes([(at, meaning(*values)) for at, values in sent(dbc, message, *signals)])
    assert len(expected) > 1, "the recording has changes"
    found = told(taycan.events(TAYCAN), path)
    assert [value for _, value in found] == [value for _, value in expected]
    # Where frames of the control unit were lost for longer than HOLD_US, the one that stands in for it told first.
    assert all(0 <= there[0] - here[0] <= HOLD_US for here, there in zip(found, expected, strict=True))
    assert len(set(found) - set(expected)) <= 1
    assert taycan.signals(TAYCAN)[path]["value"] == expected[-1][1]


def test_a_taycan_switches_its_ignition_on_and_off(taycan: CommandLine) -> None:
    dbc = recording("vw-dbc-opendbc", "vw_meb.dbc")
    expected = [(at, bool(on)) for at, (on,) in sent(dbc, "Klemmen_Status_01", "ZAS_Kl_15")]
    names = {"vehicle.ignition_turned_on.v1": True, "vehicle.ignition_turned_off.v1": False}
    found = [(event["capturedAt"], names[event["type"]]) for event in taycan.events(TAYCAN) if event["type"] in names]
    assert [on for _, on in found] == [on for _, on in expected] == [False, True, False]


def test_a_speed_that_means_invalid_is_never_a_speed(taycan: CommandLine) -> None:
    raw = {value for _, (value,) in sent(recording("vw-dbc-opendbc", "vw_meb.dbc"), "ESP_21", "ESP_v_Signal")}
    assert {round(value, 2) for value in raw} == {0, 655.34}, "the recording has the value"

    speeds = [
        (value, quality)
        for event in taycan.events(TAYCAN)
        if event["type"] == "vehicle.signals_sampled.v1"
        for path, value, quality in zip(*(event["data"][name] for name in ("path", "value", "quality")), strict=True)
        if path == "Vehicle.Speed"
    ]
    assert (None, INVALID) in speeds
    assert {value for value, quality in speeds if quality != INVALID} == {0}
    assert taycan.signals(TAYCAN)["Vehicle.Speed"]["value"] == 0

    everything = taycan.run("events", TAYCAN, "--json").stdout + taycan.run("show", TAYCAN, "--json").stdout
    assert "655." not in everything
    assert taycan.state(TAYCAN)["navigation"]["trips"]["edges"] == [], "it never moves"


@pytest.mark.parametrize(
    ("parts", "platform", "likely"),
    [
        (("nolic-vw-pq-can", "vw-pq-med.log.gz"), "vw_meb", "vw_pq"),
        (("nolic-vw-atlas-mqb-can", "atlas-mqb-ignition-off.log.gz"), "vw_pq", "vw_mqb"),
    ],
)
def test_a_recording_without_a_right_frame_of_the_platform_is_refused_where_another_fits(
    fleettwin: CommandLine, parts: tuple[str, str], platform: str, likely: str
) -> None:
    path = recording(*parts)
    complaint = fleettwin.run("ingest", path, "--vin", PQ, "--map", platform).complaint
    assert str(path) in complaint
    assert f"it is probably a {likely} recording: try --map {likely}" in complaint
    assert fleettwin.query("{ vehicles(first: 5) { edges { node { vin } } } }") == {"vehicles": {"edges": []}}


def test_a_recording_of_another_car_of_the_platform_is_refused_with_both_vins(fleettwin: CommandLine) -> None:
    path = recording("nolic-vw-atlas-mqb-can", "atlas-mqb-ignition-off.log.gz")
    complaint = fleettwin.run("ingest", path, "--vin", ATLAS, "--map", "vw_mqb").complaint
    said = re.search(
        rf"{path}: the car says that its VIN is (\w{{17}}), which is not {ATLAS}; give --vin (\w+)", complaint
    )
    assert said
    assert said[1] == said[2]
    assert said[1].startswith("1V2")  # Volkswagen, made in Chattanooga
    assert fleettwin.query("{ vehicles(first: 5) { edges { node { vin } } } }") == {"vehicles": {"edges": []}}


def test_a_recording_of_another_platform_is_refused(fleettwin: CommandLine) -> None:
    path = recording("nolic-vw-pq-can", "vw-pq-med.log.gz")
    fleettwin.status()  # makes the tables
    before = fleettwin.rows()
    complaint = fleettwin.run("ingest", path, "--vin", PQ, "--map", "vw_mqb").complaint
    assert str(path) in complaint
    assert "105 of 105 frames (100%) fail the end-to-end checksum of vw_mqb" in complaint
    assert "--map vw_pq" in complaint
    assert fleettwin.rows() == before
    assert fleettwin.query("{ vehicles(first: 1) { edges { node { id } } } }") == {"vehicles": {"edges": []}}

    (summary,) = fleettwin.ingest(path, "--vin", PQ, "--map", "vw_pq", "--recorded-at", BEGAN)
    assert summary["samples"] > 0
    assert summary["checksums"]["failed"] == 0


def test_a_mapping_of_ones_own_is_held_to_the_checksums_of_its_dbc_file(fleettwin: CommandLine, tmp_path: Path) -> None:
    path, mapping, dbc = recording("nolic-vw-pq-can", "vw-pq-med.log.gz"), tmp_path / "k.yaml", opendbc_path("vw_mqb")
    mapping.write_text(
        "Vehicle.Speed:\n  type: sensor\n  datatype: float\n  dbc2vss: {signal: ESP_v_Signal, interval_ms: 100}\n"
    )
    renamed = tmp_path / "my car.dbc"
    renamed.write_bytes(dbc.read_bytes())
    for given in (dbc, renamed):
        complaint = fleettwin.run("ingest", path, "--vin", PQ, "--map", mapping, "--dbc", given).complaint
        assert "105 of 105 frames (100%) fail the end-to-end checksum of vw_mqb" in complaint
        assert "--map vw_pq" in complaint
