"""`fleettwin simulate` as a person runs it."""

import json
import signal
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine

opendbc = pytest.importorskip("opendbc", reason="the DBC files of simulated cars have no release for this Python")


@pytest.fixture
def alone(tmp_path: Path) -> CommandLine:
    """Give the command line for what needs no database; it would fail to reach this one."""
    return CommandLine(tmp_path / "home", "postgresql://nobody@127.0.0.1:1/nothing")


def test_the_same_seed_writes_the_same_files(alone: CommandLine, tmp_path: Path) -> None:
    arguments = ("--vehicles", "4", "--hours", "0.15", "--seed", "3", "--rate", "100")
    for name in ("one", "two"):
        assert alone.run("simulate", *arguments, "--out", tmp_path / name).status == 0
    alone.run("simulate", *arguments[:-3], "4", "--rate", "100", "--out", tmp_path / "other")
    one, two, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two", "other")
    )

    assert one == two
    assert one != other
    assert not [name for name in one if name.endswith(".part")]
    assert sum(text.count(b"\n") for name, text in one.items() if name.endswith(".log")) > 10_000


def test_what_it_writes_becomes_the_twin_that_is_true(fleettwin: CommandLine, tmp_path: Path) -> None:
    done = fleettwin.run("simulate", "--vehicles", "6", "--hours", "0.5", "--rate", "100", "--out", tmp_path / "out")
    command = done.stdout.splitlines()[-1]
    path, vin = (word for word in command.split() if "out" in word or len(word) == 17)
    (facts,) = [car for car in json.loads((tmp_path / "out" / "fleet.json").read_text()) if car["vin"] == vin]

    assert command.startswith("fleettwin ingest ")
    assert fleettwin.run("ingest", path, "--vin", vin, "--map", facts["map"][0], "--map", facts["map"][1]).status == 0
    state = fleettwin.state(vin)
    played = [play["node"]["title"] for play in reversed(state["media"]["playHistory"]["edges"])]
    assert played == [play["title"] for play in facts["truth"]["plays"] if play["at_s"] < 1_800]


def test_a_fleet_in_memory_is_what_was_true(alone: CommandLine) -> None:
    done = alone.run("simulate", "--vehicles", "6", "--hours", "0.5", "--rate", "100", "--check", "--json")
    again = alone.run("simulate", "--vehicles", "6", "--hours", "0.5", "--rate", "100", "--check")

    assert done.json["differences"] == []
    assert done.json["frames"] > 100_000
    assert "the twins show what was true of every car" in again.stdout


def test_a_fleet_drives_into_the_running_twin(fleettwin: CommandLine) -> None:
    arguments = ("--live", "--hours", "0.25", "--speedup", "200", "--rate", "50", "--fault", "doubled=0.2")
    done = fleettwin.run("simulate", "--vehicles", "3", *arguments, "--check", "--json")

    assert done.json["differences"] == []
    assert done.json["duplicateBatches"] > 0
    found = fleettwin.query("{ vehicles(first: 10) { edges { node { brand lastSeenAt } } } }")
    assert len(found["vehicles"]["edges"]) == 3


