from typing import Any

import numpy as np
import pytest

from adapters.sampling import SampleColumn
from adapters.signals.changes import WAITING_MAX, ChangeDetector
from adapters.signals.rules import ChangeRule, SignalMapping

SPEED, HOOD, TRACK = "Vehicle.Speed", "Vehicle.Body.Hood.IsOpen", "Vehicle.Cabin.Infotainment.Media.Played.Track"
LATITUDE, LONGITUDE = "Vehicle.CurrentLocation.Latitude", "Vehicle.CurrentLocation.Longitude"
SECOND = 1_000_000


def mapping(**rule: Any) -> SignalMapping:
    rules = dict.fromkeys((SPEED, LATITUDE, LONGITUDE), ChangeRule(**rule))
    return SignalMapping("test", (), rules, "digest")


def column(
    path: str, values: list[Any], times: list[float] | None = None, quality: list[int] | None = None
) -> SampleColumn:
    at = [round(time * SECOND) for time in (times or range(len(values)))]
    given = np.array(values, dtype=object if isinstance(values[0], str) else None)
    return SampleColumn(path, np.array(at, np.int64), given, np.array(quality or [0] * len(values), np.uint8))


def told(detector: ChangeDetector, *columns: SampleColumn) -> dict[str, list[tuple[float, Any]]]:
    passed = detector.changed(columns)
    return {
        c.path: list(zip((c.captured_at / SECOND).tolist(), c.values.tolist(), strict=True))
        for c in passed
        if len(c.captured_at)
    }


def test_the_first_sample_of_a_path_is_told() -> None:
    assert told(ChangeDetector(mapping()), column(SPEED, [5.0])) == {SPEED: [(0, 5.0)]}


def test_an_unchanged_value_is_not_told() -> None:
    detector = ChangeDetector(mapping())
    told(detector, column(SPEED, [5.0]))
    assert detector.changed([column(SPEED, [5.0, 5.0], [1, 2])]) == []


def test_a_number_is_told_only_beyond_the_deadband() -> None:
    passed = told(ChangeDetector(mapping(deadband=1)), column(SPEED, [5.0, 6.0, 6.01, 5.5, 5.0]))
    assert passed == {SPEED: [(0, 5.0), (2, 6.01), (4, 5.0)]}


def test_a_slow_drift_is_measured_from_what_was_told() -> None:
    passed = told(ChangeDetector(mapping(deadband=1)), column(SPEED, [0.0, 0.6, 1.2, 1.8, 2.4]))
    assert passed == {SPEED: [(0, 0.0), (2, 1.2), (4, 2.4)]}


def test_arriving_at_a_landmark_is_told_within_the_deadband_too() -> None:
    passed = told(ChangeDetector(mapping(deadband=1, landmarks=(0.0,))), column(SPEED, [3.0, 0.8, 0.0, 0.0, 0.5]))
    assert passed == {SPEED: [(0, 3.0), (1, 0.8), (2, 0.0)]}


def test_truths_and_texts_are_told_at_every_change() -> None:
    detector = ChangeDetector(mapping())
    passed = told(detector, column(HOOD, [False, True, True, False]), column(TRACK, ["a", "a", "b", "b"]))
    assert passed == {HOOD: [(0, False), (1, True), (3, False)], TRACK: [(0, "a"), (2, "b")]}


def test_a_change_of_quality_is_told_whatever_the_value() -> None:
    passed = told(ChangeDetector(mapping(deadband=9)), column(SPEED, [5.0, 0.0, 0.0, 5.0], quality=[0, 1, 2, 0]))
    assert passed == {SPEED: [(0, 5.0), (1, 0.0), (2, 0.0), (3, 5.0)]}


def test_what_is_no_value_is_not_compared_by_value() -> None:
    passed = told(ChangeDetector(mapping()), column(SPEED, [1.0, 2.0], quality=[1, 1]))
    assert passed == {SPEED: [(0, 1.0)]}


def test_an_unchanged_value_is_confirmed_at_its_heartbeat_and_no_sooner() -> None:
    detector = ChangeDetector(mapping(heartbeat_us=60 * SECOND))
    passed = told(detector, column(SPEED, [5.0] * 200, [float(t) for t in range(200)]))
    assert passed == {SPEED: [(0, 5.0), (60, 5.0), (120, 5.0), (180, 5.0)]}


