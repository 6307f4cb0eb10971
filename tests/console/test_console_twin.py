"""The pages of a twin in a browser."""

import json
from collections.abc import Iterator
from typing import Final, NamedTuple

import pytest

from adapters.access import Scope
from adapters.event_log import OriginFrom, ProgressChange
from adapters.graphql.ids import vehicle_id_of
from domain import events as e
from domain.signals import Origin
from domain.streams import StreamProgress
from domain.units import Micros
from tests.support.console import Browser, Keeper, changing, console_of
from tests.support.twins import SECOND, T0, Car, full_car, memory_world

pytestmark = pytest.mark.browser

NOW: Final = "2026-02-02T06:40:00Z"  # four hours after T0
SCRIPT: Final = "<script>window.hacked = 1</script>"
IMAGE: Final = "<img src=x onerror='window.hacked = 2'>"
MINUTE: Final = 60 * SECOND
ODOMETER: Final = "Vehicle.TraveledDistance"
IGNITION: Final = "Vehicle.LowVoltageSystemState"
ENGINE_SPEED: Final = "Vehicle.Powertrain.CombustionEngine.Speed"
CHARGING: Final = "Vehicle.Powertrain.TractionBattery.Charging.IsCharging"
TITLE: Final = "Vehicle.Cabin.Infotainment.Media.Played.Track"
TEMPERATURE: Final = "Vehicle.Exterior.AirTemperature"
ORIGIN: Final = Origin("fleettwin 0.1.0, candump text: car.dbc sha256:001122334455", "vw_meb sha256:66778899aabb")
TYRE: Final = "Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.Pressure"


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
    car.sample(T0 + 130 * MINUTE, {TYRE: 231.0})
    world, stream = memory_world(car), StreamProgress("drive")
    taken = stream.taken(len(car.events), final=False)
    world.log.append([], [ProgressChange(car.id, stream, taken, (OriginFrom(1, ORIGIN),))])
    with console_of(world.twins) as address:
        yield Served(address, vehicle_id_of(car.id))


def test_navigation_shows_the_place_the_trips_and_the_one_that_is_chosen(browser: Browser, twin: Served) -> None:
    found = browser.run("twin.navigation", twin.address, at=NOW, id=twin.id, trips=3)
    assert "51 km/h" in found["speed"]
    assert "Map of the trip, 3 points." in found["label"]
    assert found["heading"] == f"Volkswagen {IMAGE}"


def test_the_map_of_a_twin_shows_the_destination_and_follows_the_vehicle(browser: Browser) -> None:
    car, goal, places = Car(1), [52.5, 13.4], [[53.5, 9.5], [55.25, 8.5], [57.25, 7.5]]
    car.trip(1, T0, 10, ended=False)
    car.tell(e.DestinationSet, T0 + 10 * SECOND, latitude_deg=goal[0], longitude_deg=goal[1])
    moves = iter(enumerate(places, start=11))

    def move() -> None:
        seconds, (latitude, longitude) = next(moves)
        place = {"Vehicle.CurrentLocation.Latitude": latitude, "Vehicle.CurrentLocation.Longitude": longitude}
        car.sample(T0 + seconds * SECOND, place)

    track = [[52.0, 10.0], [52.002, 10.002]]
    with changing(memory_world(car), car, move) as address:
        shown = {"id": vehicle_id_of(car.id), "goal": goal, "track": track, "places": places}
        browser.run("twin.tracked", address, at="2026-02-02T02:41:00Z", **shown)


def test_a_script_in_a_title_stays_text(browser: Browser, twin: Served) -> None:
    found = browser.run("twin.media", twin.address, at=NOW, id=twin.id)
    assert found == {"title": SCRIPT, "played": [SCRIPT, "Piece 2", "Piece 1", "Piece 0"], "hacked": None, "images": 0}


def test_diagnostics_shows_codes_with_their_status_and_every_value_with_what_is_known_of_it(
    browser: Browser, twin: Served
) -> None:
    found = browser.run("twin.diagnostics", twin.address, at=NOW, id=twin.id, tyre="Tyre rear right")
    codes, warnings, charging = found["tables"]
    assert ["P0D59-1A" in codes[0], "active" in codes[0], "0x2F" in codes[0]] == [True] * 3
    assert "past" in codes[1]
    assert "late" not in codes[1]  # that it was cleared reached us at once
    assert "FUEL_LEVEL_LOW" in warnings[0]
    assert len(charging) == 3
    assert "26,998 km" in found["odometer"]
    assert "83 %" in found["fuel"]
    assert "never received" in found["battery"]
    assert "231 kPa" in found["tyre"]
    assert "12.5 km/h" in found["frame"] or "13 km/h" in found["frame"]


