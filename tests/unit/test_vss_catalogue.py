import json
from pathlib import Path

import pytest

from adapters.signals import catalogue
from adapters.signals.catalogue import NEAR_CHARACTERS_MAX, NEAR_REMEMBERED_MAX, load_catalogue
from adapters.signals.mapping import load_mapping, mapping_names
from domain.errors import BadInputError, UnknownSignalError
from tests.support.recordings import recording

# What domain and projections know by name.
KNOWN_TO_THE_CORE = (
    "Vehicle.Speed",
    "Vehicle.TraveledDistance",
    "Vehicle.LowVoltageSystemState",
    "Vehicle.CurrentLocation.Latitude",
    "Vehicle.CurrentLocation.Longitude",
    "Vehicle.CurrentLocation.Heading",
    "Vehicle.CurrentLocation.Altitude",
    "Vehicle.Cabin.Infotainment.Media.Played.Source",
    "Vehicle.Cabin.Infotainment.Media.Played.Artist",
    "Vehicle.Cabin.Infotainment.Media.Played.Album",
    "Vehicle.Cabin.Infotainment.Media.Played.Track",
    "Vehicle.Cabin.Infotainment.Media.Played.URI",
    "Vehicle.Cabin.Infotainment.Media.Action",
    "Vehicle.Cabin.Infotainment.Media.Volume",
    "Vehicle.Cabin.Infotainment.Navigation.DestinationSet.Latitude",
    "Vehicle.Cabin.Infotainment.Navigation.DestinationSet.Longitude",
    "Vehicle.Powertrain.TractionBattery.Range",
    "Vehicle.Powertrain.TractionBattery.Charging.IsCharging",
    "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current",
    "Vehicle.Powertrain.TractionBattery.StateOfCharge.CurrentEnergy",
    "Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed",
    "Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure",
    "Vehicle.Diagnostics.DTCCount",
)


# What the example mapping of KUKSA's CAN provider for VSS 6.0 maps.
KNOWN_TO_KUKSA = (
    "Vehicle.Chassis.SteeringWheel.Angle",
    "Vehicle.Powertrain.Transmission.CurrentGear",
    "Vehicle.Powertrain.Transmission.IsParkLockEngaged",
    "Vehicle.Powertrain.ElectricMotor.Torque",
    "Vehicle.Powertrain.ElectricMotor.Power",
    "Vehicle.Powertrain.ElectricMotor.Temperature",
    "Vehicle.LowVoltageBattery.CurrentVoltage",
    "Vehicle.Chassis.Axle.Row1.Wheel.Left.Brake.IsFluidLevelLow",
    "Vehicle.Chassis.Axle.Row2.Wheel.Right.Brake.IsFluidLevelLow",
    "Vehicle.Exterior.AirTemperature",
    "Vehicle.Body.Windshield.Front.WasherFluid.IsLevelLow",
    "Vehicle.Body.Mirrors.DriverSide.IsHeatingOn",
    "Vehicle.Body.Mirrors.PassengerSide.Tilt",
    "Vehicle.Body.Mirrors.DriverSide.Pan",
    "Vehicle.Body.Trunk.Rear.IsOpen",
    "Vehicle.Cabin.Door.Row2.DriverSide.IsOpen",
    "Vehicle.Cabin.Seat.Row1.DriverSide.IsBelted",
    "Vehicle.Body.Lights.Brake.IsActive",
    "Vehicle.Body.Lights.Fog.Rear.IsOn",
    "Vehicle.Body.Lights.Backup.IsOn",
    "Vehicle.Body.Lights.DirectionIndicator.Left.IsSignaling",
    "Vehicle.Trailer.IsConnected",
    "Vehicle.Cabin.Infotainment.HMI.SpeedUnit",
    "Vehicle.Cabin.Infotainment.Media.Played.Album",
    "Vehicle.Cabin.Infotainment.Media.Volume",
)


def small_export(tmp_path: Path) -> Path:
    speed = {"type": "sensor", "datatype": "float", "unit": "km/h", "description": "words"}
    tree = {"Vehicle": {"type": "branch", "children": {"Speed": speed}}}
    path = tmp_path / "vss.json"
    path.write_text(json.dumps(tree))
    return path


