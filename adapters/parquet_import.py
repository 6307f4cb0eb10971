"""Events that were exported as Parquet, read back in the order of the log."""

import heapq
import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from hashlib import sha256
from operator import attrgetter
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from adapters.event_log import StoredRecord
from adapters.log_digest import LogDigest
from adapters.parquet_export import EVENT_COLUMNS, EXPORT_ID, UNREADABLE, streams_file
from adapters.rows.formats import PARQUET_FAULTS
from domain.errors import BadInputError

ROWS_AT_ONCE: Final = 1_000  # of one file
VEHICLES_MAX: Final = 4_096  # whose ids are at hand: to read one from text takes as long as the digest of an event
_NAMES: Final = ("position", "vehicle_id", "version", "topic", "data", "recorded_at")  # those of StoredRecord
_COLUMNS: Final = {name: EVENT_COLUMNS[name] for name in _NAMES}
_id_of: Final = lru_cache(VEHICLES_MAX)(UUID)


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
        self._id, self.count, self._sha256 = self._told()
        found = sum(self._opened(path).metadata.num_rows for path in self._paths)
        if found != self.count:
            raise self._broken(f"{found:,} events are there, and the log had {self.count:,}")

    def records(self) -> Iterator[StoredRecord]:
        """Yield all events as the log had them. Raises BadInputError where the files are not all of a log."""
        position, recorded_at, versions, found = 0, 0, dict[UUID, int](), LogDigest()
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
            found.add(record)
            yield record
        if str(found) != self._sha256:
            raise self._changed(self._folder, "the events")

    def streams(self) -> Iterator[dict[str, Any]]:
        """Yield what is kept beside the log."""
        ahead = self._lines()
        next(ahead)  # which tells of the log
        line = next(ahead, b"{}")
        for number, following in enumerate(ahead, 2):  # behind the last of them is the end
            yield self._object(number, line)
            line = following

    def _told(self) -> tuple[str, int, str]:
        """Return the id of the export, the last position of its log and the SHA-256 of its events."""
        lines = self._lines()
        last = next(lines, b"{}")
        match self._object(1, last):
            case {"export": str(export), "last_position": int(last_position)}:
                count, found = -1, sha256()
            case _:
                raise self._unreadable(self._streams, "line 1 does not tell of an export")
        for line in lines:
            found.update(last)
            last, count = line, count + 1
        end = self._object(count + 2, last)
        if end.get("lines") != count:
            raise self._unreadable(self._streams, f"lines are missing after line {count + 2}, or there are too many")
        if end.keys() != {"lines", "lines_sha256", "events_sha256"}:
            raise self._unreadable(self._streams, "its last line has no SHA-256 by which a spoilt one would be known")
        if end["lines_sha256"] != found.hexdigest():
            raise self._changed(self._streams, "its lines")
        return export, last_position, str(end["events_sha256"])

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._streams.open("rb") as lines:
                yield from lines
        except OSError as error:
            raise self._unreadable(self._streams, error.strerror or str(error)) from error

    def _object(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            return dict(json.loads(line))
        except (ValueError, TypeError, RecursionError) as error:
            raise self._unreadable(self._streams, f"line {number} is no JSON object") from error

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
                    yield StoredRecord(position, _id_of(vehicle_id), version, topic, data, recorded_at)
        except (*PARQUET_FAULTS, AttributeError) as error:
            raise self._unreadable(path, (str(error) or type(error).__name__).splitlines()[0]) from error

    def _opened(self, path: Path) -> pq.ParquetFile:
        try:
            file = pq.ParquetFile(path, page_checksum_verification=True)
        except PARQUET_FAULTS as error:
            raise self._unreadable(path, (str(error) or type(error).__name__).splitlines()[0]) from error
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
    def _changed(path: Path, what: str) -> BadInputError:
        said = f"{what} are not those that were exported: by their SHA-256 something of them was changed since"
        remedy = "copy all of the export again from where it was written, or export it again"
        return BadInputError(said, where=str(path), remedy=remedy)

    @staticmethod
    def _unreadable(path: Path, why: str) -> BadInputError:
        return BadInputError(f"is no file of an export ({why})", where=str(path), remedy="export it again")
