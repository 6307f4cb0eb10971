from typing import Any

import numpy as np
import pytest

from adapters.sampling import SampleColumn
from adapters.signals.apply import to_samples
from adapters.signals.catalogue import load_catalogue
from adapters.signals.expressions import compiled
from adapters.signals.mapping import load_mapping
from adapters.signals.rules import RowSource, SignalRule, SourceColumn, TableEntry, Transform
from domain.signals import Quality

OK, INVALID, NOT_AVAILABLE = (quality.value for quality in Quality)
CATALOGUE = load_catalogue()


def rule(datatype: str = "float", **fields: Any) -> SignalRule:
    return SignalRule("Vehicle.Speed", datatype, RowSource("v"), **fields)


def formula(text: str, *names: str) -> Transform:
    return Transform(text, compiled(text, ["x", *names]))


def samples(
    of: SignalRule, raw: list[Any], *, scale: float = 1, choices: Any = None, **others: list[int]
) -> SampleColumn:
    given = np.array(raw, dtype=object) if any(isinstance(value, str) for value in raw) else np.array(raw)
    scaled = given if scale == 1 else given * scale
    beside = {name: SourceColumn(np.array(column), np.array(column)) for name, column in others.items()}
    times = np.arange(len(raw), dtype=np.int64)
    return to_samples(of, times, SourceColumn(given, scaled, choices), beside)


def told(column: SampleColumn) -> list[Any]:
    """Return the values, with the name of its quality in place of a value that is none."""
    pairs = zip(column.values.tolist(), column.quality.tolist(), strict=True)
    return [Quality(quality).name if quality else value for value, quality in pairs]


def test_without_a_transform_the_scaled_value_is_the_value() -> None:
    column = samples(rule(), [0, 100, 250], scale=0.5)
    assert told(column) == [0.0, 50.0, 125.0]
    assert column.values.dtype == np.float64
    assert column.captured_at.tolist() == [0, 1, 2]


def test_whole_vss_types_give_whole_numbers_rounded_to_the_nearest() -> None:
    column = samples(rule("uint8", low=0, high=255), [0.4, 0.6, 254.6])
    assert told(column) == [0, 1, 255]
    assert column.values.dtype == np.int64


def test_large_whole_numbers_stay_exact() -> None:
    big = 2**62 + 1
    assert told(samples(rule("int64"), [big])) == [big]


def test_what_is_outside_the_valid_range_is_invalid_and_both_ends_are_inside() -> None:
    assert told(samples(rule(low=0, high=400), [-0.1, 0.0, 400.0, 655.34])) == ["INVALID", 0.0, 400.0, "INVALID"]


def test_what_is_no_number_is_invalid() -> None:
    assert told(samples(rule(), [np.nan, np.inf, -np.inf, 1.0])) == ["INVALID"] * 3 + [1.0]
    assert told(samples(rule("int64"), [np.nan, 2.0**63, -np.inf, -(2.0**62)])) == ["INVALID"] * 3 + [-(2**62)]
    assert told(samples(rule(transform=formula("1 / x")), [0.0, 2.0])) == ["INVALID", 0.5]


def test_markers_are_compared_with_the_raw_value() -> None:
    marked = rule(not_available=(254,), invalid=(255,))
    assert told(samples(marked, [253, 254, 255], scale=0.5)) == [126.5, "NOT_AVAILABLE", "INVALID"]


def test_a_marker_may_be_named_by_the_text_of_the_value_table() -> None:
    marked = rule(not_available=("Init",), invalid=("Fehler",))
    assert told(samples(marked, [1, 254, 255], choices={254: "Init", 255: "Fehler"})) == [1, "NOT_AVAILABLE", "INVALID"]


def test_a_formula_gets_the_scaled_value() -> None:
    assert told(samples(rule(transform=formula("x * 3.6")), [10], scale=0.5)) == [18.0]


def test_a_formula_of_a_constant_gives_every_row_a_value() -> None:
    assert told(samples(rule(transform=formula("7")), [1, 2])) == [7.0, 7.0]


def test_a_sign_bit_beside_the_value_turns_it_around() -> None:
    angle = rule("int16", transform=formula("if(negative, -x, x)", "negative"), inputs={"negative": "sign"})
    assert told(samples(angle, [100, 100], scale=0.1, sign=[0, 1])) == [10, -10]


def test_rows_of_another_multiplexer_variant_are_left_out() -> None:
    column = samples(rule(only_when={"mux": 1}), [10, 20, 30], mux=[1, 0, 1])
    assert (column.captured_at.tolist(), told(column)) == ([0, 2], [10, 30])


def test_validity_signals_make_a_value_invalid_or_not_available_and_markers_are_stronger() -> None:
    checked = rule(valid_when={"good": 0}, available_when={"there": 1}, not_available=(254,), invalid=(255,))
    column = samples(checked, [1, 1, 1, 254, 255], good=[0, 1, 1, 1, 0], there=[1, 1, 0, 1, 0])
    assert told(column) == [1, "INVALID", "NOT_AVAILABLE", "NOT_AVAILABLE", "INVALID"]


