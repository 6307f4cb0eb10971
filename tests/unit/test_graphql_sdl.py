from pathlib import Path

import pytest
from graphql import build_schema, validate_schema

from adapters.graphql.sdl import SDL, breaking_changes, main, text

VIN = '  """Vehicle identification number, ISO 3779."""\n  vin: String!\n'


def test_the_file_is_the_schema_of_the_code() -> None:
    assert SDL.read_text(encoding="utf-8") == text(), "run python -m adapters.graphql.sdl"
    assert validate_schema(build_schema(text())) == []


def test_a_missing_file_fails_the_check_and_is_written(tmp_path: Path) -> None:
    path = tmp_path / "graphql" / "schema.graphql"
    assert main(["--check"], path) == 1
    assert not path.exists()
    assert main([], path) == 0
    assert path.read_text(encoding="utf-8") == text()
    assert main(["--check"], path) == 0


def test_what_only_adds_is_written(tmp_path: Path) -> None:
    path = tmp_path / "schema.graphql"
    path.write_text(text().replace(f"{VIN}\n", "", 1), encoding="utf-8")
    assert main(["--check"], path) == 1
    assert main([], path) == 0
    assert path.read_text(encoding="utf-8") == text()


def test_what_breaks_clients_is_named_and_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "schema.graphql"
    released = text().replace("  vin: String!\n", "  vin: String!\n  colour: String\n", 1)
    path.write_text(released, encoding="utf-8")
    assert main([], path) == 1
    assert path.read_text(encoding="utf-8") == released
    assert "breaks clients: Field Vehicle.colour was removed." in capsys.readouterr().err
    assert main(["--breaking"], path) == 0
    assert path.read_text(encoding="utf-8") == text()


def test_a_new_enum_value_or_field_breaks_nobody() -> None:
    assert breaking_changes(text(), text().replace("  STALE\n", "  STALE\n  WORN\n", 1)) == []


def test_what_could_be_left_out_and_must_be_given_now_breaks_clients() -> None:
    before = "type Query { a(x: Int! = 3, y: Int!): Int b(i: I): Int } input I { n: Int! = 2, m: Int! }"
    after = before.replace(" = 3", "").replace(" = 2", "")
    assert breaking_changes(before, after) == ["Query.a(x:) must be given now", "I.n must be given now"]
    assert breaking_changes(after, before) == []
