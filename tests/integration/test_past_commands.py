"""What is asked of the past on the command line, and the line about a question that cannot be."""

from pathlib import Path

import pytest

from adapters import demo
from tests.support.command_line import CommandLine

VIN = "WVWZZZE1ZTP000042"
STRANGER = "WVWZZZE1ZTP999999"
FUTURE = "2999-01-01T00:00:00Z"
DRIVEN = "2026-06-01T07:20:00Z"


@pytest.fixture(scope="module")
def driven(database: str, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A command line that knows a drive of one car; nothing here changes it."""
    fleettwin = CommandLine(tmp_path_factory.mktemp("driven") / "home", database)
    with demo.recording() as path:
        fleettwin.ingest(path, "--vin", VIN, *(word for name in demo.MAPPINGS for word in ("--map", name)))
    return fleettwin


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("show", VIN, "--as-of", FUTURE), "--as-of: 2999-01-01T00:00:00+00:00 has not come yet; give a time that"),
        (("show", VIN, "--known-at", FUTURE), "--known-at: 2999-01-01T00:00:00+00:00 has not come yet; "),
        (("show", VIN, "--as-of", "2026-06-01"), "--as-of: a date alone is no time; write 2026-06-01T00:00:00Z, or"),
        (
            ("show", VIN, "--as-of", "2026-06-01 08:00:00"),
            "--as-of: the time has no zone; write 2026-06-01T08:00:00Z, or an offset like +02:00 in place of Z",
        ),
        (("show", VIN, "--as-of", ""), "--as-of: '' is no time; "),
        (("show", VIN, "--as-of", "2020-01-01T00:00:00Z"), f"VIN {VIN}: there was no such vehicle yet; see "),
        (("show", STRANGER, "--as-of", DRIVEN), f"VIN {STRANGER}: no such vehicle; ingest a recording of it first"),
        (("explain", STRANGER, "Speed", "--as-of", DRIVEN), f"VIN {STRANGER}: no such vehicle; "),
        (("explain", VIN, "Nothing", "--as-of", DRIVEN), "PATH: Vehicle.Nothing is no signal"),
        (("timeline", STRANGER), f"VIN {STRANGER}: no such vehicle; "),
        (
            ("timeline", VIN, "--from", DRIVEN, "--to", "2026-06-01T07:19:59Z"),
            "--to: the end is before the beginning; ",
        ),
        (("timeline", VIN, "--from", ""), "--from: '' is no time; "),
        (("events", VIN, "--type", "nothing"), "--type: 'nothing' is no type of event; "),
    ],
)
def test_a_question_that_cannot_be_is_one_line(driven: CommandLine, arguments: tuple[str, ...], complaint: str) -> None:
    assert driven.run(*arguments).complaint.startswith(f"fleettwin: {complaint}")


def test_the_first_moment_of_all_is_a_moment(driven: CommandLine) -> None:
    first = "1970-01-01T00:00:00Z"
    assert driven.run("timeline", VIN, "--to", first, "--json").json == []
    assert driven.run("timeline", VIN, "--from", first, "--json").json != []


def test_what_comes_after_later_samples_is_late(fleettwin: CommandLine, tmp_path: Path) -> None:
    """Samples alone are no happening, and are not shown; they are what comes later is measured against."""
    rows: dict[str, list[tuple[int, str, object]]] = {
        "samples": [(hour, "Vehicle.Exterior.AirTemperature", 10 + hour) for hour in range(8, 13)]
    }
    played = "Vehicle.Cabin.Infotainment.Media.Played"
    rows["late"] = [(10, f"{played}.Source", "FM"), (11, f"{played}.Track", "Song")]
    rows["in time"] = [(12, f"{played}.Track", "Another song")]
    for name, told in rows.items():
        path = tmp_path / f"{name}.csv"
        lines = [f"2026-06-01T{hour:02}:30:00Z,{VIN},{signal},{value}" for hour, signal, value in told]
        path.write_text("\n".join(["captured_at,vehicle,signal,value", *lines]))
        fleettwin.ingest(path)
    found = fleettwin.run("timeline", VIN, "--json").json
    assert [(each["what"], each["late"]) for each in found] == [
        ("media source", True),
        ("plays", True),
        ("plays", False),
        ("became known", False),
    ]
