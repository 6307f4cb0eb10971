"""Histories as Parquet, for tools of others: events by type, rows of read models by table, partitioned as Hive does.

What is exported is written beside its place and moved there when it is whole: what was stopped leaves nothing. Every
type of event and every table is there, also without a row, and a column has one type wherever it is: whoever reads all
events at once can.

A whole log has a file of lines beside its folder, which tells where the log ended, how far its streams were taken, and
by what SHA-256 both are known again: a byte that was changed on the way would be another history.
"""

import fcntl
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from errno import EDQUOT, EFBIG, ENOSPC
from hashlib import sha256
from itertools import chain, zip_longest
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, NewType, Union, get_args, get_origin, get_type_hints
from urllib.parse import quote
from uuid import UUID, uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from adapters.event_log import DirectoryEntry, StoredRecord
from adapters.log_digest import LogDigest
from adapters.projection_versions import ShownRows
from domain.errors import BadInputError
from domain.events import EVENT_TYPES, LateSamplesRecorded, SignalsSampled, TrackExtended, TripsRearranged, VehicleEvent
from domain.signals import SignalValue
from domain.units import Micros
from projections.projection import Recorded, UnreadableEvent, row_spec

ITEMS_AT_ONCE: Final = 100_000  # rows of one file, and items of the lists in them: held until they are written
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
_NOT_TOLD: Final = ("originator_id", "originator_version", "captured_at", "received_at", "begins_as")  # by the event
_OF_LOG: Final = [
    ("position", pa.int64()),
    ("recorded_at", _TIME),
    ("vehicle_id", pa.string()),
    ("version", pa.int64()),
    ("captured_at", _TIME),
    ("received_at", _TIME),
]
_WRITTEN: Final = [("topic", pa.string()), ("data", pa.binary())]  # as what, and the very bytes
EVENT_COLUMNS: Final = dict([*_OF_LOG, *_WRITTEN])  # of every event, beside what it tells
# In the metadata of each file of an export: which one it is of (UUID), and of a read model name, version and position.
EXPORT_ID: Final = b"fleettwin.export"
PROJECTION: Final = b"fleettwin.projection"
POSITION: Final = b"fleettwin.position"
UNREADABLE: Final = "unreadable"  # the type of events whose bytes this release cannot read
_VALUES: Final = frozenset(get_args(SignalValue))
_IDENTITY: Final = [("brand", pa.string()), ("model", pa.string())]
_UNKNOWN: Final = "unknown"  # the brand of a vehicle that nobody told
# Columns of equal length in an event: one list here, whose items have them as fields.
_TOGETHER: Final[Mapping[type[VehicleEvent], str]] = {
    SignalsSampled: "samples",
    LateSamplesRecorded: "samples",
    TrackExtended: "fixes",
    TripsRearranged: "trips",
}
_APART: Final = frozenset({"removed_trip_ids"})  # as long as it likes

_FULL: Final = frozenset({ENOSPC, EDQUOT, EFBIG})
_STREAMS_PART: Final = "streams.ndjson"

Columns = list[tuple[str, pa.DataType, Callable[[Any], Any]]]  # name, type, and what gives the value of an event or row


def streams_file(folder: Path) -> Path:
    """Return where what is kept beside a log is written, for the folder of its events."""
    return folder.with_name(f"{folder.name}.streams.ndjson")


