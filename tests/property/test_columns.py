"""What is found of many records at once is what fastavro reads of each; none is sound that it cannot read."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.avro.columns import TIME, Columns
from adapters.avro.quick import number
from adapters.avro.registry import RegisteredSchema
from adapters.avro.wire import PREFIX, RecordReader, RecordWriter
from domain.events import OdometerAdvanced, SignalsSampled, TrackExtended
from tests.property.test_quick_reader import SCHEMAS, TYPES, name, of_this_century, with_bytes
from tests.support.events import events_of, example_bytes, registry

MANY: Final = [SignalsSampled, TrackExtended, OdometerAdvanced]  # a rebuild finds fields of them
OPTION: Final = np.dtype([("branch", "u1"), ("number", "<f8")])
DAMAGE: Final = st.lists(st.tuples(st.integers(0, 1_024), st.integers(0, 255)), min_size=1, max_size=3)


def times(raw: bytes) -> list[int]:
    """Return times of eight bytes each."""
    found: list[int] = number(np.frombuffer(raw, "<u8")).view(np.int64).tolist()
    return found


def options(raw: bytes, items: int) -> list[float | None] | None:
    """Return the items of a list if none or all of them are null."""
    if len(raw) == items:
        return [None] * items
    if len(raw) == items * OPTION.itemsize:
        numbers: list[float | None] = np.frombuffer(raw, OPTION)["number"].tolist()
        return numbers
    return None


READ: Final[list[tuple[Any, Callable[[bytes, int], Any]]]] = [  # by type: what a value is, or how many items are
    ("string", lambda raw, _: str(raw, "utf-8")),
    ("double", lambda raw, _: np.frombuffer(raw, "<f8").tolist()[0]),
    (TIME, lambda raw, _: times(raw)[0]),
    ({"type": "array", "items": TIME}, lambda raw, _: times(raw)),
    ({"type": "array", "items": "double"}, lambda raw, _: np.frombuffer(raw, "<f8").tolist()),
    ({"type": "array", "items": "boolean"}, lambda raw, _: [byte != 0 for byte in raw]),
    ({"type": "array", "items": ["null", "double"]}, options),
]


def columns_of(schema: RegisteredSchema, states: Sequence[bytes]) -> Columns:
    """Return what is found; it must be what fastavro reads of the sound records."""
    reader = RecordReader(schema, schema)
    columns = Columns(states, reader.kinds, PREFIX.size)
    for place in np.flatnonzero(columns.sound).tolist():
        read = reader._read(states[place])
        for field, kind in reader.kinds.items():
            items = int(columns.spans[field].items[place])
            (raw,) = columns.slices(field, np.array([place]))
            found = next((of(raw, items) for known, of in READ if known == kind), None)
            assert found is None or repr(found) == repr(read[field]), field
            assert items == (len(read[field]) if isinstance(read[field], list) else 1)
        for field, names in columns.names.items():
            assert list(names.lists[names.of_record[place]]) == read[field]
    return columns


@st.composite
def many_records(draw: st.DrawFn, topics: Sequence[str]) -> tuple[RegisteredSchema, list[bytes]]:
    schema = registry().by_topic[draw(st.sampled_from(topics))][-1]
    writer, event_type = RecordWriter(schema), TYPES[schema.topic]
    events = draw(st.lists(events_of(event_type), min_size=1, max_size=5))
    return schema, [writer.write(of_this_century(draw, schema, event.__dict__), "event") for event in events]


@settings(max_examples=300)
@given(records=many_records(sorted(TYPES)), data=st.data())
def test_what_is_found_beside_damaged_records_is_what_fastavro_reads(
    records: tuple[RegisteredSchema, list[bytes]], data: st.DataObject
) -> None:
    schema, states = records
    whole = columns_of(schema, states).sound.tolist()
    damaged = data.draw(st.sampled_from(range(len(states))))
    states[damaged] = with_bytes(states[damaged], data.draw(DAMAGE))
    cut = data.draw(st.integers(PREFIX.size, len(states[damaged])))
    for damage in (states[damaged], states[damaged][:cut], states[damaged] + b"\0"):
        sound = columns_of(schema, [*states[:damaged], damage, *states[damaged + 1 :]]).sound.tolist()
        assert sound[:damaged] + sound[damaged + 1 :] == whole[:damaged] + whole[damaged + 1 :]


@pytest.mark.parametrize("schema", SCHEMAS, ids=name)
@given(bodies=st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_any_bytes_are_read_as_fastavro_reads_them_or_not_at_all(schema: RegisteredSchema, bodies: list[bytes]) -> None:
    columns_of(schema, [bytes(PREFIX.size) + body for body in bodies])


@pytest.mark.parametrize("schema", SCHEMAS, ids=name)
def test_each_bit_of_an_example_counts(schema: RegisteredSchema) -> None:
    examples = example_bytes(schema)
    fields = RecordReader(schema, schema)._read(examples[0])
    options = {field["name"] for field in schema.definition["fields"] if isinstance(field["type"], list)}
    if options and schema.topic in TYPES:
        examples.append(RecordWriter(schema).write({**fields, **dict.fromkeys(options)}, "event"))
    for data in examples:
        flips = [(at, data[at] ^ 1 << bit) for at in range(PREFIX.size, len(data)) for bit in range(8)]
        columns_of(schema, [data, *[data[:at] + bytes([byte]) + data[at + 1 :] for at, byte in flips]])


@pytest.mark.parametrize("event_type", MANY)
@given(data=st.data())
def test_the_events_that_are_most_are_found_at_once(event_type: Any, data: st.DataObject) -> None:
    """Where this fails, all is as it should be, but slow."""
    schema, _ = records = data.draw(many_records([event_type.TOPIC]))
    fields = RecordReader(schema, schema)._read(records[1][0])
    for field in schema.definition["fields"]:
        if field["type"] == ["null", {"type": "long", "logicalType": "timestamp-micros"}]:
            fields[field["name"]] = None
        elif field["type"] == "long":
            fields[field["name"]] = data.draw(st.integers(-(2**53), 2**53))
    if event_type is SignalsSampled:
        fields["quality"] = [abs(each) % 64 for each in fields["quality"]]
        fields["value"] = [each % 2**60 if type(each) is int else each for each in fields["value"]]
    assert columns_of(schema, [RecordWriter(schema).write(fields, "event")] * 2).sound.all()
