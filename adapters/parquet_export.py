"""Histories as Parquet, for tools of others: events by type, rows of read models by table, partitioned as Hive does.

What is exported is written beside its place and moved there when it is whole: what was stopped leaves nothing.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from errno import ENOSPC
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, NewType, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from adapters.event_log import DirectoryEntry, StoredRecord
from domain.errors import BadInputError
from domain.events import VehicleEvent
from domain.signals import SignalValue
from domain.units import Micros
from projections.projection import Projection, Recorded, UnreadableEvent, row_spec

ROWS_AT_ONCE: Final = 20_000  # of one file, held until they are written
_TIME: Final = pa.timestamp("us", tz="UTC")
_VALUE: Final = pa.struct(
    [("number", pa.float64()), ("integer", pa.int64()), ("text", pa.string()), ("flag", pa.bool_())]
)
_PLAIN: Final = {
    Micros: _TIME,
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bool: pa.bool_(),
    UUID: pa.string(),
}
_ENVELOPE: Final = ("originator_id", "originator_version", "captured_at", "received_at")
_OF_LOG: Final = [
    ("position", pa.int64()),
    ("recorded_at", _TIME),
    ("vehicle_id", pa.string()),
    ("version", pa.int64()),
    ("captured_at", _TIME),
    ("received_at", _TIME),
]
_VALUES: Final = frozenset(get_args(SignalValue))


class _Files:
    """One file for each partition, opened when its first row comes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._rows: dict[str, list[Mapping[str, Any]]] = {}
        self._schemas: dict[str, pa.Schema] = {}

    def add(self, partition: str, schema: pa.Schema, row: Mapping[str, Any]) -> None:
        """Add a row to the file of a partition, like "brand=Audi"."""
        waiting = self._rows.setdefault(partition, [])
        self._schemas.setdefault(partition, schema)
        waiting.append(row)
        if len(waiting) >= ROWS_AT_ONCE:
            self._write(partition)

    def close(self) -> None:
        """Write what waits, and end every file."""
        for partition in self._rows:
            self._write(partition)
        for writer in self._writers.values():
            writer.close()

    def abandon(self) -> None:
        """End every file, whatever waits."""
        for writer in self._writers.values():
            try:
                writer.close()
            except OSError:  # it is what the export is given up for
                continue

    def _write(self, partition: str) -> None:
        rows, self._rows[partition] = self._rows[partition], []
        if not rows:
            return
        schema = self._schemas[partition]
        if partition not in self._writers:
            path = self._folder / partition / "part-0.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writers[partition] = pq.ParquetWriter(path, schema, compression="zstd")
        self._writers[partition].write_table(pa.Table.from_pylist(rows, schema=schema))


@contextmanager
def whole_or_nothing(folder: Path) -> Iterator[_Files]:
    """Give what writes files that come to be in a folder all at once. Raises BadInputError where that cannot be."""
    beside = folder.parent / f".{folder.name}.part"
    if folder.exists():
        raise BadInputError("is there already", where=str(folder), remedy="give another --out, or delete it")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        files = _Files(beside)
        try:
            yield files
            files.close()
            beside.rename(folder)
        except BaseException:
            files.abandon()
            shutil.rmtree(beside, ignore_errors=True)
            raise
    except OSError as error:
        what = "the disk is full" if error.errno == ENOSPC else f"cannot be written ({error.strerror or error})"
        raise BadInputError(what, where=str(folder), remedy="give another --out; nothing was left there") from error


