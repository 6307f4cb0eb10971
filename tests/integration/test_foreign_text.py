"""Text that cars, files and settings bring along is shown as it is: nothing in it is markup, a picture or a colour."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from adapters import terminal
from adapters.summary import Progress
from tests.support.command_line import CommandLine, Finished

VIN = "WVWZZZE1ZTP000042"
MEDIA = "Vehicle.Cabin.Infotainment.Media.Played"
TEXTS = ("Song A [live]", "[/bold]", "[/x]", ":car: [red]", "[link=https://example.org]here[/link]")


def rows_of(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["captured_at,signal,value", *rows, ""]))
    return path


def test_what_a_car_plays_is_shown_as_it_says(fleettwin: CommandLine, tmp_path: Path) -> None:
    names = ("Track", "Artist", "Album", "URI", "Genre")
    rows = [f"2026-06-01T08:00:00Z,{MEDIA}.{name},{text}" for name, text in zip(names, TEXTS, strict=True)]
    fleettwin.ingest(rows_of(tmp_path / "rows.csv", *rows), "--vin", VIN, "--brand", "[bold]:car:", "--model", "[/y]")
    for command in ("show", "events"):
        done = fleettwin.run(command, VIN)
        assert (done.status, done.stderr) == (0, "")
    shown = fleettwin.run("show", VIN).stdout
    for text in (*TEXTS, f"[bold]:car: [/y] {VIN}"):
        assert text in shown


def test_names_of_signals_and_files_are_shown_as_they_are(fleettwin: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "x[" / "y].log :car:"
    folder.mkdir(parents=True)
    rows = ("2026-06-01T08:00:00Z,Vehicle.Speed,1", "2026-06-01T08:00:00Z,my[/x]name,1")
    path = rows_of(folder / "rows[live].csv", *rows)
    done = fleettwin.run("ingest", path, "--vin", VIN)
    assert (done.status, done.stderr) == (0, "")
    assert str(path) in done.stdout
    assert "my[/x]name 1" in done.stdout


@pytest.mark.parametrize("name", ["h[/z]", "h[live]", "h:car:"])
def test_a_folder_of_any_name_is_a_home(fleettwin: CommandLine, tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    done = fleettwin.run("config", HOME=str(home))
    assert done.status == 0, done.stderr
    assert str(home) in done.stdout


def test_progress_tells_the_names_of_files_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = StringIO()
    monkeypatch.setattr(terminal, "err", Console(file=screen, force_terminal=True, width=200))
    with terminal.told_ingest("x[/y] [live] :car:.log") as tell:
        tell(Progress(1, 2, 3, 4, 5))
    assert "x[/y] [live] :car:.log" in screen.getvalue()


def test_a_wrong_option_is_told_as_it_was_given(fleettwin: CommandLine) -> None:
    for wrong in ("--bad[/x]", "--[live]", "--:car:"):
        done = fleettwin.run("show", VIN, wrong)
        assert done.status == 2
        assert "Traceback" not in done.stderr
        assert wrong in done.stderr


# --- tables -----------------------------------------------------------------------------------------------------------


def test_a_row_is_one_line_where_no_terminal_reads_it(
    fleettwin: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    home = tmp_path / ("a long name of a folder " * 5)
    fleettwin.ingest(rows_of(tmp_path / "rows.csv", f"2026-06-01T08:00:00Z,{MEDIA}.Track,{'la ' * 60}"), "--vin", VIN)
    assert any(
        str(home) in line and "FLEETTWIN_HOME" in line for line in lines(fleettwin.run("config", HOME=str(home)))
    )
    shown = lines(fleettwin.run("show", VIN))
    assert any(f"{MEDIA}.Track".removeprefix("Vehicle.") in line and ("la " * 60).strip() in line for line in shown)


def lines(done: Finished) -> list[str]:
    assert done.status == 0, done.stderr
    return done.stdout.splitlines()
