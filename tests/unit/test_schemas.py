"""The published schemas say the same as the events, and enough for a stranger."""

import json
import re
from typing import Any, Final, get_args, get_origin
from uuid import UUID

import pytest

from adapters.avro import telemetry
from adapters.avro.registry import SCHEMAS, RegisteredSchema, read_schemas
from domain.events import EVENT_TYPES, VehicleEvent
from domain.units import Degrees, KilometresPerHour, KilowattHours, Metres, Micros, Percent, Seconds
from domain.upcasts import topics_of
from tests.support.events import branches, event_fields, example_bytes, example_path, record_name, registry

NEWEST: Final = {topic: versions[-1] for topic, versions in registry().by_topic.items()}
PERSONAL: Final = {"location", "media", "identity"}
PERSONAL_NAMES: Final = re.compile(r"vin|latitude_deg|longitude_deg|heading_deg|altitude_m|title|artist|album|source")
UNIT_WORDS: Final = {
    Micros: "Microseconds since 1970-01-01T00:00:00Z",
    KilometresPerHour: "km/h",
    Degrees: "degrees",
    Metres: ", m",
    Seconds: ", s",
    KilowattHours: "kWh",
    Percent: "percent",
}
AVRO: Final = {bool: "boolean", int: "long", float: "double", str: "string", type(None): "null"}

by_schema: Final = pytest.mark.parametrize(
    "schema", registry().by_id.values(), ids=lambda schema: f"{schema.topic}, version {schema.version}"
)
by_event_type: Final = pytest.mark.parametrize("event_type", EVENT_TYPES, ids=lambda event_type: event_type.__name__)


def avro_type(name: str, annotation: Any) -> Any:
    """Return the Avro type of a field of an event, by its annotation."""
    if get_origin(annotation) is list:
        return {"type": "array", "items": avro_type(name, get_args(annotation)[0])}
    if get_origin(annotation) is dict:
        return {"type": "map", "values": avro_type(name, get_args(annotation)[1])}
    if annotation is Micros:
        return {"type": "long", "logicalType": "timestamp-micros"}
    if annotation is UUID:
        return {"type": "string", "logicalType": "uuid"}
    if len(branches(annotation)) == 1:
        return "int" if name in {"quality", "failure_type", "status"} else AVRO[branches(annotation)[0]]
    kinds = (
        sorted(get_args(annotation), key=list(AVRO).index) if len(get_args(annotation)) > 2 else get_args(annotation)
    )
    return ["null", *(avro_type(name, kind) for kind in kinds if kind is not type(None))]


def units(annotation: Any) -> set[Any]:
    if get_origin(annotation) in {list, dict}:
        return units(get_args(annotation)[-1])
    return {kind for kind in (annotation, *get_args(annotation)) if kind in UNIT_WORDS}


@by_event_type
def test_the_newest_schema_has_exactly_the_fields_of_its_event(event_type: type[VehicleEvent]) -> None:
    schema = NEWEST[event_type.TOPIC].definition
    assert schema["name"] == record_name(event_type)
    assert {field["name"]: field["type"] for field in schema["fields"]} == {
        name: avro_type(name, annotation) for name, annotation in event_fields(event_type).items()
    }


@by_event_type
def test_every_field_says_what_it_is_and_in_which_unit(event_type: type[VehicleEvent]) -> None:
    annotations = event_fields(event_type)
    for field in NEWEST[event_type.TOPIC].definition["fields"]:
        assert field["doc"].endswith(".")
        for unit in units(annotations[field["name"]]):
            assert UNIT_WORDS[unit] in field["doc"], field["name"]


@by_schema
def test_personal_data_is_marked(schema: RegisteredSchema) -> None:
    for field in schema.definition["fields"]:
        marks = field.get("personal", [])
        marks = {marks} if isinstance(marks, str) else set(marks)
        assert marks <= PERSONAL
        if PERSONAL_NAMES.fullmatch(field["name"]):
            assert marks, f"{schema.topic}: {field['name']}"
        if field["type"] == {"type": "array", "items": ["null", "boolean", "long", "double", "string"]}:
            assert marks == {"location", "media"}  # any signal may be among them


@by_schema
def test_a_schema_has_examples_the_first_complete_the_last_with_all_that_may_be_missing_missing(
    schema: RegisteredSchema,
) -> None:
    examples = json.loads(example_path(schema).read_text(encoding="utf-8"))
    names = [field["name"] for field in schema.definition["fields"]]
    optional = {field["name"] for field in schema.definition["fields"] if isinstance(field["type"], list)}
    assert len(examples) == len(example_bytes(schema)) >= 2
    assert all(list(example) == names for example in examples)
    assert None not in examples[0].values()
    assert {name for name, value in examples[-1].items() if value is None} == optional


def test_there_is_a_schema_for_every_topic_and_no_other() -> None:
    assert set(registry().by_topic) == topics_of(EVENT_TYPES) | {telemetry.TOPIC}


def test_no_file_of_examples_is_left_over() -> None:
    schemas = {file.path.with_name(f"{file.path.stem}.examples.json") for file in read_schemas(SCHEMAS)}
    assert set(SCHEMAS.glob("v*/*.examples.json")) == schemas
    assert {path.with_name(path.name.replace(".golden.txt", ".avsc")) for path in SCHEMAS.glob("v*/*.golden.txt")} == {
        file.path for file in read_schemas(SCHEMAS)
    }


def test_the_registered_text_is_the_schema_of_the_file() -> None:
    for file in read_schemas(SCHEMAS):
        schema = registry().by_topic[file.topic][file.version - 1]
        assert json.loads(schema.text) == json.loads(file.path.read_text(encoding="utf-8"))
        context = "telemetry" if file.topic == telemetry.TOPIC else "vehicle"
        assert schema.subject == f"fleettwin.{context}.{file.path.stem}"
