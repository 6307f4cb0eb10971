"""What a reader of twins tells those who operate them, in memory and in PostgreSQL, for all brands and for one."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import pytest

from adapters.parked_events import BEFORE_ALL
from adapters.twins import PROJECTIONS
from adapters.version_pages import BEFORE_ALL as BEFORE_EVERY_VEHICLE
from tests.support.databases import new_database
from tests.support.operated import Operated
from tests.support.twins import full_car, memory_world, postgres_world

CARS = [full_car(number, brand="Audi" if number % 2 else "Skoda") for number in range(1, 6)]
EVERY = sorted(car.id for car in CARS)
OWN = sorted(car.id for car in CARS if car.entry.brand == "Audi")
SPOILT = [CARS[0], CARS[1], CARS[2]]
BRANDS = {"all": None, "Audi": {"Audi"}, "none": set[str]()}
SEEN = {"all": EVERY, "Audi": OWN, "none": []}


@pytest.fixture(scope="module", params=["memory", "postgres"])
def operated(request: pytest.FixtureRequest) -> Iterator[Operated]:
    """Give five cars, of which three are parked at their fourth event."""
    with ExitStack() as opened:
        if request.param == "memory":
            made = Operated(memory_world())
        else:
            conninfo = opened.enter_context(new_database(request.getfixturevalue("server")))
            made = Operated(opened.enter_context(postgres_world(conninfo)))
        cars = [full_car(number, brand="Audi" if number % 2 else "Skoda") for number in range(1, 6)]
        made.write(*cars, spoilt=[(car.id, 4) for car in SPOILT])
        yield made


@pytest.fixture(params=list(BRANDS))
def asked(request: pytest.FixtureRequest, operated: Operated) -> Iterator[tuple[Any, list[UUID]]]:
    """Give a reader, and the vehicles that it shows."""
    twins: Any = operated.world.twins
    with twins.reading(BRANDS[request.param]) as read:
        yield read, SEEN[request.param]


def test_parked_events_come_in_the_order_of_their_places_with_what_the_log_has(asked: tuple[Any, list[UUID]]) -> None:
    read, own = asked
    followed = read.positions().projections
    found = read.parked(99, None, followed)
    ids = [car.id for car in sorted(SPOILT, key=lambda car: car.id) if car.id in own]
    assert [(each.projection, each.version, each.parked.vehicle_id) for each in found] == [
        (projection.name, 1, vehicle_id) for projection in PROJECTIONS for vehicle_id in ids
    ]
    assert all(each.record == read.event(each.parked.vehicle_id, 4) for each in found)
    places = [each.place for each in found]
    for place in [BEFORE_ALL, *places]:
        rest = [each for each in found if each.place > place]
        assert read.parked(2, place, followed) == rest[:2]
    for vehicle_id in EVERY:
        assert read.parked(99, None, followed, vehicle_id) == [
            each for each in found if each.parked.vehicle_id == vehicle_id
        ]
    assert read.parked(99, None, []) == []
    assert [each.parked for each in read.versions()] == [each.parked for each in followed] == [len(ids)] * 3


def test_the_shown_versions_are_there(asked: tuple[Any, list[UUID]]) -> None:
    read, _ = asked
    positions = read.positions()
    assert [(each.state.projection, each.state.version, each.shown, each.follows) for each in read.versions()] == [
        (each.name, each.version, True, True) for each in PROJECTIONS
    ]
    assert {each.position for each in read.versions()} == {positions.log_position}


def test_rows_are_kept_of_the_vehicles_that_are_shown(asked: tuple[Any, list[UUID]], operated: Operated) -> None:
    read, own = asked
    for projection in PROJECTIONS:
        having = [each for each in own if each in operated.world.models.vehicles_with_rows(projection)]  # type: ignore[attr-defined]  # of both stores
        assert read.vehicles_with_rows(projection, 99, BEFORE_EVERY_VEHICLE) == having
        for after in [BEFORE_EVERY_VEHICLE, *EVERY]:
            assert read.vehicles_with_rows(projection, 2, after) == [each for each in having if each > after][:2]
        assert read.of_vehicles([projection], own) == operated.world.models.of_vehicles([projection], own)  # type: ignore[attr-defined]
        strangers = [each for each in EVERY if each not in own]
        kept = read.of_vehicles([projection], strangers)
        assert not any(rows for each in kept.values() for rows in each[0].rows.values())
        assert {each[0].version for each in kept.values()} <= {0}
