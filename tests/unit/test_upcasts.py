"""Events of former topics are told as today's; what they told stays in the tests, and is told still."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any, Final, cast
from uuid import UUID

import pytest
from fastavro import json_reader

from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SCHEMAS, RegisteredSchema, SchemaRegistry
from adapters.avro.telemetry import TOPIC as TELEMETRY
from adapters.avro.wire import _without_logical_types
from adapters.event_log import StoredRecord
from adapters.recorded import recorded
from domain import upcasts
from domain.errors import BadInputError, UnknownEventError
from domain.events import EVENT_TYPES
from domain.upcasts import Upcast, today, topics_of, upcasts_of
from projections.projection import UnreadableEvent
from tests.support import later_release as later
from tests.support.events import VEHICLE_ID, codec, example_bytes, example_path, registry

OF_EVENTS: Final = [schema for schema in registry().by_id.values() if schema.topic != TELEMETRY]
BYTES: Final = next(
    data for schema in OF_EVENTS if schema.topic == later.Former.TOPIC for data in example_bytes(schema)
)


@pytest.fixture
def next_codec(tmp_path: Path) -> Iterator[AvroCodec]:
    with later.later_release(tmp_path / "avro") as found:
        yield found


def told(schema: RegisteredSchema, folder: Path, newest: RegisteredSchema) -> list[dict[str, Any]]:
    """Return what the examples of a schema tell, in the words of the newest version of its topic."""
    examples = json.loads(example_path(schema, folder).read_text(encoding="utf-8"))
    lines = io.StringIO("\n".join(map(json.dumps, examples)))
    added = {
        each["name"]: each.get("default") for each in newest.definition["fields"][len(schema.definition["fields"]) :]
    }
    return [
        cast("dict[str, Any]", each) | added for each in json_reader(lines, _without_logical_types(schema.definition))
    ]


def shown(event: Any) -> dict[str, Any]:
    """Return the fields of an event that its schema has, ids as text."""
    fields = {name: value for name, value in vars(event).items() if not name.startswith("originator_")}
    return json.loads(json.dumps(fields, default=str)) if any_uuid(fields) else fields


def any_uuid(fields: dict[str, Any]) -> bool:
    return any(
        isinstance(each, UUID) for value in fields.values() for each in (value if type(value) is list else [value])
    )


@pytest.mark.parametrize("schema", OF_EVENTS, ids=lambda schema: f"{schema.topic}, version {schema.version}")
def test_the_bytes_that_every_released_version_wrote_are_read_as_what_they_told(schema: RegisteredSchema) -> None:
    """The bytes are those of the golden file: what is in logs, whatever code wrote it."""
    golden = example_path(schema).with_name(f"{schema.definition['name']}.golden.txt").read_text(encoding="utf-8")
    written = [bytes.fromhex(line) for line in golden.splitlines()]
    expected = told(schema, SCHEMAS, registry().by_topic[schema.topic][-1])
    for step in upcasts_of(schema.topic):
        expected = [*map(step, expected)]
    events = [codec().decode(schema.topic, data, VEHICLE_ID, 1) for data in written]
    assert [shown(event) for event in events] == expected
    assert {event.TOPIC for event in events} == {today(schema.topic)}
    for event in events:  # whole, and of the types that are written today
        assert codec().decode(event.TOPIC, codec().encode(event), VEHICLE_ID, 1) == event


def test_the_examples_of_former_topics_are_read_as_what_they_told(next_codec: AvroCodec, tmp_path: Path) -> None:
    folder = tmp_path / "avro"
    schemas = SchemaRegistry.load(folder).by_topic
    found = {}
    for topic in (later.Former.TOPIC, later.OdometerAdvanced.TOPIC):
        (schema,) = schemas[topic]
        events = [next_codec.decode(topic, data, VEHICLE_ID, 1) for data in example_bytes(schema, folder)]
        assert {type(event) for event in events} == {later.OdometerAdvanced}
        found[topic] = [shown(event) for event in events]
        for event in events:
            assert next_codec.decode(event.TOPIC, next_codec.encode(event), VEHICLE_ID, 1) == event
    in_metres = [each["odometer_m"] for each in told(schemas[later.Former.TOPIC][0], folder, schema_of(schemas))]
    assert [each["odometer_km"] for each in found[later.Former.TOPIC]] == [each / 1_000 for each in in_metres]
    assert found[later.Former.TOPIC] == found[later.OdometerAdvanced.TOPIC]


def schema_of(schemas: dict[str, tuple[RegisteredSchema, ...]]) -> RegisteredSchema:
    return schemas[later.Former.TOPIC][-1]


def test_nothing_is_written_under_a_former_topic(next_codec: AvroCodec) -> None:
    with pytest.raises(KeyError):
        next_codec.encode(codec().decode(later.Former.TOPIC, BYTES, VEHICLE_ID, 1))


def test_a_release_that_only_knows_the_former_topic_refuses_the_new_one(next_codec: AvroCodec) -> None:
    event = next_codec.decode(later.Former.TOPIC, BYTES, VEHICLE_ID, 1)
    with pytest.raises(UnknownEventError, match=rf"{later.OdometerAdvanced.TOPIC}: no schema has the id 30"):
        codec().decode(event.TOPIC, next_codec.encode(event), VEHICLE_ID, 1)


def test_the_upcast_that_the_readme_shows_is_one() -> None:
    (code,) = re.findall(
        r"^ +```python\n(.*?)^ +```$", (SCHEMAS / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    shown: dict[str, Any] = {}
    exec(f"from domain.upcasts import *\n{dedent(code)}", shown)  # noqa: S102  # the page is ours
    ((former, upcast),) = shown["UPCASTS"].items()
    assert (former, upcast.topic) == (later.Former.TOPIC, later.OdometerAdvanced.TOPIC)
    fields = vars(codec().decode(former, BYTES, VEHICLE_ID, 1))
    assert upcast.fields(fields) == later.in_kilometres(fields)


def test_topics_in_a_row_lead_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(name: str) -> Any:
        return lambda fields: fields | {name: len(fields)}

    steps = {
        "vehicle.a.v1": Upcast("vehicle.a.v2", step("two")),
        "vehicle.a.v2": Upcast(EVENT_TYPES[0].TOPIC, step("three")),
    }
    monkeypatch.setattr(upcasts, "UPCASTS", steps)
    fields: dict[str, Any] = {}
    for upcast in upcasts_of("vehicle.a.v1"):
        fields = upcast(fields)
    assert fields == {"two": 0, "three": 1}
    assert today("vehicle.a.v1") == today("vehicle.a.v2") == today(EVENT_TYPES[0].TOPIC) == EVENT_TYPES[0].TOPIC
    assert topics_of(EVENT_TYPES[:1]) == {"vehicle.a.v1", "vehicle.a.v2", EVENT_TYPES[0].TOPIC}
    assert topics_of(EVENT_TYPES[1:2]) == {EVENT_TYPES[1].TOPIC}


def test_a_former_topic_whose_schema_is_gone_is_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = {"vehicle.flew.v1": Upcast(EVENT_TYPES[0].TOPIC, dict)}
    monkeypatch.setattr(upcasts, "UPCASTS", gone)
    with pytest.raises(BadInputError, match=r"vehicle\.flew\.v1: no schema has this topic"):
        AvroCodec(registry())


def test_an_upcast_that_fails_stops_its_vehicle_and_tells_no_value(
    next_codec: AvroCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fields: dict[str, Any]) -> dict[str, Any]:
        raise ValueError(f"who would have thought of {fields}")

    monkeypatch.setitem(next_codec._upcasts, later.Former.TOPIC, [fail])
    record = StoredRecord(1, VEHICLE_ID, 1, later.Former.TOPIC, BYTES, 0)  # type: ignore[arg-type]
    event = recorded(record, next_codec.decode).event
    assert isinstance(event, UnreadableEvent)
    assert event.reason.endswith(
        "vehicle.odometer_advanced.v1: its upcast to vehicle.odometer_advanced.v2 fails (ValueError)"
    )
