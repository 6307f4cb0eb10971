"""Whose fleet a console shows: that of the token of whoever looks."""

from typing import Final

import pytest

from adapters.access import Access, Scope, TokenRefusedError
from adapters.graphql.ids import vehicle_id_of
from tests.support.console import Browser, console_of
from tests.support.twins import Car, full_car, memory_world, vin_of

pytestmark = pytest.mark.browser

NOW: Final = "2026-02-02T06:40:00Z"


class Keeper:
    """Lets in who bears the name of a brand."""

    required = True

    def __init__(self, *scopes: Scope) -> None:
        self._scopes = frozenset(scopes)

    def remembered(self, _: str) -> Access | None:
        return None

    def verify(self, token: str) -> Access:
        if not token.startswith("token-of-"):
            raise TokenRefusedError("the token is not valid")
        return Access("console", "somebody", frozenset({token.removeprefix("token-of-")}), self._scopes, metered=False)


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
    assert row.count("not shown to this token") == len(["charge", "codes and warnings"])
