"""Vehicles in an order, as the API gives them: pages, cursors, and what is refused."""

import string
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.access import Access, Scope
from adapters.clock import iso_time
from adapters.graphql.ids import cursor_of
from adapters.graphql.ordering import Cursor, Times, cursor_in_order, read_cursor_in_order
from adapters.past import ORDERED_MAX
from adapters.vehicle_order import OrderBy, Place, VehicleOrder
from domain import events as e
from domain import paths
from domain.errors import BadInputError
from domain.units import Micros
from tests.support.twins import SECOND, T0, Car, World, memory_world

PAGE = """query ($first: Int!, $after: String, $order: VehicleOrder, $asOf: DateTime, $filter: VehicleFilter) {
    vehicles(first: $first, after: $after, orderBy: $order, asOf: $asOf, filter: $filter) {
      edges { cursor node { vin brand model region } } pageInfo { hasNextPage hasPreviousPage endCursor } } }"""
AS_OF = iso_time(Micros(T0 + 100 * SECOND))
INT64 = st.integers(-(2**63), 2**63 - 1)


def car(number: int, percent: float | None = None, **fields: Any) -> Car:
    made = Car(number, **fields)
    if percent is not None:
        made.sample(T0 + number * SECOND, {paths.STATE_OF_CHARGE_DISPLAYED: percent})
    return made


@pytest.fixture(scope="module")
def world() -> World:
    models = ["b", None, "a", "b", None, "a", "c"]
    makers = ["WVW", "LSV", "1VW", "0AA", "WAU", "WAU", "3VW"]
    return memory_world(
        *(
            car(number, None if number % 3 == 0 else float(number), model=model, maker=maker)
            for number, (model, maker) in enumerate(zip(models, makers, strict=True))
        )
    )


def ask(world: World, field: str, direction: str = "ASC", **variables: Any) -> Any:
    order = {"field": field, "direction": direction}
    return world.ask(PAGE, **{"first": 100, "order": order, **variables})["vehicles"]


def serials(page: Any) -> list[int]:
    return [int(edge["node"]["vin"][-6:]) for edge in page["edges"]]


@pytest.mark.parametrize("as_of", [None, AS_OF])
@pytest.mark.parametrize("first", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("field", "direction", "expected"),
    [
        ("MODEL", "ASC", ["a", "a", "b", "b", "c", None, None]),
        ("MODEL", "DESC", ["c", "b", "b", "a", "a", None, None]),
        ("REGION", "ASC", ["ASIA", "EUROPE", "EUROPE", "EUROPE", "NORTH_AMERICA", "NORTH_AMERICA", None]),
    ],
)
def test_pages_go_on_where_the_one_before_ended(
    world: World, field: str, direction: str, expected: list[str | None], first: int, as_of: str | None
) -> None:
    found: list[Any] = []
    after = None
    while True:
        page = ask(world, field, direction, first=first, after=after, asOf=as_of)
        found += [edge["node"][field.lower()] for edge in page["edges"]]
        assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert found == expected


def test_by_what_they_told_of_the_present_and_of_the_past(world: World) -> None:
    assert serials(ask(world, "STATE_OF_CHARGE", "DESC"))[:4] == [5, 4, 2, 1]
    assert serials(ask(world, "LAST_SEEN", asOf=AS_OF))[:4] == [1, 2, 4, 5]
    assert serials(ask(world, "VIN", filter={"regions": ["EUROPE"], "stateOfCharge": {}})) == [4, 5]


def test_whoever_leaves_the_place_of_a_cursor_does_not_move_the_next_page() -> None:
    cars = [car(number, float(number)) for number in range(1, 5)]
    world = memory_world(*cars)
    page = ask(world, "STATE_OF_CHARGE", first=2)
    assert serials(page) == [1, 2]
    cars[1].sample(T0 + 60 * SECOND, {paths.STATE_OF_CHARGE_DISPLAYED: 99.0})
    world.write(cars[1])
    assert serials(ask(world, "STATE_OF_CHARGE", after=page["pageInfo"]["endCursor"])) == [3, 4, 2]


def refused(world: World, **variables: Any) -> str:
    error = world.refused(PAGE, **{"first": 2, "order": {"field": "VIN"}, **variables})
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["remedy"]
    return str(error["message"])


def test_a_cursor_is_of_one_order_and_of_one_time(world: World) -> None:
    after = ask(world, "VIN", first=2)["pageInfo"]["endCursor"]
    past = ask(world, "VIN", first=2, asOf=AS_OF)["pageInfo"]["endCursor"]
    by_id = world.ask(PAGE, first=2)["vehicles"]["pageInfo"]["endCursor"]
    assert "another order" in refused(world, after=after, order={"field": "BRAND"})
    assert "another order" in refused(world, after=after, order={"field": "VIN", "direction": "DESC"})
    assert "no cursor of vehicles" in refused(world, after=after, order=None)
    assert "no cursor of vehicles in an order" in refused(world, after=by_id)
    assert "of other times" in refused(world, after=past)
    assert "of other times" in refused(world, after=after, asOf=AS_OF)
    assert "of other times" in refused(world, after=past, asOf=iso_time(Micros(T0)))
    assert serials(ask(world, "VIN", after=past, asOf=AS_OF)) == serials(ask(world, "VIN", after=after))


