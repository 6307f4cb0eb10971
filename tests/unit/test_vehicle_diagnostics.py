"""Trouble codes, warnings, charging, odometer."""

import pytest

from domain import events as e
from domain import paths
from domain.signals import Quality, TroubleCodeReport, TroubleCodeStatus
from domain.state import CodeKey
from domain.warnings import WARNINGS, WarningRule
from tests.support.batches import Stream, at, report, sample
from tests.support.given import Car, given, of_type, told

SOC = paths.STATE_OF_CHARGE_DISPLAYED
SOC_LOW = "STATE_OF_CHARGE_LOW"


# --- trouble codes ----------------------------------------------------------------------------------------------------


def test_a_first_reading_tells_the_codes_that_are_held() -> None:
    given().when(Stream().batch(report(0, "P0301", "U0100", status=9))).then(
        told(e.TroubleCodesRead, ecu="7E8", service="OBD 03", codes=["P0301", "U0100"], captured_at=at(0)),
        told(e.TroubleCodeRaised, ecu="7E8", code="P0301", failure_type=None, status=9, active=True),
        told(e.TroubleCodeRaised, ecu="7E8", code="U0100"),
    )


def test_a_first_reading_without_codes_is_told_too() -> None:
    given().when(Stream().batch(report(0))).then(told(e.TroubleCodesRead, codes=[]))


def test_the_same_reading_is_no_news() -> None:
    stream = Stream()
    given(stream.batch(report(0, "P0301"))).when(stream.batch(report(9, "P0301"))).then_nothing()


def test_a_new_code_is_raised() -> None:
    stream = Stream()
    given(stream.batch(report(0, "P0301"))).when(stream.batch(report(9, "P0301", "U0100"))).then(
        told(e.TroubleCodesRead, codes=["P0301", "U0100"]), told(e.TroubleCodeRaised, code="U0100")
    )


def test_a_code_with_another_status_is_told_again() -> None:
    stream = Stream()
    given(stream.batch(report(0, "P0301", status=8))).when(stream.batch(report(9, "P0301", status=9))).then(
        told(e.TroubleCodeRaised, code="P0301", status=9)
    )


def test_a_code_that_is_gone_is_cleared() -> None:
    stream = Stream()
    given(stream.batch(report(0, "P0301", "U0100"))).when(stream.batch(report(9, "P0301"))).then(
        told(e.TroubleCodesRead, codes=["P0301"]),
        told(e.TroubleCodeCleared, ecu="7E8", service="OBD 03", code="U0100", captured_at=at(9)),
    )


def test_a_list_that_is_not_whole_clears_nothing() -> None:
    stream = Stream()
    given(stream.batch(report(0, "P0301", "U0100"))).when(
        stream.batch(report(9, "P0301", complete=False))
    ).then_nothing()


def test_a_code_is_cleared_once() -> None:
    stream = Stream()
    given(stream.batch(report(0, "P0301")), stream.batch(report(5))).when(stream.batch(report(9))).then_nothing()


def test_codes_of_other_ecus_and_services_are_left_alone() -> None:
    stream = Stream()
    given(stream.batch(report(0, "P0301"), report(0, "P0301", ecu="7E9"), report(0, "P0301", service="OBD 07"))).when(
        stream.batch(report(9))
    ).then(told(e.TroubleCodesRead), told(e.TroubleCodeCleared, ecu="7E8", service="OBD 03"))


def test_the_failure_type_makes_another_code() -> None:
    codes = tuple(TroubleCodeStatus("C1812", kind, 8, active=True) for kind in (0x13, 0x87))
    given().when(Stream().batch(TroubleCodeReport("714", at(0), "UDS 19", complete=True, codes=codes))).then(
        told(e.TroubleCodesRead, codes=["C1812-13", "C1812-87"]),
        told(e.TroubleCodeRaised, failure_type=0x13),
        told(e.TroubleCodeRaised, failure_type=0x87),
    )


