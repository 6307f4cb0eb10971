"""Whatever the seed and the car: the same throws make the same days, and days join."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.simulator.fleet import simulated_fleet
from adapters.simulator.life import CarLife
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
