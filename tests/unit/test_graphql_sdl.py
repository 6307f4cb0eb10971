from datetime import date
from pathlib import Path

import pytest
from graphql import build_schema, validate_schema

from adapters.graphql.sdl import CURRENT, FOLDER, RELEASED, main, text

TODAY = date(2027, 7, 1)
VIN = '  """Vehicle identification number, ISO 3779."""\n  vin: String!\n'
COLOUR = '  colour: String @deprecated(reason: "Use paint. Removed after 2027-06-30.")\n'


def released(folder: Path, extra: str = "  colour: String\n") -> str:
    """Write a release whose vehicles have something more than they have now; return it."""
    found = text().replace("  vin: String!\n", f"  vin: String!\n{extra}", 1)
    (folder / RELEASED).write_text(found, encoding="utf-8")
    return found


def test_the_file_is_the_schema_of_the_code() -> None:
    assert (FOLDER / CURRENT).read_text(encoding="utf-8") == text(), "run python -m adapters.graphql.sdl"
    assert validate_schema(build_schema(text())) == []


def test_there_is_a_release_that_clients_still_find_everything_of() -> None:
    assert (FOLDER / RELEASED).exists()
    assert main(["--check"]) == 0


def test_a_missing_file_fails_the_check_and_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "graphql"
    assert main(["--check"], folder) == 1
    assert not folder.exists()
    assert main(["--release"], folder) == 0
    assert (folder / CURRENT).read_text(encoding="utf-8") == text()
    assert (folder / RELEASED).read_text(encoding="utf-8").endswith(text())
    assert main(["--check"], folder) == 0


def test_without_a_release_the_check_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 1
    assert "released.graphql, the schema of the last release, is missing" in capsys.readouterr().err


def test_what_only_adds_is_written_and_the_release_stays(tmp_path: Path) -> None:
    old = text().replace(f"{VIN}\n", "", 1)
    for name in (CURRENT, RELEASED):
        (tmp_path / name).write_text(old, encoding="utf-8")
    assert main(["--check"], tmp_path) == 1
    assert main([], tmp_path) == 0
    assert (tmp_path / CURRENT).read_text(encoding="utf-8") == text()
    assert (tmp_path / RELEASED).read_text(encoding="utf-8") == old
    assert main(["--check"], tmp_path) == 0


@pytest.mark.parametrize("option", [[], ["--release"]])
def test_what_breaks_clients_is_named_and_not_written(
    option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = released(tmp_path)
    assert main(option, tmp_path) == 1
    assert not (tmp_path / CURRENT).exists()
    assert (tmp_path / RELEASED).read_text(encoding="utf-8") == before
    assert "breaks clients: Field Vehicle.colour was removed." in capsys.readouterr().err
    assert main([*option, "--breaking"], tmp_path) == 0
    assert (tmp_path / CURRENT).read_text(encoding="utf-8") == text()


def test_a_check_compares_with_the_release_also_where_the_file_of_the_code_is_new(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who removes a field and writes the file in one change is found by the release."""
    released(tmp_path)
    (tmp_path / CURRENT).write_text(text(), encoding="utf-8")
    assert main(["--check"], tmp_path) == 1
    assert "breaks clients: Field Vehicle.colour was removed." in capsys.readouterr().err


def test_what_was_deprecated_may_go_after_its_day(tmp_path: Path) -> None:
    released(tmp_path, COLOUR)
    assert main([], tmp_path, date(2027, 6, 30)) == 1
    assert main([], tmp_path, TODAY) == 0