class Files:
    """One file for each partition, opened when its first row comes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._id = str(uuid4())
        self._metadata: dict[str | bytes, str | bytes] = {EXPORT_ID: self._id}
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._rows: dict[str, list[Mapping[str, Any]]] = {}
        self._items: Counter[str] = Counter()
        self._schemas: dict[str, pa.Schema] = {}
        self._end_of_streams: dict[str, Any] | None = None  # None: this is no whole log
        self._log = LogDigest()

    def add(self, partition: str, schema: pa.Schema, row: Mapping[str, Any]) -> None:
        """Add a row to the file of a partition, like "brand=Audi"."""
        waiting = self._rows.setdefault(partition, [])
        self._schemas.setdefault(partition, schema)
        waiting.append(row)
        self._items[partition] += 1 + sum(len(value) for value in row.values() if type(value) is list)
        if self._items[partition] >= ITEMS_AT_ONCE:
            self._write(partition)

    def add_streams(self, last_position: int, lines: Iterable[str]) -> None:
        """Write what is kept beside a whole log, after a line that tells of the log."""
        count, found = -1, sha256()
        with (self._folder / _STREAMS_PART).open("wb") as file:
            for line in chain([json.dumps({"export": self._id, "last_position": last_position})], lines):
                written = f"{line}\n".encode()
                file.write(written)
                found.update(written)
                count += 1
        self._end_of_streams = {"lines": count, "lines_sha256": found.hexdigest()}

    def describe(self, shown: ShownRows) -> None:
        """Have each file tell of which version at which position its rows are."""
        self._metadata |= {PROJECTION: shown.projection.id, POSITION: str(shown.position)}

    def note(self, record: StoredRecord) -> None:
        """Have an event in the digest of a whole log; all of them, in the order of the log."""
        if self._end_of_streams is not None:
            self._log.add(record)

    def expect(self, folder: str, partition: str, schema: pa.Schema) -> None:
        """Have a file without rows in a folder in which there is none else, so that who asks for it finds nothing."""
        if not any(each == folder or each.startswith(f"{folder}/") for each in self._rows):
            self._open("/".join(filter(None, (folder, partition))), schema)

    def close(self) -> None:
        """Write what waits, and end every file."""
        for partition in self._rows:
            self._write(partition)
        for writer in self._writers.values():
            writer.close()
        if self._end_of_streams is not None:
            with (self._folder / _STREAMS_PART).open("ab") as file:
                file.write(json.dumps({**self._end_of_streams, "events_sha256": str(self._log)}).encode() + b"\n")

    def abandon(self) -> None:
        """End every file, whatever waits."""
        for writer in self._writers.values():
            try:
                writer.close()
            except OSError:  # it is what the export is given up for
                continue

    def _write(self, partition: str) -> None:
        rows, self._rows[partition], self._items[partition] = self._rows[partition], [], 0
        if not rows:
            return
        schema = self._schemas[partition]
        if partition not in self._writers:
            self._open(partition, schema)
        writer = self._writers[partition]
        writer.write_table(pa.Table.from_pylist(rows, schema=writer.schema))

    def _open(self, partition: str, schema: pa.Schema) -> None:
        path = self._folder / partition / "part-0.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        named = schema.with_metadata(self._metadata)
        self._writers[partition] = pq.ParquetWriter(path, named, compression="zstd", write_page_checksum=True)


@contextmanager
def whole_or_nothing(folder: Path) -> Iterator[Files]:
    """Give what writes files that come to be in a folder all at once. Raises BadInputError where that cannot be."""
    beside = folder.parent / f".{folder.name}.part"
    try:
        _check_absent(folder)
        beside.mkdir(parents=True, exist_ok=True)
        with _alone(beside, folder):
            try:
                _check_absent(folder)  # another export may have come to its end meanwhile
                _clear(beside)  # of one that was killed
                files = Files(beside)
                try:
                    yield files
                    files.close()
                except BaseException:
                    files.abandon()
                    raise
                _place(beside, folder)
            except BaseException:
                shutil.rmtree(beside, ignore_errors=True)
                raise
    except OSError as error:
        raise _unwritable(folder, error) from error


def _place(beside: Path, folder: Path) -> None:
    """Move what was written to its place, the folder last: where it is, all of the export is. Raises BadInputError."""
    streams = streams_file(folder)
    try:
        streams.unlink(missing_ok=True)  # of one whose folder was deleted
        if (beside / _STREAMS_PART).exists():
            (beside / _STREAMS_PART).rename(streams)
    except OSError as error:
        raise _unwritable(streams, error) from error
    try:
        beside.rename(folder)
    except BaseException:
        streams.unlink(missing_ok=True)
        raise


def _unwritable(path: Path, error: OSError) -> BadInputError:
    what = "the disk is full" if error.errno in _FULL else f"cannot be written ({error.strerror or error})"
    return BadInputError(what, where=str(path), remedy="give another --out; nothing was left there")


def _check_absent(folder: Path) -> None:
    if folder.exists():
        raise BadInputError("is there already", where=str(folder), remedy="give another --out, or delete it")


@contextmanager
def _alone(beside: Path, folder: Path) -> Iterator[None]:
    """Have a folder for this process alone. Raises BadInputError where another one has it."""
    with ExitStack() as opened:
        try:
            descriptor = os.open(beside, os.O_RDONLY | os.O_DIRECTORY)
            opened.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = not os.path.samestat(os.fstat(descriptor), beside.stat())  # moved, by one that is done with it
        except (BlockingIOError, FileNotFoundError):
            taken = True
        if taken:
            remedy = "wait for its end, or give another --out"
            raise BadInputError("another export is writing there right now", where=str(folder), remedy=remedy)
        yield


def _clear(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir():
            shutil.rmtree(each)
        else:
            each.unlink()


def write_events(
    files: Files,
    events: Iterable[tuple[StoredRecord, Recorded]],
    entry_of: Callable[[UUID], DirectoryEntry | None],
    chosen: Callable[[Micros], bool],
) -> int:
    """Write events by type, with the very bytes that the log holds; return how many."""
    kinds = {kind: _columns_of(kind) for kind in (*EVENT_TYPES, UnreadableEvent)}
    schemas = {kind: _schema_of(columns) for kind, columns in kinds.items()}
    count = 0
    for record, recorded in events:
        event = recorded.event
        if not chosen(event.captured_at):
            continue
        row = {
            "position": record.position,
            "recorded_at": record.recorded_at,
            "vehicle_id": str(event.originator_id),
            "version": event.originator_version,
            "captured_at": event.captured_at,
            "received_at": event.received_at,
            **_identity(entry_of, event.originator_id),
            **{name: value_of(event) for name, _, value_of in kinds[type(event)]},
            "topic": record.topic,
            "data": record.state,
        }
        files.add(_type_of(type(event)), schemas[type(event)], row)
        files.note(record)
        count += 1
    for kind in EVENT_TYPES:
        files.expect(_type_of(kind), "", schemas[kind])
    return count


def write_rows(
    files: Files,
    shown: ShownRows,
    entry_of: Callable[[UUID], DirectoryEntry | None],
    chosen: Callable[[Micros], bool],
) -> int:
    """Write the rows of a read model, each table by brand; return how many."""
    files.describe(shown)
    count = 0
    for row_type in shown.projection.row_types:
        table, hints = row_spec(row_type).table, get_type_hints(row_type)
        names = [column.name for column in row_spec(row_type).columns]
        columns = [_own_column(name, hints[name]) for name in names]
        schema = pa.schema([("model", pa.string()), *((name, kind) for name, kind, _ in columns)])
        time = next((name for name in ("captured_at", "started_at") if name in names), None)
        for row in shown.of(row_type):
            if time is not None and not chosen(getattr(row, time)):
                continue
            identity = _identity(entry_of, row.vehicle_id)
            told = {name: value_of(row) for name, _, value_of in columns}
            brand = _path_of(identity["brand"] or _UNKNOWN)
            files.add(f"{table}/brand={brand}", schema, {"model": identity["model"], **told})
            count += 1
        files.expect(table, f"brand={_UNKNOWN}", schema)
    return count


def _identity(entry_of: Callable[[UUID], DirectoryEntry | None], vehicle_id: UUID) -> dict[str, str | None]:
    entry = entry_of(vehicle_id)
    return {"brand": entry and entry.brand, "model": entry and entry.model}


def _path_of(text: str) -> str:
    """Return a text as Hive writes it in the name of a folder: what a path could not hold as percent and hex digits.

    Spaces and dots at its ends are such: some file systems and readers drop them.
    """
    begin, end = len(text) - len(text.lstrip(". ")), len(text.rstrip(". "))
    return "".join(
        each if each.isalnum() or each in "-_" or (each in " ." and begin <= place < end) else _percent(each)
        for place, each in enumerate(text)
    )


def _percent(character: str) -> str:
    return quote(character, safe="") if character != "." else "%2E"  # which `quote` never does


def _type_of(kind: type[VehicleEvent]) -> str:
    """Return the partition of events of a class: their topic of today, whatever it was when they were written."""
    return f"type={kind.TOPIC or UNREADABLE}"


def _schema_of(columns: Columns) -> pa.Schema:
    own = [(name, kind) for name, kind, _ in columns if name not in dict(_IDENTITY)]  # which `VehicleRegistered` tells
    return pa.schema([*_OF_LOG, *_IDENTITY, *own, *_WRITTEN])


def _columns_of(kind: type[VehicleEvent]) -> Columns:
    """Return the columns that events of a class have of their own."""
    hints = get_type_hints(kind)
    own = [each.name for each in fields(kind) if each.name not in _NOT_TOLD]
    together = [name for name in own if kind in _TOGETHER and get_origin(hints[name]) is list and name not in _APART]
    columns = [_own_column(name, hints[name]) for name in own if name not in together]
    if together:
        columns.append((_TOGETHER[kind], *_items(together, hints)))
    return columns


def _own_column(name: str, hint: Any) -> tuple[str, pa.DataType, Callable[[Any], Any]]:
    type_, convert = _column(hint)
    return name, type_, lambda each: convert(getattr(each, name))


def _items(names: Sequence[str], hints: Mapping[str, Any]) -> tuple[pa.DataType, Callable[[Any], Any]]:
    """Return the type of columns of equal length as one list, and what gives the list of an event."""
    typed = {name: _column(get_args(hints[name])[0]) for name in names}
    if "path" in typed:
        typed.setdefault("changed", (pa.bool_(), _as_it_is))  # late samples do not have it, and are samples as well

    def items(event: Any) -> list[dict[str, Any]]:
        columns = [map(typed[name][1], getattr(event, name)) for name in names]
        return [dict(zip(names, values, strict=True)) for values in zip_longest(*columns)]

    return pa.list_(pa.struct([(name, kind) for name, (kind, _) in typed.items()])), items


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
    """Return a value by what it is. Every number is a `number`; one that was an integer is that, exactly, as well."""
    match value:
        case None:
            return None
        case bool():
            return {"flag": value}
        case int():
            return {"number": float(value), "integer": value}
        case float():
            return {"number": value}
        case _:
            return {"text": value}
