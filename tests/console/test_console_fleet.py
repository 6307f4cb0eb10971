"""The fleet page in a browser."""

from collections.abc import Iterator
from typing import Final

import pytest

from adapters.access import Scope
from adapters.graphql.ids import vehicle_id_of
from domain import events as e
from tests.support.console import Browser, Keeper, changing, console_of
from tests.support.twins import SECOND, T0, Car, memory_world, vin_of

pytestmark = pytest.mark.browser

NOW: Final = "2026-02-02T02:41:00Z"  # a minute after T0
LATER: Final = "2026-02-02T06:40:00Z"
CHARGE: Final = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed"
FIRST_LOAD_BYTES_MAX: Final = 300_000
FIRST_LOAD_FILES_MAX: Final = 60
FIRST_LOAD_QUESTIONS_MAX: Final = 8  # words, table, map, and two streams with the cursors that they begin after
DRAW_MS_MAX: Final = 20  # of ten thousand vehicles, painted
PATIENCE: Final = 5  # so many times slower this machine may be


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
    path = "Vehicle.Powertrain.FuelSystem.RelativeLevel"
    faulty.tell(e.WarningRaised, T0 + SECOND, warning="FUEL_LEVEL_LOW", path=path, value=9.0, limit=10.0)
    with console_of(memory_world(drives, charges, faulty, silent).twins) as address:
        yield address


def test_the_fleet_is_on_the_map_in_the_table_and_in_numbers(browser: Browser, fleet: str) -> None:
    found = browser.run("fleet.shown", fleet, at=NOW, placed=3)
    assert sorted(found["vins"]) == [vin_of(number) for number in range(1, 5)]
    assert found["counts"].split() == [
        *("4", "vehicles", "0", "■parked", "1", "○silent", "1", "◆charging", "1", "▲driving", "1", "✖fault")
    ]


def test_the_first_look_is_light_and_a_second_one_asks_only_whether_anything_changed(
    browser: Browser, fleet: str
) -> None:
    found = browser.run("fleet.cost", fleet)
    assert sum(file["transferSize"] for file in found["files"]) < FIRST_LOAD_BYTES_MAX / 2
    assert sum(file["decodedBodySize"] for file in found["files"]) < FIRST_LOAD_BYTES_MAX
    assert len(found["files"]) <= FIRST_LOAD_FILES_MAX
    assert found["asked"] <= FIRST_LOAD_QUESTIONS_MAX
    assert not any("uplot.esm" in file["name"].lower() for file in found["files"])  # with the first plot
    assert found["again"] == 304


def test_numbers_that_are_not_known_yet_or_are_of_before_are_marked(browser: Browser) -> None:
    first, second = Car(1), Car(2, at=T0 + 3600 * SECOND)
    first.sample(T0, {CHARGE: 40.0})
    second.sample(T0 + 3600 * SECOND, {CHARGE: 40.0})
    moments = ["2026-02-02T04:40:00.000Z", "2026-02-02T03:00:00.000Z"]
    with console_of(memory_world(first, second).twins) as address:
        browser.run("fleet.counting", address, at=LATER, moments=moments, counts=[2, 1])


def test_a_filter_holds_everywhere_and_outlives_a_reload(browser: Browser, fleet: str) -> None:
    filters = [("Brand", "Audi"), ("Model", "Enyaq, Q4"), ("Trouble code", "p0d59"), ("VIN", vin_of(1))]
    filters.append(("Warning", "FUEL_LEVEL_LOW"))
    expected = {"Brand": 2, "Model": 2, "Trouble code": 1, "VIN": 1, "Warning": 1}
    found = browser.run("fleet.filtered", fleet, at=NOW, filters=filters, expected=expected, all=4)
    assert {label: set(vins) for label, vins in found.items()} == {
        "Brand": {vin_of(2), vin_of(4)},
        "Model": {vin_of(2), vin_of(3)},
        "Trouble code": {vin_of(3)},
        "VIN": {vin_of(1)},
        "Warning": {vin_of(3)},
    }


