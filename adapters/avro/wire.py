"""Records as bytes in the Confluent wire format: a zero byte, the schema's id (4 bytes, big-endian), the Avro body.

In the process the schemas are used without their logical types: the bytes are the same, times stay the plain integers
that records hold, and fastavro is three times as fast.
"""

import copy
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from io import BytesIO
from struct import Struct
from types import NoneType
from typing import Any, Final
from uuid import UUID

from fastavro import parse_schema, schemaless_reader, schemaless_writer

from adapters.avro.fit import fits
from adapters.avro.quick import quick_reader
from adapters.avro.registry import RegisteredSchema, SchemaRegistry

PREFIX: Final = Struct(">BI")
UUIDS_KEPT: Final = 4096  # parsed ids of trips and charging sessions: many events name the same one

Convert = Callable[[Any], Any]
Conversions = tuple[tuple[str, Convert], ...]  # by field


class UnreadableError(ValueError):
    """Bytes that are not a record of the schema; says why."""


class RecordWriter:
    """Writes records of one schema."""

    __slots__ = ("_checks", "_conversions", "_prefix", "_schema")

    def __init__(self, schema: RegisteredSchema) -> None:
        fields = schema.definition["fields"]
        self._prefix = prefix_of(schema)
        self._schema = _in_process(schema)
        self._checks = tuple((field["name"], fits(field["type"])) for field in fields)
        self._conversions = _conversions(fields, uuid=str, names=None, union=_tagged)

    def write(self, fields: Mapping[str, Any], what: str) -> bytes:
        """Return the bytes of a record; raises `ValueError`, which names `what`, for a value that does not fit."""
        for name, fit in self._checks:
            if not fit(fields[name]):
                raise ValueError(f"{what}.{name}: the value does not fit the type that the schema has")
        if self._conversions:
            converted = dict(fields)
            for name, convert in self._conversions:
                converted[name] = convert(converted[name])
            fields = converted
        stream = BytesIO()
        stream.write(self._prefix)
        schemaless_writer(stream, self._schema, fields)
        return stream.getvalue()


class RecordReader:
    """Reads records of one schema, as the newest version of it would have them."""

    __slots__ = ("_conversions", "_defaults", "_quick", "_schema", "kinds", "topic")

    def __init__(self, schema: RegisteredSchema, newest: RegisteredSchema) -> None:
        fields = schema.definition["fields"]
        names = {field["name"] for field in fields}
        self.topic = schema.topic
        self.kinds = {field["name"]: field["type"] for field in fields}  # by field, in their order
        self._schema = _in_process(schema)
        self._quick = quick_reader(fields, PREFIX.size)
        self._conversions = _conversions(fields, uuid=_parsed_uuid, names=_shared, union=None)
        self._defaults = {
            field["name"]: field["default"] for field in newest.definition["fields"] if field["name"] not in names
        }

    def read(self, data: bytes) -> dict[str, Any]:
        """Return the fields of a record, whose prefix is not looked at. Raises `UnreadableError`."""
        fields = self._quick(data) if self._quick else None
        if fields is None:
            fields = self._read(data)
        if self._defaults:
            fields.update(copy.deepcopy(self._defaults))
        return fields

    def _read(self, data: bytes) -> dict[str, Any]:
        stream = BytesIO(data)
        stream.seek(PREFIX.size)
        try:
            fields: dict[str, Any] = schemaless_reader(stream, self._schema)  # type: ignore[assignment]
            for name, convert in self._conversions:
                fields[name] = convert(fields[name])
        except (EOFError, IndexError, ValueError, OverflowError, MemoryError) as error:
            # The representation of an error in text has the bytes in it, which may be those of a VIN.
            what = f"{type(error).__name__}: {error}" if isinstance(error, UnicodeError) else repr(error)
            raise UnreadableError(f"its {len(data)} bytes are not of its schema ({what})") from error
        if stream.tell() != len(data):
            raise UnreadableError(f"{len(data) - stream.tell()} bytes are left over at its end")
        return fields


class RecordReaders:
    """The readers of some topics: found by the schema id that the bytes begin with."""

    def __init__(self, registry: SchemaRegistry, topics: Iterable[str]) -> None:
        self._registry = registry
        self._readers = {
            prefix_of(schema): RecordReader(schema, versions[-1])
            for versions in map(registry.by_topic.__getitem__, topics)
            for schema in versions
        }

    def starts(self) -> list[tuple[str, bytes]]:
        """Return each topic with what records of one of its schemas begin with."""
        return [(reader.topic, start) for start, reader in self._readers.items()]

    def find(self, topic: str, data: bytes) -> RecordReader:
        """Return what reads these bytes. Raises `UnreadableError` for bytes that are none of this topic."""
        reader = self._readers.get(data[: PREFIX.size])
        if reader is None or reader.topic != topic:
            raise UnreadableError(self._fault(data))
        return reader

    def _fault(self, data: bytes) -> str:
        if len(data) < PREFIX.size or data[0] != 0:
            return "the bytes are not in the Confluent wire format"
        _, schema_id = PREFIX.unpack_from(data)
        schema = self._registry.by_id.get(schema_id)
        return f"no schema has the id {schema_id}" if schema is None else f"schema {schema_id} is of {schema.topic}"


def prefix_of(schema: RegisteredSchema) -> bytes:
    """Return what the bytes of every record of a schema begin with."""
    return PREFIX.pack(0, schema.id)


_parsed_uuid: Final = lru_cache(maxsize=UUIDS_KEPT)(UUID)
_BRANCH: Final = {NoneType: "null", bool: "boolean", int: "long", float: "double", str: "string"}


def _conversions(
    fields: Sequence[Mapping[str, Any]], *, uuid: Convert, names: Convert | None, union: Convert | None
) -> Conversions:
    """Return what is to be done to fields that hold ids, a column of names, or one of values of several types."""
    found: list[tuple[str, Convert]] = []
    for field in fields:
        match field["type"]:
            case {"logicalType": "uuid"}:
                found.append((field["name"], uuid))
            case {"items": {"logicalType": "uuid"}}:
                found.append((field["name"], lambda column: list(map(uuid, column))))
            case {"items": "string"} if names:
                found.append((field["name"], names))
            case {"items": [_, _, _, *_]} if union:
                found.append((field["name"], union))
    return tuple(found)


def _shared(names: list[str]) -> list[str]:
    """Return one object for each name, however often it is read: a history takes a ninth less memory, and folds faster.

    Names that no record holds any more are forgotten.
    """
    return list(map(sys.intern, names))


def _tagged(column: list[Any]) -> list[tuple[str, Any]]:
    """Name the branch of each value, as fastavro takes it: faster than its own search, and exact for every int."""
    return [(_BRANCH[type(value)], value) for value in column]


def _in_process(schema: RegisteredSchema) -> dict[str, Any]:
    parsed = parse_schema(_without_logical_types(schema.definition))
    assert isinstance(parsed, dict)
    return parsed


def _without_logical_types(definition: Any) -> Any:
    match definition:
        case {"logicalType": _, "type": plain}:
            return plain
        case dict():
            return {key: _without_logical_types(value) for key, value in definition.items()}
        case list():
            return [_without_logical_types(part) for part in definition]
        case _:
            return definition