def test_a_page_of_the_past_stays_as_it_was_first_seen() -> None:
    cars = [car(number, float(number)) for number in range(1, 5)]
    world = memory_world(*cars)
    page = ask(world, "STATE_OF_CHARGE", first=2, asOf=AS_OF)
    cars[3].sample(T0 + 50 * SECOND, {paths.STATE_OF_CHARGE_DISPLAYED: 0.0})
    world.write(cars[3])
    after = page["pageInfo"]["endCursor"]
    assert serials(ask(world, "STATE_OF_CHARGE", asOf=AS_OF, after=after)) == [3, 4]
    assert serials(ask(world, "STATE_OF_CHARGE", asOf=AS_OF)) == [4, 1, 2, 3]


def test_what_diagnostics_tell_needs_its_scope(world: World) -> None:
    access = Access("app", "app", None, frozenset({Scope.NAVIGATION_READ}))
    told = ("STATE_OF_CHARGE", "WARNINGS", "TROUBLE_CODES")
    for field, allowed in (*((each, False) for each in told), ("LAST_SEEN", True)):
        body = world.api.answer(PAGE, {"first": 2, "order": {"field": field}}, access=access).body
        assert ("errors" not in body) == allowed
        assert allowed or body["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_the_nearest_and_those_with_the_most_faults_come_first() -> None:
    cars = [car(number, 50.0) for number in range(1, 5)]
    for number, (latitude, longitude) in enumerate([(52.5, 13.4), (48.1, 11.6), (53.5, 10.0)], 1):
        cars[number].sample(T0 + SECOND, {paths.LATITUDE: latitude, paths.LONGITUDE: longitude})
    for number, code in [(1, "P0D59"), (3, "P0D59"), (3, "U0100")]:
        cars[number].code(T0 + SECOND, code)
    cars[2].tell(e.WarningRaised, T0 + SECOND, warning="FUEL_LEVEL_LOW", path=paths.FUEL_LEVEL, value=1.0, limit=2.0)
    world = memory_world(*cars)
    near = {"near": {"latitude": 53.5, "longitude": 9.9, "distanceM": 2_000_000.0}}
    for as_of in (None, AS_OF):
        assert serials(ask(world, "DISTANCE", filter=near, asOf=as_of)) == [4, 2, 3]
        assert serials(ask(world, "TROUBLE_CODES", "DESC", asOf=as_of))[:2] == [4, 2]
        assert serials(ask(world, "WARNINGS", "DESC", asOf=as_of))[:1] == [3]
        page = ask(world, "DISTANCE", filter=near, first=1, asOf=as_of)["pageInfo"]["endCursor"]
        assert serials(ask(world, "DISTANCE", filter=near, after=page, asOf=as_of)) == [2, 3]


def test_the_distance_is_from_the_point_of_a_filter(world: World) -> None:
    assert "DISTANCE is from the point of a filter, and there is none" in refused(world, order={"field": "DISTANCE"})


def test_of_the_past_so_many_are_put_in_order_by_telemetry_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ORDERED_MAX == 2_000
    monkeypatch.setattr("adapters.past.ORDERED_MAX", 3)
    world = memory_world(*(car(number, float(number)) for number in range(1, 5)))
    assert "no more than 3 vehicles" in refused(world, order={"field": "LAST_SEEN"}, asOf=AS_OF)
    for variables in (
        {"field": "LAST_SEEN", "asOf": AS_OF, "filter": {"vins": [Car(each).vin for each in (1, 2, 3)]}},
        {"field": "LAST_SEEN"},
        {"field": "VIN", "asOf": AS_OF},
    ):
        assert len(ask(world, **variables)["edges"]) >= 3


VALUES = {
    OrderBy.REGISTERED_AT: INT64,
    OrderBy.LAST_SEEN: INT64,
    OrderBy.STATE_OF_CHARGE: st.floats(allow_nan=False, allow_infinity=False),
    OrderBy.WARNINGS: INT64,
    OrderBy.TROUBLE_CODES: INT64,
    OrderBy.DISTANCE: st.floats(allow_nan=False, allow_infinity=False),
}
ORDERS = st.builds(VehicleOrder, st.sampled_from(OrderBy), st.booleans())
TIMES = st.builds(Times, st.none() | st.integers(1, 2**62), st.none() | st.integers(1, 2**62))


@given(st.data(), ORDERS, TIMES, st.uuids(), st.integers(0, 2**62))
def test_a_cursor_holds_what_it_was_made_of(
    data: st.DataObject, order: VehicleOrder, times: Times, vehicle_id: UUID, position: int
) -> None:
    texts = st.text().filter(lambda text: "\0" not in text)
    value: Any = data.draw(st.none() | VALUES.get(order.by, texts))
    cursor = Cursor(Place(value, vehicle_id), position if times.is_past else None)
    assert read_cursor_in_order(order, cursor_in_order(order, cursor, times), times) == cursor


@given(st.text(alphabet=string.ascii_letters + string.digits + "-_=", max_size=120), ORDERS)
def test_any_other_text_is_refused(text: str, order: VehicleOrder) -> None:
    with pytest.raises(BadInputError):
        read_cursor_in_order(order, text, Times(None, None))


@pytest.mark.parametrize(
    ("by", "value"),
    [(OrderBy.STATE_OF_CHARGE, float("nan")), (OrderBy.STATE_OF_CHARGE, float("inf")), (OrderBy.VIN, "\0")],
)
def test_a_value_that_cannot_be_is_no_cursor(by: OrderBy, value: Any) -> None:
    order, times = VehicleOrder(by), Times(None, None)
    made = cursor_in_order(order, Cursor(Place(value, UUID(int=1)), None), times)
    with pytest.raises(BadInputError, match="no cursor"):
        read_cursor_in_order(order, made, times)
    with pytest.raises(BadInputError, match="no cursor"):
        read_cursor_in_order(order, cursor_of("vehicles", UUID(int=1)), times)
