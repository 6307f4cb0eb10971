"""The pages of a twin in a browser."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import pytest

from adapters.graphql.ids import vehicle_id_of
from tests.support.console import Browser, console_of
from tests.support.twins import SECOND, T0, full_car, memory_world

pytestmark = pytest.mark.browser

NOW: Final = "2026-02-02T06:40:00Z"  # four hours after T0
SCRIPT: Final = "<script>window.hacked = 1</script>"
IMAGE: Final = "<img src=x onerror='window.hacked = 2'>"
MINUTE: Final = 60 * SECOND
TEMPERATURE: Final = "Vehicle.Exterior.AirTemperature"


class Served(NamedTuple):
    address: str
    id: str


@pytest.fixture(scope="module")
def twin() -> Iterator[Served]:
    """Serve a car that has told something of everything, and some of it late."""
    car = full_car(1, model=IMAGE)
    for minutes, value in ((10, 7.0), (12, 8.0), (40, 11.0), (42, 12.5)):
        car.sample(T0 + minutes * MINUTE, {TEMPERATURE: value})
    late_at = T0 + 60 * MINUTE
    car.sample(late_at, {TEMPERATURE: 19.0}, received_at=late_at + 120 * MINUTE)
    car.play(T0 + 130 * MINUTE, SCRIPT)
    with console_of(memory_world(car).twins) as address:
        yield Served(address, vehicle_id_of(car.id))


def test_navigation_shows_the_place_the_trips_and_the_one_that_is_chosen(browser: Browser, twin: Served) -> None:
    found = browser.run("twin.navigation", twin.address, at=NOW, id=twin.id, trips=3)
    assert "51 km/h" in found["speed"]
    assert "Map of the trip, 3 points." in found["label"]
    assert found["heading"] == f"Volkswagen {IMAGE}"


def test_a_script_in_a_title_stays_text(browser: Browser, twin: Served) -> None:
    found = browser.run("twin.media", twin.address, at=NOW, id=twin.id)
    assert found == {"title": SCRIPT, "played": [SCRIPT, "Piece 2", "Piece 1", "Piece 0"], "hacked": None, "images": 0}


def test_diagnostics_shows_codes_with_their_status_and_every_value_with_what_is_known_of_it(
    browser: Browser, twin: Served
) -> None:
    found = browser.run("twin.diagnostics", twin.address, at=NOW, id=twin.id)
    codes, warnings, charging = found["tables"]
    assert ["P0D59-1A" in codes[0], "active" in codes[0], "0x2F" in codes[0]] == [True] * 3
    assert "past" in codes[1]
    assert "late" not in codes[1]  # that it was cleared reached us at once
    assert "FUEL_LEVEL_LOW" in warnings[0]
    assert len(charging) == 3
    assert "26,998 km" in found["odometer"]
    assert "83 %" in found["fuel"]
    assert "never received" in found["battery"]
    assert "12.5 km/h" in found["frame"] or "13 km/h" in found["frame"]


def test_a_plot_shows_gaps_as_gaps(browser: Browser, twin: Served) -> None:
    found = browser.run("twin.signals", twin.address, at=NOW, id=twin.id)
    assert (found["points"], found["gaps"]) == ("6", "2")
    assert "between 7 and 25" in found["label"]


def test_raw_events_are_chosen_by_type(browser: Browser, twin: Served) -> None:
    found = browser.run("twin.events", twin.address, at=NOW, id=twin.id, type="vehicle.trip_started.v1")
    assert (found["some"], found["all"] > 3, "trip_id" in found["data"]) == (3, True, True)


def test_a_value_is_explained_back_to_its_batch(browser: Browser, twin: Served) -> None:
    text = browser.run("twin.explain", twin.address, at=NOW, id=twin.id)
    assert "vehicle.track_extended.v1" in text or "vehicle.signals_sampled.v1" in text
    assert "drive, sequence" in text
    assert "not recorded" in text  # its stream has not told a decoder


def test_every_value_is_explained(browser: Browser, twin: Served) -> None:
    parts = ["navigation", "media", "diagnostics"]
    found = browser.run("twin.explained", twin.address, at=NOW, id=twin.id, parts=parts)
    assert found == {"navigation": 8, "media": 6, "diagnostics": 10}


def test_ages_grow_while_nothing_is_told(browser: Browser, twin: Served) -> None:
    found = browser.run("twin.aged", twin.address, at=NOW, later="2026-02-02T07:40:00Z", id=twin.id)
    before, after = (int(text.split(" h ")[0]) for text in found)
    assert after == before + 1


def test_units_and_dates_are_those_of_the_reader(browser: Browser, twin: Served) -> None:
    found = browser.run("twin.american", twin.address, at=NOW, id=twin.id)
    assert found["american"][0] == "31 mph"
    assert found["american"][1].startswith("Feb 2, 2026")
    assert found["american"][2] == "≤ 6 mph"
    assert found["metric"][0] == "51 km/h"
    assert found["metric"][2] == "≤ 10 km/h"


def test_the_scrubber_says_where_it_is_while_it_is_moved(browser: Browser, twin: Served) -> None:
    found = browser.run("twin.scrubbed", twin.address, at=NOW, id=twin.id)
    assert found == ["1 Feb 2026, 18:40:00", "2026-02-01T18:40", "2026-02-01T18:40:00.000Z"]


def test_a_moment_is_typed_key_by_key(browser: Browser, twin: Served) -> None:
    found = browser.run("twin.typed", twin.address, at=NOW, id=twin.id, keys="122420251112")
    assert found.startswith("2025-12-24T11:12")


def test_the_scrubber_agrees_with_the_api(browser: Browser, twin: Served) -> None:
    moments = ["2026-02-02T02:51:00.000Z", "2026-02-02T02:53:00.000Z", "2026-02-02T03:21:00.000Z"]
    found = browser.run("twin.past", twin.address, at=NOW, id=twin.id, moments=moments)
    assert found == [["7 °C", 7], ["8 °C", 8], ["11 °C", 11]]


def test_late_data_is_marked_and_was_true_before_it_was_known(browser: Browser, twin: Served) -> None:
    found = browser.run("twin.known", twin.address, at=NOW, id=twin.id, moment="2026-02-02T04:00:00.000Z")
    assert "19 °C" in found["wasTrue"]
    assert "2 h 0 min late" in found["wasTrue"]
    assert "19 °C" not in found["wasKnown"]


def test_time_is_played(browser: Browser, twin: Served) -> None:
    browser.run("twin.play", twin.address, at=NOW, id=twin.id, moment="2026-02-02T03:00:00.000Z")


def test_two_moments_are_shown_side_by_side_with_what_differs(browser: Browser, twin: Served) -> None:
    left, right = "2026-02-02T02:51:00.000Z", "2026-02-02T03:23:00.000Z"
    found = browser.run("twin.compare", twin.address, at=NOW, id=twin.id, left=left, right=right)
    (row,) = [each for each in found["rows"] if "AirTemperature" in each]
    assert " ".join(row.split()) == "Exterior.AirTemperature ≠ 7 °C 1 min ago 12.5 °C 1 min ago"


def test_a_vin_leads_to_the_vehicle(browser: Browser, twin: Served) -> None:
    assert browser.run("twin.byVin", twin.address, at=NOW, vin=full_car(1).vin.lower()) == twin.id


@pytest.mark.parametrize("wrong", ["nothing", "", "%E0%A4%A", "WVWZZZE1ZTP999999"])
def test_a_vehicle_that_is_not_there_is_told_of(browser: Browser, twin: Served, wrong: str) -> None:
    text = browser.run("twin.absent", twin.address, at=NOW, id=wrong)
    assert "no such vehicle" in text or "cannot be asked" in text
