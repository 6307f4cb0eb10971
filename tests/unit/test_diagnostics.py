"""The read model of diagnostics."""

import json

import pytest

from domain import events as e
from domain import paths
from domain.signals import INTEGER_MAX, Quality, SignalBatch, SignalValue
from projections.diagnostics.model import (
    NO_FAILURE_TYPE,
    ChargingRow,
    DiagnosticsSignalRow,
    QualityRow,
    TroubleCodeRow,
    WarningRow,
)
from tests.support.batches import CABIN_TEMPERATURE, DOOR, VEHICLE_ID, Stream, at, place, report, sample
from tests.support.given import Car
from tests.support.read_side import project, rows_of


def code_after(*batches: SignalBatch) -> TroubleCodeRow:
    car = Car()
    car.observe(*batches)
    (row,) = rows_of(project(car.events), TroubleCodeRow)
    return row


# --- trouble codes ----------------------------------------------------------------------------------------------------


def test_a_code_is_held() -> None:
    row = code_after(Stream().batch(sample(paths.SPEED, 0, 50.0), report(1, "P0301", status=9)))

    assert row[1:5] == ("7E8", "OBD 03", "P0301", NO_FAILURE_TYPE)
    assert (row.held, row.active, row.status, row.cleared_at) == (True, True, 9, None)
    assert (row.first_seen_at, row.last_seen_at, row.captured_at) == (at(1), at(1), at(1))
    assert json.loads(row.freeze_frame) == {paths.SPEED: 50.0}


def test_a_code_is_gone() -> None:
    stream = Stream()
    row = code_after(stream.batch(report(1, "P0301", status=9)), stream.batch(report(5)))

    assert (row.held, row.active, row.status, row.cleared_at) == (False, False, 9, at(5))
    assert (row.first_seen_at, row.last_seen_at) == (at(1), at(1))


def test_a_code_comes_back() -> None:
    stream = Stream()
    row = code_after(*(stream.batch(each) for each in (report(1, "P0301"), report(5), report(9, "P0301"))))

    assert (row.held, row.cleared_at, row.first_seen_at, row.last_seen_at) == (True, None, at(1), at(9))


def test_an_older_reading_changes_only_when_a_code_was_first_seen() -> None:
    row = code_after(
        Stream("a").batch(sample(paths.SPEED, 9, 50.0), report(9, "P0301", status=9)),
        Stream("b").batch(sample(paths.SPEED, 1, 30.0), report(1, "P0301", status=8)),
    )

    assert (row.held, row.status, row.first_seen_at, row.last_seen_at) == (True, 9, at(1), at(9))
    assert json.loads(row.freeze_frame) == {paths.SPEED: 30.0}


def test_a_code_is_gone_since_the_first_reading_without_it() -> None:
    first, second, third = (Stream(name).batch(each) for name, each in zip("abc", READINGS, strict=True))
    for batches in ((first, second, third), (third, second, first), (second, third, first), (first, third, second)):
        assert code_after(*batches).cleared_at == at(5)


READINGS = (report(1, "P0301"), report(5), report(9))


# --- warnings, charging -----------------------------------------------------------------------------------------------


def test_a_warning_stands_and_is_over() -> None:
    car, stream = Car(), Stream()
    car.observe(stream.batch(sample(paths.FUEL_LEVEL, 1, 8)))
    (raised,) = rows_of(project(car.events), WarningRow)
    car.observe(stream.batch(sample(paths.FUEL_LEVEL, 9, 60)))
    (cleared,) = rows_of(project(car.events), WarningRow)

    assert raised[1:7] == ("FUEL_LEVEL_LOW", paths.FUEL_LEVEL, True, 8.0, 10.0, at(1))
    assert cleared[1:7] == ("FUEL_LEVEL_LOW", paths.FUEL_LEVEL, False, 60.0, 15.0, at(9))


