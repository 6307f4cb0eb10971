import json
from pathlib import Path

import pytest
import yaml

from adapters.signals.catalogue import load_catalogue
from adapters.signals.mapping import combined, load_mapping, mapping_names
from adapters.signals.rules import (
    ByteField,
    ChangeRule,
    DbcSource,
    ObdSource,
    RowSource,
    SignalMapping,
    TableEntry,
    UdsSource,
)
from domain.errors import BadInputError, UnknownSignalError

CATALOGUE = load_catalogue()

# The constructs that KUKSA's CAN provider documents, in a text of this project's own.
KUKSA_OVERLAY = """
Vehicle.Chassis.SteeringWheel.Angle:
  datatype: int16
  type: sensor
  dbc2vss:
    signal: AngleOfWheel
    interval_ms: 100
    transform:
      math: "floor(x+0.5)"

Vehicle.Powertrain.Transmission.CurrentGear:
  type: sensor
  datatype: int8
  dbc:
    signal: Lever
    on_change: true
    transform:
      mapping:
        - from: LEVER_D
          to: 1
        - from: LEVER_R
          to: -1

Vehicle.Body.Mirrors.DriverSide.Tilt:
  datatype: int8
  type: actuator
  dbc2vss:
    signal: MirrorTilt
    transform:
      math: "floor((x*40)-100)"
  vss2dbc:
    signal: MirrorTiltWanted
    transform:
      math: "(x+100)/40"

Vehicle.Chassis.Axle.Row2.Wheel.Left.Tire.Pressure:
  type: sensor
  datatype: uint16
  dbc2vss:
    signal: Pressure
    multiplexer:
      - signal: TireLocation
        value: 0
      - signal: AxleLocation
        value: 1

Vehicle.Body.Hood.IsOpen:
  type: actuator
  datatype: boolean
  vss2dbc:
    signal: HoodWanted
"""


def tree_of(overlay: str) -> dict[str, object]:
    """Return the VSS tree that `vspec export json` would make of an overlay."""
    root: dict[str, object] = {}
    for path, node in yaml.safe_load(overlay).items():
        *branches, leaf = path.split(".")
        children = root
        for branch in branches:
            node_of = children.setdefault(branch, {"type": "branch", "children": {}})
            assert isinstance(node_of, dict)
            children = node_of["children"]
        children[leaf] = node | {"description": "…"}
    return root


def load(text: str, tmp_path: Path, name: str = "map.yaml") -> SignalMapping:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return load_mapping(path, CATALOGUE)


def test_an_overlay_of_kuksa_loads_as_it_is(tmp_path: Path) -> None:
    angle, gear, tilt, pressure = load(KUKSA_OVERLAY, tmp_path, "dbc_overlay.vspec").rules
    assert angle.source == DbcSource(None, "AngleOfWheel")
    assert (angle.transform.text, angle.datatype, angle.low) == ("floor(x+0.5)", "int16", -(2**15))
    assert gear.transform.table == (TableEntry("LEVER_D", 1), TableEntry("LEVER_R", -1))
    assert tilt.transform.text == "floor((x*40)-100)"
    assert pressure.only_when == {"TireLocation": 0, "AxleLocation": 1}


def test_the_tree_made_of_an_overlay_is_the_same_mapping(tmp_path: Path) -> None:
    tree = tree_of(KUKSA_OVERLAY)
    overlay = load(KUKSA_OVERLAY, tmp_path)
    for name, text in (("vss_dbc.json", json.dumps(tree, indent=2)), ("vss_dbc.yaml", yaml.safe_dump(tree))):
        mapping = load(text, tmp_path, name)
        assert {rule.path: rule for rule in mapping.rules} == {rule.path: rule for rule in overlay.rules}
        assert mapping.changes == overlay.changes


def test_kuksas_interval_limits_how_often_a_number_is_told(tmp_path: Path) -> None:
    changes = load(KUKSA_OVERLAY, tmp_path).changes
    assert changes["Vehicle.Chassis.SteeringWheel.Angle"] == ChangeRule(interval_us=100_000)