def test_order_page_and_time_bar_outlive_a_reload(browser: Browser) -> None:
    cars = [Car(number) for number in range(1, 53)]
    for number, car in enumerate(cars):
        car.sample(T0, {CHARGE: float(number)})
    for number in range(60):
        cars[0].play(T0 + number * SECOND, f"Piece {number}")
    vins = [car.vin for car in cars]
    pages = {"ascending": vins[:50], "descending": vins[:1:-1]}
    chosen = [("How far back", "7d"), ("Speed", "600")]
    with console_of(memory_world(*cars).twins) as address:
        id_ = vehicle_id_of(cars[0].id)
        found = browser.run("fleet.outlived", address, at=NOW, chosen=chosen, pages=pages, id=id_)
    assert found["sorted"] == pages
    assert found["next"] == vins[1::-1]
    assert found["versions"] == list(range(1, 63))


def test_a_brand_is_found_however_large_its_letters_are_and_one_vehicle_is_no_more_than_one(
    browser: Browser, fleet: str
) -> None:
    counted, brand, label = browser.run("fleet.spelt", fleet, at=NOW)
    assert (counted, brand) == ("1 vehicle", "Škoda, seat")
    assert label.startswith("Map of 1 vehicle.")


def test_a_region_is_picked_and_a_place_is_what_the_map_shows(browser: Browser) -> None:
    here, there = placed(Car(1), 52.4, 10.7), placed(Car(2, maker="1VW"), 35.0, -85.2)
    with console_of(memory_world(here, there).twins) as address:
        found = browser.run("fleet.located", address, at=NOW, view="600,10.7,52.4", region="NORTH_AMERICA")
    assert found == {"region": [there.vin], "place": [here.vin]}


def test_a_filter_that_is_refused_shows_nothing_of_the_one_before_it(browser: Browser, fleet: str) -> None:
    browser.run("fleet.unfit", fleet, at=NOW, placed=3, query="region=NOWHERE")


def test_keys_go_on_from_where_they_were(browser: Browser, fleet: str) -> None:
    browser.run("fleet.kept", fleet, at=NOW, moment="2026-02-02T02:40:00.000Z")


def test_a_state_is_picked_and_what_fits_nothing_is_told_of(browser: Browser, fleet: str) -> None:
    assert browser.run("fleet.picked", fleet, at=NOW, all=4) == vin_of(1)


def test_the_table_goes_page_by_page(browser: Browser) -> None:
    with console_of(memory_world(*(Car(number) for number in range(1, 61))).twins) as address:
        first, second = browser.run("fleet.paged", address, at=NOW)
    assert (len(first), len(second)) == (50, 10)
    assert {*first, *second} == {vin_of(number) for number in range(1, 61)}


def test_the_vehicles_of_a_state_go_page_by_page(browser: Browser) -> None:
    with console_of(memory_world(*(Car(number) for number in range(1, 121))).twins) as address:
        found = browser.run("fleet.stateByPages", address, at=NOW, counts=[50, 50, 20])
    assert sorted(found) == [vin_of(number) for number in range(1, 121)]


def test_the_table_is_sorted_as_a_whole(browser: Browser) -> None:
    cars = [Car(number) for number in range(1, 61)]
    for number, car in enumerate(cars, start=1):
        car.sample(T0, {CHARGE: float(number)})
    with console_of(memory_world(*cars).twins) as address:
        up, down, without = browser.run("fleet.sorted", address, at=NOW)
    assert up == ["ascending", [vin_of(1), vin_of(2)]]
    assert down == ["descending", [vin_of(60), vin_of(59)]]
    assert without[0] is None


def test_the_vehicles_of_a_state_are_filtered_and_sorted_as_all_are(browser: Browser) -> None:
    cars = [Car(number) for number in range(5)]
    for number, car in enumerate(cars):
        car.sample(T0, {CHARGE: float(number)})
    with console_of(memory_world(*cars).twins) as address:
        assert browser.run("fleet.stated", address, at=NOW) == [vin_of(4), vin_of(3), vin_of(2), vin_of(1)]


def test_what_is_under_the_pointer_is_said(browser: Browser, fleet: str) -> None:
    found = browser.run("fleet.pointed", fleet, at=NOW, latitude=48.1, longitude=11.5)
    assert found == f"◆ charging: Audi Q4 {vin_of(2)}"


def test_a_circle_of_vehicles_has_the_sign_of_a_fault_or_of_most(browser: Browser, fleet: str) -> None:
    groups = [{"parked": 3, "driving": 5}, {"parked": 9, "fault": 1}, {"withheld": 2, "silent": 1}]
    assert browser.run("fleet.circled", fleet, at=NOW, groups=groups) == ["driving", "fault", "withheld"]