@pytest.mark.parametrize("paths", [KNOWN_TO_THE_CORE, KNOWN_TO_KUKSA])
def test_the_bundled_facts_have_every_path_that_is_in_use(paths: tuple[str, ...]) -> None:
    assert not [path for path in paths if path not in load_catalogue()]


def test_the_bundled_facts_hold_no_words_of_vss() -> None:
    facts = json.loads((Path(__file__).parents[2] / "schemas/vss/paths.json").read_text())
    assert {key for fact in facts.values() for key in fact} <= {"kind", "datatype", "unit", "min", "max", "allowed"}


@pytest.mark.recordings
def test_every_bundled_fact_is_that_of_vss_6_0() -> None:
    official = load_catalogue(recording("vss-catalogue", "vss-6.0.json"))
    bundled = load_catalogue()
    assert len(bundled) > 500
    assert [fact for fact in bundled if official.facts.get(fact.path) != fact] == []


@pytest.mark.recordings
def test_every_shipped_mapping_loads_with_the_whole_catalogue_too() -> None:
    official = load_catalogue(recording("vss-catalogue", "vss-6.0.json"))
    assert len(official) == 1_267
    for name in mapping_names():
        assert load_mapping(name, official).digest == load_mapping(name, load_catalogue()).digest


def test_a_catalogue_file_replaces_the_bundled_facts(tmp_path: Path) -> None:
    catalogue = load_catalogue(small_export(tmp_path))
    assert [fact.path for fact in catalogue] == ["Vehicle.Speed"]
    assert catalogue.fact("Vehicle.Speed", where="here").unit == "km/h"


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        ("Vehicle.Sped", "Vehicle.Speed"),
        ("Vehicle.Chassis.TraveledDistance", "Vehicle.TraveledDistance"),
        ("Vehicle.OBD.DTCList", "Vehicle.Diagnostics.DTCList"),
    ],
)
def test_an_unknown_path_is_refused_with_the_nearest_names(asked: str, offered: str) -> None:
    with pytest.raises(UnknownSignalError) as refused:
        load_catalogue().fact(asked, where="map.yaml:3")
    assert str(refused.value).startswith(f"map.yaml:3: {asked} is no signal of VSS 6.0")
    assert offered in refused.value.remedy


def test_limits_come_from_the_data_type_where_vss_names_none() -> None:
    catalogue = load_catalogue()
    assert catalogue.fact("Vehicle.TraveledDistance", where="").limits == (0, 2**32 - 1)
    assert catalogue.fact("Vehicle.CurrentLocation.Latitude", where="").limits == (-90, 90)
    assert catalogue.fact("Vehicle.Speed", where="").limits == (None, None)


@pytest.mark.parametrize(
    ("text", "what", "place"),
    [
        ('{"Vehicle": \n {"children": ]}', "no valid JSON", ":2"),
        ("[]", "holds no VSS signal", ""),
        ('{"Vehicle": 3}', "holds no VSS signal", ""),
    ],
)
def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path, text: str, what: str, place: str) -> None:
    path = tmp_path / "vss.json"
    path.write_text(text)
    with pytest.raises(BadInputError, match=what) as refused:
        load_catalogue(path)
    assert refused.value.where == f"{path}{place}"


def test_a_catalogue_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot be read"):
        load_catalogue(tmp_path / "none.json")


def test_what_is_near_an_unknown_path_is_worked_out_once_and_not_for_a_long_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def near(path: str, *_: object, **__: object) -> list[str]:
        asked.append(path)
        return ["Vehicle.Speed"]

    monkeypatch.setattr(catalogue, "get_close_matches", near)
    made = load_catalogue()
    long = "Vehicle." + "x" * NEAR_CHARACTERS_MAX
    for path in ("Vehicle.Sped", "Vehicle.Sped", long, "Vehicle.Spede", "Vehicle.Sped"):
        with pytest.raises(UnknownSignalError):
            made.fact(path, where="path")
    assert asked == ["Vehicle.Sped", "Vehicle.Spede"]


def test_no_more_than_some_unknown_paths_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "get_close_matches", lambda *_, **__: [])
    made = load_catalogue()
    for number in range(NEAR_REMEMBERED_MAX + 10):
        with pytest.raises(UnknownSignalError):
            made.fact(f"Vehicle.Of{number}", where="path")
    assert made.near.cache_info().currsize == NEAR_REMEMBERED_MAX