def test_a_plot_shows_gaps_as_gaps(browser: Browser, twin: Served) -> None:
    found = browser.run("twin.signals", twin.address, at=NOW, id=twin.id)
    assert (found["points"], found["gaps"]) == ("6", "2")
    assert "between 7 and 25" in found["label"]


@pytest.fixture(scope="module")
def told() -> Iterator[Served]:
    """Serve a car that has told numbers, words and yes or no over an hour, with a gap."""
    car = Car(1)
    for minutes, state, charging in ((0, "ON", False), (5, "ON", True), (8, "OFF", True), (40, "LOCK", False)):
        at = T0 + minutes * MINUTE
        car.sample(at, {IGNITION: state, CHARGING: charging, ENGINE_SPEED: 0.0})
        car.tell(e.OdometerAdvanced, at, odometer_m=123_456_000.0 + minutes * 800)
    for minutes in range(10):
        car.play(T0 + minutes * MINUTE, f"Piece {minutes}")
    car.tell(e.TelemetryGapDetected, T0 + 41 * MINUTE, first_missing=3, last_missing=3)
    with console_of(memory_world(car).twins) as address:
        yield Served(address, vehicle_id_of(car.id))


def test_units_and_numbers_of_things_are_words_of_the_language(browser: Browser, told: Served) -> None:
    parts = {"parts": ["diagnostics", "nothing"], "locales": ["en-GB", "de-DE"]}
    found = browser.run("twin.said", told.address, at=NOW, id=told.id, **parts)
    assert "0 rpm" in found["en-GB diagnostics"]
    assert "0 U/min" in found["de-DE diagnostics"]
    assert "1 gap (1 batch), 0 late samples" in found["en-GB diagnostics"]
    assert "1 Lücke (1 Paket), 0 verspätete Werte" in found["de-DE diagnostics"]
    assert "Choose one of those above." in found["en-GB nothing"]


def test_a_plot_is_in_the_unit_of_the_page_and_what_is_written_at_its_axes_has_room(
    browser: Browser, told: Served
) -> None:
    for locale, unit, least in (("en-GB", "km", "123,456"), ("en-US", "mi", "76,712")):
        asked = {"at": NOW, "id": told.id, "locale": locale, "paths": [ODOMETER]}
        found = browser.run("twin.plots", told.address, **asked)[ODOMETER]
        assert found["cut"] == []
        assert found["said"].startswith(f"{ODOMETER}: 4 values between {least}"), found
        assert found["said"].endswith(f" {unit}")
        assert unit in found["caption"].split()
        assert any(text.startswith(least[:5]) for text in found["written"]), found


def test_words_are_plotted_as_steps_with_a_table_of_their_changes(browser: Browser, told: Served) -> None:
    found = browser.run("twin.plots", told.address, at=NOW, id=told.id, paths=[IGNITION, CHARGING, TITLE])
    begin, change, end, after = ("2 Feb 2026, 02:40:00", "2 Feb 2026, 02:48:00", "2 Feb 2026, 02:48:00", "03:20:00")
    assert found[IGNITION]["changes"] == [
        ["LOCK", f"2 Feb 2026, {after}", "–"],
        ["nothing was told", end, f"2 Feb 2026, {after}"],
        ["OFF", change, end],
        ["ON", begin, change],
    ]
    assert found[IGNITION]["said"] == f"{IGNITION}: 4 values, told in words: LOCK, OFF, ON"
    assert {"LOCK", "OFF", "ON"} <= set(found[IGNITION]["written"])
    assert [found[IGNITION]["gaps"], found[IGNITION]["cut"]] == ["1", []]
    assert [row[0] for row in found[CHARGING]["changes"]] == ["no", "nothing was told", "yes", "no"]
    assert {"yes", "no"} <= set(found[CHARGING]["written"])
    assert [row[0] for row in found[TITLE]["changes"]] == [f"Piece {number}" for number in reversed(range(10))]
    assert found[TITLE]["said"] is None  # more words than a plot has room for


def test_raw_events_are_chosen_by_type(browser: Browser, twin: Served) -> None:
    found = browser.run("twin.events", twin.address, at=NOW, id=twin.id, type="vehicle.trip_started.v1")
    assert (found["some"], found["all"] > 3, "trip_id" in found["data"]) == (3, True, True)


def test_a_value_is_explained_back_to_its_batch(browser: Browser, twin: Served) -> None:
    text = browser.run("twin.explain", twin.address, at=NOW, id=twin.id)
    assert "vehicle.track_extended.v1" in text or "vehicle.signals_sampled.v1" in text
    assert "drive, sequence" in text
    assert ORIGIN.decoder in text
    assert ORIGIN.mapping in text


