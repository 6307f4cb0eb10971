"""Faults of a simulation, as a person names them, and what they do to clocks and cars."""

import numpy as np
import pytest

from adapters.can.frames import FrameBlock
from adapters.simulator.fault_plan import AHEAD_US, HOUR_US, ClockFault, Faults, Window, clock_faults, tunnels
from domain.errors import BadInputError

ORIGIN_US = 1_780_288_200_000_000
SECOND_US = 1_000_000


def test_a_fault_has_a_usual_share_or_a_given_one() -> None:
    assert Faults.parse([]) == Faults()
    assert Faults.parse(["lost"]).lost == 0.01
    assert Faults.parse(["lost=0.25", "clock-1970=1"]) == Faults(lost=0.25, clock_1970=1.0)


def test_all_faults_are_all_of_them() -> None:
    faults = Faults.parse(["all"])

    assert min(faults.lost, faults.doubled, faults.reordered, faults.late, faults.tunnel) > 0
    assert min(faults.clock_1970, faults.clock_future, faults.stuck_sensor) > 0
    assert Faults.parse(["all", "lost=0"]).lost == 0


@pytest.mark.parametrize("text", ["lose", "lost=", "lost=2", "lost=-0.1", "lost=much", "", "=1", "lost=nan"])
def test_what_is_no_fault_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(BadInputError, match=r"^--fault: .*; give ") as refused:
        Faults.parse([text])
    assert "\n" not in str(refused.value)


def test_faults_of_cars_meet_whole_cars_and_always_the_same() -> None:
    faults = Faults(tunnel=0.05, clock_1970=0.5)

    assert len(faults.cars("tunnel", 7, 10)) == 1
    assert len(faults.cars("clock_1970", 7, 10)) == 5
    assert faults.cars("clock_1970", 7, 10) == faults.cars("clock_1970", 7, 10)
    assert any(faults.cars("tunnel", seed, 10) != faults.cars("tunnel", 7, 10) for seed in range(9))
    assert Faults().cars("tunnel", 7, 10) == frozenset()


def test_a_tunnel_lasts_an_hour() -> None:
    (window,) = tunnels(Faults(tunnel=0.01), 3, 20).values()

    assert window.until_us - window.from_us == HOUR_US


def frames(*seconds: int) -> FrameBlock:
    count = len(seconds)
    return FrameBlock(
        np.array([ORIGIN_US + second * SECOND_US for second in seconds]),
        np.full(count, 0x123, np.uint32),
        np.zeros(count, np.uint8),
        np.full(count, 8, np.uint8),
        np.zeros((count, 8), np.uint8),
    )


def test_a_clock_is_wrong_for_a_while() -> None:
    window = Window(10 * SECOND_US, 20 * SECOND_US)
    past = ClockFault(window, None).applied(frames(9, 10, 19, 20), ORIGIN_US).captured_at
    ahead = ClockFault(window, AHEAD_US).applied(frames(9, 10, 19, 20), ORIGIN_US).captured_at

    assert past.tolist() == [ORIGIN_US + 9 * SECOND_US, 0, 9 * SECOND_US, ORIGIN_US + 20 * SECOND_US]
    assert (ahead - frames(9, 10, 19, 20).captured_at).tolist() == [0, AHEAD_US, AHEAD_US, 0]


def test_frames_outside_of_the_fault_are_left_alone() -> None:
    block = frames(1, 2)

    assert ClockFault(Window(10, 20), None).applied(block, ORIGIN_US) is block


def test_a_car_has_one_fault_of_its_clock_at_most() -> None:
    found = clock_faults(Faults(clock_1970=1.0, clock_future=1.0), 5, 8)

    assert found.keys() == set(range(8))