def export_events(
    folder: Path,
    events: Iterable[tuple[StoredRecord, Recorded]],
    entries: Mapping[UUID, DirectoryEntry],
    chosen: Callable[[Micros], bool],
) -> int:
    """Write events by type, with the very bytes that the log holds; return how many. Raises BadInputError."""
    schemas: dict[type[VehicleEvent], tuple[pa.Schema, list[tuple[str, Callable[[Any], Any]]]]] = {}
    count = 0
    with whole_or_nothing(folder) as files:
        for record, recorded in events:
            event = recorded.event
            if not chosen(event.captured_at):
                continue
            kind = type(event)
            if kind not in schemas:
                schemas[kind] = _schema_of(kind)
            schema, columns = schemas[kind]
            row = {
                "position": record.position,
                "recorded_at": record.recorded_at,
                "vehicle_id": str(event.originator_id),
                "version": event.originator_version,
                "captured_at": event.captured_at,
                "received_at": event.received_at,
                **_identity(entries, event.originator_id),
                **{name: convert(getattr(event, name)) for name, convert in columns},
                "data": record.state,
            }
            files.add(f"type={record.topic}", schema, row)
            count += 1
    return count


def export_rows(
    folder: Path,
    projection: Projection,
    rows: Callable[[Any], Iterable[Any]],
    entries: Mapping[UUID, DirectoryEntry],
    chosen: Callable[[Micros], bool],
) -> int:
    """Write the rows of a read model, each table by brand; return how many. Raises BadInputError."""
    count = 0
    with whole_or_nothing(folder) as files:
        for row_type in projection.row_types:
            hints = get_type_hints(row_type)
            names = [column.name for column in row_spec(row_type).columns]
            typed = [(name, *_column(hints[name])) for name in names]
            schema = pa.schema([("model", pa.string()), *((name, kind) for name, kind, _ in typed)])
            time = next((name for name in ("captured_at", "started_at") if name in names), None)
            for row in rows(row_type):
                if time is not None and not chosen(getattr(row, time)):
                    continue
                identity = _identity(entries, row.vehicle_id)
                told = {name: convert(getattr(row, name)) for name, _, convert in typed}
                brand = identity["brand"] or "unknown"
                files.add(
                    f"{row_spec(row_type).table}/brand={_path_of(brand)}", schema, {"model": identity["model"], **told}
                )
                count += 1
    return count


def _identity(entries: Mapping[UUID, DirectoryEntry], vehicle_id: UUID) -> dict[str, str | None]:
    entry = entries.get(vehicle_id)
    return {"brand": entry and entry.brand, "model": entry and entry.model}


def _path_of(text: str) -> str:
    """Return a text as Hive writes it in the name of a folder: what a path could not hold as percent and hex digits."""
    return (
        "".join(each if each.isalnum() or each in "-_ ." else f"%{ord(each):02X}" for each in text).strip(". ") or "%00"
    )


def _schema_of(kind: type[VehicleEvent]) -> tuple[pa.Schema, list[tuple[str, Callable[[Any], Any]]]]:
    hints = get_type_hints(kind)
    own = [each.name for each in fields(kind) if each.name not in _ENVELOPE]
    if issubclass(kind, UnreadableEvent):
        own = ["reason"]
    typed = [(name, *_column(hints[name])) for name in own]
    identity = [("brand", pa.string()), ("model", pa.string())]
    columns = [*_OF_LOG, *identity, *((name, type_) for name, type_, _ in typed if name not in ("brand", "model"))]
    schema = pa.schema([*columns, ("data", pa.binary())])
    return schema, [(name, convert) for name, _, convert in typed]


def _column(hint: Any) -> tuple[pa.DataType, Callable[[Any], Any]]:
    """Return the type of a column, and what turns a value into one of it."""
    if isinstance(hint, NewType) and hint is not Micros:
        return _column(hint.__supertype__)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        options = {each for each in arguments if each is not NoneType}
        return (_VALUE, _value) if options >= _VALUES else _column(options.pop())
    if origin is list:
        kind, convert = _column(arguments[0])
        return pa.list_(kind), _as_it_is if convert is _as_it_is else lambda values: [*map(convert, values)]
    if origin is dict:
        return pa.map_(pa.string(), _column(arguments[1])[0]), lambda value: list(value.items())
    return _PLAIN[hint], _text if hint is UUID else _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _value(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    name = {bool: "flag", int: "integer", float: "number"}.get(type(value), "text")
    return {name: value}