def test_a_table_maps_raw_numbers_or_texts_and_what_it_does_not_name_is_invalid() -> None:
    table = Transform(table=(TableEntry(0, False), TableEntry("offen", True), TableEntry(0, True)))
    column = samples(rule("boolean", transform=table), [0, 1, 2], choices={0: "zu", 1: "offen", 2: "Fehler"})
    assert told(column) == [False, True, "INVALID"]
    assert column.values.dtype == np.bool_


def test_a_table_to_texts_gives_texts() -> None:
    table = Transform(table=(TableEntry(0, "OFF"), TableEntry(1, "ON")))
    column = samples(rule("string", transform=table, allowed=("OFF", "ON")), [1, 0, 7])
    assert told(column) == ["ON", "OFF", "INVALID"]
    assert column.values.dtype == object


def test_a_number_in_a_table_is_the_raw_value_where_the_dbc_names_it_and_else_the_scaled_one() -> None:
    table = Transform(table=(TableEntry(255, -1), TableEntry(5, 50)))
    assert told(samples(rule("int8", transform=table), [10, 255], scale=0.5, choices={255: "Fehler"})) == [50, -1]


def test_a_formula_may_lead_into_a_table() -> None:
    state = Transform("x + 2 * y", compiled("x + 2 * y", ["x", "y"]), (TableEntry(0, "OFF"), TableEntry(3, "START")))
    column = samples(rule("string", transform=state, inputs={"y": "start"}), [0, 1], start=[0, 1])
    assert told(column) == ["OFF", "START"]


def test_a_text_without_a_table_is_that_of_the_dbc() -> None:
    assert told(samples(rule("string"), [1, 9], choices={1: "Gang_1"})) == ["Gang_1", "INVALID"]
    assert told(samples(rule("string", allowed=("UP",)), [1, 2], choices={1: "UP", 2: "DOWN"})) == ["UP", "INVALID"]


def test_a_truth_is_whatever_is_not_zero() -> None:
    assert told(samples(rule("boolean"), [0, 1, 2])) == [False, True, True]
    assert told(samples(rule("boolean"), ["true", "OFF", "maybe"])) == [True, False, "INVALID"]


def test_a_value_that_is_none_is_neutral_so_that_it_cannot_be_mistaken() -> None:
    column = samples(rule(invalid=(9,)), [9, 1])
    assert column.values.tolist() == [0.0, 1.0]


def test_no_rows_give_no_samples() -> None:
    column = to_samples(rule(low=0, invalid=(1,)), np.array([], np.int64), SourceColumn(np.array([]), np.array([])))
    assert len(column.captured_at) == len(column.values) == len(column.quality) == 0


@pytest.mark.parametrize("platform", ["vw_mqb", "vw_meb"])
def test_the_vw_speed_that_means_an_error_is_never_a_speed(platform: str) -> None:
    mapping = load_mapping(platform, CATALOGUE)
    speed = next(r for r in mapping.rules if r.path == "Vehicle.Speed" and r.rank == 0)
    column = samples(speed, [5_000, 65_532, 65_533, 65_534, 65_535], scale=0.01, ESP_QBit_v_Signal=[0, 0, 0, 1, 0])
    assert told(column) == [50.0] + ["INVALID"] * 4


@pytest.mark.parametrize(
    ("s", "kl15", "kl50", "state"), [(0, 0, 0, "OFF"), (1, 0, 0, "ACC"), (1, 1, 0, "ON"), (1, 1, 1, "START")]
)
def test_the_terminals_of_a_vw_are_its_ignition(s: int, kl15: int, kl50: int, state: str) -> None:
    rules = load_mapping("vw_mqb", CATALOGUE).rules
    ignition = next(r for r in rules if r.path == "Vehicle.LowVoltageSystemState")
    assert told(samples(ignition, [kl15], ZAS_Kl_S=[s], ZAS_Kl_50=[kl50])) == [state]


def test_an_odometer_in_kilometres_becomes_whole_metres() -> None:
    rules = load_mapping("vw_mqb", CATALOGUE).rules
    odometer = next(r for r in rules if r.path == "Vehicle.TraveledDistance")
    column = samples(odometer, [26_998, 1_048_575])
    assert told(column) == [26_998_000, "INVALID"]
    assert column.values.dtype == np.int64


@pytest.mark.parametrize(
    ("path", "raw", "value"),
    [
        ("Vehicle.Speed", 88, 88.0),
        ("Vehicle.Powertrain.CombustionEngine.Speed", 0x0C25, 777.25),
        ("Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature", 130, 90.0),
        ("Vehicle.Powertrain.FuelSystem.RelativeLevel", 128, 50),
        ("Vehicle.LowVoltageBattery.CurrentVoltage", 14_100, 14.1),
        ("Vehicle.TraveledDistance", 269_980, 26_998_000),
        ("Vehicle.Diagnostics.DTCCount", 0x83, 3),
    ],
)
def test_obd_answers_mean_what_sae_j1979_says(path: str, raw: int, value: float) -> None:
    answer = next(r for r in load_mapping("obd2", CATALOGUE).rules if r.path == path)
    assert told(samples(answer, [raw])) == [pytest.approx(value)]
