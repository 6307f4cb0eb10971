"""Events that were exported as Parquet, read back in the order of the log."""

import heapq
import json
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from adapters.event_log import StoredRecord
from adapters.parquet_export import EVENT_COLUMNS, STREAMS
from domain.errors import BadInputError

ROWS_AT_ONCE: Final = 1_000  # of one file
_NAMES: Final = ("position", "vehicle_id", "version", "topic", "data", "recorded_at")  # those of StoredRecord
_COLUMNS: Final = {name: EVENT_COLUMNS[name] for name in _NAMES}


class ExportedEvents:
    """The events of an export, in a folder that has a file for each of their types. Raises BadInputError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths = sorted(folder.glob("*/*.parquet"))
        if not self._paths or not (folder / STREAMS).is_file():
            remedy = "give the folder that `fleettwin export events --out` was given"
            raise BadInputError("there is no export of events", where=str(folder), remedy=remedy)
        self.count = sum(self._opened(path).metadata.num_rows for path in self._paths)

    def records(self) -> Iterator[StoredRecord]:
        """Yield all events as the log had them. Raises BadInputError where the files are not all of a log."""
        position, versions = 0, dict[UUID, int]()
        for record in heapq.merge(*map(self._of_file, self._paths), key=attrgetter("position")):
            if record.position == position:
                raise self._broken(f"two events are at position {position}")
            if record.position != position + 1:
                what = f"position {position + 1} is missing: only a whole export can be imported"
                raise self._broken(what)
            position = record.position
            if record.version != versions.get(record.originator_id, 0) + 1:
                raise self._broken(f"version {record.version} at position {position} is not the next of its vehicle")
            versions[record.originator_id] = record.version
            yield record

    def streams(self) -> Iterator[dict[str, Any]]:
        """Yield what is kept beside the log."""
        path = self._folder / STREAMS
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield dict(json.loads(line))
                except (ValueError, TypeError) as error:
                    raise self._unreadable(path, f"line {number} is no JSON object") from error

    def _of_file(self, path: Path) -> Iterator[StoredRecord]:
        file = self._opened(path)
        try:
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(_COLUMNS)):
                found = {name: batch.column(name) for name in _COLUMNS}
                found["recorded_at"] = found["recorded_at"].cast(pa.int64())
                for position, vehicle_id, version, topic, data, recorded_at in zip(
                    *(column.to_pylist() for column in found.values()), strict=True
                ):
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
        return file

    def _broken(self, what: str) -> BadInputError:
        remedy = "export it again, without --from and --to"
        return BadInputError(what, where=str(self._folder), remedy=remedy)

    @staticmethod
    def _unreadable(path: Path, why: str) -> BadInputError:
        return BadInputError(f"is no file of an export ({why})", where=str(path), remedy="export it again")