def test_a_clock_that_was_ahead_is_told_with_the_value(browser: Browser) -> None:
    car = Car(1)
    car.sample(T0, {TEMPERATURE: 7.0}, clock_offset_us=-7200 * SECOND)
    with console_of(memory_world(car).twins) as address:
        found = browser.run("twin.way", address, at=NOW, id=vehicle_id_of(car.id), path=TEMPERATURE)
    assert found["By the car's clock"] == "2 Feb 2026, 04:40:00"
    assert found["Captured"] == "2 Feb 2026, 02:40:00 (−2 h 0 min)"
    assert found["Received"] == "2 Feb 2026, 02:40:01 (+1 s)"
    assert found["Decoder"] == "not recorded"  # its stream has not told


def test_back_closes_an_explanation(browser: Browser, twin: Served) -> None:
    browser.run("twin.backFromExplained", twin.address, at=NOW, id=twin.id)
    browser.run("twin.closedExplained", twin.address, at=NOW, id=twin.id)


def test_every_value_is_explained(browser: Browser, twin: Served) -> None:
    parts = ["navigation", "media", "diagnostics"]
    found = browser.run("twin.explained", twin.address, at=NOW, id=twin.id, parts=parts)
    assert found == {"navigation": 8, "media": 6, "diagnostics": 14}


def test_what_an_event_told_leads_back_to_it(browser: Browser, twin: Served) -> None:
    compared = "at=2026-02-02T06:30:00.000Z&vs=2026-02-02T02:40:00.000Z"
    parts = {"navigation": "", "media": "", "diagnostics": "", "compare": compared}
    found = browser.run("twin.told", twin.address, at=NOW, id=twin.id, parts=parts)
    explained = {part: [(text, event) for text, event, *_ in rows] for part, rows in found.items()}
    ends = "vehicle.trip_ended.v1"
    assert explained["navigation"] == [("3 km", ends), ("2 km", ends), ("1 km", ends)]
    titles = [SCRIPT, "Piece 2", "Piece 1", "Piece 0"]
    assert explained["media"] == [(title, "vehicle.media_track_started.v1") for title in titles]
    assert explained["diagnostics"] == [
        ("P0D59-1A", "vehicle.trouble_code_raised.v1"),
        ("U0100", "vehicle.trouble_code_cleared.v1"),
        ("FUEL_LEVEL_LOW", "vehicle.warning_raised.v1"),
        *[("40 → 80 %", "vehicle.charging_ended.v1")] * 3,
    ]
    data = {part: [json.loads(each) for _, _, each, _ in rows] for part, rows in found.items()}
    assert [each["distance_m"] for each in data["navigation"]] == [3000.0, 2000.0, 1000.0]
    assert [each["title"] for each in data["media"]] == titles
    assert [each["code"] for each in data["diagnostics"][:2]] == ["P0D59", "U0100"]
    ways = [way for rows in found.values() for *_, way in rows]
    assert [way for way in ways if "drive, sequence" not in way or ORIGIN.decoder not in way] == []
    held = [event for text, event in explained["compare"] if text == "yes"]
    assert held == ["vehicle.trouble_code_raised.v1", "vehicle.warning_raised.v1"]


def test_what_is_counted_of_the_telemetry_leads_to_its_events(browser: Browser, told: Served) -> None:
    found = browser.run("twin.counted", told.address, at=NOW, id=told.id, link="1 gap")
    assert found == ["vehicle.telemetry_gap_detected.v1"]


def test_the_current_trip_is_listed_beside_older_ones_and_where_older_ones_are_hidden(browser: Browser) -> None:
    car = Car(1)
    for number in range(1, 13):
        car.trip(number, T0 + number * 15 * MINUTE, ended=number < 12)
    world, asked = memory_world(car), {"at": NOW, "id": vehicle_id_of(car.id)}
    with console_of(world.twins) as address:
        first, _, second = browser.run("twin.trips", address, next=3, **asked)
    assert first == ["▲under way", *["ignition off"] * 9]
    assert second == ["▲under way", *["ignition off"] * 2]
    with console_of(world.twins, Keeper(Scope.NAVIGATION_READ)) as address:
        listed, text = browser.run("twin.trips", address, next=0, token="token-of-Volkswagen", **asked)
    assert listed == ["▲under way"]
    assert "It lacks the scope navigation:history" in text


def test_ages_grow_while_nothing_is_told(browser: Browser, twin: Served) -> None:
    found = browser.run("twin.aged", twin.address, at=NOW, later="2026-02-02T07:40:00Z", id=twin.id)
    before, after = (int(text.split(" h ")[0]) for text in found)
    assert after == before + 1


