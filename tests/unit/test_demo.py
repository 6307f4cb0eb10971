"""The bundled demo: a plausible drive, told completely, and queries that it answers."""

from itertools import pairwise
from random import Random

import pytest

from adapters import demo
from adapters.can.dbc import load_dbc, opendbc_path
from adapters.signals.mapping import load_mapping
from domain.vin import Vin
from tests.support.demo_drive import BUNDLED, DBC, SEED
from tests.support.demo_route import TICK_S, battery_power_kw, drive
from tests.support.drive_text import CATALOGUE, DriveRun


def test_every_signal_of_our_own_dbc_is_mapped() -> None:
    rules = load_mapping("fleettwin", CATALOGUE).rules
    mapped = {name for rule in rules for name in (getattr(rule.source, "signal", ""), *rule.others)}

    assert {signal.name for message in load_dbc(DBC).messages.values() for signal in message.signals} - mapped == set()


@pytest.mark.parametrize("name", ["vw_mqb", "vw_meb", "vw_pq", "vw_mqbevo", "vw_mlb"])
def test_our_own_identifiers_are_free_on_the_bus_of_a_volkswagen(name: str) -> None:
    pytest.importorskip("opendbc", reason="it has no release for this Python")

    assert load_dbc(DBC).messages.keys() & load_dbc(opendbc_path(name)).messages.keys() == set()


def test_the_car_moves_as_a_car_can() -> None:
    moments = list(drive(Random(SEED)))
    accelerations = [(b.speed_ms - a.speed_ms) / TICK_S for a, b in pairwise(moments)]

    assert 11 * 60 < len(moments) * TICK_S < 13 * 60
    assert 6_000 < moments[-1].distance_m < 7_000
    assert max(accelerations) < 2
    assert min(accelerations) > -3
    assert moments[0].speed_ms < 1
    assert moments[-1].speed_ms == 0
    kwh_per_100_km = -sum(moment.battery_power_kw for moment in moments) * TICK_S / 3_600 / moments[-1].distance_m * 1e5
    assert 12 < kwh_per_100_km < 22


def test_braking_charges_and_driving_discharges_the_battery() -> None:
    assert battery_power_kw(14, -1.5) > 10
    assert battery_power_kw(14, 0) < -3
    assert battery_power_kw(0, 0) == pytest.approx(-0.7)


def test_the_car_of_the_demo_has_a_valid_vin_and_its_queries_ask_for_it() -> None:
    assert Vin.parse(demo.VIN).text == demo.VIN
    assert len(demo.QUERIES) == 3
    assert all(demo.VIN in query for query in demo.QUERIES)


def test_every_query_of_the_demo_is_answered_in_full() -> None:
    run = DriveRun(BUNDLED, demo.VIN, demo.BRAND, demo.MODEL, demo.MAPPINGS)

    place, faults, state = (run.ask(query)["vehicle"] for query in demo.QUERIES)

    assert place["navigation"]["location"]["status"] == "OK"
    assert place["navigation"]["destination"]["state"] == "REACHED"
    (trip,) = [edge["node"] for edge in place["navigation"]["trips"]["edges"]]
    assert trip["track"]["pointCount"] > 400
    assert [warning["warning"] for warning in faults["diagnostics"]["warnings"]] == ["TIRE_PRESSURE_LOW_REAR_RIGHT"]
    assert {code["code"]: code["held"] for code in faults["diagnostics"]["troubleCodes"]} == {
        "P0571": True,
        "U0121": False,
    }
    (charging,) = state["diagnostics"]["chargingSessions"]["edges"]
    assert charging["node"]["endedAt"] is None
    assert state["media"]["source"]["value"] == "BLUETOOTH"
    assert len(state["signals"]) == 4
    assert len(state["events"]["edges"]) == 3
