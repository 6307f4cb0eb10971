"""The console as people get it: from `fleettwin serve`, and on the pictures of the documentation."""

from pathlib import Path
from typing import Final

import pytest

from adapters import demo
from tests.support.command_line import CommandLine, serving
from tests.support.console import Browser, console_of
from tests.support.twins import SECOND, T0, Car, memory_world

pytestmark = pytest.mark.browser

PICTURES: Final = Path(__file__).parents[2] / "docs/pictures"
NOW: Final = "2026-02-02T02:42:00Z"
WIDE: Final = [1440, 900]
CITIES: Final = [
    *((52.42, 10.79), (48.76, 11.42), (50.42, 14.92), (41.48, 1.97), (52.52, 13.40), (48.14, 11.58), (50.08, 14.44)),
    *((48.86, 2.35), (51.51, -0.13), (45.46, 9.19), (59.33, 18.07), (52.23, 21.01), (47.50, 19.04), (38.72, -9.14)),
    *((40.42, -3.70), (55.68, 12.57), (60.17, 24.94), (41.90, 12.50), (46.95, 7.45), (48.21, 16.37), (53.55, 9.99)),
]
MODELS: Final = [("Volkswagen", "ID.3"), ("Audi", "Q4 e-tron"), ("Škoda", "Enyaq"), ("SEAT", "Leon")]


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Give where pictures go: those of the documentation with `make golden`, else a folder of the test."""
    return PICTURES if request.config.getoption("--rewrite-golden") else tmp_path


def a_fleet() -> list[Car]:
    """Return 126 cars round the cities of Europe, in every state."""
    cars = []
    for number in range(126):
        brand, model = MODELS[number % len(MODELS)]
        car = Car(number, brand=brand, model=model, at=T0 - 3600 * SECOND)
        latitude, longitude = CITIES[number % len(CITIES)]
        spread = 0.06 * (number // len(CITIES))
        values: dict[str, object] = {
            "Vehicle.CurrentLocation.Latitude": latitude + spread * (-1) ** number,
            "Vehicle.CurrentLocation.Longitude": longitude + spread * 1.7,
            "Vehicle.CurrentLocation.Heading": float(number * 37 % 360),
            "Vehicle.Speed": 0.0,
            "Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed": float(20 + number * 7 % 75),
        }
        told_at = T0 + (60 + number % 50) * SECOND
        if number % 3 == 0:
            car.trip(1, T0, 30, ended=False)
            values["Vehicle.Speed"] = float(30 + number % 90)
        elif number % 7 == 1:
            values["Vehicle.Powertrain.TractionBattery.Charging.IsCharging"] = True
        elif number % 11 == 2:
            car.code(T0)
        elif number % 13 == 4:
            told_at = T0 - 1800 * SECOND
            values["Vehicle.Powertrain.TractionBattery.Charging.IsCharging"] = True
        car.sample(told_at, values)
        cars.append(car)
    return cars


def test_the_picture_of_a_fleet(browser: Browser, folder: Path) -> None:
    path = folder / "console-fleet.png"
    with console_of(memory_world(*a_fleet()).twins) as address:
        browser.run(
            "people.picture", address, at=NOW, hash="#/fleet", scheme="light", size=WIDE, seen=126, path=str(path)
        )
    assert path.stat().st_size > 20_000


def test_serve_shows_the_console_with_the_recording_of_the_demo(
    browser: Browser, folder: Path, fleettwin: CommandLine
) -> None:
    path = folder / "console-twin.png"
    with demo.recording() as recording:
        vehicle = ["--vin", demo.VIN, "--brand", demo.BRAND, "--model", demo.MODEL]
        fleettwin.ingest(recording, *vehicle, *(word for name in demo.MAPPINGS for word in ("--map", name)))
    with serving(fleettwin) as (_, address):
        base = address.removesuffix("/graphql")
        found = browser.run("people.served", base, vin=demo.VIN, scheme="dark", size=WIDE, path=str(path))
    assert found == f"{demo.BRAND} {demo.MODEL}"
    assert path.stat().st_size > 20_000