@pytest.mark.parametrize(
    "part", ["/fleet", "/fleet?state=fault", "/navigation", "/media", "/compare?vs=2026-02-02T02:51:00.000Z"]
)
def test_what_is_shown_keeps_its_moment_while_another_one_loads(browser: Browser, twin: Served, part: str) -> None:
    path, _, query = part.partition("?")
    hash_ = f"#{path}" if path == "/fleet" else f"#/vehicle/{twin.id}{path}"
    moments = [f"{moment}&{query}" for moment in ("2026-02-02T06:30:00.000Z", "2026-02-02T03:30:00.000Z")]
    browser.run("twin.kept", twin.address, at=NOW, hash=hash_, moments=moments)


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


def test_the_right_end_of_the_scrubber_is_the_present(browser: Browser, twin: Served) -> None:
    browser.run("twin.liveEnd", twin.address, at=NOW, later="2026-02-02T06:41:30Z", id=twin.id)


def test_the_right_end_of_a_window_of_the_past_is_a_moment(browser: Browser, twin: Served) -> None:
    found = browser.run("twin.pastEnd", twin.address, at=NOW, id=twin.id, moment="2026-02-02T03:30:00.000Z")
    assert found == "2026-02-02T04:00:00.000Z"


def test_the_field_of_the_moment_goes_on_with_the_present(browser: Browser, twin: Served) -> None:
    later = ["2026-02-02T06:41:30Z", "2026-02-02T06:43:30Z"]
    minutes = ["2026-02-02T06:40", "2026-02-02T06:41", "2026-02-02T06:43"]
    browser.run("twin.ticking", twin.address, at=NOW, id=twin.id, later=later, minutes=minutes)


def test_a_moment_is_typed_key_by_key(browser: Browser, twin: Served) -> None:
    found = browser.run("twin.typed", twin.address, at=NOW, id=twin.id, keys="122420251112")
    assert found.startswith("2025-12-24T11:12")


def test_the_scrubber_agrees_with_the_api(browser: Browser, twin: Served) -> None:
    moments = ["2026-02-02T02:51:00.000Z", "2026-02-02T02:53:00.000Z", "2026-02-02T03:21:00.000Z"]
    found = browser.run("twin.past", twin.address, at=NOW, id=twin.id, moments=moments)
    assert found == [["7 °C", 7], ["8 °C", 8], ["11 °C", 11]]


def test_late_data_is_marked_and_was_true_before_it_was_known(browser: Browser) -> None:
    car, recorded_at = Car(1), T0 + 43 * MINUTE
    car.sample(T0 + 42 * MINUTE, {TEMPERATURE: 12.5})
    world = memory_world(car, clock=lambda: Micros(recorded_at))
    recorded_at = T0 + 180 * MINUTE
    car.sample(T0 + 60 * MINUTE, {TEMPERATURE: 19.0}, received_at=recorded_at)
    world.write(car)
    with console_of(world.twins) as address:
        asked = {"at": NOW, "id": vehicle_id_of(car.id), "moment": "2026-02-02T04:00:00.000Z"}
        found = browser.run("twin.known", address, **asked)
    assert "19 °C" in found["wasTrue"]
    assert "2 h 0 min late" in found["wasTrue"]
    assert "12.5 °C" in found["wasKnown"]  # the newest that had reached us
    assert "late" not in found["wasKnown"]


def test_time_is_played(browser: Browser, twin: Served) -> None:
    browser.run("twin.play", twin.address, at=NOW, id=twin.id, moment="2026-02-02T03:00:00.000Z")


def test_two_moments_are_shown_side_by_side_with_what_differs(browser: Browser, twin: Served) -> None:
    left, right = "2026-02-02T02:51:00.000Z", "2026-02-02T03:23:00.000Z"
    found = browser.run(
        "twin.compare", twin.address, at=NOW, id=twin.id, left=left, right=right, explained="AirTemperature"
    )
    (row,) = [each for each in found["rows"] if "AirTemperature" in each]
    assert " ".join(row.split()) == "Exterior.AirTemperature ≠ 7 °C 1 min ago 12.5 °C 1 min ago"


def test_a_vin_leads_to_the_vehicle(browser: Browser, twin: Served) -> None:
    assert browser.run("twin.byVin", twin.address, at=NOW, vin=full_car(1).vin.lower()) == twin.id


@pytest.mark.parametrize("wrong", ["nothing", "", "%E0%A4%A", "WVWZZZE1ZTP999999"])
def test_a_vehicle_that_is_not_there_is_told_of(browser: Browser, twin: Served, wrong: str) -> None:
    text = browser.run("twin.absent", twin.address, at=NOW, id=wrong)
    assert "no such vehicle" in text or "cannot be asked" in text
