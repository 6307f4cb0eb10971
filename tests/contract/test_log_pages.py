"""Pages of the log, in memory and in PostgreSQL: together they are what was asked for, whatever their size."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import adapters.memory.twin_reader
import adapters.postgres.twin_reader
from adapters.twins import ANY_EVENT, EventFilter, Logged
from tests.support.databases import new_database
from tests.support.twins import Car, World, full_car, memory_world, postgres_world

BRANDS = ("Audi", "Skoda")
LOOKED_THROUGH = 7  # positions a page


def cars() -> list[Car]:
    """Return cars that no log has yet."""
    return [
        full_car(1, brand="Audi"),
        full_car(2, brand="Skoda", model=None),
        Car(3, brand="Audi", model="Q4"),
        full_car(4, brand="Skoda", model="Enyaq"),
    ]


CARS = cars()
TOPICS = sorted({event.TOPIC for event in CARS[0].events})


@pytest.fixture(params=["memory", "postgres"], scope="module")
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with ExitStack() as opened:
        if request.param == "memory":
            made = memory_world(*cars())
        else:
            conninfo = opened.enter_context(new_database(request.getfixturevalue("server")))
            made = opened.enter_context(postgres_world(conninfo, *cars()))
        patch = opened.enter_context(pytest.MonkeyPatch.context())
        for module in (adapters.memory.twin_reader, adapters.postgres.twin_reader):
            patch.setattr(module, "POSITIONS_A_PAGE", LOOKED_THROUGH)
        yield made


def some(values: Sequence[object]) -> st.SearchStrategy[tuple[object, ...] | None]:
    return st.none() | st.lists(st.sampled_from(values), max_size=3).map(tuple)


@st.composite
def filters(draw: st.DrawFn) -> EventFilter:
    ids = draw(some([car.id for car in CARS] + [Car(777).id]))
    return EventFilter(ids, draw(some([*BRANDS])), draw(some(["ID.3", "Q4", "Enyaq"])), draw(some([*TOPICS])))  # type: ignore[arg-type]


def chosen_of(world: World, chosen: EventFilter, brands: set[str] | None) -> list[Logged]:
    """Return what is asked for, by looking at everything."""
    entries = {car.id: car.entry for car in CARS}
    found = []
    for record in world.log.read(0, 10_000):
        entry = entries[record.originator_id]
        if (
            (brands is None or entry.brand in brands)
            and (chosen.vehicle_ids is None or entry.vehicle_id in chosen.vehicle_ids)
            and (chosen.brands is None or entry.brand in chosen.brands)
            and (chosen.models is None or entry.model in chosen.models)
            and (chosen.topics is None or record.topic in chosen.topics)
        ):
            found.append(Logged(record, entry))
    return found


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=filters(),
    brands=st.sampled_from([None, {"Audi"}, {"Skoda"}, set(BRANDS), set()]),
    limits=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    after=st.integers(0, 40),
    until=st.none() | st.integers(0, 200),
)
def test_pages_together_are_what_was_asked_for(
    world: World, chosen: EventFilter, brands: set[str] | None, limits: list[int], after: int, until: int | None
) -> None:
    end = world.log.last_position()
    last = end if until is None else min(until, end)
    expected = [each for each in chosen_of(world, chosen, brands) if after < each.record.position <= last]
    found: list[Logged] = []
    reached, number = after, 0
    while reached < last:
        with world.twins.reading(brands) as read:
            page = read.log_page(reached, last, limits[number % len(limits)], chosen)
        assert page.end == end
        assert reached < page.reached <= min(last, reached + LOOKED_THROUGH)
        assert all(reached < each.record.position <= page.reached for each in page.events)
        found += page.events
        reached, number = page.reached, number + 1
    assert found == expected


def test_after_the_end_there_is_nothing_and_no_step_back(world: World) -> None:
    end = world.log.last_position()
    with world.twins.reading() as read:
        assert read.log_page(end, None, 10, ANY_EVENT) == ([], end, end)
        assert read.log_page(end, 3, 10, ANY_EVENT) == ([], end, end)
