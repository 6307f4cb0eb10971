"""Which signals a vehicle has delivered, and how often."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.access import Access, Scope
from adapters.graphql.delivered import EVENTS_MAX, VEHICLES_MAX
from adapters.graphql.scalars import format_time as iso_time
from domain import events as e
from domain import paths
from domain.units import Micros
from tests.support.twins import SECOND, T0, Car, World, memory_world

OUTSIDE = "Vehicle.Exterior.AirTemperature"
FIELDS = "delivered { countsEverything withheld signals { path unit lastAt samples firstCountedAt medianIntervalS } }"
ASKED = f"query ($vin: String!, $asOf: DateTime) {{ vehicle(vin: $vin, asOf: $asOf) {{ {FIELDS} }} }}"


def ask(world: World, car: Car, **variables: Any) -> Any:
    return world.ask(ASKED, vin=car.vin, **variables)["vehicle"]["delivered"]


def signal(path: str, unit: str | None, times_s: list[int], median_s: float | None) -> dict[str, Any]:
    moments = [iso_time(Micros(T0 + at * SECOND)) for at in times_s]
    return {
        "path": path,
        "unit": unit,
        "lastAt": moments[-1],
        "samples": len(times_s),
        "firstCountedAt": moments[0],
        "medianIntervalS": median_s,
    }


def sampling(times_s: list[int], path: str = OUTSIDE) -> Car:
    car = Car(1)
    for at in times_s:
        car.sample(T0 + at * SECOND, {path: 1.0})
    return car


def test_each_signal_is_told_with_how_often_it_came() -> None:
    car = sampling([0, 10, 20, 50])
    car.sample(T0 + 60 * SECOND, {paths.SPEED: 1.0})
    columns = {"path": [OUTSIDE], "sampled_at": [T0 + 12 * SECOND], "value": [1.0], "quality": [0]}
    car.tell(e.LateSamplesRecorded, T0 + 61 * SECOND, **columns)
    assert ask(memory_world(car), car) == {
        "countsEverything": True,
        "withheld": None,
        "signals": [
            signal(OUTSIDE, "Celsius", [0, 10, 12, 20, 50], 9.0),
            signal(paths.SPEED, "km/h", [60], None),
        ],
    }


def test_who_has_told_nothing_has_delivered_nothing() -> None:
    car = Car(1)
    assert ask(memory_world(car), car) == {"countsEverything": True, "withheld": None, "signals": []}


def test_what_other_events_tell_is_there_without_a_count() -> None:
    car = Car(1)
    car.tell(e.OdometerAdvanced, T0, odometer_m=1_000.0)
    (found,) = ask(memory_world(car), car)["signals"]
    assert (found["path"], found["samples"], found["medianIntervalS"]) == (paths.ODOMETER, 0, None)


def test_as_of_a_moment_what_came_later_is_not_counted() -> None:
    car = Car(1)
    times = [T0 + second * SECOND for second in (0, 4, 8, 12)]
    columns = {"path": [OUTSIDE] * 4, "sampled_at": times, "value": [1.0] * 4, "quality": [0] * 4}
    car.tell(e.SignalsSampled, times[-1], **columns, changed=[True] * 4)
    found = ask(memory_world(car), car, asOf=iso_time(Micros(T0 + 9 * SECOND)))
    assert found["signals"] == [signal(OUTSIDE, "Celsius", [0, 4, 8], 4.0)]


@pytest.mark.parametrize("more", [0, 1])
def test_of_very_many_events_the_newest_are_counted(more: int) -> None:
    car = sampling(list(range(EVENTS_MAX + more)))
    found = ask(memory_world(car), car)
    assert found["countsEverything"] == (more == 0)
    assert found["signals"] == [signal(OUTSIDE, "Celsius", list(range(more, EVENTS_MAX + more)), 1.0)]


def test_a_signal_that_the_token_may_not_read_is_left_out_with_the_reason() -> None:
    car = sampling([0, 10])
    car.sample(T0, {paths.LATITUDE: 52.0})
    access = Access("app", "app", None, frozenset({Scope.DIAGNOSTICS_READ}))
    body = memory_world(car).api.answer(ASKED, {"vin": car.vin}, access=access).body
    found = body["data"]["vehicle"]["delivered"]
    assert [each["path"] for each in found["signals"]] == [OUTSIDE]
    assert "navigation:read" in found["withheld"]


def test_of_so_many_vehicles_at_once_and_no_more() -> None:
    world = memory_world(*(Car(number) for number in range(VEHICLES_MAX + 1)))
    asked = f"query ($first: Int!) {{ vehicles(first: $first) {{ edges {{ node {{ {FIELDS} }} }} }} }}"
    assert len(world.ask(asked, first=VEHICLES_MAX)["vehicles"]["edges"]) == VEHICLES_MAX
    errors = world.api.execute(asked, {"first": VEHICLES_MAX + 1})["errors"]
    assert {error["extensions"]["code"] for error in errors} == {"BAD_USER_INPUT"}


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12))
def test_the_median_is_that_of_the_times_in_order(times_s: list[int]) -> None:
    car = sampling(times_s)
    (found,) = ask(memory_world(car), car)["signals"]
    ordered = sorted(times_s)
    gaps = sorted(after - before for before, after in pairwise(ordered))
    half = len(gaps) // 2
    expected = None if not gaps else (gaps[half] + gaps[-half - 1]) / 2
    assert found["medianIntervalS"] == expected
    assert found["lastAt"] == iso_time(Micros(T0 + ordered[-1] * SECOND))
