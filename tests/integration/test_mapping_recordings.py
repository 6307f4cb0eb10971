"""The shipped mappings on recordings of real cars, from frames to what is told."""

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from math import asin, cos, radians, sin, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.can.dbc import Dbc, SignalRef, load_dbc
from adapters.can.decode import DecodedColumn, Decoder
from adapters.can.recordings import open_recording
from adapters.rows.recording import is_rows, open_rows
from adapters.sampling import SampleColumn
from adapters.signals.apply import to_samples
from adapters.signals.catalogue import load_catalogue
from adapters.signals.changes import ChangeDetector
from adapters.signals.mapping import load_mapping
from adapters.signals.preference import SourcePreference
from adapters.signals.rules import DbcSource, SignalRule, SourceColumn
from domain.signals import Quality
from tests.support.recordings import recording

pytestmark = pytest.mark.recordings

CATALOGUE = load_catalogue()
DBCS = {
    "vw_mqb": ("vw-dbc-opendbc", "vw_mqb.dbc"),
    "vw_meb": ("vw-dbc-opendbc", "vw_meb.dbc"),
    "vw_pq": ("vw-dbc-opendbc", "vw_pq.dbc"),
    "gnss": ("seat-obd2-gps-mf4", "canmod-gps.dbc"),
}

Told = dict[str, list[Any]]


@cache
def loaded(name: str) -> Dbc:
    return load_dbc(recording(*DBCS[name]))


def translated(path: Path, name: str) -> Iterator[list[SampleColumn]]:
    """Yield the samples of each block, one column a path."""
    dbc, preference = loaded(name), SourcePreference()
    rules = list(dbc_rules(name))
    refs = [SignalRef(source.message or "", s) for rule, source in rules for s in (source.signal, *rule.others)]
    decoder = Decoder(dbc, refs)
    for block in open_recording(path).blocks():
        columns = {SignalRef(c.message, c.signal): c for c in decoder.decode(block).columns}
        ranked = []
        for rule, source in rules:
            own = columns.get(SignalRef(source.message or "", source.signal))
            if own is None:
                continue
            others = {s: source_column(columns[SignalRef(own.message, s)], dbc) for s in rule.others}
            samples = to_samples(rule, block.captured_at[own.rows], source_column(own, dbc), others)
            ranked.append((rule.rank, samples))
        yield preference.merged(ranked)


def dbc_rules(name: str) -> Iterator[tuple[SignalRule, DbcSource]]:
    for rule in load_mapping(name, CATALOGUE).of(DbcSource):
        assert isinstance(rule.source, DbcSource)
        yield rule, rule.source


def source_column(column: DecodedColumn, dbc: Dbc) -> SourceColumn:
    signal = dbc.signal(SignalRef(column.message, column.signal))
    choices = {raw: str(text) for raw, text in (signal.choices or {}).items()}
    return SourceColumn(column.raw, column.values, choices)


def changes(values: list[Any]) -> list[Any]:
    """Return values without the confirmations of an unchanged one."""
    return [now for before, now in pairwise([None, *values]) if now != before]


def told(path: Path, name: str) -> Told:
    """Return what is told of each path: values, or the name of the quality where there is none."""
    detector = ChangeDetector(load_mapping(name, CATALOGUE))
    samples: Told = defaultdict(list)
    for columns in translated(path, name):
        for column in detector.changed(columns):
            rows = zip(column.values.tolist(), column.quality.tolist(), strict=True)
            samples[column.path] += [Quality(quality).name if quality else value for value, quality in rows]
    return samples


@pytest.mark.parametrize("name", DBCS)
def test_every_dbc_signal_of_a_shipped_mapping_is_in_its_dbc_file_once(name: str) -> None:
    for rule, source in dbc_rules(name):
        for signal in (source.signal, *rule.others):
            assert len(loaded(name).refs(signal, source.message)) == 1, f"{rule.path}: {source.message}.{signal}"


def test_an_atlas_tells_its_odometer_tank_temperature_and_gear() -> None:
    atlas = told(recording("nolic-vw-atlas-mqb-can", "atlas-mqb-ignition-off.log.gz"), "vw_mqb")
    assert atlas["Vehicle.TraveledDistance"] == [26_998_000]
    assert atlas["Vehicle.Powertrain.FuelSystem.AbsoluteLevel"] == [58.9]
    assert atlas["Vehicle.Powertrain.FuelSystem.RelativeLevel"] == [83]
    assert atlas["Vehicle.Exterior.AirTemperature"] == [25.0]
    assert atlas["Vehicle.Powertrain.Transmission.SelectedGear"] == [126]
    assert atlas["Vehicle.LowVoltageSystemState"] == ["ACC"]
    assert atlas["Vehicle.Chassis.ParkingBrake.IsEngaged"] == [False]
    assert atlas["Vehicle.Speed"] == [0.0]