def test_a_code_goes_with_the_numbers_of_its_moment() -> None:
    stream = Stream()
    given(stream.batch(sample(paths.SPEED, 0, 50.0), sample(paths.LOW_VOLTAGE, 0, 12.5))).when(
        stream.batch(sample(paths.SPEED, 5, 60), report(5, "P0301"))
    ).then_among_others(told(e.TroubleCodeRaised, freeze_frame={paths.SPEED: 60.0, paths.LOW_VOLTAGE: 12.5}))


def test_what_the_stream_tells_after_a_code_is_not_in_its_freeze_frame() -> None:
    stream = Stream()
    given().when(
        stream.batch(sample(paths.SPEED, 0, 50.0), sample(paths.SPEED, 9, 60.0), report(5, "P0301"))
    ).then_among_others(told(e.TroubleCodeRaised, freeze_frame={paths.SPEED: 50.0}))


def test_a_value_that_is_no_longer_good_is_not_in_the_freeze_frame() -> None:
    stream = Stream()
    given(stream.batch(sample(paths.SPEED, 0, 50.0))).when(
        stream.batch(sample(paths.SPEED, 5, None, Quality.INVALID), report(5, "P0301"))
    ).then_among_others(told(e.TroubleCodeRaised, freeze_frame={}))


def test_a_reading_of_another_stream_clears_a_code() -> None:
    given(Stream("a").batch(report(0, "P0301"))).when(Stream("b").batch(report(9))).then(
        told(e.TroubleCodesRead, stream_id="b"), told(e.TroubleCodeCleared, code="P0301", captured_at=at(9))
    )


def test_a_whole_list_is_told_once_though_lists_that_were_not_whole_named_the_same_codes() -> None:
    stream = Stream("b")
    past = [Stream("a").batch(report(0, "U0100")), stream.batch(report(5, "P0301", complete=False))]
    given(*past).when(stream.batch(report(9, "P0301"))).then(
        told(e.TroubleCodesRead, codes=["P0301"]), told(e.TroubleCodeCleared, code="U0100", captured_at=at(9))
    )
    last = stream.batch(report(12, "P0301"))
    given(*past, Stream("b", 1).batch(report(9, "P0301"))).when(last).then_nothing()


def test_an_earlier_reading_of_another_stream_clears_nothing() -> None:
    given(Stream("a").batch(report(9, "P0301"))).when(Stream("b").batch(report(0))).then(told(e.TroubleCodesRead))


def test_a_code_of_the_past_that_was_gone_later_is_told_and_cleared() -> None:
    given(Stream("a").batch(report(9))).when(Stream("b").batch(report(0, "P0301"))).then(
        told(e.TroubleCodesRead),
        told(e.TroubleCodeRaised, code="P0301", captured_at=at(0)),
        told(e.TroubleCodeCleared, code="P0301", captured_at=at(9)),
    )


def test_an_earlier_reading_that_shows_that_a_code_was_gone_sooner_is_told() -> None:
    case = given(Stream("a").batch(report(0, "P0301")), Stream("b").batch(report(9)))
    case.when(Stream("c").batch(report(5))).then(
        told(e.TroubleCodesRead), told(e.TroubleCodeCleared, captured_at=at(5))
    )

    assert case.car.vehicle.state.codes[CodeKey("7E8", "OBD 03", "P0301", None)].cleared_at == at(5)


def test_a_report_out_of_order_does_not_change_what_is_held() -> None:
    stream = Stream()
    first, second, third = stream.batch(report(0, "P0301")), stream.batch(report(5)), stream.batch(report(9, "P0301"))
    case = given(first, third)
    case.when(second).then(told(e.TroubleCodesRead, codes=[], captured_at=at(5)))

    assert case.car.vehicle.state.codes[CodeKey("7E8", "OBD 03", "P0301", None)].held


