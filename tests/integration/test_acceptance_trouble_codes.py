"""Trouble codes of a real car, as its control units told them on the bus."""

import json

import pytest

from tests.support.command_line import CommandLine
from tests.support.recordings import recording

pytestmark = pytest.mark.recordings

KONA = "KMHK581HGMU000000"

# By control unit, code, failure type: the status. From the answers 59 02 of the recording (ISO 14229-1, 12.3), put
# together by hand: 22 entries, 17 different codes of 10 control units.
HELD = {
    ("72D", "B1603", 0x00): 0x08,
    ("778", "B1603", 0x00): 0x08,
    ("778", "B2211", 0x00): 0x08,
    ("778", "B2801", 0x00): 0x08,
    ("778", "C167C", 0x00): 0x08,
    ("778", "C1829", 0x00): 0x08,
    ("77E", "B2801", 0x00): 0x08,
    ("7A8", "B1210", 0x00): 0x09,
    ("7A8", "B1211", 0x00): 0x09,
    ("7A8", "B1212", 0x00): 0x09,
    ("7A8", "B1213", 0x00): 0x09,
    ("7A8", "B1603", 0x00): 0x08,
    ("7AD", "B1603", 0x00): 0x08,
    ("7BB", "B1238", 0x13): 0x09,
    ("7BF", "C1812", 0x87): 0x28,
    ("7CE", "B1001", 0x52): 0x09,
    ("7D9", "C1614", 0x87): 0x08,
    ("7D9", "C1638", 0x08): 0x08,
    ("7D9", "C1643", 0x08): 0x08,
    ("7D9", "C16B6", 0x87): 0x08,
    ("7D9", "C1806", 0x87): 0x08,
    ("7DC", "C1812", 0x87): 0x08,
}


def test_17_trouble_codes_of_10_control_units_keep_their_status(fleettwin: CommandLine) -> None:
    path = recording("hyundai-kona-ev-can", "221210-1-2021-dcan-car-scanner-elm327.csv.gz")
    arguments = ("--vin", KONA, "--brand", "hyundai", "--map", "obd2", "--recorded-at", "2022-12-10T10:00:00Z")
    (summary,) = fleettwin.ingest(path, *arguments)
    assert summary["frames"] == 1_845
    assert summary["events"]["TroubleCodeRaised"] == len(HELD)

    codes = fleettwin.run("show", KONA, "--json").json["diagnostics"]["troubleCodes"]
    assert {(code["ecu"], code["code"], code["failureType"]): code["status"]["byte"] for code in codes} == HELD
    assert len(codes) == len(HELD)
    assert len({(code["code"], code["failureType"]) for code in codes}) == 17
    assert len({code["ecu"] for code in codes}) == 10
    assert {(code["service"], code["held"]) for code in codes} == {("UDS 19", True)}

    bits = "{ code status { byte confirmed testFailed testFailedSinceLastClear } explanation { system } }"
    found = fleettwin.query(
        f"query Q($vin: String!) {{ vehicle(vin: $vin) {{ diagnostics {{ troubleCodes {bits} }} }} }}", vin=KONA
    )["vehicle"]["diagnostics"]["troubleCodes"]
    assert {code["status"]["confirmed"] for code in found} == {True}  # bit 3 of the status
    for code in found:
        assert code["status"]["testFailed"] == bool(code["status"]["byte"] & 0x01)
        assert code["status"]["testFailedSinceLastClear"] == bool(code["status"]["byte"] & 0x20)
    assert {code["code"][0]: code["explanation"]["system"] for code in found} == {"B": "body", "C": "chassis"}

    screen = fleettwin.run("show", KONA).stdout
    assert all(f"{code}-{failure:02X}" in screen for _, code, failure in HELD)

    holders = fleettwin.query('{ vehicles(first: 5, filter: {troubleCodes: ["C16B6"]}) { edges { node { vin } } } }')
    assert json.dumps(holders).count(KONA) == 1