def test_our_own_block_adds_deadband_heartbeat_range_markers_and_fallbacks(tmp_path: Path) -> None:
    mapping = load(
        """
x-fleettwin: {dbc: [a.dbc, b.dbc], platform: vw_mqb, heartbeat_ms: 30000}
Vehicle.TraveledDistance:
  dbc2vss: {message: Odo, signal: Km}
  x-fleettwin:
    unit: km
    bus: 1
    deadband: 10
    landmarks: [0]
    valid: [null, 1000000]
    valid_when: {Quality: 0}
    available_when: {Fitted: 1}
    not_available: [254]
    invalid: [255]
    fallback:
      - obd2: {pid: 0xA6, bytes: 4}
        transform: {math: "x * 100"}
      - uds: {did: 0x2203, response_id: 0x77E, first: 1, bytes: 3, signed: true}
        unit: km
      - row: mileage
Vehicle.Speed:
  dbc2vss: {signal: V}
  x-fleettwin: {heartbeat_ms: 1000}
""",
        tmp_path,
    )
    own, obd, uds, row, _ = mapping.rules
    assert own.source == DbcSource("Odo", "Km", bus=1)
    assert (own.low, own.high, own.not_available, own.invalid) == (0, 1_000_000, (254,), (255,))
    assert (own.valid_when, own.available_when) == ({"Quality": 0}, {"Fitted": 1})
    assert own.others == ("Fitted", "Quality")
    assert obd.source == ObdSource(0xA6, ByteField(0, 4))
    assert uds.source == UdsSource(0x2203, ByteField(1, 3, signed=True), None, 0x77E)
    assert row.source == RowSource("mileage")
    assert [rule.rank for rule in (own, obd, uds, row)] == [0, 1, 2, 3]
    assert (obd.not_available, obd.low, obd.high) == ((), 0, 1_000_000)
    assert mapping.change_rule("Vehicle.TraveledDistance") == ChangeRule(10, 30_000_000, 0, (0,))
    assert mapping.change_rule("Vehicle.Speed").heartbeat_us == 1_000_000
    assert mapping.change_rule("Vehicle.Unmapped") == ChangeRule(0, 60_000_000)
    assert (mapping.dbc_files, mapping.platforms) == (("a.dbc", "b.dbc"), ("vw_mqb",))


def test_a_formula_of_ours_may_precede_the_table_and_use_further_signals(tmp_path: Path) -> None:
    (rule,) = load(
        """
Vehicle.LowVoltageSystemState:
  dbc2vss: {message: Terminals, signal: Kl15, transform: {mapping: [{from: 1, to: "ON"}]}}
  x-fleettwin:
    inputs: {start: Kl50}
    transform: {math: "x + start", mapping: [{from: 0, to: "OFF"}, {from: 1, to: "ON"}, {from: 2, to: START}]}
""",
        tmp_path,
    ).rules
    assert rule.inputs == {"start": "Kl50"}
    assert (rule.transform.text, len(rule.transform.table)) == ("x + start", 3)


