"""All roles as real processes, under load, while they, their connections, the broker and the database fail.

A failure prints its seed and keeps its folder: `make faults SEED=…` runs it again and says all that happens.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from adapters.kafka.distribution import Distribution
from tests.support.faults.rig import CLIENTS
from tests.support.faults.roles import ROLES
from tests.support.faults.runs import report, run
from tests.support.faults.schedule import FAULTS_S, OF_LINKS, OF_ROLES, OF_SERVICES, Kind, Schedule, Service
from tests.support.faults.services import Services

SEEDS: Final = (278, 488, 866)  # three of the first 1,000 that have everything between them
GROUPS: Final = {each.name.partition("-")[0] for each in ROLES}


@pytest.fixture(scope="module")
def services(kafka_distribution: Distribution, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with Services(tmp_path_factory.mktemp("services"), kafka_distribution, CLIENTS) as running:
        yield running


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_fails_every_batch_counts_once_and_everything_agrees(
    seed: int, services: Services, tmp_path: Path
) -> None:
    outcome = run(seed, services, tmp_path / f"seed-{seed}")
    assert not outcome.findings, report(outcome)
    drawn = {fault.kind for fault in outcome.schedule.faults}
    assert drawn <= outcome.injected.keys()


def test_between_them_the_seeds_have_every_fault_of_everything() -> None:
    schedules = [Schedule.draw(seed) for seed in SEEDS]
    faults = [fault for schedule in schedules for fault in schedule.faults]
    of_roles = {(fault.kind, name.partition("-")[0], fault.service) for fault in faults for name in fault.roles}
    of_services = {fault.kind for fault in faults if not fault.roles}

    assert of_roles == {
        *((kind, group, None) for kind in OF_ROLES for group in GROUPS),
        (Kind.VISIT, "relay", None),
        *((kind, group, service) for kind in OF_LINKS for group in GROUPS for service in Service),
    }
    assert of_services == {kind for kinds in OF_SERVICES.values() for kind in kinds}
    assert of_services | {kind for kind, _, _ in of_roles} == set(Kind)
    assert {schedule.sends_through_proxy for schedule in schedules} == {True, False}
    assert {schedule.crashes_at_rest for schedule in schedules} == {True, False}
    assert {"relay-2" in schedule.roles for schedule in schedules} == {True, False}


def test_a_seed_is_the_same_schedule_every_time() -> None:
    assert Schedule.draw(7) == Schedule.draw(7)
    assert Schedule.draw(7) != Schedule.draw(8)
    for seed in range(200):
        schedule = Schedule.draw(seed)
        assert all(0 <= fault.at_s <= FAULTS_S for fault in schedule.faults)
        assert all(name in schedule.roles for fault in schedule.faults for name in fault.roles)
