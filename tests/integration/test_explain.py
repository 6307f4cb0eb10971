"""`fleettwin explain`: where a value comes from, as a person asks."""

import hashlib
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from tests.support.command_line import ROOT, CommandLine
from tests.support.small_drives import petrol_drive

VIN: Final = "WVWZZZE1ZTP000042"
# Another reading of the answer that is Vehicle.Speed in the mapping obd2.
OTHER_MAPPING: Final = """
Vehicle.AverageSpeed:
  type: sensor
  datatype: float
  x-fleettwin: {obd2: {pid: 0x0D}}
"""


def digits(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


@pytest.fixture
def driven(fleettwin: CommandLine, tmp_path: Path) -> CommandLine:
    path = tmp_path / "drive.log"
    path.write_text(petrol_drive())
    fleettwin.ingest(path, "--vin", VIN, "--map", "obd2")
    return fleettwin


def explained(fleettwin: CommandLine, path: str, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = fleettwin.run("explain", VIN, path, "--json", *arguments).json
    return found


def test_each_value_names_the_mapping_that_made_it(driven: CommandLine, tmp_path: Path) -> None:
    before = explained(driven, "Vehicle.Speed")
    batches = []
    other = tmp_path / "other.yaml"
    for content in (OTHER_MAPPING, OTHER_MAPPING.replace("0x0D}", "0x0C, bytes: 2}")):
        other.write_text(content)
        driven.ingest(tmp_path / "drive.log", "--vin", VIN, "--map", str(other))
        batches.append(explained(driven, "AverageSpeed")["batch"])
        assert batches[-1]["origin"] == {
            "decoder": f"fleettwin {version('fleettwin')}, candump text: OBD-II and UDS answers",
            "mapping": f"other.yaml sha256:{digits(content.encode())}",
        }
    after = explained(driven, "Vehicle.Speed")
    assert after["event"] == before["event"]
    assert after["batch"] == before["batch"]
    obd2 = digits((ROOT / "schemas/vss/obd2.yaml").read_bytes())
    assert before["batch"]["origin"]["mapping"] == f"obd2 sha256:{obd2}"
    assert len({batch["streamId"] for batch in [before["batch"], *batches]}) == 3


def test_the_times_of_a_value_are_in_the_order_of_its_way(driven: CommandLine) -> None:
    times = explained(driven, "Vehicle.Speed")["times"]
    way = [times[name] for name in ("capturedAtRaw", "capturedAt", "receivedAt", "recordedAt", "projectedAt")]
    assert all(one <= other for one, other in pairwise(way))
    version_told = explained(driven, "Speed")["event"]["version"]
    (event,) = [each for each in driven.run("events", VIN, "--json").json if each["version"] == version_told]
    assert (event["receivedAt"], event["recordedAt"]) == (times["receivedAt"], times["recordedAt"])


def test_the_past_is_explained_as_well(driven: CommandLine) -> None:
    now = explained(driven, "Vehicle.Speed")
    at = driven.events(VIN)[3]["capturedAt"]
    then = explained(driven, "Vehicle.Speed", "--as-of", at)
    assert then["event"]["version"] < now["event"]["version"]
    assert then["batch"]["origin"] == now["batch"]["origin"]
    assert then["times"]["projectedAt"] is None
    assert driven.run("explain", VIN, "Speed", "--known-at", at).complaint == (
        f"fleettwin: VIN {VIN}: there was no such vehicle yet; see `fleettwin timeline {VIN}` for when it began"
    )


def test_a_chain_is_printed_from_the_top_down(driven: CommandLine) -> None:
    done = driven.run("explain", VIN, "Vehicle.Speed")
    title, *lines = done.stdout.splitlines()
    told = {cells[1].strip(): cells[2].strip() for cells in (line.split("│") for line in lines) if len(cells) > 2}
    found = explained(driven, "Vehicle.Speed")
    assert (done.status, done.stderr, title) == (0, "", "Vehicle.Speed")
    names = ["value", "event", "batch", "decoder", "mapping", "captured", "received", "recorded"]
    assert list(told)[:-1] == names
    assert list(told)[-1].startswith("read model")
    assert told["value"].startswith("0 km/h")
    assert told["batch"] == f"{found['batch']['streamId']}, sequence {found['batch']['sequence']}"
    assert told["mapping"] == found["batch"]["origin"]["mapping"]


def test_what_nobody_told_is_not_guessed(driven: CommandLine) -> None:
    assert driven.database is not None
    with psycopg.connect(driven.database) as connection:
        connection.execute("DELETE FROM stream_origins")  # as of streams that are older than it
    screen = driven.run("explain", VIN, "Vehicle.Speed").stdout
    assert screen.count("not recorded") == 2
    assert explained(driven, "Vehicle.Speed")["batch"]["origin"] is None


def test_what_was_never_received_says_so(driven: CommandLine) -> None:
    found = explained(driven, "Vehicle.CurrentLocation.Latitude")
    assert (found["value"]["value"], found["value"]["status"]) == (None, "NEVER_RECEIVED")
    assert (found["event"], found["batch"], found["times"]) == (None, None, None)
    screen = driven.run("explain", VIN, "Vehicle.CurrentLocation.Latitude").stdout
    assert "NEVER_RECEIVED: this vehicle has never sent it" in screen


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((VIN, "Sped"), "Vehicle.Sped is no signal of VSS 6.0 (bundled); did you mean Vehicle.Speed or"),
        (
            (VIN, "Vehicle.Nothing.Like.It.Zzz"),
            "Vehicle.Nothing.Like.It.Zzz is no signal of VSS 6.0 (bundled);",
        ),
        (("WVWZZZE1ZTP000043", "Speed"), "VIN WVWZZZE1ZTP000043: no such vehicle; ingest a recording of it first"),
        (("WVW", "Speed"), "VIN 'WVW': a VIN has 17 characters, this one has 3"),
        ((VIN, "Speed", "--as-of", "yesterday"), "--as-of: 'yesterday' is no time"),
        ((VIN, "Speed", "--known-at", "2999-01-01T00:00:00Z"), "2999-01-01T00:00:00+00:00 has not come yet"),
    ],
)
def test_bad_input_is_one_line(driven: CommandLine, arguments: tuple[str, ...], complaint: str) -> None:
    assert complaint in driven.run("explain", *arguments).complaint