def test_a_heartbeat_is_counted_from_the_last_sample_that_was_told() -> None:
    detector = ChangeDetector(mapping(heartbeat_us=60 * SECOND))
    assert told(detector, column(SPEED, [5.0, 9.0, 9.0, 9.0], [0, 59, 60, 119])) == {SPEED: [(0, 5), (59, 9), (119, 9)]}


def test_the_heartbeat_confirms_within_the_deadband_with_the_value_of_then() -> None:
    detector = ChangeDetector(mapping(deadband=5, heartbeat_us=60 * SECOND))
    assert told(detector, column(SPEED, [5.0, 6.0, 7.0], [0, 59, 60])) == {SPEED: [(0, 5.0), (60, 7.0)]}


def test_an_interval_delays_a_change_but_does_not_lose_it() -> None:
    detector = ChangeDetector(mapping(interval_us=SECOND))
    passed = told(detector, column(SPEED, [0.0, 1.0, 2.0, 2.0, 2.0], [0, 0.4, 0.8, 1.0, 1.2]))
    assert passed == {SPEED: [(0, 0.0), (1.0, 2.0)]}


def test_a_clock_that_is_set_back_does_not_silence_a_signal() -> None:
    detector = ChangeDetector(mapping(heartbeat_us=60 * SECOND))
    passed = told(detector, column(SPEED, [5.0, 5.0, 5.0, 5.0], [1_000_000, 0, 30, 60]))
    assert passed == {SPEED: [(1_000_000, 5.0), (0, 5.0), (60, 5.0)]}


def fix(latitudes: list[float], longitudes: list[float], times: list[float] | None = None) -> list[SampleColumn]:
    return [column(LATITUDE, latitudes, times), column(LONGITUDE, longitudes, times)]


def test_both_halves_of_a_fix_are_told_when_one_has_moved() -> None:
    passed = told(ChangeDetector(mapping(deadband=0.1)), *fix([48.0, 48.01, 48.2, 48.2], [9.0, 9.01, 9.01, 9.3]))
    assert passed == {LATITUDE: [(0, 48.0), (2, 48.2), (3, 48.2)], LONGITUDE: [(0, 9.0), (2, 9.01), (3, 9.3)]}


def test_both_halves_of_a_fix_have_the_worse_quality_of_the_two() -> None:
    lat, lon = column(LATITUDE, [48.0] * 3, quality=[0, 2, 0]), column(LONGITUDE, [9.0] * 3, quality=[0, 0, 1])
    passed = ChangeDetector(mapping()).changed([lat, lon])
    assert [c.quality.tolist() for c in passed] == [[0, 2, 1], [0, 2, 1]]


def test_half_a_fix_waits_for_its_other_half_in_the_next_block() -> None:
    detector = ChangeDetector(mapping())
    assert told(detector, *fix([48.0], [9.0]), column(SPEED, [1.0])) != {}
    assert detector.changed([column(LATITUDE, [48.1], [1])]) == []
    passed = told(detector, column(LONGITUDE, [9.1, 9.2], [1, 2]), column(LATITUDE, [48.2], [2]))
    assert passed == {LATITUDE: [(1, 48.1), (2, 48.2)], LONGITUDE: [(1, 9.1), (2, 9.2)]}
    detector.finish()
    assert detector.unpaired == 0


def test_half_a_fix_alone_is_never_told_and_is_counted() -> None:
    detector = ChangeDetector(mapping())
    passed = told(detector, column(LATITUDE, [48.0, 48.1, 48.2], [0, 1, 2]), column(LONGITUDE, [9.1, 9.3], [1, 3]))
    assert passed == {LATITUDE: [(1, 48.1)], LONGITUDE: [(1, 9.1)]}
    detector.finish()
    assert detector.unpaired == 3


def test_what_waits_is_bounded() -> None:
    detector = ChangeDetector(mapping())
    for block in range(4):
        times = [float(block * WAITING_MAX + n) for n in range(WAITING_MAX)]
        assert detector.changed([column(LATITUDE, [48.0] * WAITING_MAX, times)]) == []
    assert detector.unpaired == 3 * WAITING_MAX
    detector.finish()
    assert detector.unpaired == 4 * WAITING_MAX


@pytest.mark.parametrize("path", [LATITUDE, SPEED])
def test_an_empty_column_tells_nothing(path: str) -> None:
    empty = SampleColumn(path, np.array([], np.int64), np.array([]), np.array([], np.uint8))
    assert ChangeDetector(mapping()).changed([empty]) == []
