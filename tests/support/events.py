"""Events of every type: as Hypothesis strategies, and those that the examples beside the schemas tell."""

import io
import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, NewType, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from fastavro import json_reader, schemaless_writer
from hypothesis import strategies as st

from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SCHEMAS, RegisteredSchema, SchemaRegistry
from adapters.avro.wire import PREFIX
from adapters.event_log import StoredRecord
from adapters.kafka.cloud_events import cloud_event_headers
from adapters.received import Received
from adapters.vehicle_log import VehicleLog
from domain import events as e
from domain.signals import Quality, SignalValue
from domain.upcasts import today, topics_of

VEHICLE_ID: Final = UUID("0b8e2f3a-7d61-5c9f-8a10-c4d5e6f70819")
LONGS: Final = st.integers(-(2**63), 2**63 - 1)
DOUBLES: Final = st.floats(allow_nan=False, allow_infinity=False)
SIGNAL_VALUES: Final[st.SearchStrategy[SignalValue]] = st.one_of(st.booleans(), LONGS, DOUBLES, st.text())

SCALARS: Final[dict[Any, st.SearchStrategy[Any]]] = {
    NoneType: st.none(),
    bool: st.booleans(),
    int: LONGS,
    float: DOUBLES,
    str: st.text(),
    UUID: st.uuids(),
}
SMALL: Final = {  # fields of few values
    "quality": st.sampled_from([int(quality) for quality in Quality]),
    "failure_type": st.integers(0, 255),
    "status": st.integers(0, 255),
}
LONE: Final = {"removed_trip_ids"}  # columns that are as long as they like; the others of an event are of equal length
COLUMN_LENGTH_MAX: Final = 8


def event_fields(event_type: type[e.VehicleEvent]) -> dict[str, Any]:
    """Return the fields of an event type that its schema has, with their types; a unit's type is the plain one."""
    hints = get_type_hints(event_type)
    return {
        field.name: hints[field.name]
        for field in fields(event_type)
        if field.name not in {"originator_id", "originator_version"}
    }


def plain(annotation: Any) -> Any:
    """Return the plain type behind a unit's."""
    return plain(annotation.__supertype__) if isinstance(annotation, NewType) else annotation


def branches(annotation: Any) -> tuple[Any, ...]:
    """Return the plain types that a value may have."""
    annotation = plain(annotation)
    one_of_several = get_origin(annotation) in {UnionType, Union}  # the latter: a NewType or None
    return tuple(map(plain, get_args(annotation))) if one_of_several else (annotation,)


def values(name: str, annotation: Any) -> st.SearchStrategy[Any]:
    """Return values of a field."""
    if get_origin(annotation) is list:
        return st.lists(values(name, get_args(annotation)[0]), max_size=COLUMN_LENGTH_MAX)
    if get_origin(annotation) is dict:
        return st.dictionaries(st.text(), values(name, get_args(annotation)[1]), max_size=4)
    scalars = SCALARS | {int: SMALL[name]} if name in SMALL else SCALARS
    return st.one_of([scalars[kind] for kind in branches(annotation)])


@st.composite
def events_of(draw: st.DrawFn, event_type: type[e.VehicleEvent]) -> e.VehicleEvent:
    """Draw an event of a type: any values that its fields may have, columns of equal length."""
    length = draw(st.integers(0, COLUMN_LENGTH_MAX))
    drawn: dict[str, Any] = {}
    for name, annotation in event_fields(event_type).items():
        if get_origin(annotation) is list:
            column = st.lists(values(name, get_args(annotation)[0]), min_size=length, max_size=length)
            drawn[name] = draw(values(name, annotation) if name in LONE else column)
        else:
            drawn[name] = draw(values(name, annotation))
    version = draw(st.integers(1, 2**31 - 1))
    return event_type(originator_id=draw(st.uuids()), originator_version=version, **drawn)


def events() -> st.SearchStrategy[e.VehicleEvent]:
    """Return events of all types."""
    return st.one_of([events_of(event_type) for event_type in e.EVENT_TYPES])


@cache
def registry() -> SchemaRegistry:
    return SchemaRegistry.load()


@cache
def codec() -> AvroCodec:
    return AvroCodec(registry())


def record_name(event_type: type[e.VehicleEvent]) -> str:
    """Return the name of the record of an event type: its own, with the number of its topic after the first."""
    number = event_type.TOPIC.rpartition(".v")[2]
    return event_type.__name__ if number == "1" else f"{event_type.__name__}V{number}"


def is_written(schema: RegisteredSchema) -> bool:
    """Whether this release writes with a schema: the newest of a topic that is no former one."""
    return schema is registry().by_topic[schema.topic][-1] and today(schema.topic) == schema.topic


def example_path(schema: RegisteredSchema, folder: Path = SCHEMAS) -> Path:
    """Return the file of examples beside a schema."""
    return folder / f"v{schema.version}" / f"{schema.definition['name']}.examples.json"


def example_bytes(schema: RegisteredSchema, folder: Path = SCHEMAS) -> list[bytes]:
    """Return the examples of a schema in the wire format, as fastavro writes them with the published schema."""
    told = json.loads(example_path(schema, folder).read_text(encoding="utf-8"))
    lines = io.StringIO("\n".join(json.dumps(example) for example in told))  # Avro's JSON encoding, one record a line
    encoded = []
    for record in json_reader(lines, dict(schema.definition)):
        stream = io.BytesIO(PREFIX.pack(0, schema.id))
        stream.seek(PREFIX.size)
        schemaless_writer(stream, dict(schema.definition), cast("Mapping[str, Any]", record))
        encoded.append(stream.getvalue())
    return encoded


def example_events() -> list[e.VehicleEvent]:
    """Return every example of every schema, as the events 1, 2, 3 … of one vehicle."""
    topics = topics_of(e.EVENT_TYPES)
    schemas = [schema for schema in registry().by_id.values() if schema.topic in topics]
    stored = [(schema.topic, data) for schema in schemas for data in example_bytes(schema)]
    return [codec().decode(topic, data, VEHICLE_ID, version) for version, (topic, data) in enumerate(stored, start=1)]


def as_published(record: StoredRecord, source: str) -> Received:
    """Return an event as a relay publishes it, at its position of the log in a partition."""
    key, version = str(record.originator_id).encode(), str(record.version)
    headers = [
        *cloud_event_headers(key, version, record.topic, record.recorded_at),
        ("version", version.encode()),
        ("position", str(record.position).encode()),
    ]
    return Received(source, record.position, key, record.state, headers)


def whole_history(log: VehicleLog, vehicle_id: UUID) -> list[e.VehicleEvent]:
    """Return every event of a vehicle, in order."""
    return [event for events in log.histories([vehicle_id]) for event in events]