def test_after_a_missing_batch_codes_are_told_anew_since_they_may_have_been_gone() -> None:
    stream = Stream()
    first, _, third = stream.batch(report(0, "P0301")), stream.batch(), stream.batch(report(9, "P0301"))
    given(first).when(third).then(
        told(e.TelemetryGapDetected), told(e.TroubleCodesRead), told(e.TroubleCodeRaised, captured_at=at(9))
    )


# --- warnings ---------------------------------------------------------------------------------------------------------


def values_of(rule: WarningRule) -> tuple[float, float, float]:
    """Return a value that raises a warning, one within its hysteresis, and one that clears it."""
    side = -1 if rule.below else 1
    return rule.limit + side, (rule.limit + rule.clear_limit) / 2, rule.clear_limit - side


@pytest.mark.parametrize("rule", WARNINGS, ids=lambda rule: rule.warning)
def test_a_warning_is_raised_and_cleared(rule: WarningRule) -> None:
    raising, _, clearing = values_of(rule)
    stream = Stream()
    case = given()
    case.when(stream.batch(sample(rule.path, 0, raising))).then(
        told(e.WarningRaised, warning=rule.warning, path=rule.path, value=raising, limit=rule.limit),
        told(e.SignalsSampled),
    )
    case.when(stream.batch(sample(rule.path, 1, clearing))).then(
        told(e.WarningCleared, warning=rule.warning, value=clearing, limit=rule.clear_limit), told(e.SignalsSampled)
    )


@pytest.mark.parametrize("rule", WARNINGS, ids=lambda rule: rule.warning)
def test_within_the_hysteresis_nothing_happens(rule: WarningRule) -> None:
    raising, within, clearing = values_of(rule)
    stream = Stream()
    case = given()
    case.when(stream.batch(sample(rule.path, 0, within))).then(told(e.SignalsSampled))
    case.when(stream.batch(sample(rule.path, 1, raising))).then_among_others(told(e.WarningRaised))
    case.when(stream.batch(sample(rule.path, 2, within))).then(told(e.SignalsSampled))
    case.when(stream.batch(sample(rule.path, 3, clearing))).then_among_others(told(e.WarningCleared))


def test_a_good_value_clears_nothing_that_was_not_raised() -> None:
    given().when(Stream().batch(sample(SOC, 0, 80))).then(told(e.SignalsSampled))


def test_a_warning_that_stands_is_not_raised_again() -> None:
    stream = Stream()
    given(stream.batch(sample(SOC, 0, 9.0))).when(stream.batch(sample(SOC, 1, 8.0))).then(told(e.SignalsSampled))


def test_a_value_that_is_lost_changes_no_warning() -> None:
    stream = Stream()
    given(stream.batch(sample(SOC, 0, 9.0))).when(
        stream.batch(sample(SOC, 1, None, Quality.INVALID), sample(SOC, 2, 9.0))
    ).then(told(e.SignalsSampled))


def test_a_warning_is_raised_and_cleared_within_a_batch() -> None:
    given().when(Stream().batch(sample(SOC, 0, 9.0), sample(SOC, 1, 20.0), sample(SOC, 2, 8.0))).then(
        told(e.WarningRaised), told(e.WarningCleared), told(e.WarningRaised), told(e.SignalsSampled)
    )


def test_a_later_recording_clears_a_warning() -> None:
    given(Stream("a").batch(sample(SOC, 0, 9.0))).when(Stream("b").batch(sample(SOC, 9, 80.0))).then(
        told(e.WarningCleared, warning=SOC_LOW, stream_id="b"), told(e.SignalsSampled)
    )


def test_a_warning_of_the_past_is_not_raised_now() -> None:
    given(Stream("a").batch(sample(SOC, 9, 80.0))).when(Stream("b").batch(sample(SOC, 0, 9.0))).then(
        told(e.SignalsSampled)
    )


# --- charging ---------------------------------------------------------------------------------------------------------