@pytest.mark.parametrize(
    ("text", "line", "what", "remedy"),
    [
        ("Vehicle.Sped: {dbc2vss: {signal: V}}", 1, "is no signal", "Vehicle.Speed"),
        ("\nVehicle.Speed: {dbc2vss: {sginal: V}}", 2, "`sginal` is not known here", "signal"),
        ("Vehicle.Speed:\n  dbc2vss: {interval_ms: 1}", 2, "no `signal`", "name the signal"),
        ("Vehicle.Speed:\n  x-fleettwin: {deadband: 1}", 2, "exactly one source", "obd2"),
        ("Vehicle.Speed:\n  dbc2vss: {signal: V}\n  x-fleettwin: {row: v}", 2, "exactly one source", "one of"),
        ("Vehicle.Speed:\n  datatype: int8\n  dbc2vss: {signal: V}", 2, "datatype int8 is not that", "float"),
        ("Vehicle.Speed:\n  dbc2vss: {signal: V}\n  unit: m/s", 3, "unit m/s is not that", "km/h"),
        ("Vehicle.Speed:\n  x-fleettwin: {row: V, deadband: -1}", 2, "`deadband` is -1", "0 or more"),
        ("Vehicle.Speed:\n  x-fleettwin: {row: V, deadband: yes}", 2, "`deadband` is True", "0 or more"),
        ("Vehicle.Body.Hood.IsOpen:\n  x-fleettwin: {row: V, deadband: 1}", 2, "has no deadband", "every change"),
        ("Vehicle.Speed:\n  x-fleettwin: {row: V, valid: [1]}", 2, "`valid` is [1]", "least, greatest"),
        ("Vehicle.Speed:\n  x-fleettwin: {row: V, valid: 3}", 2, "`valid` is no list", "[ … ]"),
        ("Vehicle.Speed:\n  x-fleettwin: {row: V, unit: furlong}", 2, "furlong cannot be converted", "m/s"),
        (
            'Vehicle.Speed:\n  x-fleettwin: {row: V, unit: m/s, transform: {math: "x"}}',
            2,
            "both `math` and `unit`",
            "leave",
        ),
        (
            'Vehicle.Speed:\n  x-fleettwin:\n    row: V\n    transform: {math: "import os"}',
            4,
            "no formula",
            "correct `math`",
        ),
        ("Vehicle.Speed:\n  x-fleettwin: {row: V, transform: {}}", 2, "`transform` is empty", "`mapping`"),
        ("Vehicle.Speed:\n  x-fleettwin: {obd2: {bytes: 2}}", 2, "`pid` is missing", "0x"),
        ("Vehicle.Speed:\n  x-fleettwin: {obd2: {pid: D}}", 2, "`pid` is 'D'", "0x"),
        ("Vehicle.Speed:\n  x-fleettwin: {uds: {did: 1, text: latin-1}}", 2, "`text` is 'latin-1'", "utf-8"),
        ("Vehicle.Speed:\n  x-fleettwin: {uds: {did: 1, text: utf-8, bytes: 2}}", 2, "`bytes` is not known", "first"),
        ("Vehicle.Speed:\n  x-fleettwin: {obd2: {pid: 1, text: utf-8}}", 2, "`text` is not known", "pid"),
        ("Vehicle.Speed:\n  x-fleettwin: {row: V, valid_when: {Q: 0}}", 2, "name signals of a DBC", "dbc2vss"),
        ("Vehicle.Speed:\n  x-fleettwin: {row: V, fallback: [v]}", 2, "block of its own", "list of blocks"),
        ("Vehicle.Speed:\n  x-fleettwin: {row: V, landmarks: [a]}", 2, "`landmarks` is ['a']", "numbers"),
        ("Vehicle.Speed:\n  x-fleettwin: {row: V, invalid: [[1]]}", 2, "`invalid` is [[1]]", "raw values"),
        ("Vehicle.Speed:\n  dbc2vss: {signal: V}\n  x-fleettwin: {inputs: {x: W}}", 3, "own value", "another name"),
        ("Vehicle.Speed:\n  dbc2vss: {signal: V}\n  x-fleettwin: {bus: can0}", 3, "`bus` is 'can0'", "whole number"),
        ("Vehicle.Diagnostics.DTCList: {dbc2vss: {signal: V}}", 1, "a string[] has no samples", "boolean"),
        ("x-fleettwin: {heartbeat_ms: soon}\nVehicle.Speed: {dbc2vss: {signal: V}}", 1, "`heartbeat_ms` is", "dbc"),
        ("Vehicle.Speed:\n  dbc2vss: V", 2, "`dbc2vss` is no block", "signal"),
        (
            "Vehicle.Speed:\n  dbc2vss: {signal: V, multiplexer: [{signal: M}]}",
            2,
            "needs `signal` and a whole `value`",
            "both",
        ),
        (
            "Vehicle.LowVoltageSystemState:\n  dbc2vss:\n    signal: K\n    transform: {mapping: [{from: 1, to: ON}]}",
            4,
            "`to: True` is no string",
            "quote it",
        ),
        (
            "Vehicle.LowVoltageSystemState:\n  dbc2vss: {signal: K, transform: {mapping: [{from: 1, to: RUN}]}}",
            2,
            "not allowed by VSS",
            "ACC",
        ),
        (
            "Vehicle.Body.Hood.IsOpen:\n  dbc2vss: {signal: K, transform: {mapping: [{from: 1, to: 1}]}}",
            2,
            "is no boolean",
            "that type",
        ),
        (
            "Vehicle.Body.Hood.IsOpen:\n  dbc2vss: {signal: K, transform: {mapping: [{from: 1}]}}",
            2,
            "not a pair",
            "both",
        ),
        ("Vehicle.Speed: {x-fleettwin: {row: V}}\nVehicle.Speed: {x-fleettwin: {row: W}}", 2, "occurs twice", "line"),
        ("x-fleettwin: {dcb: a.dbc}\nVehicle.Speed: {dbc2vss: {signal: V}}", 1, "unknown key `dcb`", "dbc"),
        ("Vehicle.Speed:\n  dbc2vss: {signal: V\n", 3, "no valid YAML", "correct"),
        ('{"Vehicle": {\n"children": }}', 2, "no valid JSON", "correct"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_a_remedy(
    tmp_path: Path, text: str, line: int, what: str, remedy: str
) -> None:
    with pytest.raises(BadInputError) as refused:
        load(text, tmp_path)
    assert refused.value.where.partition(",")[0] == f"{tmp_path / 'map.yaml'}:{line}"
    assert what in refused.value.what
    assert remedy in refused.value.remedy
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "- a\n- b", "just words", "Vehicle.Speed: {type: sensor}", "{}", "\x00"])
def test_a_file_that_maps_nothing_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInputError, match=r"map\.yaml"):
        load(text, tmp_path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInputError, match="UTF-8"):
        load_mapping(tmp_path / "map.yaml", CATALOGUE)


