"""What everybody needs of the console: a reader of screens, keys alone, a narrow screen."""

from collections.abc import Iterator
from typing import Final

import pytest

from adapters.access import Scope
from adapters.graphql.ids import vehicle_id_of
from tests.support.console import Browser, Keeper, console_of
from tests.support.twins import SECOND, T0, Car, full_car, memory_world

pytestmark = pytest.mark.browser

NOW: Final = "2026-02-02T06:40:00Z"
CAR: Final = full_car(1)
TWIN: Final = f"#/vehicle/{vehicle_id_of(CAR.id)}"
PAGES: Final = {
    "fleet": "#/fleet",
    "nothing": "#/fleet?brand=Nobody",
    "past": "#/fleet?at=2026-02-02T03:00:00.000Z&by=known",
    "navigation": TWIN,
    "media": f"{TWIN}/media",
    "diagnostics": f"{TWIN}/diagnostics",
    "explanation": f"{TWIN}/diagnostics?explain=Vehicle.TraveledDistance",
    "signals": f"{TWIN}/signals?plot=Vehicle.Exterior.AirTemperature",
    "events": f"{TWIN}/events",
    "comparison": f"{TWIN}/compare?at=2026-02-02T03:00:00.000Z&vs=2026-02-02T02:40:00.000Z",
    "pipeline": "#/pipeline",
    "no page": "#/nowhere",
}
PARTS: Final = ("navigation", "media", "diagnostics", "signals", "events", "compare")
SILENT: Final = {part: f"#/vehicle/{vehicle_id_of(Car(2).id)}/{part}" for part in PARTS} | {
    "no event": f"#/vehicle/{vehicle_id_of(Car(2).id)}/events?type=vehicle.trip_started.v1"
}
NOTHING: Final = [
    ("navigation", "No trip is known at this moment"),
    ("media", "No title was told until this moment"),
    ("diagnostics", "No control unit has reported a code"),
    ("diagnostics", "No value has passed its limit"),
    ("diagnostics", "It has not been charged"),
    ("signals", "It has sent no signal until this moment"),
    ("no event", "There is no such event: choose another type"),
    ("compare", "No difference: choose a moment further away"),
]
AWAY: Final = "The server does not answer."


@pytest.fixture(scope="module")
def fleet() -> Iterator[str]:
    """Serve a car that has told everything, and one that is silent."""
    CAR.sample(T0 + SECOND, {"Vehicle.CurrentLocation.Latitude": 52.4, "Vehicle.CurrentLocation.Longitude": 10.7})
    with console_of(memory_world(CAR, Car(2)).twins) as address:
        yield address


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, fleet: str, scheme: str) -> None:
    assert browser.run("people.accessible", fleet, at=NOW, pages=PAGES, scheme=scheme) == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_where_there_is_nothing_to_show(browser: Browser, fleet: str, scheme: str) -> None:
    shared = {"at": NOW, "scheme": scheme}
    places = {name: PAGES[name] for name in ("fleet", "navigation", "pipeline")}
    hidden = {name: PAGES[name] for name in ("fleet", "navigation", "media", "events")}
    assert browser.run("people.accessible", fleet, pages=SILENT, **shared) == {}
    assert browser.run("people.accessible", fleet, pages=places, away=True, shows=AWAY, **shared) == {}
    with console_of(memory_world(CAR).twins, Keeper(Scope.DIAGNOSTICS_READ)) as address:
        asked = {"pages": {"sign in": "#/fleet"}, "closed": True, "shows": "A token is needed"}
        assert browser.run("people.accessible", address, **asked, **shared) == {}
        asked = {"pages": hidden, "token": "token-of-Volkswagen"}
        assert browser.run("people.accessible", address, **asked, **shared) == {}


def test_a_twin_that_has_told_nothing_says_so_and_what_comes_next(browser: Browser, fleet: str) -> None:
    found = browser.run("people.strange", fleet, at=NOW, hashes=list(SILENT.values()))
    said = {name: found[hash_] for name, hash_ in SILENT.items()}
    for name, text in NOTHING:
        assert text in said[name], (name, said[name])


def test_everything_is_reached_with_keys_and_seen_when_it_is(browser: Browser, fleet: str) -> None:
    reached = browser.run("people.keys", fleet, at=NOW)
    assert [name for name in reached if name.startswith("not seen")] == []
    for name in ("Volkswagen ID.3", "Zoom in", "Vehicles", "● Live", "GraphiQL"):
        assert any(name in each for each in reached), (name, reached)


def test_nothing_of_any_page_is_out_of_reach_of_keys(browser: Browser, fleet: str) -> None:
    assert browser.run("people.unreached", fleet, at=NOW, pages=PAGES) == {}


def test_a_browser_that_keeps_nothing_shows_it_too(browser: Browser, fleet: str) -> None:
    assert browser.run("people.forgetful", fleet, at=NOW).split() == ["2", "Fahrzeuge"]


def test_an_address_that_no_page_gives_is_told_of(browser: Browser, fleet: str) -> None:
    nowhere = ["#/constructor", "#/__proto__", f"{TWIN}/constructor", f"{TWIN}/__proto__", "#/pipeline/constructor"]
    odd = "#/fleet?sort=constructor&span=constructor&view=x&box=1,2"
    found = browser.run("people.strange", fleet, at=NOW, hashes=[*nowhere, odd])
    assert [hash_ for hash_ in nowhere if "There is no such page." not in found[hash_]] == []
    assert "Volkswagen ID.3" in found[odd]


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_a_narrow_screen_is_wide_enough(browser: Browser, fleet: str, locale: str) -> None:
    seen = {"comparison": "main table tr > *", "diagnostics": ".values > *"}
    assert browser.run("people.narrow", fleet, at=NOW, pages=PAGES, seen=seen, locale=locale) == {}


@pytest.mark.parametrize("locale", ["en-US", "de-DE"])
def test_on_a_narrow_screen_time_takes_two_rows_and_nothing_is_cut_off_in_silence(
    browser: Browser, fleet: str, locale: str
) -> None:
    pages = {name: PAGES[name] for name in ("fleet", "past", "diagnostics", "events")}
    found = browser.run("people.compact", fleet, at=NOW, pages=pages, locale=locale)
    assert {name: (seen["rows"], seen["cut"]) for name, seen in found.items()} == dict.fromkeys(pages, (2, []))
    assert sum(seen["wide"] for seen in found.values()) > 0
    assert [seen["unsaid"] for seen in found.values()] == [0] * len(pages)
