"""What code made for a schema reads, against fastavro: the same, or nothing."""

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.avro import telemetry
from adapters.avro.quick import Read, quick_reader
from adapters.avro.registry import RegisteredSchema
from adapters.avro.shapes import MISSES_MIN, Shapes
from adapters.avro.wire import PREFIX, RecordReader, RecordWriter, UnreadableError
from domain.events import EVENT_TYPES, SignalsSampled, TrackExtended
from tests.support.events import codec, events_of, example_bytes, registry
from tests.support.odd_batches import odd_batches

SCHEMAS: Final = list(registry().by_id.values())
TIMES: Final = st.integers(946_684_800_000_000, 4_102_444_800_000_000)  # of this century: eight bytes each
TYPES: Final = {event_type.TOPIC: event_type for event_type in EVENT_TYPES}


def name(schema: RegisteredSchema) -> str:
    return schema.subject


def check(schema: RegisteredSchema, data: bytes, read: Read | None = None) -> dict[str, Any] | None:
    """Return what the quick reader reads, which must be what fastavro reads."""
    if read is None:
        read = quick_reader(schema.definition["fields"], PREFIX.size)
        if read is None:
            return None
    found = read(data)
    if found is not None:
        told = RecordReader(schema, schema)._read(data)
        assert repr(found) == repr(told)  # types, order and NaN too
    return found


def that_knows(schema: RegisteredSchema, data: bytes) -> Read | None:
    """Return a quick reader that has read a record often enough to know how it lies; None where it cannot read it."""
    read = quick_reader(schema.definition["fields"], PREFIX.size)
    return read if read and all(read(data) is not None for _ in range(MISSES_MIN)) else None


