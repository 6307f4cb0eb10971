import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from adapters.rows.geojson import TrackMetadata
from adapters.rows.recording import RowRecording, is_rows, open_rows
from adapters.signals.catalogue import load_catalogue
from adapters.signals.mapping import load_mapping
from domain.errors import BadInputError
from domain.signals import Quality

CATALOGUE = load_catalogue()
ENVIROCAR = load_mapping("envirocar", CATALOGUE)
SPEED = "Vehicle.Speed"
LATITUDE, LONGITUDE = "Vehicle.CurrentLocation.Latitude", "Vehicle.CurrentLocation.Longitude"


def point(second: int, longitude: float = 7.6, latitude: float = 51.9, **phenomena: float) -> dict[str, Any]:
    measured = {name.replace("_", " "): {"value": value, "unit": "-"} for name, value in phenomena.items()}
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [longitude, latitude]},
        "properties": {"time": f"2017-03-07T05:04:{second:02}Z", "phenomenons": measured},
    }


def track(*features: dict[str, Any]) -> dict[str, Any]:
    car = {"id": "574f", "manufacturer": "Volkswagen ", "model": "Golf", "constructionYear": 2016}
    return {"properties": {"id": "58c2", "sensor": {"type": "car", "properties": car}}, "features": list(features)}


def opened(tmp_path: Path, content: Any, name: str = "track.json") -> RowRecording:
    path = tmp_path / name
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return open_rows(path, ENVIROCAR, CATALOGUE)


def values(recording: RowRecording) -> dict[str, list[float]]:
    (block,) = recording.blocks()
    (columns,) = block.values()
    return {column.path: column.values.tolist() for column in columns}


@pytest.mark.parametrize("name", ["track.json", "track.geojson", "track.json.gz"])
def test_the_points_of_a_track_are_fixes_and_what_was_measured_there(tmp_path: Path, name: str) -> None:
    recording = opened(tmp_path, track(point(1, 7.6, 51.9, Speed=10, Rpm=900), point(6, 7.7, 52.0, Speed=20)), name)
    assert values(recording) == {
        LONGITUDE: [7.6, 7.7],
        LATITUDE: [51.9, 52.0],
        SPEED: [10.0, 20.0],
        "Vehicle.Powertrain.CombustionEngine.Speed": [900.0],
    }
    assert recording.format == "GeoJSON track"


def test_both_halves_of_a_fix_have_the_time_of_their_point(tmp_path: Path) -> None:
    (block,) = opened(tmp_path, track(point(1), point(6))).blocks()
    (columns,) = block.values()
    times = {column.path: column.captured_at.tolist() for column in columns}
    assert times[LATITUDE] == times[LONGITUDE] == [1_488_863_041_000_000, 1_488_863_046_000_000]


def test_the_speed_of_the_car_comes_before_that_of_the_satellites(tmp_path: Path) -> None:
    both = track(point(1, GPS_Speed=11, Speed=10), point(6, GPS_Speed=21, Speed=20))
    assert values(opened(tmp_path, both))[SPEED] == [10.0, 20.0]
    assert values(opened(tmp_path, track(point(1, GPS_Speed=11), point(6, GPS_Speed=21))))[SPEED] == [11.0, 21.0]


def test_what_a_track_says_of_its_car_is_offered(tmp_path: Path) -> None:
    recording = opened(tmp_path, track(point(1)))
    assert recording.metadata == TrackMetadata("58c2", "574f", "Volkswagen", "Golf")
    assert [list(block) for block in recording.blocks()] == [["574f"]]


def test_a_track_that_says_nothing_of_its_car_has_no_vehicle(tmp_path: Path) -> None:
    recording = opened(tmp_path, {"type": "FeatureCollection", "features": [point(1)]})
    assert recording.metadata == TrackMetadata(None, None, None, None)
    assert [list(block) for block in recording.blocks()] == [[None]]


def test_an_altitude_of_the_geometry_is_no_signal_unless_the_mapping_knows_it(tmp_path: Path) -> None:
    high = point(1)
    high["geometry"]["coordinates"].append(93.5)
    recording = opened(tmp_path, track(high))
    recording.check()
    assert recording.statistics.unknown_signals == {"altitude": 1}


def test_phenomena_that_the_mapping_does_not_know_are_counted(tmp_path: Path) -> None:
    recording = opened(tmp_path, track(point(1, CO2=4), point(6, CO2=5)))
    recording.check()
    assert recording.statistics.unknown_signals == {"CO2": 2}


def changed(**properties: Any) -> dict[str, Any]:
    feature = point(1)
    feature["properties"] |= properties
    return feature


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (track({"type": "Feature", "geometry": {"type": "LineString", "coordinates": []}}), "feature 1 is no point"),
        (track(point(1), {"geometry": None}), "feature 2 is no point"),
        (track({**point(1), "properties": {}}), "has no `properties.time`"),
        (track(changed(time="2017-03-07T05:04:11")), "says no offset"),
        (track(changed(phenomenons=[1])), "phenomenons"),
        ({"features": {}, "type": "FeatureCollection"}, "no GeoJSON FeatureCollection"),
        ('{"features": [', "no valid JSON"),
    ],
)
def test_what_is_no_track_with_times_is_refused(tmp_path: Path, content: Any, what: str) -> None:
    with pytest.raises(BadInputError, match=what):
        opened(tmp_path, content).check()


def test_other_json_is_no_track(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"a": 1}')
    assert not is_rows(path)


def in_units(*units: Any, name: str = "Speed") -> dict[str, Any]:
    features = [point(second) for second, _ in enumerate(units)]
    for feature, unit in zip(features, units, strict=True):
        feature["properties"]["phenomenons"][name] = {"value": 50, "unit": unit}
    return track(*features)


def test_a_value_in_another_unit_is_converted(tmp_path: Path) -> None:
    recording = opened(tmp_path, in_units("km/h", "mph", "m/s", "mi/h", "-", "", None))
    assert values(recording)[SPEED] == pytest.approx([50, 80.4672, 180, 80.4672, 50, 50, 50])
    assert not recording.statistics.foreign_units


def test_what_enviro_car_calls_its_units_is_known(tmp_path: Path) -> None:
    for name, unit in (("Rpm", "u/min"), ("GPS Bearing", "deg"), ("Throttle Position", "%"), ("GPS Accuracy", "%")):
        recording = opened(tmp_path, in_units(unit, name=name))
        assert [50.0] in values(recording).values()
        assert not recording.statistics.foreign_units


def test_a_value_in_a_unit_that_cannot_be_converted_is_invalid_and_counted(tmp_path: Path) -> None:
    recording = opened(tmp_path, in_units("km/h", "furlong", "furlong", "kPa"))
    (block,) = recording.blocks()
    (columns,) = block.values()
    speed = next(column for column in columns if column.path == SPEED)
    assert [Quality(quality).name for quality in speed.quality.tolist()] == ["OK", "INVALID", "INVALID", "INVALID"]
    assert recording.statistics.foreign_units == {
        "Speed in furlong, not km/h": 2,
        "Speed in kPa, not km/h": 1,
    }
