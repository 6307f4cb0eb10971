"""Vehicles in any order, by everything that reads twins: each once, whatever the pages, and the unknown ones last."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.twins import ANY_VEHICLE, Circle, VehicleFilter
from adapters.vehicle_order import OrderBy, Place, VehicleOrder
from domain import events as e
from domain import paths
from domain.geo import great_circle_m
from domain.units import Degrees, Micros
from tests.contract.test_twin_reader import WORLDS, world_of
from tests.support.twins import SECOND, T0, Car, World


class Told(NamedTuple):
    """What a vehicle is and has told; None: nothing."""

    maker: str
    brand: str
    model: str | None
    percent: float | None
    seen_s: int | None  # after T0
    quality: int = 0
    place: tuple[Degrees, Degrees] | None = None
    warnings: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()


BERLIN = (Degrees(52.52), Degrees(13.405))
WORLD_ROUND_BERLIN = Circle(*BERLIN, 25_000_000.0)
FLEET = [
    Told(
        "WVW",
        "Volkswagen",
        "ID.3",
        80.0,
        10,
        place=(Degrees(52.4), Degrees(10.8)),
        warnings=("TYRE_PRESSURE_LOW", "FUEL_LEVEL_LOW"),
    ),
    Told("WAU", "Audi", "e-tron", 9.5, 7, place=BERLIN, codes=("P0D59", "U0100", "P0D59")),  # one in two forms
    Told(
        "LSV",
        "Audi",
        None,
        9.5,
        10,
        place=(Degrees(-52.52), Degrees(-166.595)),
        warnings=("FUEL_LEVEL_LOW",),
        codes=("P0D59",),
    ),
    Told("1VW", "audi", "A3", None, 3, place=(Degrees(52.4), Degrees(10.8))),
    Told("8AG", "Škoda", "a3", 0.0, 7, place=(Degrees(0.0), Degrees(180.0)), codes=("P0300", "P0301", "P0302")),
    Told("0ZZ", "Skoda", None, -0.0, 1),  # of no region
    Told("AAA", "Ａudi", "\U0001f697", 100.0, 99),  # noqa: RUF001  # beyond what a byte or a UTF-16 unit holds
    Told("6AA", "Audi", "A3", None, None),
    Told("WVW", "Volkswagen", "ID.3", None, 2),
    Told("WVW", "Volkswagen", "ID.3", 50.0, 2, quality=1),
]
REGIONS = ["EUROPE", "EUROPE", "ASIA", "NORTH_AMERICA", "SOUTH_AMERICA", None, "AFRICA", "OCEANIA", "EUROPE", "EUROPE"]


def cars() -> list[Car]:
    """Return the fleet, in no log yet."""
    made = []
    for number, told in enumerate(FLEET):
        registered_at = T0 - (number % 4) * SECOND
        car = Car(number, brand=told.brand, model=told.model, maker=told.maker, at=registered_at)
        if told.seen_s is not None:
            at = T0 + told.seen_s * SECOND
            percent = {} if told.percent is None else {paths.STATE_OF_CHARGE_DISPLAYED: told.percent}
            car.sample(at, {paths.SPEED: 1.0})
            if percent:
                car.sample(at, percent, told.quality)
            if told.place is not None:
                car.sample(at, dict(zip((paths.LATITUDE, paths.LONGITUDE), told.place, strict=True)))
            for warning in told.warnings:
                car.tell(e.WarningRaised, at, warning=warning, path="Vehicle.Speed", value=1.0, limit=2.0)
            for failure_type, code in enumerate(told.codes):
                car.code(at, code, failure_type=failure_type)
        made.append(car)
    return made


CARS = cars()


@pytest.fixture(scope="module", params=WORLDS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Give the fleet."""
    with world_of(request, cars()) as made:
        yield made


def value(number: int, by: OrderBy) -> Any:
    """Say what a vehicle is ordered by, in other words; texts as their UTF-8."""
    told, car = FLEET[number], CARS[number]
    charge = told.percent if told.quality == 0 else None  # not a number
    found = {
        OrderBy.VIN: car.vin,
        OrderBy.BRAND: told.brand,
        OrderBy.MODEL: told.model,
        OrderBy.REGION: REGIONS[number],
        OrderBy.REGISTERED_AT: car.entry.registered_at,
        OrderBy.LAST_SEEN: None if told.seen_s is None else T0 + told.seen_s * SECOND,
        OrderBy.STATE_OF_CHARGE: charge,
        OrderBy.WARNINGS: len(told.warnings),
        OrderBy.TROUBLE_CODES: len(set(told.codes)),
        OrderBy.DISTANCE: None if told.place is None else great_circle_m(*told.place, *BERLIN),
    }[by]
    return found.encode() if isinstance(found, str) else found


def asked(order: VehicleOrder, chosen: VehicleFilter) -> VehicleFilter:
    """Return a filter, with the point that an order by distance is from."""
    return chosen._replace(circle=WORLD_ROUND_BERLIN) if order.by is OrderBy.DISTANCE else chosen


