"""The commands of `fleettwin`, each as a person uses it."""

import json
import re
import signal
import subprocess
import time
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from adapters import demo
from tests.support.command_line import PROGRAM, STATE_QUERY, VIN_KEY, CommandLine, serving
from tests.support.small_drives import petrol_drive

VIN: Final = "WVWZZZE1ZTP000042"
OTHER_VIN: Final = "WVWZZZE1ZTP000043"
PATIENCE_S: Final = 120  # on a busy machine
STATUS = "{ status { logPosition projections { name lag parked } } }"


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    path = tmp_path / "drive.log"
    path.write_text(petrol_drive())
    return path


@pytest.fixture
def driven(fleettwin: CommandLine, drive: Path) -> CommandLine:
    """A command line that knows one car."""
    fleettwin.ingest(drive, "--vin", VIN, "--brand", "vw", "--model", "Golf", "--map", "obd2")
    return fleettwin


def asked(address: str, document: str, **variables: Any) -> dict[str, Any]:
    answer = httpx.post(address, json={"query": document, "variables": variables}, timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert "errors" not in body, body["errors"]
    data: dict[str, Any] = body["data"]
    return data


def caught_up(address: str, position: int) -> None:
    """Wait until the server has projected the log up to a position."""
    deadline, status = time.monotonic() + PATIENCE_S, None
    while time.monotonic() < deadline:
        status = asked(address, STATUS)["status"]
        if status["logPosition"] >= position and not any(each["lag"] for each in status["projections"]):
            return
    pytest.fail(f"the server has not caught up: {status}")


def stopped(process: "subprocess.Popen[str]") -> None:
    """Press Ctrl-C, and see a clean end."""
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


# --- reading ----------------------------------------------------------------------------------------------------------


def test_every_reading_command_prints_json(driven: CommandLine, tmp_path: Path) -> None:
    shown = driven.run("show", VIN, "--json").json
    assert (shown["vin"], shown["brand"], shown["model"]) == (VIN, "vw", "Golf")
    assert shown["navigation"]["trips"]["edges"]
    assert {"path", "value", "unit", "status", "capturedAt"} <= shown["signals"][0].keys()

    events = driven.run("events", VIN, "--json").json
    assert [event["version"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["type"] == "vehicle.registered.v1"
    only = driven.run("events", VIN, "--type", "vehicle.trip_ended.v1", "--type", "vehicle.trip_started.v1", "--json")
    assert {event["type"] for event in only.json} == {"vehicle.trip_ended.v1", "vehicle.trip_started.v1"}

    status = driven.run("status", "--digest", "--json").json
    assert status["logPosition"] == len(events)
    assert [each["lag"] for each in status["projections"]] == [0, 0, 0]
    assert all(re.fullmatch(r"[0-9a-f]{64}", each["digest"]) for each in status["projections"])

    settings = {each["name"]: each for each in driven.run("config", "--json").json}
    assert settings["FLEETTWIN_PORT"]["source"] == "default"
    assert settings["FLEETTWIN_DATABASE_URL"]["source"] == "environment FLEETTWIN_DATABASE_URL"

    document = tmp_path / "trips.graphql"
    document.write_text(
        "query Trips($vin: String!) { vehicle(vin: $vin) { vin } }\nquery Other { status { logPosition } }"
    )
    answer = driven.run("query", document, "--variables", json.dumps({"vin": VIN}), "--operation", "Trips", "--json")
    assert answer.json == {"data": {"vehicle": {"vin": VIN}}}
    piped = driven.run("query", "-", "--operation", "Other", stdin=document.read_text())
    assert piped.json["data"]["status"]["logPosition"] == len(events)


def test_every_reading_command_prints_a_screen(driven: CommandLine) -> None:
    shown = driven.run("show", VIN)
    assert (shown.status, shown.stderr) == (0, "")
    assert VIN in shown.stdout
    assert "Powertrain.CombustionEngine.Speed" in shown.stdout
    events = driven.run("events", VIN)
    assert "trip_started" in events.stdout
    status = driven.run("status")
    assert "navigation" in status.stdout
    assert "lag" in status.stdout
    assert {done.status for done in (events, status)} == {0}


@pytest.mark.parametrize(
    ("arguments", "asks_the_api"),
    [
        (["show", VIN], True),
        (["explain", VIN, "Speed"], True),
        (["events", VIN], True),
        (["status", "--digest"], False),
        (["parked", "list"], False),
        (["decommission", VIN], False),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_reads_no_recording_does_not_load_what_does(
    driven: CommandLine, arguments: list[str], asks_the_api: bool
) -> None:
    done = subprocess.run(
        [*PROGRAM, *arguments],
        env=driven.environment() | {"PYTHONPROFILEIMPORTTIME": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(re.findall(r"^import time:.*\| +(\w+)", done.stderr, re.MULTILINE))
    assert "psycopg" in loaded
    assert loaded & {"asammdf", "can", "cantools", "numpy", "pandas", "pyarrow", "uvicorn"} == set()
    assert ("graphql" in loaded) == asks_the_api


def test_the_secrets_are_not_shown(driven: CommandLine) -> None:
    for arguments in (("config",), ("config", "--json")):
        shown = driven.run(*arguments).stdout
        assert VIN_KEY not in shown
        assert str(driven.database) not in shown
        assert "FLEETTWIN_VIN_KEY" in shown
        assert "not shown" in shown


def test_settings_come_from_the_environment_then_the_file_then_the_default(
    fleettwin: CommandLine, tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('port = 9001\nhost = "127.0.0.2"\n')
    found = fleettwin.run("config", "--json", CONFIG=str(path), HOST="127.0.0.3").json
    settings = {each["name"]: (each["value"], each["source"]) for each in found}
    assert settings["FLEETTWIN_CONFIG"] == (str(path), "environment FLEETTWIN_CONFIG")
    assert settings["FLEETTWIN_PORT"] == ("9001", f"file {path}")
    assert settings["FLEETTWIN_HOST"] == ("127.0.0.3", "environment FLEETTWIN_HOST")
    assert settings["FLEETTWIN_VSS_CATALOGUE"] == (None, "default")


def test_without_a_command_it_helps(fleettwin: CommandLine) -> None:
    done = fleettwin.run()
    said = done.stdout + done.stderr
    for command in ("ingest", "serve", "demo", "show", "events", "status", "query", "config"):
        assert command in said
    assert "Traceback" not in said


def test_it_says_which_version_it_is(fleettwin: CommandLine) -> None:
    assert fleettwin.run("--version").stdout == f"fleettwin {version('fleettwin')}\n"


@pytest.mark.parametrize("command", ["ingest", "listen", "simulate", "show", "events", "decommission", "query"])
def test_the_help_speaks_of_no_types_of_python(fleettwin: CommandLine, command: str) -> None:
    done = fleettwin.run(command, "--help")
    assert done.status == 0
    assert "--" in done.stdout
    assert "<" not in done.stdout


def test_a_brand_that_nobody_knows_is_not_shown(fleettwin: CommandLine, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(f"vehicle,captured_at,signal,value\n{VIN},2026-06-01T08:00:00Z,Vehicle.Speed,10\n")
    fleettwin.ingest(rows)
    assert fleettwin.run("show", VIN).stdout.startswith(f"{VIN}, last seen 2026-06-01 08:00:00\n")


def test_an_ingest_sums_up_what_it_read(fleettwin: CommandLine, drive: Path) -> None:
    done = fleettwin.run("ingest", drive, "--vin", VIN, "--map", "obd2")
    assert (done.status, done.stderr) == (0, "")
    for words in ("frames or rows read", "diagnostic answers", "OBD 01", "samples", "TripStarted 1"):
        assert words in done.stdout
    again = fleettwin.run("ingest", drive, "--vin", VIN, "--map", "obd2")
    assert "none: nothing new" in again.stdout


def test_a_person_may_know_better_than_the_recording_whose_it_is(fleettwin: CommandLine, tmp_path: Path) -> None:
    maps = [word for name in demo.MAPPINGS for word in ("--map", name)]
    rows = tmp_path / "rows.csv"
    rows.write_text(f"vehicle,captured_at,signal,value\n{VIN},2026-06-01T08:00:00Z,Vehicle.Speed,10\n")
    with demo.recording() as path:
        can, _ = fleettwin.ingest(path, rows, "--vin", OTHER_VIN, "--any-vin", *maps)
    assert can["notes"] == [f"control units say that the VIN is {demo.VIN}"]
    assert fleettwin.query("{ vehicles(first: 5) { edges { node { vin } } } }") == {
        "vehicles": {"edges": [{"node": {"vin": OTHER_VIN}}]}
    }


def test_a_published_recording_with_a_blanked_serial_number_is_of_the_car(
    fleettwin: CommandLine, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(f"vehicle,captured_at,signal,value\n{VIN[:11]}000000,2026-06-01T08:00:00Z,Vehicle.Speed,10\n")
    assert fleettwin.ingest(rows, "--vin", VIN)[0]["samples"] == 1


def test_dates_stay_as_they_were_where_a_recording_without_a_clock_is_ingested_again(
    fleettwin: CommandLine, tmp_path: Path
) -> None:
    path = tmp_path / "drive.log"
    path.write_text("".join(f"({second}.000000) can0 7E8#03410D{second:02X}00000000\n" for second in range(1, 60)))
    arguments = (path, "--vin", VIN, "--map", "obd2")
    (first,) = fleettwin.ingest(*arguments, "--recorded-at", "2026-06-01T08:00:00Z")
    assert "its first frame is dated 2026-06-01T08:00:00+00:00, by --recorded-at" in first["notes"][0]
    before = fleettwin.state(VIN)
    (again,) = fleettwin.ingest(*arguments, "--recorded-at", "2026-06-02T08:00:00Z")
    assert again["notes"] == ["the recording has no wall clock and had been taken before: its dates stay as they were"]
    assert fleettwin.state(VIN) == before


def test_a_vehicle_that_has_left_the_fleet_is_told_from_one_that_is_in_it(
    driven: CommandLine, drive: Path, tmp_path: Path
) -> None:
    assert "decommissioned" not in driven.run("show", VIN).stdout
    assert driven.run("show", VIN, "--json").json["decommissionedAt"] is None
    driven.run("decommission", VIN, "--reason", "sold")

    shown, found = driven.run("show", VIN).stdout, driven.run("show", VIN, "--json").json
    told = [event for event in driven.run("events", VIN, "--json").json if "decommissioned" in event["type"]]
    assert found["decommissionedAt"] == told[0]["capturedAt"]
    assert f"decommissioned {found['decommissionedAt'][:19].replace('T', ' ')}" in shown.splitlines()[0]

    assert driven.ingest(drive, "--vin", VIN, "--map", "obd2")[0]["events"] == {}, "it was taken before"
    rows = tmp_path / "rows.csv"
    rows.write_text(f"vehicle,captured_at,signal,value\n{VIN},2026-06-02T08:00:00Z,Vehicle.Speed,10\n")
    for arguments in ((rows,), (rows, "--vin", VIN)):
        done = driven.run("ingest", *arguments)
        assert done.status == 2
        complaint = f"fleettwin: {rows}: {VIN} has been decommissioned and takes no telemetry; leave it out"
        assert done.stderr.startswith(complaint)


def test_a_mapping_that_is_named_twice_counts_once(fleettwin: CommandLine, drive: Path) -> None:
    fleettwin.ingest(drive, "--vin", VIN, "--map", "obd2")
    (again,) = fleettwin.ingest(drive, "--vin", VIN, "--map", "obd2", "--map", "obd2")
    assert again["batches"] == again["duplicateBatches"]


def test_a_file_whose_name_is_no_text_is_read(fleettwin: CommandLine, drive: Path, tmp_path: Path) -> None:
    path = drive.rename(tmp_path / "\udcff.log")
    assert fleettwin.run("ingest", path, "--vin", VIN, "--map", "obd2").status == 0
    assert fleettwin.ingest(path, "--vin", VIN, "--map", "obd2")[0]["samples"]


def test_a_home_may_have_any_name(tmp_path: Path) -> None:
    fleettwin = CommandLine(tmp_path / 'it\'s "mine", $HOME `id` \\ %d')
    assert fleettwin.status()["logPosition"] == 0


# --- serving ----------------------------------------------------------------------------------------------------------


class Links(HTMLParser):
    """Everything that a page makes a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {"script": "src", "link": "href", "img": "src", "iframe": "src"}
        self.found += [value for name, value in attrs if value and names.get(tag) == name]


def test_serve_answers_and_stops_at_ctrl_c(driven: CommandLine) -> None:
    with serving(driven) as (process, address):
        assert urlsplit(address).hostname == "127.0.0.1"
        assert asked(address, STATE_QUERY, vin=VIN)["vehicle"] == driven.state(VIN)

        # What every role tells of itself.
        while httpx.get(urljoin(address, "/ready"), timeout=PATIENCE_S).json() != {"status": "ready"}:
            assert process.poll() is None
        assert httpx.get(urljoin(address, "/health"), timeout=PATIENCE_S).status_code == 200
        metrics = httpx.get(urljoin(address, "/metrics"), timeout=PATIENCE_S).text
        assert '\nfleettwin_projection_lag_events{projection="navigation v1"} 0.0\n' in metrics

        page = httpx.get(address, headers={"accept": "text/html"}, timeout=PATIENCE_S)
        assert page.headers["content-type"].startswith("text/html")
        links = Links()
        links.feed(page.text)
        assert links.found
        for link in (link for link in links.found if not link.startswith("data:")):
            assert urlsplit(urljoin(address, link)).netloc == urlsplit(address).netloc
            assert httpx.get(urljoin(address, link), timeout=PATIENCE_S).status_code == 200
        inline = re.sub(r"https?://(www\.w3\.org|localhost|127\.0\.0\.1)\S*", "", page.text)
        assert not re.findall(r"(?:import|fetch|src=|href=)\W*(?:https?:)?//", inline)
        stopped(process)
    with pytest.raises(httpx.ConnectError):
        httpx.get(address, timeout=PATIENCE_S)


def test_an_address_of_ipv6_is_one_that_a_browser_takes(driven: CommandLine) -> None:
    with driven.started("serve", PORT="0", HOST="::1") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert re.search(r"http://\[::1\]:\d+/graphql", line), line
        assert asked(line.split()[-1], STATUS)["status"]
        stopped(process)


def test_a_taken_port_is_bad_input(driven: CommandLine) -> None:
    with serving(driven) as (_, address):
        port = str(urlsplit(address).port)
        done = driven.run("serve", PORT=port)
        assert done.status == 2
        assert "Traceback" not in done.stderr
        last = done.stderr.splitlines()[-1]
        assert port in last
        assert "FLEETTWIN_PORT" in last


def test_what_is_ingested_beside_a_server_is_served(tmp_path: Path, drive: Path) -> None:
    """On one home, with the embedded database, which outlives neither command."""
    fleettwin = CommandLine(tmp_path / "home")
    with serving(fleettwin) as (process, address):
        assert asked(address, "{ vehicles(first: 5) { edges { node { vin } } } }") == {"vehicles": {"edges": []}}
        fleettwin.ingest(drive, "--vin", VIN, "--map", "obd2")
        caught_up(address, fleettwin.run("status", "--json").json["logPosition"])
        served = asked(address, STATE_QUERY, vin=VIN)["vehicle"]
        assert served == fleettwin.state(VIN)
        assert len(served["navigation"]["trips"]["edges"]) == 1
        assert (fleettwin.home / "postgres" / "data" / "postmaster.pid").exists()
        stopped(process)
    assert not (fleettwin.home / "postgres" / "data" / "postmaster.pid").exists(), "the database is still running"


def test_two_ingests_at_once(fleettwin: CommandLine, other_fleettwin: CommandLine, drive: Path) -> None:
    vins = (VIN, OTHER_VIN)
    for vin in vins:
        other_fleettwin.ingest(drive, "--vin", vin, "--map", "obd2")
    with (
        fleettwin.started("ingest", drive, "--vin", VIN, "--map", "obd2", "--json") as one,
        fleettwin.started("ingest", drive, "--vin", OTHER_VIN, "--map", "obd2", "--json") as other,
    ):
        for process in (one, other):
            _, errors = process.communicate(timeout=PATIENCE_S)
            assert (process.returncode, errors) == (0, "")
    assert {each["lag"] for each in fleettwin.status()["projections"]} == {0}
    for vin in vins:
        assert fleettwin.state(vin) == other_fleettwin.state(vin)
