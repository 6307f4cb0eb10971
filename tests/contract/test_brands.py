"""A reader for some brands shows what the reader for all shows of their vehicles, and nothing else."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import pytest

from adapters.clock import now
from adapters.event_log import OriginFrom, ProgressChange
from adapters.past import PastReader
from adapters.twins import ANY_VEHICLE, PageOf, Span, VehicleFilter
from domain import paths
from domain.signals import Origin
from domain.streams import StreamProgress
from domain.units import Micros
from projections.snapshots import Moment, Range
from tests.support.databases import new_database
from tests.support.twins import CODEC, T0, Car, World, full_car, memory_world, postgres_world

HOUR = 3_600_000_000
AUDI, SKODA = {"Audi"}, {"Skoda"}


def cars() -> list[Car]:
    """Return cars that no log has yet."""
    full = [full_car(number, brand="Audi" if number % 2 else "Skoda") for number in range(1, 5)]
    return [*full, Car(98, brand="Audi"), Car(99, brand="Skoda")]


CARS = cars()
OWN = {car.id for car in CARS if car.entry.brand == "Audi"}
EVERY = sorted(car.id for car in CARS)
SPANS = [Span(each, Micros(T0), Micros(T0 + 10 * HOUR)) for each in EVERY]


@pytest.fixture(scope="module", params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with ExitStack() as opened:
        if request.param == "memory":
            yield memory_world(*cars())
        else:
            conninfo = opened.enter_context(new_database(request.getfixturevalue("server")))
            yield opened.enter_context(postgres_world(conninfo, *cars()))


@pytest.fixture(params=["present", "past"])
def shown(request: pytest.FixtureRequest, world: World) -> Iterator[dict[str, Any]]:
    """Give a reader for all brands, for one, for both, for none and for one that nobody has."""
    with ExitStack() as views:
        found = {}
        for name, brands in {
            "all": None,
            "Audi": AUDI,
            "both": AUDI | SKODA,
            "none": set(),
            "other": {"Au", "audi", "%", "Audi,Skoda"},
        }.items():
            read: Any = views.enter_context(world.twins.reading(brands))
            past = request.param == "past"
            found[name] = PastReader(read, CODEC.decode, Moment(read.position_at(None), now())) if past else read
        yield found


QUESTIONS: dict[str, tuple[Any, ...]] = {
    "vehicles": (99, None, ANY_VEHICLE),
    "vehicles_named": (EVERY[:3], [car.vin for car in CARS[2:]]),
    "signals": (EVERY, [paths.SPEED, paths.MEDIA_ARTIST], ["Vehicle.P"]),
    "destinations": (EVERY,),
    "current_trips": (EVERY,),
    "trips": (EVERY, PageOf(9)),
    "plays": (EVERY, PageOf(9)),
    "trouble_codes": (EVERY,),
    "warnings": (EVERY,),
    "charging": (EVERY, PageOf(9)),
    "quality": (EVERY,),
    "events": (EVERY, PageOf(99), None),
    "history": ([Range(each, 0, 1_000) for each in EVERY], 10_000),
}


def owner(row: Any) -> UUID:
    found: UUID = row.originator_id if hasattr(row, "originator_id") else row.vehicle_id
    return found


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_list_is_that_of_all_without_the_vehicles_of_other_brands(shown: dict[str, Any], question: str) -> None:
    rows = {name: sorted(getattr(read, question)(*QUESTIONS[question]), key=repr) for name, read in shown.items()}
    assert rows["both"] == rows["all"]
    assert rows["Audi"] == [row for row in rows["all"] if owner(row) in OWN]
    assert rows["none"] == rows["other"] == []
    assert question == "current_trips" or rows["Audi"]


def test_what_is_told_by_vehicle_and_by_span_is_told_of_the_own_ones_only(shown: dict[str, Any]) -> None:
    assert shown["Audi"].last_seen(EVERY) == {car.id: shown["all"].last_seen(EVERY)[car.id] for car in CARS[:4:2]}
    places = {place for place, _ in shown["Audi"].tracks(SPANS)}
    assert places == {EVERY.index(car.id) for car in CARS[:4:2]}
    assert shown["none"].last_seen(EVERY) == {}
    assert list(shown["other"].tracks(SPANS)) == []


@pytest.mark.parametrize("stranger", [CARS[1], Car(777)], ids=["of another brand", "of nobody"])
def test_a_vehicle_of_another_brand_is_as_one_that_does_not_exist(shown: dict[str, Any], stranger: Car) -> None:
    read = shown["Audi"]
    (trip,) = shown["all"].trips([CARS[1].id], PageOf(1))
    assert read.vehicle(stranger.id) is None
    assert read.vehicle_by_vin(stranger.vin) is None
    assert read.trip(stranger.id, trip.trip_id) is None
    assert read.event(stranger.id, 1) is None
    assert read.vehicles(9, None, VehicleFilter(vins=[stranger.vin])) == []
    assert read.vehicles(9, None, VehicleFilter(brands=["Skoda"])) == []


def test_the_way_of_a_value_of_another_brand_is_not_told(shown: dict[str, Any]) -> None:
    for row in shown["all"].signals(EVERY, [paths.SPEED], []):
        assert (shown["Audi"].hops(row) is not None) == (row.vehicle_id in OWN)


def test_what_the_batches_of_another_brand_come_from_is_not_told(world: World) -> None:
    stream, origin = StreamProgress("told"), OriginFrom(1, Origin("car.dbc", "a mapping"))
    steps = [ProgressChange(car.id, stream, stream.taken(1, final=False), (origin,)) for car in CARS[:2]]
    world.log.append([], steps)
    with world.twins.reading(AUDI) as read:
        assert [list(read.origins(car.id, "told")) for car in CARS[:2]] == [[origin], []]


def test_the_own_vehicles_are_found_by_id_and_by_vin(shown: dict[str, Any]) -> None:
    assert shown["Audi"].vehicle(CARS[0].id) == shown["Audi"].vehicle_by_vin(CARS[0].vin) == CARS[0].entry


def test_how_far_the_log_is_is_the_same_for_everyone(shown: dict[str, Any]) -> None:
    assert len({each.position_at(None) for each in shown.values()}) == 1
    assert len({each.positions().log_position for each in shown.values()}) == 1
    assert len({each.position_at(Micros(now() - HOUR)) for each in shown.values()}) == 1