def of_this_century(draw: st.DrawFn, schema: RegisteredSchema, fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields whose times are of this century."""
    made = dict(fields)
    for field in schema.definition["fields"]:
        match field["type"]:
            case {"logicalType": "timestamp-micros"}:
                made[field["name"]] = draw(TIMES)
            case {"items": {"logicalType": "timestamp-micros"}}:
                made[field["name"]] = [draw(TIMES) for _ in made[field["name"]]]
            case {"items": "int"}:
                made[field["name"]] = [draw(st.sampled_from([0, 0, 1, 2, 63, 64, -1])) for _ in made[field["name"]]]
    return made


@st.composite
def records(draw: st.DrawFn) -> tuple[RegisteredSchema, bytes]:
    schema = draw(st.sampled_from([each for each in SCHEMAS if each.topic in TYPES]))
    newest = registry().by_topic[schema.topic][-1]
    event = draw(events_of(TYPES[schema.topic]))
    return newest, RecordWriter(newest).write(of_this_century(draw, newest, event.__dict__), "event")


def with_bytes(data: bytes, damage: list[tuple[int, int]]) -> bytes:
    """Return a record with other bytes at some places behind its prefix."""
    damaged = bytearray(data)
    for at, byte in damage:
        damaged[PREFIX.size + at % (len(data) - PREFIX.size)] = byte
    return bytes(damaged)


@settings(max_examples=400)
@given(record=records())
def test_what_our_writer_writes_is_read_as_fastavro_reads_it(record: tuple[RegisteredSchema, bytes]) -> None:
    check(*record)


@settings(max_examples=400)
@given(record=records(), damage=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=3))
def test_what_is_damaged_is_read_as_fastavro_reads_it_or_not_at_all(
    record: tuple[RegisteredSchema, bytes], damage: list[tuple[int, int]]
) -> None:
    schema, data = record
    damaged = with_bytes(data, damage)
    check(schema, damaged)
    check(schema, damaged[: PREFIX.size + damage[0][0] % (len(data) - PREFIX.size)])


@pytest.mark.parametrize("schema", SCHEMAS, ids=name)
@given(body=st.binary(max_size=300))
def test_any_bytes_are_read_as_fastavro_reads_them_or_not_at_all(schema: RegisteredSchema, body: bytes) -> None:
    check(schema, bytes(PREFIX.size) + body)


@pytest.mark.parametrize("schema", SCHEMAS, ids=name)
def test_examples_are_read_as_fastavro_reads_them(schema: RegisteredSchema) -> None:
    for data in example_bytes(schema):
        check(schema, data)


@settings(max_examples=400)
@given(record=records(), damage=st.lists(st.tuples(st.integers(0, 1_024), st.integers(0, 255)), max_size=3))
def test_what_lies_as_a_record_before_or_nearly_so_is_read_as_fastavro_reads_it_or_not_at_all(
    record: tuple[RegisteredSchema, bytes], damage: list[tuple[int, int]]
) -> None:
    schema, data = record
    check(schema, with_bytes(data, damage), that_knows(schema, data))


@pytest.mark.parametrize("schema", SCHEMAS, ids=name)
def test_each_bit_of_a_record_that_lies_as_one_before_counts(schema: RegisteredSchema) -> None:
    for data in example_bytes(schema):
        read = None
        for at in range(PREFIX.size, len(data)):
            if at % 16 == 0 or read is None:  # what is read meanwhile, it learns too
                read = that_knows(schema, data)
            if read is None:
                break
            for bit in range(8):
                flipped = bytes([data[at] ^ 1 << bit])
                check(schema, data[:at] + flipped + data[at + 1 :], read)


@pytest.mark.parametrize("event_type", [SignalsSampled, TrackExtended])
def test_how_the_events_lie_that_are_most_is_learned(event_type: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this fails, all is as it should be, but slow."""
    schema = registry().by_topic[event_type.TOPIC][-1]
    data = example_bytes(schema)[0]
    read = that_knows(schema, data)
    assert read is not None
    monkeypatch.setattr(Shapes, "missed", lambda *_: pytest.fail("it was not known how it lies"))
    other = bytearray(data)
    other[PREFIX.size] ^= 2  # of its first time
    assert (check(schema, bytes(other), read) or {})["captured_at"] == read(data)["captured_at"] ^ 1  # type: ignore[index]


@pytest.mark.parametrize("event_type", [SignalsSampled, TrackExtended])
@given(data=st.data())
def test_the_events_that_are_most_are_read_quickly(event_type: Any, data: st.DataObject) -> None:
    """Where this fails, all is as it should be, but slow."""
    schema = registry().by_topic[event_type.TOPIC][-1]

    def draw(strategy: st.SearchStrategy[Any]) -> Any:
        return data.draw(strategy)

    fields = of_this_century(draw, schema, data.draw(events_of(event_type)).__dict__)  # type: ignore[arg-type]
    for field in schema.definition["fields"]:
        if field["type"] == ["null", {"type": "long", "logicalType": "timestamp-micros"}]:
            fields[field["name"]] = data.draw(st.none() | TIMES)
        elif field["type"] == "long":
            fields[field["name"]] = data.draw(st.integers(-(2**53), 2**53))
    if event_type is SignalsSampled:
        fields["quality"] = [abs(each) % 64 for each in fields["quality"]]
        fields["value"] = [0 if type(each) is int else each for each in fields["value"]]
    assert check(schema, RecordWriter(schema).write(fields, "event")) is not None


@settings(max_examples=400)
@given(data=odd_batches(), damage=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=2))
def test_telemetry_is_read_as_fastavro_reads_it_or_not_at_all(data: bytes, damage: list[tuple[int, int]]) -> None:
    schema = registry().by_topic[telemetry.TOPIC][-1]
    check(schema, data)
    check(schema, with_bytes(data, damage), that_knows(schema, data))


def test_telemetry_is_read_quickly() -> None:
    """Where this fails, all is as it should be, but slow."""
    for schema in registry().by_topic[telemetry.TOPIC]:
        assert check(schema, example_bytes(schema)[0]) is not None


def test_damage_that_only_the_length_shows_is_refused() -> None:
    for schema in SCHEMAS:
        if schema.topic == telemetry.TOPIC:
            continue
        for data in example_bytes(schema):
            with pytest.raises(UnreadableError):
                codec()._readers.find(schema.topic, data).read(data + b"\0")