def test_a_stream_finds_the_car_charging() -> None:
    given().when(Stream().batch(sample(SOC, 0, 40), sample(paths.IS_CHARGING, 0, value=True))).then(
        told(e.ChargingStarted, initial=True, state_of_charge_percent=40.0, energy_kwh=None), told(e.SignalsSampled)
    )


def test_the_car_is_charged() -> None:
    stream = Stream()
    case = given(stream.batch(sample(paths.IS_CHARGING, 0, value=False)))
    case.when(stream.batch(sample(paths.BATTERY_ENERGY, 5, 20), sample(paths.IS_CHARGING, 5, value=True)))
    (started,) = case.then_among_others(told(e.ChargingStarted, initial=False, energy_kwh=20.0, captured_at=at(5)))
    assert isinstance(started, e.ChargingStarted)
    case.when(
        stream.batch(
            sample(paths.BATTERY_ENERGY, 99, 50.5), sample(SOC, 99, 80.0), sample(paths.IS_CHARGING, 99, value=False)
        )
    ).then_among_others(
        told(
            e.ChargingEnded,
            session_id=started.session_id,
            started_at=at(5),
            captured_at=at(99),
            energy_added_kwh=30.5,
            state_of_charge_percent=80.0,
        )
    )


def test_a_car_that_goes_on_charging_does_not_start_to() -> None:
    stream = Stream()
    given(stream.batch(sample(paths.IS_CHARGING, 0, value=True))).when(
        stream.batch(sample(paths.IS_CHARGING, 60, value=True))
    ).then(told(e.SignalsSampled, changed=[False]))


def test_a_car_that_is_found_not_charging_has_not_stopped_to() -> None:
    given().when(Stream().batch(sample(paths.IS_CHARGING, 0, value=False))).then(told(e.SignalsSampled))


def test_a_charging_state_that_is_lost_for_a_while_ends_nothing() -> None:
    stream = Stream()
    given(stream.batch(sample(paths.IS_CHARGING, 0, value=True))).when(
        stream.batch(
            sample(paths.IS_CHARGING, 1, None, Quality.NOT_AVAILABLE), sample(paths.IS_CHARGING, 2, value=True)
        )
    ).then(told(e.SignalsSampled))


# --- odometer ---------------------------------------------------------------------------------------------------------


def test_the_odometer_advances() -> None:
    stream = Stream()
    case = given()
    case.when(stream.batch(sample(paths.ODOMETER, 0, 1000))).then(told(e.OdometerAdvanced, odometer_m=1000.0))
    case.when(stream.batch(sample(paths.ODOMETER, 1, 2000))).then(told(e.OdometerAdvanced, odometer_m=2000.0))


def test_an_odometer_that_stays_does_not_advance() -> None:
    stream = Stream()
    given(stream.batch(sample(paths.ODOMETER, 0, 1000))).when(
        stream.batch(sample(paths.ODOMETER, 1, 1000.0))
    ).then_nothing()


def test_an_odometer_that_goes_back_does_not_advance() -> None:
    stream = Stream()
    given(stream.batch(sample(paths.ODOMETER, 0, 2000))).when(stream.batch(sample(paths.ODOMETER, 1, 1000))).then(
        told(e.SignalsSampled, value=[1000.0])
    )


def test_an_odometer_that_comes_back_has_not_advanced() -> None:
    stream = Stream()
    given(
        stream.batch(sample(paths.ODOMETER, 0, 2000)), stream.batch(sample(paths.ODOMETER, 1, None, Quality.INVALID))
    ).when(stream.batch(sample(paths.ODOMETER, 2, 2000))).then(told(e.SignalsSampled, value=[2000.0]))


def test_the_odometer_of_an_older_recording_is_not_current() -> None:
    car = Car()
    car.observe(Stream("a").batch(sample(paths.ODOMETER, 9, 2000)), Stream("b").batch(sample(paths.ODOMETER, 0, 1000)))
    car.check()

    assert len(of_type(car.events, e.OdometerAdvanced)) == 2
    assert car.vehicle.state.signals[paths.ODOMETER].value == 2000
