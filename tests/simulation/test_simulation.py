"""The whole path, from cars to read models, while everything goes wrong: seed by seed the same.

A failure prints its seed: `make simulate SEED=…` tells all that happens in it.
"""

import os
import subprocess
import sys
from collections import Counter
from typing import Final

import pytest

from tests.support.simulation.faults import Faults
from tests.support.simulation.runs import FIRST_SEED, ROOT, kept_seeds, run

BLOCKS: Final = 20  # shared out over processes
SEEDS_OF_A_BLOCK: Final = 50
PRINTED: Final = "from tests.support.simulation.runs import run; print(*run({}).journal, sep='\\n')"


@pytest.mark.parametrize("block", range(BLOCKS))
def test_whatever_goes_wrong_the_twins_are_what_the_cars_have_said(block: int) -> None:
    first = FIRST_SEED + block * SEEDS_OF_A_BLOCK
    failed = [done.report() for seed in range(first, first + SEEDS_OF_A_BLOCK) if (done := run(seed)).findings]
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("seed", kept_seeds())
def test_a_seed_that_has_failed_once_is_good(seed: int) -> None:
    done = run(seed)
    assert not done.findings, f"{kept_seeds()[seed]}\n{done.report()}"


def test_without_faults_nothing_goes_wrong() -> None:
    for seed in range(10):
        done = run(seed, faults=Faults())
        assert not done.findings, done.report()
        assert done.happened.keys() <= {"vehicles: all in order", "version conflicts"}


def test_a_seed_is_the_same_run_every_time_and_in_every_process() -> None:
    for seed in (3, 4):
        journal = run(seed).journal
        for hash_seed in ("1", "2"):
            done = subprocess.run(
                [sys.executable, "-c", PRINTED.format(seed)],
                cwd=ROOT,
                env=os.environ | {"PYTHONHASHSEED": hash_seed},
                capture_output=True,
                text=True,
                check=True,
            )
            assert done.stdout.splitlines() == list(journal)
    assert run(3).journal != run(4).journal


def test_every_fault_happens_and_every_promise_is_put_to_the_test() -> None:
    happened = Counter[str]()
    for seed in range(150):
        happened += run(seed).happened
    wanted = {
        *Faults.ceilings(),
        "version conflicts",
        "position conflicts",
        "history fetched",
        "vehicles: all in order",
        "vehicles: in disorder",
    }
    assert {what for what in wanted if happened[what] < 10} == set()


def test_faults_are_drawn_from_the_seed_and_are_off_in_half_of_the_runs() -> None:
    drawn = [run(seed).faults for seed in range(40)]
    for name, most in Faults.ceilings().items():
        values = [getattr(faults, name) for faults in drawn]
        assert 8 < values.count(0.0) < 32
        assert max(values) <= most
