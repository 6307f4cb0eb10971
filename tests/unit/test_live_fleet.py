"""A fleet that follows the clock: when it is due, what happens to it when the log does not answer, where it goes on."""

import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import live_fleet
from adapters.live_fleet import STEP_S, STEP_SIMULATED_S_MAX, FleetState, Pace, drive, in_background
from adapters.simulation import Plan, Progress
from domain.errors import BadInputError, StoreError

SECOND_US = 1_000_000
NOW_US = 1_780_288_200 * SECOND_US


class Steps:
    """Stands for a simulation: takes steps, and fails at those that it is told to."""

    def __init__(self, *failing: int) -> None:
        self.at_us = 0
        self.steps: list[int] = []
        self.failing = list(failing)
        self.finished = 0

    def step(self, until_us: int) -> None:
        self.at_us = until_us
        if len(self.steps) in self.failing:
            self.failing.remove(len(self.steps))
            raise StoreError("the log is gone")
        self.steps.append(until_us)

    def finish(self) -> None:
        self.finished += 1

    @property
    def progress(self) -> Progress:
        return Progress(self.at_us / SECOND_US, 0, 0, 0)


def hurried(span_s: int) -> Pace:
    """Return a pace that never waits."""
    return Pace(0, NOW_US, span_us=span_s * SECOND_US, behind_us=3_600 * SECOND_US)


@given(st.floats(1, 1_000), st.integers(1, 10**12))
def test_a_fast_fleet_is_never_in_the_future_and_at_the_present_in_the_end(speedup: float, span_us: int) -> None:
    pace = Pace(0, NOW_US, speedup=speedup, span_us=span_us)
    ends_us = NOW_US + span_us / speedup

    assert pace.origin_us <= NOW_US
    assert pace.origin_us + span_us == pytest.approx(ends_us, abs=2)


@given(st.floats(0.1, 1_000), st.integers(0, 10**12), st.integers(1, 10**12))
def test_steps_lead_to_the_end_and_are_bounded(speedup: float, at_us: int, span_us: int) -> None:
    pace = Pace(0, NOW_US, speedup=speedup, span_us=span_us)
    following = pace.next_step(min(at_us, span_us - 1))

    assert min(at_us, span_us - 1) < following <= span_us
    assert following - min(at_us, span_us - 1) <= STEP_SIMULATED_S_MAX * SECOND_US


def test_a_fleet_that_goes_on_is_in_the_present() -> None:
    pace = Pace(500 * SECOND_US, NOW_US)

    assert pace.origin_us + 500 * SECOND_US == NOW_US
    assert 0 < pace.wait_s(pace.next_step(500 * SECOND_US)) <= STEP_S


def test_a_fleet_behind_does_not_wait_until_it_has_caught_up() -> None:
    pace = Pace(0, NOW_US, behind_us=900 * SECOND_US)

    assert pace.origin_us + 900 * SECOND_US == NOW_US
    assert pace.wait_s(899 * SECOND_US) == 0
    assert pace.wait_s(910 * SECOND_US) > 5


def test_every_step_is_noted_before_it_is_taken() -> None:
    steps: Any = Steps()
    noted: list[tuple[int, int]] = []
    drive(steps, hurried(7), threading.Event(), lambda _: None, lambda us: noted.append((us, len(steps.steps))))

    assert [us for us, _ in noted] == steps.steps == [2_000_000, 4_000_000, 6_000_000, 7_000_000]
    assert [taken for _, taken in noted] == [0, 1, 2, 3]
    assert steps.finished == 1


def test_a_step_that_fails_is_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_fleet, "BACKOFF_S", 0)
    steps: Any = Steps(1, 2)
    drive(steps, hurried(6), threading.Event(), lambda _: None)

    assert steps.steps == [2_000_000, 4_000_000, 6_000_000]
    assert steps.failing == []


def test_a_fleet_that_is_stopped_ends_its_streams() -> None:
    steps: Any = Steps()
    stopping = threading.Event()
    drive(steps, Pace(0, NOW_US, behind_us=3_600 * SECOND_US), stopping, lambda done: _stop_at(stopping, done))

    assert steps.steps == [2_000_000, 4_000_000]
    assert steps.finished == 1


def _stop_at(stopping: threading.Event, done: Progress) -> None:
    if done.simulated_s >= 4:
        stopping.set()


def test_what_fails_in_the_background_is_raised_in_the_end() -> None:
    def fail(_: threading.Event) -> None:
        raise RuntimeError("no more cars")

    with pytest.raises(RuntimeError, match="no more cars"), in_background(fail):
        pass


def test_what_runs_in_the_background_is_stopped_in_the_end() -> None:
    seen: list[bool] = []
    with in_background(lambda stopping: seen.append(stopping.wait(60))):
        assert seen == []
    assert seen == [True]


def test_a_fleet_goes_on_from_its_own_state_only(tmp_path: Path) -> None:
    state = FleetState(tmp_path / "state.json")
    assert state.read(Plan(5, 1)) is None
    state.write(Plan(5, 1), NOW_US, 123)

    assert state.read(Plan(5, 1)) == (123, NOW_US + 123)
    assert state.read(Plan(5, 2)) is None
    assert state.read(Plan(6, 1)) is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"vehicles": 5, "seed": 1, "simulated_us": -5, "told_until": 9}',
        '{"vehicles": 5, "seed": 1, "simulated_us": 99999999999999999, "told_until": 9}',
        '{"vehicles": 5, "seed": 1, "simulated_us": "9", "told_until": 9}',
        '{"vehicles": 5, "seed": 1, "simulated_us": 9}',
    ],
)
def test_a_file_that_does_not_say_how_far_a_fleet_is_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)

    with pytest.raises(BadInputError, match="remove it: the fleet then goes on as if"):
        FleetState(tmp_path / "state.json").read(Plan(5, 1))
