"""Whose fleet a console shows: that of the token of whoever looks."""

from typing import Any, Final

import pytest

from adapters.access import Scope
from adapters.graphql.ids import event_id_of, vehicle_id_of
from tests.support.console import Browser, Keeper, console_of
from tests.support.twins import SECOND, T0, Car, full_car, memory_world, vin_of

pytestmark = pytest.mark.browser

NOW: Final = "2026-02-02T06:40:00Z"
FUEL: Final = "Vehicle.Powertrain.FuelSystem.RelativeLevel"


def test_two_brands_see_two_fleets(browser: Browser) -> None:
    world = memory_world(Car(1, brand="Audi"), Car(2, brand="Audi"), Car(3, brand="SEAT"))
    with console_of(world.twins, Keeper(*Scope)) as address:
        tokens = {brand: f"token-of-{brand}" for brand in ("Audi", "SEAT")}
        found = browser.run("access.fleets", address, at=NOW, tokens=tokens)
    assert {brand: (set(seen["vins"]), seen["counts"]) for brand, seen in found.items()} == {
        "Audi": ({vin_of(1), vin_of(2)}, "2"),
        "SEAT": ({vin_of(3)}, "1"),
    }


def test_what_a_token_does_not_show_is_said_to_be_hidden(browser: Browser) -> None:
    car = full_car(1)
    parts = ["navigation", "media", "diagnostics", "events"]
    with console_of(memory_world(car).twins, Keeper(Scope.DIAGNOSTICS_READ)) as address:
        found = browser.run(
            "access.withheld", address, at=NOW, id=vehicle_id_of(car.id), parts=parts, token="token-of-Volkswagen"
        )
    assert "not shown to this token" in found["navigation"]
    assert "navigation:history" in found["navigation"]
    assert "media:read" in found["media"]
    assert "P0D59" in found["diagnostics"]
    assert "events:read" in found["events"]


def test_the_table_of_the_fleet_hides_nothing_in_silence(browser: Browser) -> None:
    with console_of(memory_world(full_car(1)).twins, Keeper(Scope.NAVIGATION_READ)) as address:
        row = browser.run("access.row", address, at=NOW, token="token-of-Volkswagen")
    assert "51 km/h" in row
    assert "–withheld" in row  # it may be charging, or have a fault
    assert row.count("not shown to this token") == len(["charge", "codes and warnings"])


@pytest.mark.parametrize(
    ("scopes", "states"),
    [
        ({Scope.MEDIA_READ}, ["2 – withheld", "1 ○ silent", "– ▲ driving", "– ✖ fault"]),
        ({Scope.NAVIGATION_READ}, ["1 – withheld", "1 ○ silent", "1 ▲ driving", "– ■ parked", "– ◆ charging"]),
        ({Scope.DIAGNOSTICS_READ}, ["1 – withheld", "1 ○ silent", "1 ✖ fault", "0 ◆ charging", "– ▲ driving"]),
        ({Scope.NAVIGATION_READ, Scope.DIAGNOSTICS_READ}, ["1 ○ silent", "1 ✖ fault", "1 ▲ driving", "0 ■ parked"]),
    ],
)
def test_a_state_is_what_the_token_shows_and_no_other(browser: Browser, scopes: set[Scope], states: list[str]) -> None:
    faulty, drives, silent = Car(1), Car(2), Car(3)
    moment = T0 + 4 * 3600 * SECOND - 60 * SECOND
    faulty.code(moment)
    drives.trip(1, moment, 10, ended=False)
    place = {"Vehicle.CurrentLocation.Latitude": 52.4, "Vehicle.CurrentLocation.Longitude": 10.7}
    for car in (faulty, drives):
        car.sample(moment, place)
    with console_of(memory_world(faulty, drives, silent).twins, Keeper(*scopes)) as address:
        found = browser.run("access.states", address, at=NOW, token="token-of-Volkswagen", all=3)
    assert [state for state in states if state not in found["counts"]] == [], found
    assert found["fault"] == (Scope.DIAGNOSTICS_READ not in scopes)
    assert any("withheld" in state for state in found["counts"]) == any("withheld" in state for state in states)
    hidden = Scope.NAVIGATION_READ not in scopes
    assert ("It lacks the scope navigation:read" in found["map"]) == hidden
    assert found["seen"] == ("0" if hidden else "2")


