"""Events that were exported as Parquet, read back in the order of the log."""

import heapq
import json
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from adapters.event_log import StoredRecord
from adapters.parquet_export import EVENT_COLUMNS, EXPORT_ID, UNREADABLE, streams_file
from domain.errors import BadInputError

ROWS_AT_ONCE: Final = 1_000  # of one file
_NAMES: Final = ("position", "vehicle_id", "version", "topic", "data", "recorded_at")  # those of StoredRecord
_COLUMNS: Final = {name: EVENT_COLUMNS[name] for name in _NAMES}


class ExportedEvents:
    """The events of a whole log, in a folder that has a file for each of their types. Raises BadInputError.

    `is_of` says whether bytes begin as the events of a topic do.
    """

    def __init__(self, folder: Path, is_of: Callable[[str, bytes], bool]) -> None:
        self._folder = folder
        self._is_of = is_of
        self._paths = sorted(folder.glob("*/*.parquet"))
        if not self._paths:
            remedy = "give the folder that `fleettwin export events --out` was given"
            raise BadInputError("there is no export of events", where=str(folder), remedy=remedy)
        self._streams = streams_file(folder)
        if not self._streams.is_file():
            what = "is not there: only a whole export can be imported"
            remedy = "export without --from and --to, and keep this file beside its folder"
            raise BadInputError(what, where=str(self._streams), remedy=remedy)
        self._id, self.count = self._told_first()
        found = sum(self._opened(path).metadata.num_rows for path in self._paths)
        if found != self.count:
            raise self._broken(f"{found:,} events are there, and the log had {self.count:,}")

    def records(self) -> Iterator[StoredRecord]:
        """Yield all events as the log had them. Raises BadInputError where the files are not all of a log."""
        position, recorded_at, versions = 0, 0, dict[UUID, int]()
        for record in heapq.merge(*map(self._of_file, self._paths), key=attrgetter("position")):
            if record.position == position:
                raise self._broken(f"two events are at position {position}")
            if record.position != position + 1:
                raise self._broken(f"position {position + 1} is missing")
            if record.recorded_at < recorded_at:
                raise self._broken(f"position {record.position} was recorded before the one ahead of it")
            position, recorded_at = record.position, record.recorded_at
            if record.version != versions.get(record.originator_id, 0) + 1:
                raise self._broken(f"version {record.version} at position {position} is not the next of its vehicle")
            versions[record.originator_id] = record.version
            yield record

    def streams(self) -> Iterator[dict[str, Any]]:
        """Yield what is kept beside the log."""
        count, ended = 0, None
        for number, row in enumerate(self._lines(), 1):
            if ended is not None:
                raise self._unreadable(self._streams, f"line {number} comes after its end")
            if row.keys() == {"lines"}:
                ended = row["lines"]
            elif number > 1:
                count += 1
                yield row
        if ended != count:
            raise self._unreadable(self._streams, f"lines are missing after line {count + 1}")

    def _told_first(self) -> tuple[str, int]:
        match next(self._lines(), None):
            case {"export": str(export), "last_position": int(last_position)}:
                return export, last_position
        raise self._unreadable(self._streams, "line 1 does not tell of an export")

    def _lines(self) -> Iterator[dict[str, Any]]:
        try:
            with self._streams.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    try:
                        yield dict(json.loads(line))
                    except (ValueError, TypeError, RecursionError) as error:
                        raise self._unreadable(self._streams, f"line {number} is no JSON object") from error
        except OSError as error:
            raise self._unreadable(self._streams, error.strerror or str(error)) from error

    def _of_file(self, path: Path) -> Iterator[StoredRecord]:
        file = self._opened(path)
        known = path.parent.name != f"type={UNREADABLE}"  # the others who wrote the log could not read
        try:
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(_COLUMNS)):
                found = {name: batch.column(name) for name in _COLUMNS}
                for name, column in found.items():
                    if column.null_count:
                        raise self._unreadable(path, f"a {name} is missing")
                found["recorded_at"] = found["recorded_at"].cast(pa.int64())
                for position, vehicle_id, version, topic, data, recorded_at in zip(
                    *(column.to_pylist() for column in found.values()), strict=True
                ):
                    if known and not self._is_of(topic, data):
                        what = f"{topic} at position {position} is nothing that this release can read"
                        remedy = "import it with the release that exported it, or a later one"
                        raise BadInputError(what, where=str(path), remedy=remedy)
                    yield StoredRecord(position, UUID(vehicle_id), version, topic, data, recorded_at)
        except (pa.ArrowException, OSError, ValueError, TypeError, AttributeError) as error:
            raise self._unreadable(path, str(error).partition("\n")[0]) from error

    def _opened(self, path: Path) -> pq.ParquetFile:
        try:
            file = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(path, str(error).partition("\n")[0]) from error
        for name, kind in _COLUMNS.items():
            place = file.schema_arrow.get_field_index(name)
            if place < 0 or file.schema_arrow.field(place).type != kind:
                raise self._unreadable(path, f"it has no column {name} of type {kind}")
        if (file.schema_arrow.metadata or {}).get(EXPORT_ID) != self._id.encode():
            raise self._unreadable(path, f"it is not of the same export as {self._streams.name}")
        return file

    def _broken(self, what: str) -> BadInputError:
        remedy = "only a whole export can be imported: export it again, without --from and --to"
        return BadInputError(what, where=str(self._folder), remedy=remedy)

    @staticmethod
    def _unreadable(path: Path, why: str) -> BadInputError:
        return BadInputError(f"is no file of an export ({why})", where=str(path), remedy="export it again")