def test_yaml_cannot_make_objects(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no valid YAML"):
        load("Vehicle.Speed: !!python/object/apply:os.system [true]", tmp_path)


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(BadInputError, match="no mapping of this name") as refused:
        load_mapping("vw_mbq", CATALOGUE)
    assert "vw_mqb" in refused.value.remedy


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot be read"):
        load_mapping(tmp_path / "none.yaml", CATALOGUE)


def test_an_unknown_path_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(UnknownSignalError):
        load("Vehicle.Sped: {dbc2vss: {signal: V}}", tmp_path)


def test_the_digest_changes_with_what_decides_the_samples_and_with_nothing_else(tmp_path: Path) -> None:
    base = "Vehicle.Speed:\n  x-fleettwin: {row: v, unit: m/s, deadband: 1}\n"
    digest = load(base, tmp_path).digest
    assert load(f"# a comment\n{base}", tmp_path, "other.yaml").digest == digest
    for old, new in (("row: v", "row: w"), ("m/s", "mph"), ("deadband: 1", "deadband: 2"), ("1}", "1, invalid: [9]}")):
        assert load(base.replace(old, new), tmp_path).digest != digest


def test_an_earlier_mapping_is_preferred_where_several_map_a_path() -> None:
    obd2, gnss = load_mapping("obd2", CATALOGUE), load_mapping("gnss", CATALOGUE)
    both = combined([obd2, gnss])
    speeds = [rule for rule in both.rules if rule.path == "Vehicle.Speed"]
    assert [(type(rule.source), rule.rank) for rule in speeds] == [(ObdSource, 0), (DbcSource, 1)]
    assert both.change_rule("Vehicle.Speed") == obd2.change_rule("Vehicle.Speed")
    assert both.dbc_files == ("canmod-gps.dbc",)
    assert both.digest not in (obd2.digest, gnss.digest, combined([gnss, obd2]).digest)
    assert combined([obd2]) is obd2


def test_the_shipped_mappings_are_those_that_are_promised() -> None:
    assert mapping_names() == ("envirocar", "fleettwin", "gnss", "obd2", "vw_meb", "vw_mqb", "vw_pq")


@pytest.mark.parametrize("name", ["vw_mqb", "vw_meb", "vw_pq"])
def test_a_mapping_of_a_platform_covers_what_a_twin_shows(name: str) -> None:
    mapping = load_mapping(name, CATALOGUE)
    paths = {rule.path for rule in mapping.rules}
    assert mapping.platforms == (name,)
    assert mapping.dbc_files == (f"{name}.dbc",)
    assert not {
        "Vehicle.Speed",
        "Vehicle.LowVoltageSystemState",
        "Vehicle.TraveledDistance",
        "Vehicle.Powertrain.Transmission.SelectedGear",
        "Vehicle.Cabin.Door.Row1.DriverSide.IsOpen",
        "Vehicle.Cabin.Door.Row1.PassengerSide.IsOpen",
        "Vehicle.Cabin.Door.Row2.DriverSide.IsOpen",
        "Vehicle.Cabin.Door.Row2.PassengerSide.IsOpen",
        "Vehicle.Body.Trunk.Rear.IsOpen",
        "Vehicle.Cabin.Seat.Row1.DriverSide.IsBelted",
        "Vehicle.Chassis.SteeringWheel.Angle",
        "Vehicle.Chassis.ParkingBrake.IsEngaged",
        "Vehicle.Body.Lights.Brake.IsActive",
        "Vehicle.Exterior.AirTemperature",
    }.difference(paths)


@pytest.mark.parametrize("name", mapping_names())
def test_a_speed_is_never_below_zero_or_beyond_reason(name: str) -> None:
    speeds = [rule for rule in load_mapping(name, CATALOGUE).rules if rule.path == "Vehicle.Speed"]
    for rule in speeds:
        assert isinstance(rule.source, ObdSource) or (rule.low == 0 and rule.high is not None and rule.high <= 400)