def test_a_taycan_tells_ignition_door_lock_gear_brake_and_charging_as_they_change() -> None:
    taycan = told(recording("nolic-porsche-taycan-can", "off-idle-drive-off-charge-end.log.gz"), "vw_meb")
    assert changes(taycan["Vehicle.LowVoltageSystemState"]) == ["OFF", "ON", "START", "ON", "OFF"]
    assert set(taycan["Vehicle.Cabin.Door.Row1.DriverSide.IsOpen"]) == {False, True}
    assert set(taycan["Vehicle.Cabin.Door.Row1.PassengerSide.IsLocked"]) == {False, True}
    assert set(taycan["Vehicle.Powertrain.Transmission.SelectedGear"]) >= {126, 127}
    assert set(taycan["Vehicle.Body.Lights.Brake.IsActive"]) == {"INACTIVE", "ACTIVE"}
    assert set(taycan["Vehicle.Powertrain.TractionBattery.Charging.IsCharging"]) == {False, True}
    assert taycan["Vehicle.TraveledDistance"] == [28_950_000] * len(taycan["Vehicle.TraveledDistance"])
    energies = {
        e for e in taycan["Vehicle.Powertrain.TractionBattery.StateOfCharge.CurrentEnergy"] if e != "NOT_AVAILABLE"
    }
    assert energies == {49.5, 49.55}


def test_a_taycan_that_stands_has_no_speed_but_zero_and_invalid() -> None:
    for name in ("off-idle-drive-off-charge-end", "charge-start", "ignition-on-67pct-soc"):
        taycan = told(recording("nolic-porsche-taycan-can", f"{name}.log.gz"), "vw_meb")
        assert set(taycan["Vehicle.Speed"]) == {0.0, "INVALID"}


def test_a_pq_car_whose_engine_is_off_says_what_it_does_not_know() -> None:
    car = told(recording("nolic-vw-pq-can", "vw-pq-med.log.gz"), "vw_pq")
    assert car["Vehicle.TraveledDistance"] == [148_393_000]
    assert car["Vehicle.LowVoltageSystemState"] == ["ON"]
    assert car["Vehicle.Powertrain.Transmission.SelectedGear"] == [126]
    assert car["Vehicle.Powertrain.FuelSystem.AbsoluteLevel"] == ["NOT_AVAILABLE"]
    assert car["Vehicle.Exterior.AirTemperature"] == ["INVALID"]
    assert car["Vehicle.Chassis.Accelerator.PedalPosition"] == ["INVALID"]


def metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    (lat1, lon1), (lat2, lon2) = ((radians(lat), radians(lon)) for lat, lon in (a, b))
    h = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * 6_371_008.8 * asin(sqrt(h))


def test_the_deadband_of_a_fix_keeps_the_length_of_a_drive() -> None:
    """The receiver's own trip counter says 12,071 m for this file."""
    path = recording("seat-obd2-gps-mf4") / "164_00000003-60FE43B2.MF4"
    seat = told(path, "gnss")
    fixes = list(zip(seat["Vehicle.CurrentLocation.Latitude"], seat["Vehicle.CurrentLocation.Longitude"], strict=True))
    assert sum(metres(a, b) for a, b in pairwise(fixes)) == pytest.approx(12_071, rel=0.02)
    assert max(seat["Vehicle.Speed"]) == pytest.approx(23.255 * 3.6, abs=1.1)


def test_all_enviro_car_tracks_are_read_whole() -> None:
    mapping = load_mapping("envirocar", CATALOGUE)
    tracks = sorted(recording("envirocar-tracks").glob("*.json.gz"))
    fixes, cars, digests = 0, set(), set()
    for path in tracks:
        assert is_rows(path)
        track = open_rows(path, mapping, CATALOGUE)
        assert track.metadata is not None
        cars.add(track.metadata.vehicle)
        digests.add(track.content_digest)
        for block in track.blocks():
            for columns in block.values():
                by_path = {column.path: column for column in columns}
                latitude = by_path["Vehicle.CurrentLocation.Latitude"]
                longitude = by_path["Vehicle.CurrentLocation.Longitude"]
                assert np.array_equal(latitude.captured_at, longitude.captured_at)
                assert not latitude.quality.any()
                fixes += len(latitude.captured_at)
        assert not track.statistics.unreadable_values
    assert (len(tracks), fixes, len(cars), len(digests)) == (57, 26_412, 5, 57)


def test_tracks_without_times_are_refused() -> None:
    path = recording("envirocar-muenster-trajectories", "tracks.geojson.gz")
    with pytest.raises(Exception, match="is no point"):
        open_rows(path, load_mapping("envirocar", CATALOGUE), CATALOGUE).check()