def test_no_vehicle_of_a_small_fleet_lies_unseen_under_another(browser: Browser) -> None:
    over, under, apart = Car(1), Car(2), Car(3)
    under.code(T0)
    for car, longitude in ((over, 10.7), (under, 10.7), (apart, 10.8)):
        placed(car, 52.4, longitude)
    with console_of(memory_world(over, under, apart).twins) as address:
        found = browser.run("fleet.pointed", address, at=NOW, latitude=52.4, longitude=10.7)
    assert found == "1 ■ parked, 1 ✖ fault"


def test_a_circle_of_vehicles_at_one_place_lists_them(browser: Browser) -> None:
    cars = [placed(Car(number), 52.4, 10.7) for number in (1, 2)] + [placed(Car(3), 52.401, 10.7)]
    with console_of(memory_world(*cars).twins) as address:
        found = browser.run("fleet.onePlace", address, at=NOW, view="20000,10.7,52.4", here=2, all=3)
    assert {name: set(vins) for name, vins in found.items()} == {
        "pointer": {vin_of(1), vin_of(2)},
        "keys": {vin_of(1), vin_of(2)},
    }


def test_more_vehicles_in_one_yard_than_the_map_can_show_apart_are_listed(browser: Browser) -> None:
    cars = [placed(Car(number), 52.4 + number % 10 * 2e-5, 10.7 + number // 10 * 3e-5) for number in range(70)]
    with console_of(memory_world(*cars).twins) as address:
        asked = {"view": "20000,10.70012,52.40009", "here": 50, "all": 70}
        found = browser.run("fleet.yard", address, at=NOW, **asked)
    assert found == ["70", 50]


def test_a_circle_of_vehicles_that_are_apart_is_gone_nearer_to_until_one_is_opened(browser: Browser) -> None:
    cars = [placed(Car(1), 52.4, 10.7), placed(Car(2), 52.401, 10.7)]
    with console_of(memory_world(*cars).twins) as address:
        assert browser.run("fleet.apart", address, at=NOW, view="40,10.7,52.4005") in [car.vin for car in cars]


@pytest.mark.parametrize(
    ("number", "said"), [(1, "▲ driving: Volkswagen ID.3"), (2, "◆ charging: Audi Q4"), (3, "✖ fault: Škoda Enyaq")]
)
def test_a_twin_is_in_the_state_that_the_fleet_shows(browser: Browser, fleet: str, number: int, said: str) -> None:
    vin = vin_of(number)
    assert browser.run("fleet.pointedTwin", fleet, at=NOW, vin=vin) == f"{said} {vin}"
    assert browser.run("fleet.pointedTwin", fleet, at="2026-02-03T06:40:00Z", vin=vin).startswith("○ silent: ")


def test_map_and_table_are_used_with_keys_and_the_address_says_where_the_map_looks(
    browser: Browser, fleet: str
) -> None:
    assert browser.run("fleet.opened", fleet, at=NOW).split()[0] in ("Audi", "Volkswagen", "Škoda")


def test_what_changes_is_shown_without_a_reload(browser: Browser) -> None:
    car = placed(Car(1), 52.4, 10.7)

    def change() -> None:
        car.trip(1, T0 + SECOND, 10, ended=False)
        car.sample(T0 + 20 * SECOND, {"Vehicle.Speed": 33.0})

    with changing(memory_world(car), car, change) as address:
        assert browser.run("fleet.live", address, at=NOW, vin=car.vin) is True


def test_what_is_late_is_shown_without_a_reload(browser: Browser) -> None:
    newest, late = Car(1), Car(2)
    newest.sample(T0, {CHARGE: 40.0})
    late.sample(T0 - 3600 * SECOND, {CHARGE: 40.0})
    with changing(memory_world(newest, late), late, lambda: late.code(T0 - 3000 * SECOND)) as address:
        browser.run("fleet.late", address, at=NOW, vin=late.vin)


def test_what_fits_a_filter_no_more_leaves_it(browser: Browser) -> None:
    cars = [Car(1), Car(2)]
    for car in cars:
        car.sample(T0, {CHARGE: 40.0})
    with changing(memory_world(*cars), cars[0], lambda: cars[0].sample(T0 + SECOND, {CHARGE: 60.0})) as address:
        browser.run("fleet.left", address, at=NOW)


def test_a_vehicle_that_only_joins_or_leaves_is_shown_without_a_reload(browser: Browser) -> None:
    there, new = placed(Car(1), 52.4, 10.7), Car(2)
    with changing(memory_world(there), new, lambda: None) as address:
        browser.run("fleet.joined", address, at=NOW, counts=["1", "2"])
    there = placed(Car(1), 52.4, 10.7)
    leave = lambda: there.tell(e.VehicleDecommissioned, T0 + SECOND, reason="sold")  # noqa: E731
    with changing(memory_world(there), there, leave) as address:
        browser.run("fleet.gone", address, at=NOW, vin=there.vin)


def test_the_fleet_is_looked_through_anew_where_the_token_is_not_told_who_joins(browser: Browser) -> None:
    there, new = Car(1), Car(2)
    with changing(memory_world(there), new, lambda: None, Keeper(Scope.DIAGNOSTICS_READ)) as address:
        asked = browser.run("fleet.refreshed", address, at=NOW, token="token-of-Volkswagen", everyMs=60_000)
    assert asked["refused"] == 1
    assert asked["whole"] >= 2  # at the beginning, also for what was told meanwhile, and after a minute


def test_an_answer_that_is_cut_off_takes_no_vehicle_away(browser: Browser) -> None:
    with console_of(memory_world(Car(1), Car(2)).twins) as address:
        browser.run("fleet.cutOff", address, at=NOW, everyMs=60_000)


def test_what_is_played_is_seen_where_the_server_answers_slowly(browser: Browser, fleet: str) -> None:
    moment = browser.run("fleet.played", fleet, at=LATER, moment="2026-02-02T02:37:00.000Z", slowMs=1500)
    assert "2026-02-02T02:40:00" <= moment < "2026-02-02T02:50:00"


def test_a_comparison_with_the_present_follows_it(browser: Browser) -> None:
    car = Car(1)
    car.sample(T0, {CHARGE: 40.0})
    with changing(memory_world(car), car, lambda: car.sample(T0 + SECOND, {CHARGE: 60.0})) as address:
        moments = {"at": NOW, "vs": "2026-02-02T02:30:00.000Z"}
        browser.run("fleet.compared", address, id=vehicle_id_of(car.id), before="40 %", after="60 %", **moments)


def test_a_server_that_is_away_behind_another_is_waited_for(browser: Browser, fleet: str) -> None:
    browser.run("fleet.away", fleet, at=NOW)


def test_the_connection_is_lost_and_regained_without_a_reload(browser: Browser, fleet: str) -> None:
    assert browser.run("fleet.lost", fleet, at=NOW, fits=2) is True


def test_a_page_that_is_first_opened_while_the_server_is_away_comes_once_it_is_back(
    browser: Browser, fleet: str
) -> None:
    browser.run("fleet.lostAtFirst", fleet, at=NOW)


def test_a_server_that_is_away_from_the_start_is_said_once_and_with_what_to_do(browser: Browser, fleet: str) -> None:
    twin = f"#/vehicle/{vehicle_id_of(Car(1).id)}"
    rows = "table.vehicles tbody tr"
    pages = {"#/fleet": rows, "#/fleet?state=fault": rows, twin: ".twin .value", f"{twin}/media": ".twin .value"}
    browser.run("fleet.neverThere", fleet, at=NOW, pages=pages | {"#/pipeline": "table.versions tbody tr"})


def test_what_is_refused_is_told_with_what_to_do_and_tried_again(browser: Browser, fleet: str) -> None:
    text = browser.run("fleet.refused", fleet, at=NOW)
    assert "Too much was asked at once." in text
    assert "ask again in 2 s" in text


def test_german_is_spoken_to_those_who_read_it(browser: Browser, fleet: str) -> None:
    assert browser.run("fleet.german", fleet, at=NOW).split()[:2] == ["4", "Fahrzeuge"]


def test_ten_thousand_vehicles_are_drawn_within_the_budget(browser: Browser, fleet: str) -> None:
    found = browser.run("fleet.many", fleet, count=10_000, budgetMs=DRAW_MS_MAX)
    assert found["afar"]["seen"] == 10_000
    assert found["afar"]["clusters"] > 10
    assert found["near"]["seen"] < 10_000
    assert max(found["afar"]["least"], found["near"]["least"]) < DRAW_MS_MAX, found  # undisturbed by what else runs
    assert max(found["afar"]["ms"], found["near"]["ms"]) < DRAW_MS_MAX * PATIENCE, found
