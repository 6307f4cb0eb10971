"""The WLTC of class 3b, against the figures that the regulation and its users publish."""

import numpy as np
import pytest

from adapters.simulator.drive_cycle import load_wltc_class3b

CYCLE = load_wltc_class3b()
SPEED_KM_H = CYCLE.speed_km_h


def test_it_is_half_an_hour_at_one_hertz() -> None:
    assert SPEED_KM_H.shape == (1_801,)
    assert SPEED_KM_H.dtype == np.float64
    assert SPEED_KM_H.max() == 131.3
    assert SPEED_KM_H.min() == 0
    assert SPEED_KM_H[0] == SPEED_KM_H[-1] == 0


def test_the_phases_follow_each_other_without_a_gap() -> None:
    assert [phase.name for phase in CYCLE.phases] == ["low", "medium", "high", "extra high"]
    assert [second for phase in CYCLE.phases for second in range(phase.start_s, phase.end_s + 1)] == list(range(1_801))
    assert [phase.end_s - max(phase.start_s - 1, 0) for phase in CYCLE.phases] == [589, 433, 455, 323]
    assert [SPEED_KM_H[phase.end_s] for phase in CYCLE.phases] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("name", "sum_km_h", "distance_km", "fastest_km_h"),
    [
        ("low", 11_140.3, 3.095, 56.5),
        ("medium", 17_121.2, 4.756, 76.6),
        ("high", 25_782.2, 7.162, 97.4),
        ("extra high", 29_714.9, 8.254, 131.3),
    ],
)
def test_each_phase_is_as_long_and_fast_as_published(
    name: str, sum_km_h: float, distance_km: float, fastest_km_h: float
) -> None:
    (phase,) = (phase for phase in CYCLE.phases if phase.name == name)
    speed_km_h = SPEED_KM_H[phase.start_s : phase.end_s + 1]

    assert speed_km_h.sum() == pytest.approx(sum_km_h, abs=0.01)
    assert speed_km_h.sum() / 3_600 == pytest.approx(distance_km, abs=0.0005)
    assert speed_km_h.max() == fastest_km_h


def test_the_whole_is_as_long_as_published() -> None:
    assert SPEED_KM_H.sum() == pytest.approx(83_758.6, abs=0.01)
    assert np.trapezoid(SPEED_KM_H) / 3_600 == pytest.approx(23.266, abs=0.0005)


def test_a_car_can_follow_it() -> None:
    acceleration_ms2 = np.diff(SPEED_KM_H) / 3.6

    assert acceleration_ms2.max() < 1.7
    assert acceleration_ms2.min() > -1.6


def test_nobody_can_change_it() -> None:
    with pytest.raises(ValueError, match="read-only"):
        SPEED_KM_H[0] = 1
