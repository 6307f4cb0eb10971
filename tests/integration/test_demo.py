"""`fleettwin demo` as a person meets it: a fleet that drives, queries that are answered, Ctrl-C, and a second start."""

import json
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx
import pytest

from adapters import demo
from tests.support.command_line import CommandLine

pytest.importorskip("opendbc", reason="the DBC files of simulated cars have no release for this Python")

STATE_FILE: Final = "demo-fleet.json"
PAST_US: Final = demo.FLEET_PAST_S * 1_000_000
PATIENCE_S: Final = 120
FLEET_QUERY: Final = """{ vehicles(first: 100) { edges { node { vin brand lastSeenAt
  navigation { location { latitude longitude } } media { title { value } }
  diagnostics { odometer { value } } } } } }"""


def asked(address: str, document: str) -> dict[str, Any]:
    """Return what the server answers."""
    answer = httpx.post(address, json={"query": document}, timeout=PATIENCE_S)
    body: dict[str, Any] = answer.json()
    assert "errors" not in body, body
    data: dict[str, Any] = body["data"]
    return data


@contextmanager
def running(fleettwin: CommandLine) -> Iterator[tuple[str, list[str]]]:
    """Start the demo, give its address and the queries that it prints, and stop it with Ctrl-C."""
    with fleettwin.started("demo", PORT="0") as process:
        assert process.stdout is not None
        said = ""
        while said.count("\n}\n") < 4:
            line = process.stdout.readline()
            assert line, said
            said += line
        (address,) = re.findall(r"GraphQL: (http://\S+)", said)
        yield address, re.findall(r"^\{\n.*?^\}$", said, re.MULTILINE | re.DOTALL)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=PATIENCE_S)
        assert "Traceback" not in complaint, complaint
        assert "the next start goes on from here" in complaint


def places(address: str) -> dict[str, Any]:
    """Return where the cars of the fleet are."""
    found = asked(address, FLEET_QUERY)["vehicles"]["edges"]
    return {edge["node"]["vin"]: edge["node"] for edge in found if edge["node"]["vin"] != demo.VIN}


@pytest.mark.slow
def test_a_fleet_drives_live_and_the_next_start_goes_on_from_where_it_was(fleettwin: CommandLine) -> None:
    with running(fleettwin) as (address, queries):
        one_car, moving, driven, faulty = (asked(address, query) for query in queries)
        before = places(address)
        while not any(now != before[vin] for vin, now in places(address).items()):  # until somebody has moved
            pass
        assert "another demo drives the fleet" in fleettwin.run("demo", PORT="0").complaint

    assert one_car["vehicle"]["navigation"]["location"]["status"] == "OK"
    assert len(moving["vehicles"]["edges"]) == demo.MOVING_SHOWN
    for edge in moving["vehicles"]["edges"]:
        assert edge["node"]["navigation"]["location"]["latitude"] is not None
    (trip,) = [edge["node"] for edge in driven["vehicle"]["navigation"]["trips"]["edges"]]
    assert trip["ended"]
    assert trip["distanceM"] > 500
    assert driven["vehicle"]["media"]["playHistory"]["edges"]
    assert any(code["held"] for code in faulty["vehicle"]["diagnostics"]["troubleCodes"])
    assert len(before) == demo.FLEET_VEHICLES
    assert {car["brand"] for car in before.values()} == set(demo.FLEET_BRANDS)

    assert [each["lag"] for each in fleettwin.status()["projections"]] == [0, 0, 0]
    reached_us = state(fleettwin)["simulated_us"]
    assert reached_us >= PAST_US
    stopped = distances(fleettwin)
    with running(fleettwin) as (address, _):
        again = places(address)
    assert state(fleettwin)["simulated_us"] >= reached_us
    assert again.keys() == before.keys()
    for vin, metres in distances(fleettwin).items():
        assert metres is None or metres >= (stopped[vin] or 0)  # no car has driven a metre twice


@pytest.mark.slow
def test_a_first_start_that_is_stopped_goes_on_within_the_past(fleettwin: CommandLine) -> None:
    with fleettwin.started("demo", PORT="0") as process:
        while not (fleettwin.home / STATE_FILE).exists():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=PATIENCE_S)
    stopped = state(fleettwin)

    assert process.returncode == 130
    assert "Traceback" not in complaint
    assert 0 < stopped["simulated_us"] < PAST_US
    with running(fleettwin):
        assert state(fleettwin)["simulated_us"] >= PAST_US

    (fleettwin.home / STATE_FILE).write_text(json.dumps(stopped | {"told_until": 2**52}))
    complaint = fleettwin.run("demo", PORT="0").stderr.splitlines()[-1]
    assert "the fleet has driven until later than the clock shows; set the clock" in complaint
    (fleettwin.home / STATE_FILE).unlink()
    before = distances(fleettwin)
    with running(fleettwin):
        while not (fleettwin.home / STATE_FILE).exists():  # until the next step
            pass
    assert state(fleettwin)["simulated_us"] > stopped["simulated_us"]
    for vin, metres in distances(fleettwin).items():
        assert metres is None or metres >= (before[vin] or 0)  # none has driven a metre twice


def test_a_port_that_is_taken_is_known_before_anything_is_told(fleettwin: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "cannot be bound" in fleettwin.run("demo", PORT=str(taken.getsockname()[1])).complaint

    assert fleettwin.status()["logPosition"] == 0


def state(fleettwin: CommandLine) -> Any:
    """Return what the file says of how far the fleet has driven."""
    return json.loads((fleettwin.home / STATE_FILE).read_text())


def distances(fleettwin: CommandLine) -> dict[str, float | None]:
    """Return the odometers of the fleet."""
    found = fleettwin.query(FLEET_QUERY)["vehicles"]["edges"]
    return {edge["node"]["vin"]: edge["node"]["diagnostics"]["odometer"]["value"] for edge in found}