def test_ctrl_c_ends_a_fleet_that_drives_without_end(fleettwin: CommandLine) -> None:
    with fleettwin.started("simulate", "--vehicles", "2", "--live", "--json") as process:
        while not fleettwin.query("{ vehicles(first: 10) { edges { node { vin } } } }")["vehicles"]["edges"]:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        said, complaint = process.communicate(timeout=60)

    assert process.returncode == 0, complaint
    assert json.loads(said)["vehicles"] == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--check", "--hours", "1", "--vehicles", "0"], "--vehicles: 0 is out of range; give a number from 1 to"),
        (
            ["--check", "--hours", "1", "--brand", "Tesla"],
            "--brand: no simulated car is of the brand 'Tesla'; give one",
        ),
        (["--check", "--hours", "1", "--vehicles", "100000"], "--vehicles: 100,000 cars need 300 GB of memory"),
        (["--check", "--hours", "0"], "--hours: 0.0 is out of range"),
        (["--check", "--hours", "nan"], "--hours: nan is out of range"),
        (["--check", "--hours", "1", "--seed", "-1"], "--seed: -1 is out of range"),
        (["--check", "--hours", "1", "--rate", "0"], "--rate: 0 is out of range"),
        (["--check", "--hours", "1", "--fault", "rust"], "--fault: there is no fault 'rust'; give one of all, lost"),
        (["--check", "--hours", "1", "--fault", "lost=2"], "--fault: '2' is no share of lost"),
        (["--check"], "--hours: is missing; say how long"),
        (["--hours", "1"], "simulate: does not say where to; give --out DIR, --live, or --check"),
        (["--hours", "1", "--check", "--speedup", "2"], "--speedup: needs --live and --hours"),
        (["--hours", "1", "--check", "--out", "x"], "--out: excludes --live and --check"),
        (["--hours", "1", "--out", "/proc/nothing"], "/proc/nothing: nothing can be written there"),
        (["--hours", "1", "--out", "x", "--fault", "lost"], "--fault: lost, doubled, reordered, late and tunnel are"),
    ],
)
def test_nonsense_is_refused_in_one_line(alone: CommandLine, arguments: list[str], complaint: str) -> None:
    assert complaint in alone.run("simulate", *arguments).complaint


def test_a_file_where_the_folder_should_be_is_refused(alone: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    assert "nothing can be written there" in alone.run("simulate", "--hours", "1", "--out", tmp_path / "file").complaint
    assert (tmp_path / "file").read_text() == "mine"


def test_the_frames_of_another_fleet_are_not_mixed_with_those_of_this_one(alone: CommandLine, tmp_path: Path) -> None:
    arguments = ("simulate", "--hours", "0.02", "--rate", "50", "--out", tmp_path / "out")
    assert alone.run(*arguments, "--vehicles", "2").status == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    assert "there are the frames of another fleet" in alone.run(*arguments, "--vehicles", "2", "--seed", "9").complaint
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert alone.run(*arguments, "--vehicles", "3").status == 0  # the same cars, and one more


def test_what_is_true_is_told_of_the_time_that_the_frames_tell_of(alone: CommandLine, tmp_path: Path) -> None:
    done = alone.run("simulate", "--vehicles", "8", "--hours", "0.3", "--rate", "30", "--out", tmp_path, "--json")
    truth = [car["truth"] for car in json.loads((tmp_path / "fleet.json").read_text())]
    times = [item.get("at_s", item.get("started_s")) for car in truth for items in car.values() for item in items]

    assert times
    assert max(times) < 0.3 * 3_600
    assert done.json["bytes"] == sum(path.stat().st_size for path in tmp_path.glob("*.log"))


def test_dbc_files_of_ones_own_are_taken_instead_of_those_of_the_package(alone: CommandLine, tmp_path: Path) -> None:
    package = Path(opendbc.__file__).parent / "dbc"
    for name in ("vw_meb.dbc", "vw_mqb.dbc"):
        (tmp_path / name).write_bytes((package / name).read_bytes())
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "vw_meb.dbc").write_text('VERSION ""\n')
    arguments = ("simulate", "--vehicles", "4", "--hours", "0.05", "--rate", "50", "--check", "--json")

    own = alone.run(*arguments, "--dbc", tmp_path / "vw_meb.dbc", "--dbc", tmp_path / "vw_mqb.dbc")
    assert own.json == alone.run(*arguments).json
    assert "holds no CAN message" in alone.run(*arguments, "--dbc", tmp_path / "empty" / "vw_meb.dbc").stderr


def test_cars_that_slept_are_said_to_have_slept(alone: CommandLine) -> None:
    done = alone.run("simulate", "--vehicles", "2", "--hours", "0.001", "--seed", "4", "--check")

    assert "no car was awake: give them more time" in done.stdout
