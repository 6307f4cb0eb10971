"""Whatever the seed and the car: the same throws make the same days, and days join."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.simulator.fleet import simulated_fleet
from adapters.simulator.life import CarLife
from adapters.simulator.stuck import SENSORS, StuckSensor
from adapters.simulator.trace import DAY_S, PART_S
from tests.support.simulated_days import COLUMNS, check_day

SEEDS = st.integers(0, 2**64)
NUMBERS = st.integers(0, 150)


@settings(max_examples=15)
@given(seed=SEEDS, number=NUMBERS)
def test_every_day_is_as_it_must_be_and_joins_the_next(seed: int, number: int) -> None:
    car = simulated_fleet(number + 1, seed)[number]
    life = CarLife(car)
    days = [life.day(day) for day in range(3)]

    for day in days:
        check_day(car, day)
    for before, after in pairwise(days):
        for name in COLUMNS:
            last, first = getattr(before, name)[..., -1], getattr(after, name)[..., 0]
            assert np.array_equal(last, first), name


@settings(max_examples=10)
@given(seed=SEEDS, number=NUMBERS, more=st.integers(1, 50))
def test_the_same_seed_makes_the_same_day(seed: int, number: int, more: int) -> None:
    one = CarLife(simulated_fleet(number + 1, seed)[number])
    other = CarLife(simulated_fleet(number + more, seed)[number])
    one.day(0)  # first asked for in order, and first asked for at once

    a, b = one.day(1), other.day(1)

    assert (a.said, a.truth) == (b.said, b.truth)
    assert all(np.array_equal(getattr(a, name), getattr(b, name)) for name in COLUMNS)


@settings(max_examples=20)
@given(
    seed=SEEDS,
    number=NUMBERS,
    parts=st.lists(st.integers(0, 3 * DAY_S // PART_S - 1), min_size=1, max_size=4),
    sensor=st.sampled_from(sorted(SENSORS)),
    stuck_from_s=st.integers(0, 3 * DAY_S - 1),
)
def test_a_part_of_a_day_is_as_the_day_has_it(
    seed: int, number: int, parts: list[int], sensor: str, stuck_from_s: int
) -> None:
    car = simulated_fleet(number + 1, seed)[number]
    days = [CarLife(car).day(day) for day in range(3)]
    life = CarLife(car)
    stuck = StuckSensor(life, sensor, stuck_from_s)
    path, row = SENSORS[sensor].column, SENSORS[sensor].row or 0
    said = np.atleast_2d(getattr(days[stuck_from_s // DAY_S], path))[row, stuck_from_s % DAY_S]

    for place in parts:
        part, told = life.part(place), stuck.part(place)
        first_s = place * PART_S
        whole = days[first_s // DAY_S]
        rows = slice(first_s % DAY_S, first_s % DAY_S + PART_S + 1)
        assert (part.day, part.first_s, part.said, part.truth) == (whole.day, first_s, whole.said, whole.truth)
        assert life.said(whole.day) == stuck.said(whole.day) == whole.said
        for name in COLUMNS:
            column = getattr(part, name)
            assert np.array_equal(column, getattr(whole, name)[..., rows]), name
            assert not column.flags.writeable, name
            if name != path:
                assert getattr(told, name) is column
        seconds = np.arange(first_s, first_s + PART_S + 1)
        true = np.atleast_2d(getattr(part, path))
        expected = true.copy()
        if stuck_from_s < first_s + PART_S:
            expected[row] = np.where(seconds >= stuck_from_s, said, true[row])
        assert np.array_equal(np.atleast_2d(getattr(told, path)), expected)
