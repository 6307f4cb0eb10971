"""Pages of any size make the list that one big page is, also while vehicles and events are added between the pages."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.twins import SECOND, T0, Car, World, memory_world, vin_of

HOUR = 3600 * SECOND
LISTS = {
    "trips": ("navigation { list: trips(%s) { %s node { id } } %s } }", 1),
    "plays": ("media { list: playHistory(%s) { %s node { startedAt title } } %s } }", 1),
    "charging": ("diagnostics { list: chargingSessions(%s) { %s node { startedAt } } %s } }", 1),
    "events": ("list: events(%s) { %s node { id } } %s }", 0),
}
MOMENTS = st.lists(st.integers(0, 6), max_size=9)


def pages(ask: Callable[[str | None], Any], between: Callable[[], None] = lambda: None) -> list[Any]:
    """Return the edges of all pages, each asked for with the cursor that the one before ended with."""
    edges: list[Any] = []
    after = None
    while True:
        page = ask(after)
        edges += page["edges"]
        if page["edges"]:
            assert page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return edges
        after = page["pageInfo"]["endCursor"]
        between()


def list_of(world: World, name: str, first: int, after: str | None, order: str) -> Any:
    fields, depth = LISTS[name]
    page = "pageInfo { hasNextPage endCursor }"
    asked = fields % (f"first: {first}, after: $after, order: {order}", "edges { cursor", page)
    data = world.ask(
        f"query ($vin: String!, $after: String) {{ vehicle(vin: $vin) {{ {asked} }} }}", vin=vin_of(1), after=after
    )
    vehicle = data["vehicle"]
    return next(iter(vehicle.values()))["list"] if depth else vehicle["list"]


@pytest.mark.parametrize("name", LISTS)
@given(moments=MOMENTS, first=st.integers(1, 4), order=st.sampled_from(["NEWEST_FIRST", "OLDEST_FIRST"]))
def test_pages_of_any_size_make_the_whole_list(name: str, moments: list[int], first: int, order: str) -> None:
    """Trips and charging sessions may begin at one moment; a piece that goes on is left out on whichever page."""
    car = Car(1)
    for number, moment in enumerate(moments):
        at = T0 + moment * HOUR
        car.trip(number + 1, at, fixes=0)
        car.charge(number, at)
        car.play(at, f"Piece {number % 2}", initial=number % 3 == 0)
    world = memory_world(car)
    whole = list_of(world, name, 100, None, order)
    assert whole["pageInfo"]["hasNextPage"] is False
    assert pages(lambda after: list_of(world, name, first, after, order)) == whole["edges"]
    other = "OLDEST_FIRST" if order == "NEWEST_FIRST" else "NEWEST_FIRST"
    assert list_of(world, name, 100, None, other)["edges"] == whole["edges"][::-1]


def vehicles(world: World, first: int, after: str | None, chosen: str = "") -> Any:
    asked = f"vehicles(first: {first}, after: $after{chosen})"
    fields = "edges { cursor node { vin } } pageInfo { hasNextPage endCursor }"
    return world.ask(f"query ($after: String) {{ {asked} {{ {fields} }} }}", after=after)["vehicles"]


@given(count=st.integers(0, 9), first=st.integers(1, 4), brands=st.lists(st.sampled_from("AB"), min_size=9, max_size=9))
def test_pages_of_vehicles_make_the_whole_list_with_any_filter(count: int, first: int, brands: list[str]) -> None:
    world = memory_world(*(Car(number, brand=brands[number]) for number in range(count)))
    for chosen in ("", ', filter: { brands: ["A"] }', ", filter: { hasTroubleCode: false }"):
        whole = vehicles(world, 100, None, chosen)["edges"]
        assert pages(lambda after, chosen=chosen: vehicles(world, first, after, chosen)) == whole  # type: ignore[misc]


@given(first=st.integers(1, 3), there=st.integers(1, 6), more=st.lists(st.integers(10, 40), max_size=6, unique=True))
def test_a_vehicle_that_was_there_is_shown_once_whatever_is_added_meanwhile(
    first: int, there: int, more: list[int]
) -> None:
    world = memory_world(*(Car(number) for number in range(there)))
    coming = iter(more)

    def add() -> None:
        number = next(coming, None)
        if number is not None:
            world.write(Car(number))

    shown = [edge["node"]["vin"] for edge in pages(lambda after: vehicles(world, first, after), add)]
    assert len(set(shown)) == len(shown)
    assert {vin_of(number) for number in range(there)} <= set(shown)


@given(first=st.integers(1, 3), newest_first=st.booleans())
def test_events_that_are_added_meanwhile_push_nothing_from_one_page_to_the_next(first: int, newest_first: bool) -> None:
    car = Car(1)
    for step in range(5):
        car.sample(T0 + step, {"Vehicle.Speed": float(step)})
    world = memory_world(car)
    order = "NEWEST_FIRST" if newest_first else "OLDEST_FIRST"
    before = [edge["node"]["id"] for edge in list_of(world, "events", 100, None, order)["edges"]]

    def add() -> None:
        if len(car.events) < 12:
            car.sample(T0 + len(car.events), {"Vehicle.Speed": 1.0})
            world.write(car)

    shown = [edge["node"]["id"] for edge in pages(lambda after: list_of(world, "events", first, after, order), add)]
    assert shown[: len(before)] == before
    assert len(set(shown)) == len(shown)
    assert len(shown) == (6 if newest_first else len(car.events))
