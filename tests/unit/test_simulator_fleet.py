"""Which cars a simulated fleet has, and how they are called."""

import pytest

from adapters.simulator.fleet import LINE_UP, Car, Region, simulated_fleet
from adapters.simulator.specs import BRANDS, MODELS, Drive, Platform
from adapters.simulator.vins import SERIALS, check_digit
from domain.errors import BadInputError
from domain.vin import Vin


def test_eight_cars_show_what_there_is() -> None:
    cars = simulated_fleet(8, 7)

    assert len({car.brand for car in cars[:5]}) >= 4
    assert {car.region for car in cars} == set(Region)
    assert {car.spec.drive for car in cars} == set(Drive)
    assert {car.spec.platform for car in cars} == set(Platform)


def test_a_large_fleet_has_every_brand_and_every_model() -> None:
    cars = simulated_fleet(len(LINE_UP), 7)

    assert {car.brand for car in cars} == set(BRANDS) == {"Volkswagen", "Audi", "Škoda", "SEAT", "CUPRA"}
    assert {car.spec for car in cars} == set(MODELS)


def test_a_car_is_the_same_however_many_there_are() -> None:
    assert simulated_fleet(100, 3)[:7] == simulated_fleet(7, 3)
    assert simulated_fleet(20, 3, ["Audi"])[:3] == simulated_fleet(3, 3, ["Audi"])


def test_vins_are_valid_and_unique() -> None:
    cars = simulated_fleet(5_000, 11)

    assert len({car.vin for car in cars}) == len(cars)
    assert all(Vin.parse(car.vin.text) == car.vin for car in cars)


def test_another_seed_makes_other_cars() -> None:
    assert not {car.vin for car in simulated_fleet(50, 1)} & {car.vin for car in simulated_fleet(50, 2)}


@pytest.mark.parametrize("vin", ["1M8GDM9AXKP042788", "11111111111111111", "5GZCZ43D13S812715"])
def test_check_digits_of_known_vins(vin: str) -> None:
    assert check_digit(vin) == vin[8]


def test_makers_and_check_digits_go_with_the_region() -> None:
    makers = {
        Region.EUROPE: {"WVW", "WVG", "WAU", "TMB", "VSS"},
        Region.CHINA: {"LSV", "LFV"},
        Region.UNITED_STATES: {"1V2", "3VW", "WA1", "WAU"},
    }
    for car in simulated_fleet(200, 5):
        assert car.vin.text[:3] in makers[car.region]
        if car.region is not Region.EUROPE:
            assert check_digit(car.vin.text) == car.vin.text[8]


@pytest.mark.parametrize("brand", ["skoda", "Škoda", " SKODA "])
def test_a_brand_may_be_written_plainly(brand: str) -> None:
    assert {car.brand for car in simulated_fleet(9, 1, [brand])} == {"Škoda"}


def test_some_brands() -> None:
    assert {car.brand for car in simulated_fleet(9, 1, ["Audi", "CUPRA", "Audi"])} == {"Audi", "CUPRA"}


@pytest.mark.parametrize("vehicles", [0, -1, SERIALS + 1])
def test_a_number_of_vehicles_that_cannot_be_is_refused(vehicles: int) -> None:
    with pytest.raises(BadInputError, match=r"--vehicles: .*; give a whole number from 1 to"):
        simulated_fleet(vehicles, 1)


@pytest.mark.parametrize("brand", ["Opel", "", "Volks"])
def test_an_unknown_brand_is_refused_with_the_known_ones(brand: str) -> None:
    with pytest.raises(BadInputError, match=r"--brand: .*; give one of Volkswagen, Audi, Škoda, CUPRA, SEAT"):
        simulated_fleet(3, 1, ["Audi", brand])


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(BadInputError, match="--seed: "):
        simulated_fleet(3, -1)


def test_cars_can_be_keys() -> None:
    car = simulated_fleet(1, 1)[0]

    assert {car: 1}[Car(car.number, car.seed, car.vin, car.spec, car.region)] == 1
