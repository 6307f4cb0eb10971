"""What the codec refuses, and what others read of its bytes."""

import io
from dataclasses import replace
from math import inf, nan
from types import NoneType
from typing import Any, Final, get_args, get_origin
from uuid import UUID

import numpy as np
import pytest
from fastavro import schemaless_reader

from adapters.avro import telemetry
from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SchemaRegistry
from adapters.avro.wire import PREFIX
from domain.errors import BadInputError, UnknownEventError
from domain.events import EVENT_TYPES, IgnitionTurnedOn, SignalsSampled, VehicleEvent, VehicleRegistered
from tests.support.events import (
    VEHICLE_ID,
    branches,
    codec,
    event_fields,
    example_bytes,
    example_events,
    is_written,
    registry,
)

OF_EVENTS: Final = [schema for schema in registry().by_id.values() if schema.topic != telemetry.TOPIC]
EXAMPLES: Final = {type(event): event for event in reversed(example_events())}  # the first example of each type
ODD: Final[tuple[object, ...]] = (
    *(None, True, 1, 1.5, "text", b"bytes", VEHICLE_ID, [], {}, (), ("double", 1.5)),
    *(np.float64(1.5), np.int64(1)),
)
OUT_OF_RANGE: Final = {float: (nan, inf, -inf), int: (2**63, -(2**63) - 1), str: ("\ud800",)}
REGISTERED: Final = VehicleRegistered(
    originator_id=VEHICLE_ID,
    originator_version=1,
    captured_at=0,  # type: ignore[arg-type]
    received_at=0,  # type: ignore[arg-type]
    vin="WVWZZZE1ZMP000001",
    brand="Volkswagen",
    model=None,
)


def wrong_values(annotation: Any) -> list[object]:
    """Return values that a field of this type must not have, by Python's annotation, not by the schema."""
    wrong: list[object]
    if get_origin(annotation) is list:
        wrong = [odd for odd in ODD if type(odd) is not list]
        return wrong + [[item] for item in wrong_values(get_args(annotation)[0])]
    if get_origin(annotation) is dict:
        wrong = [odd for odd in ODD if type(odd) is not dict]
        return [*wrong, {1: 1.5}, *({"key": item} for item in wrong_values(get_args(annotation)[1]))]
    kinds = branches(annotation)
    wrong = [odd for odd in ODD if type(odd) not in kinds]
    return wrong + [value for kind in kinds for value in OUT_OF_RANGE.get(kind, ())]


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=lambda event_type: event_type.__name__)
def test_no_field_takes_a_value_of_another_type_or_out_of_range(event_type: type[VehicleEvent]) -> None:
    good = EXAMPLES[event_type]
    taken = []
    for name, annotation in event_fields(event_type).items():
        for wrong in wrong_values(annotation):
            event = replace(good, **{name: wrong})  # type: ignore[arg-type]
            try:
                codec().encode(event)
            except ValueError:
                continue
            taken.append((name, wrong))
    assert taken == []


@pytest.mark.parametrize(("name", "value"), [("quality", [2**31]), ("quality", [-(2**31) - 1])])
def test_an_int_that_avro_would_wrap_is_refused(name: str, value: list[int]) -> None:
    with pytest.raises(ValueError, match=rf"SignalsSampled\.{name}"):
        codec().encode(replace(EXAMPLES[SignalsSampled], **{name: value}))  # type: ignore[arg-type]


def test_what_does_not_fit_is_named_but_not_told() -> None:
    with pytest.raises(ValueError, match=r"VehicleRegistered\.vin") as caught:
        codec().encode(replace(REGISTERED, vin=17_170_171))  # type: ignore[arg-type]
    assert "17170171" not in str(caught.value).replace("_", "")


@pytest.mark.parametrize(
    "schema", [*filter(is_written, OF_EVENTS)], ids=lambda schema: f"{schema.topic}, {schema.version}"
)
def test_every_example_decodes_and_its_bytes_come_back(schema: Any) -> None:
    for data in example_bytes(schema):
        event = codec().decode(schema.topic, data, VEHICLE_ID, 1)
        assert codec().encode(event) == data


@pytest.mark.parametrize(
    "event", example_events(), ids=lambda event: f"{type(event).__name__}, {event.originator_version}"
)
def test_a_standard_avro_reader_with_the_published_schema_reads_our_bytes(event: VehicleEvent) -> None:
    data = codec().encode(event)
    magic, schema_id = PREFIX.unpack_from(data)
    schema = registry().by_id[schema_id]
    record: Any = schemaless_reader(io.BytesIO(data[PREFIX.size :]), dict(schema.definition), None)
    assert magic == 0
    assert record["received_at"] == event.timestamp  # a datetime: the published schema says that it is a time
    assert record["received_at"].tzinfo is not None
    for name, annotation in event_fields(type(event)).items():
        if UUID in branches(annotation) or branches(annotation) == (str,):
            assert record[name] == getattr(event, name)


def test_an_id_that_no_schema_has_is_refused_with_place_and_id() -> None:
    data = PREFIX.pack(0, 4711) + codec().encode(REGISTERED)[PREFIX.size :]
    with pytest.raises(
        UnknownEventError, match=rf"{VEHICLE_ID}, version 9, vehicle\.registered\.v1: no schema .* 4711"
    ):
        codec().decode(VehicleRegistered.TOPIC, data, VEHICLE_ID, 9)


def test_bytes_of_another_topic_are_refused() -> None:
    data = codec().encode(REGISTERED)
    with pytest.raises(UnknownEventError, match=r"ignition_turned_on\.v1: schema \d+ is of vehicle\.registered\.v1"):
        codec().decode(IgnitionTurnedOn.TOPIC, data, VEHICLE_ID, 1)


def test_a_topic_that_no_event_has_is_refused() -> None:
    with pytest.raises(UnknownEventError, match=r"vehicle\.flew\.v1"):
        codec().decode("vehicle.flew.v1", codec().encode(REGISTERED), VEHICLE_ID, 1)


@pytest.mark.parametrize("data", [b"", b"\0\0\0", b'{"vin": "WVW"}', b"\1" + codec().encode(REGISTERED)[1:]])
def test_bytes_in_another_format_are_refused(data: bytes) -> None:
    with pytest.raises(UnknownEventError, match="not in the Confluent wire format"):
        codec().decode(VehicleRegistered.TOPIC, data, VEHICLE_ID, 1)


def test_a_text_that_is_no_uuid_where_one_is_due_is_refused() -> None:
    started = next(event for event in EXAMPLES.values() if type(event).__name__ == "TripStarted")
    data = codec().encode(started).replace(b"-", b"+")
    with pytest.raises(UnknownEventError, match="are not of its schema"):
        codec().decode(started.TOPIC, data, VEHICLE_ID, 1)


def test_an_event_type_without_a_schema_is_found_at_once() -> None:
    schemas = [schema for schema in OF_EVENTS if schema.topic != VehicleRegistered.TOPIC]
    with pytest.raises(BadInputError, match=r"vehicle\.registered\.v1: no schema has this topic"):
        AvroCodec(SchemaRegistry(schemas))


def test_null_is_a_type_of_its_own() -> None:
    assert NoneType in branches(event_fields(VehicleRegistered)["model"])
    assert codec().decode(REGISTERED.TOPIC, codec().encode(REGISTERED), VEHICLE_ID, 1) == REGISTERED