def test_charging_is_a_row_from_its_start_to_its_end() -> None:
    car, stream = Car(), Stream()
    soc, energy = paths.STATE_OF_CHARGE_DISPLAYED, paths.BATTERY_ENERGY
    car.observe(stream.batch(sample(soc, 0, 20), sample(energy, 0, 11), sample(paths.IS_CHARGING, 0, value=True)))
    (going,) = rows_of(project(car.events), ChargingRow)
    car.observe(stream.batch(sample(soc, 60, 80), sample(energy, 60, 44), sample(paths.IS_CHARGING, 60, value=False)))
    (over,) = rows_of(project(car.events), ChargingRow)

    assert going[2:8] == (at(0), None, 20.0, None, None, True)
    assert over[2:8] == (at(0), at(60), 20.0, 80.0, 33.0, True)


# --- signals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind"), [(True, "boolean"), ("P", "string"), (20.5, "number"), (20, "integer"), (0, "integer")]
)
def test_a_value_keeps_its_type(value: SignalValue, kind: str) -> None:
    car = Car()
    car.observe(Stream().batch(sample(DOOR, 0, value)))
    (row,) = rows_of(project(car.events), DiagnosticsSignalRow)

    assert (row.kind, row.value, type(row.value)) == (kind, value, type(value))


def test_signals_of_other_read_models_are_not_kept_again() -> None:
    car = Car()
    car.observe(
        Stream().batch(
            place(0, 48.0),
            sample(paths.MEDIA_ARTIST, 0, "A"),
            sample(paths.SPEED, 0, 9.0),
            sample(paths.ODOMETER, 0, 7),
        )
    )
    rows = {row.path: row.value for row in rows_of(project(car.events), DiagnosticsSignalRow)}

    assert rows == {paths.SPEED: 9.0, paths.ODOMETER: 7.0}


def test_an_older_value_does_not_replace_a_newer_one() -> None:
    car = Car()
    car.observe(Stream("a").batch(sample(DOOR, 9, value=True)), Stream("b").batch(sample(DOOR, 1, value=False)))
    (row,) = rows_of(project(car.events), DiagnosticsSignalRow)

    assert (row.value, row.captured_at) == (True, at(9))


# --- quality ----------------------------------------------------------------------------------------------------------


def test_a_vehicle_with_good_telemetry_has_no_row_of_faults() -> None:
    car = Car()
    car.observe(Stream().batch(sample(DOOR, 0, value=True)))

    assert rows_of(project(car.events), QualityRow) == []


def test_faults_are_counted() -> None:
    car, stream = Car(), Stream()
    first, second, _, fourth = [stream.batch(sample(DOOR, n, value=n % 2 == 0)) for n in range(4)]
    wrong = stream.batch(sample(CABIN_TEMPERATURE, 365 * 86_400, 20.0), received=60)
    car.observe(first, fourth, second, wrong)
    (row,) = rows_of(project(car.events), QualityRow)

    assert row[1:5] == (1, 2, 1, 1)
    assert row.event_version == len(car.events) - 1  # the last event is the sample with the corrected time


def test_a_bad_value_is_a_row_with_its_quality() -> None:
    car = Car()
    car.observe(Stream().batch(sample(DOOR, 0, None, Quality.NOT_AVAILABLE)))
    (row,) = rows_of(project(car.events), DiagnosticsSignalRow)

    assert (row.kind, row.value, row.quality) == ("none", None, Quality.NOT_AVAILABLE)


def test_more_missing_batches_than_a_number_holds_are_the_most_that_it_holds() -> None:
    events = [
        e.TelemetryGapDetected(
            originator_id=VEHICLE_ID,
            originator_version=version,
            captured_at=at(0),
            received_at=at(0),
            stream_id=f"stream {version}",
            sequence=INTEGER_MAX,  # which a log may have from before such batches were refused
            first_missing=1,
            last_missing=INTEGER_MAX - 1,
        )
        for version in (1, 2, 3)
    ]

    (row,) = rows_of(project(events), QualityRow)
    assert (row.gaps, row.missing_batches) == (3, INTEGER_MAX)
