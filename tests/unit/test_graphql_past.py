"""Twins of the past over GraphQL: two clocks, and pages that are seen from one position."""

from typing import Any

import pytest

from adapters.graphql.scalars import format_time
from domain.units import Micros
from tests.support.twins import SECOND, T0, Car, World, memory_world, vin_of

HOUR = 3600 * SECOND
SPEED = "Vehicle.Speed"


def moment(seconds: float) -> str:
    """Return a time of the vehicles' clock as the API takes it."""
    return format_time(Micros(T0 + int(seconds * SECOND)))


def speed_of(world: World, **then: Any) -> Any:
    return world.ask(
        "query ($vin: String!, $asOf: DateTime, $knownAt: DateTime, $position: Int64) {"
        " vehicle(vin: $vin, asOf: $asOf, knownAt: $knownAt, position: $position)"
        " { seenPosition navigation { speed { value capturedAt } } events(first: 9) { edges { node { version } } } } }",
        vin=vin_of(1),
        **then,
    )["vehicle"]


def test_late_data_changes_what_was_told_and_never_what_was_known() -> None:
    car = Car(1)
    car.sample(T0, {SPEED: 30.0})
    car.sample(T0 + 100 * SECOND, {SPEED: 50.0})
    world = memory_world(car)
    assert speed_of(world)["seenPosition"] is None
    before = speed_of(world, asOf=moment(60))
    assert (before["seenPosition"], before["navigation"]["speed"]["value"]) == (3, 30.0)
    car.sample(T0 + 50 * SECOND, {SPEED: 40.0})  # comes late
    world.write(car)
    assert speed_of(world, asOf=moment(60))["navigation"]["speed"]["value"] == 40.0
    assert speed_of(world, asOf=moment(60), position=3) == before
    assert speed_of(world)["navigation"]["speed"]["value"] == 50.0


def test_a_vehicle_that_had_told_nothing_yet_is_not_there() -> None:
    car = Car(1, at=T0 + HOUR)  # became known here when it had driven already
    car.sample(T0, {SPEED: 30.0})
    world = memory_world(car)
    assert speed_of(world, asOf=moment(-1)) is None
    assert [edge["node"]["version"] for edge in speed_of(world, asOf=moment(0))["events"]["edges"]] == [2]
    assert speed_of(world, position=0) is None


@pytest.mark.parametrize("name", ["asOf", "knownAt"])
def test_what_has_not_come_is_refused(name: str) -> None:
    argument = f'{name}: "2999-01-01T00:00:00Z"'
    for field in (
        f'vehicle(vin: "{vin_of(1)}", {argument}) {{ id }}',
        f"vehicles(first: 1, {argument}) {{ edges {{ cursor }} }}",
    ):
        error = memory_world(Car(1)).refused(f"{{ {field} }}")
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["message"].startswith(f"{name}: ")


def test_a_position_beyond_the_log_is_refused() -> None:
    world = memory_world(Car(1))
    for given in ("position: 2", "position: -1", f'position: 1, knownAt: "{moment(0)}"'):
        error = world.refused(f'{{ vehicle(vin: "{vin_of(1)}", {given}) {{ id }} }}')
        assert error["message"].startswith("position: ")


FLEET = """query ($after: String, $first: Int!, $asOf: DateTime) { vehicles(first: $first, after: $after, asOf: $asOf) {
    edges { node { vin seenPosition navigation { speed { value } } } } pageInfo { hasNextPage endCursor } } }"""


def test_all_pages_are_seen_from_one_position() -> None:
    cars = [Car(number) for number in range(5)]
    for car in cars:
        car.sample(T0, {SPEED: 30.0})
    world = memory_world(*cars)
    found: list[Any] = []
    after = None
    while True:
        page = world.ask(FLEET, after=after, first=2, asOf=moment(60))["vehicles"]
        found += [edge["node"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        new = Car(90 + len(found))
        for car in (*cars, new):
            car.sample(T0 + 30 * SECOND, {SPEED: 99.0})
        world.write(*cars, new)
    assert {(each["seenPosition"], each["navigation"]["speed"]["value"]) for each in found} == {(10, 30.0)}
    assert sorted(each["vin"] for each in found) == [vin_of(number) for number in range(5)]


def test_a_cursor_of_another_time_is_refused() -> None:
    world = memory_world(Car(1), Car(2))
    ask = {"first": 1, "asOf": moment(60)}
    cursor = world.ask(FLEET, **ask)["vehicles"]["pageInfo"]["endCursor"]
    assert world.ask(FLEET, after=cursor, **ask)["vehicles"]["edges"]
    for other in ({"asOf": moment(61)}, {"asOf": None}):
        assert world.refused(FLEET, after=cursor, **(ask | other))["message"].startswith("after: ")


def test_a_filter_chooses_by_what_was_true_then() -> None:
    car = Car(1)
    car.sample(T0, {SPEED: 30.0})
    car.code(T0 + 100 * SECOND, "P0301")
    world = memory_world(car)
    fields = "vehicles(first: 5, asOf: $asOf, filter: { hasTroubleCode: %s }) { edges { node { vin } } }"
    asked = f"query ($asOf: DateTime) {{ {fields} }}"
    for at, held in ((60, "false"), (160, "true")):
        for chosen in ("true", "false"):
            found = world.ask(asked % chosen, asOf=moment(at))["vehicles"]["edges"]
            assert bool(found) == (chosen == held)