@pytest.mark.parametrize(
    ("scopes", "lacking"),
    [({Scope.DIAGNOSTICS_READ, Scope.NAVIGATION_READ}, "events:read"), ({Scope.EVENTS_READ}, "navigation:")],
)
def test_a_plot_of_what_is_hidden_says_so(browser: Browser, scopes: set[Scope], lacking: str) -> None:
    car = full_car(1)
    with console_of(memory_world(car).twins, Keeper(*scopes)) as address:
        asked = {"id": vehicle_id_of(car.id), "path": "Vehicle.Speed", "token": "token-of-Volkswagen"}
        found = browser.run("access.plot", address, at=NOW, **asked)
    assert lacking in found["note"]
    assert "None of the newest" not in found["note"]
    assert "Signals that the token does not show are not named" in found["unnamed"]


def test_an_explanation_says_what_the_token_does_not_show_of_it(browser: Browser) -> None:
    car = full_car(1)
    event = event_id_of(car.id, 2)
    with console_of(memory_world(car).twins, Keeper(Scope.DIAGNOSTICS_READ)) as address:
        asked = {"id": vehicle_id_of(car.id), "explained": [FUEL, event, event_id_of(car.id, 999)]}
        found = browser.run("access.explained", address, at=NOW, token="token-of-Volkswagen", **asked)
    for text in found.values():
        assert "It lacks the scope events:read" in text
    assert "83 % · stale" in found[FUEL]
    assert "drive, sequence 2" in found[FUEL]
    with console_of(memory_world(car).twins, Keeper(Scope.EVENTS_READ)) as address:
        found = browser.run("access.explained", address, at=NOW, token="token-of-Volkswagen", **asked)
    assert "vehicle.signals_sampled.v1" in found[event]
    assert "Nothing is known of this" in found[event_id_of(car.id, 999)]


def compared(browser: Browser, left: str, right: str) -> Any:
    """Return how two moments of a day are shown beside each other to a token that may read media only."""
    car = full_car(1)
    asked = {"id": vehicle_id_of(car.id), "token": "token-of-Volkswagen"}
    moments = {"left": f"2026-02-02T{left}.000Z", "right": f"2026-02-02T{right}.000Z"}
    with console_of(memory_world(car).twins, Keeper(Scope.MEDIA_READ)) as address:
        return browser.run("access.compared", address, at=NOW, **asked, **moments)


def test_what_a_token_does_not_show_is_neither_equal_nor_different(browser: Browser) -> None:
    found = compared(browser, "03:00:00", "05:00:00")
    rows = found["all"]["rows"]
    assert rows["Cabin.Infotainment.Media.Played.Track"] == "≠"
    for hidden in ("Signals", "Trouble codes", "Warnings"):
        assert rows[hidden].split("\n") == ["×", "not shown for want of a scope"], rows
        assert found["all"]["values"][hidden].startswith("–"), found["all"]["values"]
    count = found["only"]["count"]
    assert "not shown for want of a scope" in count
    for scope in ("navigation:read", "navigation:history", "diagnostics:read"):
        assert scope in count
    assert {path.rsplit(".", 1)[0] for path in found["only"]["rows"]} == {"Cabin.Infotainment.Media.Played"}


def test_where_nothing_that_is_shown_differs_what_is_hidden_is_told(browser: Browser) -> None:
    found = compared(browser, "05:00:00", "05:00:01")
    assert "0 of " in found["only"]["count"]
    assert "No difference in what the token shows" in found["only"]["text"]
