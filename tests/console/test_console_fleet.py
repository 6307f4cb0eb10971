"""The fleet page in a browser."""

from collections.abc import Iterator

import pytest

from tests.support.console import Browser, console_of
from tests.support.twins import SECOND, T0, Car, full_car, memory_world

pytestmark = pytest.mark.browser

NOW = "2026-02-02T02:41:00Z"  # a minute after T0
FIRST_LOAD_BYTES_MAX = 300_000


def placed(car: Car, latitude: float, longitude: float) -> Car:
    car.sample(T0, {"Vehicle.CurrentLocation.Latitude": latitude, "Vehicle.CurrentLocation.Longitude": longitude})
    return car


@pytest.fixture(scope="module")
def fleet() -> Iterator[str]:
    """Serve four cars: one drives, one charges, one has a fault, one has told nothing."""
    drives, charges, silent = Car(1), Car(2, brand="Audi", model="Q4"), Car(4, brand="Audi", model="A3")
    drives.trip(1, T0, 10, ended=False)
    placed(drives, 52.4, 10.7)
    charges.charge(1, T0)
    charges.sample(T0, {"Vehicle.Powertrain.TractionBattery.Charging.IsCharging": True})
    placed(charges, 48.1, 11.5)
    faulty = placed(Car(3, brand="Škoda", model="Enyaq"), 50.1, 14.4)
    faulty.code(T0 + SECOND)
    with console_of(memory_world(drives, charges, faulty, silent).twins) as address:
        yield address


def test_the_fleet_is_on_the_map_in_the_table_and_in_numbers(browser: Browser, fleet: str) -> None:
    found = browser.run("fleet.shown", fleet, at=NOW, placed=3)
    assert sorted(found["vins"]) == [full_car(number).vin for number in range(1, 5)]
    assert found["counts"].split() == [
        *("4", "vehicles", "0", "■parked", "1", "○silent", "1", "◆charging", "1", "▲driving", "1", "✖fault")
    ]


def test_the_first_look_is_light_and_a_second_one_asks_only_whether_anything_changed(
    browser: Browser, fleet: str
) -> None:
    found = browser.run("fleet.cost", fleet)
    assert sum(file["transferSize"] for file in found["files"]) < FIRST_LOAD_BYTES_MAX / 2
    assert sum(file["decodedBodySize"] for file in found["files"]) < FIRST_LOAD_BYTES_MAX
    assert not any("uplot.esm" in file["name"].lower() for file in found["files"])  # with the first plot
    assert found["again"] == 304