def expected(order: VehicleOrder, numbers: list[int]) -> list[int]:
    """Return these vehicles as they are to come."""
    if order.by is OrderBy.DISTANCE:  # who is nowhere is not within it
        numbers = [number for number in numbers if FLEET[number].place is not None]
    by_id = sorted(numbers, key=lambda number: CARS[number].id)
    groups: dict[Any, list[int]] = {}
    for number in by_id:
        groups.setdefault(value(number, order.by), []).append(number)
    unknown = groups.pop(None, [])
    return [each for key in sorted(groups, reverse=order.descending) for each in groups[key]] + unknown


def paged(world: World, order: VehicleOrder, chosen: VehicleFilter, size: int) -> list[int]:
    """Return the vehicles of all pages of a size."""
    numbers = {car.id: number for number, car in enumerate(CARS)}
    found: list[int] = []
    after: Place | None = None
    with world.twins.reading() as read:
        while True:
            page = read.ordered_vehicles(size, order, after, asked(order, chosen))
            found += [numbers[each.entry.vehicle_id] for each in page]
            assert [each.entry for each in page] == [CARS[number].entry for number in found[len(found) - len(page) :]]
            if len(page) < size:
                return found
            after = page[-1].place


EVERY = list(range(len(FLEET)))
ORDERS = st.builds(VehicleOrder, st.sampled_from(OrderBy), st.booleans())


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("by", OrderBy)
def test_vehicles_come_in_order_and_the_unknown_ones_last(world: World, by: OrderBy, *, descending: bool) -> None:
    order = VehicleOrder(by, descending)
    assert paged(world, order, ANY_VEHICLE, 100) == expected(order, EVERY)


FILTERS = {
    "all": (ANY_VEHICLE, EVERY),
    "brands": (VehicleFilter(brands=["Audi", "Volkswagen"]), [0, 1, 2, 7, 8, 9]),
    "seen": (VehicleFilter(last_seen_after=Micros(T0 + 2 * SECOND)), [0, 1, 2, 3, 4, 6]),
    "not seen since": (VehicleFilter(last_seen_before=Micros(T0 + 7 * SECOND)), [3, 5, 7, 8, 9]),
    "seen between": (
        VehicleFilter(last_seen_after=Micros(T0 + 2 * SECOND), last_seen_before=Micros(T0 + 10 * SECOND)),
        [1, 3, 4],
    ),
    "regions": (VehicleFilter(regions=["ASIA", "OCEANIA"]), [2, 7]),
    "a region of nobody": (VehicleFilter(regions=[]), []),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_chooses_of_them(world: World, name: str) -> None:
    chosen, numbers = FILTERS[name]
    with world.twins.reading() as read:
        ids = {entry.vehicle_id for entry in read.vehicles(100, None, chosen)}
    assert {number for number in EVERY if CARS[number].id in ids} == set(numbers)


@given(order=ORDERS, size=st.integers(1, 11), name=st.sampled_from(sorted(FILTERS)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_of_any_size_make_the_whole_list(world: World, order: VehicleOrder, size: int, name: str) -> None:
    chosen, numbers = FILTERS[name]
    assert paged(world, order, chosen, size) == expected(order, numbers)


TEXTS = st.text(max_size=3).filter(lambda text: "\0" not in text)
VALUES = {
    OrderBy.REGISTERED_AT: st.integers(-(2**63), 2**63 - 1),
    OrderBy.LAST_SEEN: st.integers(-(2**63), 2**63 - 1),
    OrderBy.STATE_OF_CHARGE: st.floats(allow_nan=False, allow_infinity=False),
    OrderBy.WARNINGS: st.integers(-(2**63), 2**63 - 1),
    OrderBy.TROUBLE_CODES: st.integers(0, 4),
    OrderBy.DISTANCE: st.floats(allow_nan=False, allow_infinity=False),
}


@given(data=st.data(), order=ORDERS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_list_goes_on_from_any_place(world: World, data: st.DataObject, order: VehicleOrder) -> None:
    """Also from that of a vehicle that is elsewhere by now, or nowhere."""
    car = data.draw(st.sampled_from([*CARS, Car(777)]))
    told: Any = data.draw(st.none() | VALUES.get(order.by, TEXTS))
    whole = expected(order, EVERY)
    place, whole_fleet = Place(told, car.id), asked(order, ANY_VEHICLE)
    with world.twins.reading() as read:
        rest = [each.entry.vehicle_id for each in read.ordered_vehicles(100, order, place, whole_fleet)]
    assert rest == [CARS[number].id for number in whole if _later(number, order, told, car)]


def _later(number: int, order: VehicleOrder, told: Any, car: Car) -> bool:
    own, key = value(number, order.by), told.encode() if isinstance(told, str) else told
    if own == key:
        return CARS[number].id > car.id
    if own is None or key is None:
        return own is None
    return bool(own < key) == order.descending
