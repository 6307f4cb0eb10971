"""The lock of the schemas bites: each fault is planted in a copy."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.avro import lock
from adapters.avro.registry import LOCK_NAME, SCHEMAS, SchemaRegistry
from domain.errors import BadInputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SCHEMAS, tmp_path / "avro"))


def change(path: Path, edit: Callable[[Any], object]) -> None:
    told = json.loads(path.read_text(encoding="utf-8"))
    edit(told)
    path.write_text(json.dumps(told), encoding="utf-8")


def field(schema: Any, name: str) -> Any:
    return next(field for field in schema["fields"] if field["name"] == name)


def second_version(folder: Path, edit: Callable[[Any], object], name: str = "TripStarted") -> Path:
    (folder / "v2").mkdir(exist_ok=True)
    shutil.copy(folder / "v1" / f"{name}.examples.json", folder / "v2")
    path = Path(shutil.copy(folder / "v1" / f"{name}.avsc", folder / "v2"))
    change(path, edit)
    return path


def optional(name: str) -> dict[str, object]:
    return {"name": name, "type": ["null", "string"], "default": None, "doc": "Who drove."}


def test_the_schemas_of_this_release_are_locked(capsys: pytest.CaptureFixture[str]) -> None:
    assert lock.main(["--check"]) == 0
    assert "29 schemas, all locked" in capsys.readouterr().out


@pytest.mark.parametrize(
    "edit",
    [
        lambda schema: schema["fields"].append(optional("driver")),
        lambda schema: schema["fields"].pop(),
        lambda schema: schema["fields"].reverse(),
        lambda schema: field(schema, "sequence").update(type="int"),
        lambda schema: field(schema, "started_at").update(type="long"),  # the same bytes, but no time for others
        lambda schema: field(schema, "trip_id").update(personal="location"),
        lambda schema: field(schema, "trip_id").update(doc="Another meaning."),
        lambda schema: schema.update(topic="vehicle.flew.v1"),
    ],
)
def test_any_change_of_a_released_schema_is_found(
    folder: Path, edit: Callable[[Any], object], capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder / "v1" / "TripStarted.avsc", edit)
    assert lock.main(["--check"], folder) == 1
    assert "TripStarted.avsc" in capsys.readouterr().err


def test_another_layout_of_the_same_schema_is_no_change(folder: Path) -> None:
    change(folder / "v1" / "TripStarted.avsc", lambda _: None)
    assert "\n" not in (folder / "v1" / "TripStarted.avsc").read_text(encoding="utf-8")
    assert lock.main(["--check"], folder) == 0


def test_a_change_is_told_in_one_line_with_the_file_and_the_remedy(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "v1" / "TripStarted.avsc"
    change(path, lambda schema: field(schema, "trip_id").pop("doc"))
    lock.main(["--check"], folder)
    assert capsys.readouterr().err == f"{path}: a released schema has changed: restore it, and put the change into v2\n"


def test_a_released_schema_that_is_gone_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "v1" / "TripStarted.avsc").unlink()
    assert lock.main(["--check"], folder) == 1
    assert "vehicle.trip_started.v1, version 1: released, but its file is gone" in capsys.readouterr().err


@pytest.mark.parametrize(
    "edit",
    [
        lambda examples: examples.pop(),
        lambda examples: examples.append(examples[0]),
        lambda examples: examples.reverse(),
        lambda examples: examples[0].update(started_at=1),
        lambda examples: examples[0].pop("trip_id"),
    ],
)
def test_any_change_of_released_examples_is_found(
    folder: Path, edit: Callable[[Any], object], capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "v1" / "TripStarted.examples.json"
    change(path, edit)
    for task in ("--check", "--update"):
        assert lock.main([task], folder) == 1
        assert capsys.readouterr().err == f"{path}: the examples of a released schema have changed: restore them\n"


def test_released_examples_that_are_gone_are_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "v1" / "TripStarted.examples.json"
    path.unlink()
    assert lock.main(["--check"], folder) == 1
    assert capsys.readouterr().err == f"{path}: a schema needs examples: restore them\n"


def test_another_layout_of_the_same_examples_is_no_change(folder: Path) -> None:
    change(folder / "v1" / "TripStarted.examples.json", lambda _: None)
    assert lock.main(["--check"], folder) == 0


def test_a_new_schema_without_examples_gets_no_id(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second_version(folder, lambda schema: schema["fields"].append(optional("driver")))
    (folder / "v2" / "TripStarted.examples.json").unlink()
    assert lock.main(["--update"], folder) == 1
    assert "v2/TripStarted.examples.json: a schema needs examples: write them" in capsys.readouterr().err


def test_a_released_type_that_is_gone_with_its_entry_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (folder / "v1").glob("TripStarted.*"):
        path.unlink()
    change(folder / LOCK_NAME, lambda told: told.pop("vehicle.trip_started.v1"))
    assert lock.main(["--check"], folder) == 1
    assert capsys.readouterr().err == (f"{LOCK_NAME}: nothing has the id 18: the entry of a released schema is gone\n")


def test_a_schema_without_a_lock_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(folder / LOCK_NAME, lambda told: told.pop("vehicle.trip_started.v1"))
    assert lock.main(["--check"], folder) == 1
    assert "TripStarted.avsc: not locked: run python -m adapters.avro.lock --update" in capsys.readouterr().err
    with pytest.raises(BadInputError, match=r"TripStarted\.avsc: this schema has no id; run python -m"):
        SchemaRegistry.load(folder)


def test_an_update_gives_new_ids_and_changes_no_other(folder: Path) -> None:
    before = json.loads((folder / LOCK_NAME).read_text(encoding="utf-8"))
    second_version(folder, lambda schema: schema["fields"].append(optional("driver")))
    assert lock.main(["--check"], folder) == 1
    assert lock.main(["--update"], folder) == 0
    assert lock.main(["--check"], folder) == 0
    after = json.loads((folder / LOCK_NAME).read_text(encoding="utf-8"))
    assert after["vehicle.trip_started.v1"].pop("2")["id"] == 30
    assert after == before


def test_an_update_from_nothing_numbers_the_schemas_from_1(folder: Path) -> None:
    (folder / LOCK_NAME).unlink()
    assert lock.main(["--update"], folder) == 0
    assert sorted(SchemaRegistry.load(folder).by_id) == list(range(1, 30))


def test_an_update_does_not_take_a_changed_schema(folder: Path) -> None:
    before = (folder / LOCK_NAME).read_bytes()
    change(folder / "v1" / "TripStarted.avsc", lambda schema: schema["fields"].pop())
    second_version(folder, lambda schema: schema["fields"].append(optional("driver")), "TripEnded")
    assert lock.main(["--update"], folder) == 1
    assert (folder / LOCK_NAME).read_bytes() == before


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (lambda schema: schema["fields"].append({"name": "driver", "type": "string"}), "driver is not optional"),
        (
            lambda schema: schema["fields"].append({"name": "driver", "type": "string", "default": ""}),
            "driver is not optional",
        ),
        (
            lambda schema: schema["fields"].append({"name": "driver", "type": ["null", "string"]}),
            "driver is not optional",
        ),
        (lambda schema: schema["fields"].insert(0, optional("driver")), "were changed, moved or left out"),
        (lambda schema: schema["fields"].pop(), "were changed, moved or left out"),
        (lambda schema: field(schema, "sequence").update(type="int"), "were changed, moved or left out"),
        (lambda schema: field(schema, "trip_id").update(personal="location"), "were changed, moved or left out"),
        (lambda schema: schema.update(namespace="elsewhere"), "differs from version 1 in more than its fields"),
        (lambda schema: schema.update(name="Flew"), "must be a record that has the name of the file"),
        (lambda schema: schema.update(topic="vehicle.flew.v1"), "versions of vehicle.flew.v1 must be 1, 2, 3"),
        (lambda schema: field(schema, "sequence").update(type="longer"), "no Avro schema"),
    ],
)
def test_a_new_version_may_only_add_optional_fields(
    folder: Path, edit: Callable[[Any], object], fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    second_version(folder, edit)
    assert lock.main(["--update"], folder) == 1
    assert fault in capsys.readouterr().err


def test_a_new_version_may_say_better_what_a_field_means(folder: Path) -> None:
    second_version(folder, lambda schema: field(schema, "trip_id").update(doc="The trip that began."))
    assert lock.main(["--update"], folder) == 0


def test_a_version_that_is_left_out_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second_version(folder, lambda schema: schema["fields"].append(optional("driver")))
    (folder / "v2").rename(folder / "v3")
    assert lock.main(["--update"], folder) == 1
    assert "versions of vehicle.trip_started.v1 must be 1, 2, 3" in capsys.readouterr().err


def test_an_id_that_is_given_twice_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(folder / LOCK_NAME, lambda told: told["vehicle.trip_started.v1"]["1"].update(id=1))
    assert lock.main(["--check"], folder) == 1
    assert "an id is given twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("v1/TripStarted.avsc", "{", "TripStarted.avsc:1: this is not JSON"),
        ("v1/TripStarted.examples.json", "[", "TripStarted.examples.json:1: this is not JSON"),
        ("v1/TripStarted.avsc", '{"type": "record"}', "this schema names no topic"),
        ("v1/TripStarted.avsc", "[]", "this schema names no topic"),
        (LOCK_NAME, "{", "this is no lock of schemas"),
        (LOCK_NAME, "[1]", "this is no lock of schemas"),
        (LOCK_NAME, '{"vehicle.trip_started.v1": {"1": {"id": 1}}}', "this is no lock of schemas"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(
    folder: Path, name: str, text: str, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / name).write_text(text, encoding="utf-8")
    assert lock.main(["--check"], folder) == 1
    told = capsys.readouterr().err
    assert fault in told
    assert told.count("\n") == 1


def test_a_folder_without_schemas_is_a_fault(tmp_path: Path) -> None:
    assert lock.main(["--check"], tmp_path) == 1
