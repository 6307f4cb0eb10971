"""The event store: every event once, in one order for the whole log, with what must be stored together with it."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from operator import itemgetter
from typing import Any, Final, LiteralString, Self
from uuid import UUID

import psycopg
from eventsourcing.persistence import (
    IntegrityError,
    Notification,
    PersistenceError,
    StoredEvent,
)
from eventsourcing.postgres import PostgresApplicationRecorder
from psycopg.rows import BaseRowFactory, Row, RowMaker, tuple_row

from adapters.event_log import (
    ConsumedChange,
    DirectoryEntry,
    ProgressChange,
    StoredRecord,
    VehiclePage,
    vehicle_page,
)
from adapters.metrics import INGEST_SECONDS
from adapters.postgres.arrays import array
from adapters.postgres.datastore import Datastore, again
from adapters.postgres.errors import named, named_errors
from adapters.postgres.listener import Listener
from adapters.postgres.parameters import append_call, missing_ranges
from adapters.postgres.restore import beside, restore
from adapters.postgres.schema import migrate
from adapters.postgres.writer import Writer
from domain.errors import StoreError
from domain.signals import Origin
from domain.streams import StreamProgress

_COLUMNS: Final = "SELECT notification_id, originator_id, originator_version, topic, state, recorded_at"
_RECORD: Final = f"{_COLUMNS} FROM stored_events"
_OUTLINE: Final = (
    "SELECT notification_id, originator_id, originator_version, topic, ''::bytea, recorded_at FROM stored_events"
)
_NEXT: Final = " WHERE notification_id > %s ORDER BY notification_id LIMIT %s"
_SUMMED: Final = (  # to count the bytes of an event is not to read them
    "SELECT *, octet_length(state) AS bytes, sum(octet_length(state))"
    " OVER (ORDER BY notification_id ROWS UNBOUNDED PRECEDING) AS total FROM stored_events"
)
_NEXT_BYTES: Final = (
    f"{_COLUMNS} FROM ({_SUMMED}{_NEXT}) AS page WHERE total <= %s OR total = bytes ORDER BY notification_id"
)


class PostgresEventLog(PostgresApplicationRecorder):
    """The event log in PostgreSQL: a recorder of the eventsourcing library, and the port of the same name.

    An append is one round trip to one server function, which holds a lock from before it takes positions until the
    commit: the order of positions is the order of commits, a reader that has seen position n has seen everything up to
    n.

    Methods of the port raise VersionConflictError when another writer was first, BadInputError when the disk is full,
    StoreError when the database does not answer; those of the library raise its own errors.
    """

    datastore: Datastore

    def __init__(self, datastore: Datastore) -> None:
        super().__init__(datastore)
        self._writer = Writer(datastore)
        self._listener = Listener(datastore.connect, self.channel_name, self.last_position)

    @classmethod
    def open(cls, conninfo: str, nice: int = 0) -> Self:
        """Return the event log of the database that `conninfo` names, its tables made or brought up to date.

        `nice`: see `adapters.postgres.datastore`.
        """
        log = cls(Datastore(conninfo, nice))
        try:
            log.create_table()
        except BaseException:
            log.close()
            raise
        return log

    def close(self) -> None:
        """Close every connection."""
        self._listener.close()
        self._writer.close()
        self.datastore.close()

    def create_table(self) -> None:
        """Make the tables, or bring them up to date. Raises StoreError where the connection is lost meanwhile."""
        try:
            with self.datastore.connect() as connection:
                migrate(connection)
        except psycopg.OperationalError as error:
            raise StoreError(f"the event store does not answer: {str(error).partition(chr(10))[0]}") from error

    # --- writing ------------------------------------------------------------------------------------------------------

    def append(
        self,
        events: Sequence[StoredEvent],
        progress: Sequence[ProgressChange] = (),
        directory: Sequence[DirectoryEntry] = (),
        consumed: Sequence[ConsumedChange] = (),
    ) -> Sequence[int]:
        """Append all or nothing, and return the positions of the events.

        Raises VersionConflictError if a version of a stream of events is taken already, a stream of batches or a source
        is not where `progress` or `consumed` says it was, or a vehicle is registered already; BadInputError if its VIN
        is registered under another id.
        """
        try:
            with INGEST_SECONDS.time():
                return self._append(events, progress, directory, consumed)
        except PersistenceError as error:
            raise named(error) from error

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """Append events and return their positions, as the eventsourcing library wants it."""
        return self._append(stored_events, (), (), ()) or None

    def _append(
        self,
        events: Sequence[StoredEvent],
        progress: Sequence[ProgressChange],
        directory: Sequence[DirectoryEntry],
        consumed: Sequence[ConsumedChange],
    ) -> Sequence[int]:
        if not events and not progress and not directory and not consumed:
            return []
        function, parameters = append_call(events, progress, directory, consumed)
        attempts = 0

        def attempt() -> Sequence[int]:
            nonlocal attempts
            attempts += 1
            try:
                before = self._writer.call(function, parameters)
            except IntegrityError:
                # The connection of an earlier attempt may have been lost after its commit.
                positions = self._positions_of(events, progress, directory, consumed) if attempts > 1 else None
                if positions is None:
                    raise
                return positions
            return list(range(before + 1, before + 1 + len(events)))

        return again(attempt)

    def restore(
        self, records: Iterable[StoredRecord], directory: Sequence[DirectoryEntry], rows: Iterable[Mapping[str, Any]]
    ) -> int:
        """Write a whole log into an empty store, or nothing: see `adapters.postgres.restore`."""
        return restore(self.datastore.connect(), records, directory, rows)

    def beside(self) -> AbstractContextManager[tuple[int, Iterator[str]]]:
        """Give the position of the newest event, and what is kept beside the log: see `adapters.postgres.restore`."""
        return beside(self.datastore.connect())

    def _positions_of(
        self,
        events: Sequence[StoredEvent],
        progress: Sequence[ProgressChange],
        directory: Sequence[DirectoryEntry],
        consumed: Sequence[ConsumedChange],
    ) -> list[int] | None:
        """Return where exactly these events are, or None if any of this is not what the store holds."""
        positions = []
        for event in events:
            found = self.events_of(_uuid(event), event.originator_version - 1, 1)
            if not found or (found[0].version, found[0].topic, found[0].state) != (
                event.originator_version,
                event.topic,
                event.state,
            ):
                return None
            positions.append(found[0].position)
        for change in progress:
            if self.progress_of(change.vehicle_id).get(change.after.stream_id) != change.after:
                return None
        for entry in directory:
            if self.find_vehicle(entry.vin) != entry:
                return None
        for step in consumed:
            if self.consumed_position(step.source) != step.after:
                return None
        return positions

    # --- reading ------------------------------------------------------------------------------------------------------

    def read(self, after_position: int, limit: int, bytes_max: int | None = None) -> list[StoredRecord]:
        """Return at most `limit` events that come after a position, in the order of the log.

        With `bytes_max` they have no more bytes together than that, but for one that has more by itself.
        """
        with named_errors():
            if bytes_max is None:
                return self._records(f"{_RECORD}{_NEXT}", [after_position, limit])
            return self._records(_NEXT_BYTES, [after_position, limit, bytes_max])

    def outlines(self, after_position: int, limit: int) -> list[StoredRecord]:
        """Return the same, each event with no bytes instead of its own."""
        with named_errors():
            return self._records(f"{_OUTLINE}{_NEXT}", [after_position, limit])

    def events_of(self, originator_id: UUID, after_version: int = 0, limit: int | None = None) -> list[StoredRecord]:
        """Return the events of one stream that come after a version, in the order of their versions."""
        statement = (
            f"{_RECORD} WHERE originator_id = %s AND originator_version > %s ORDER BY originator_version LIMIT %s"
        )
        with named_errors():
            return self._records(statement, [originator_id, after_version, limit])

    def events_of_all(self, vehicle_ids: Collection[UUID], place: tuple[UUID, int], limit: int) -> list[StoredRecord]:
        """Return up to `limit` events of some vehicles in order of vehicle and version, after one's version."""
        statement: LiteralString = (
            f"{_RECORD} WHERE originator_id = ANY(%b::uuid[]) AND (originator_id, originator_version) > (%s, %s)"
            " ORDER BY originator_id, originator_version LIMIT %s"
        )
        ids = array("uuid", list(vehicle_ids))
        with named_errors():
            # A plan that is kept knows nothing of the limit, nor of how many vehicles these are.
            return self._fetch(statement, [ids, *place, limit], _stored_record, prepare=False)

    def places(self, positions: Collection[int]) -> dict[int, tuple[UUID, int]]:
        """Return vehicle and version of the events at some positions; absent: the log has not come there."""
        statement = (
            "SELECT notification_id, originator_id, originator_version FROM stored_events"
            " WHERE notification_id = ANY(%s::bigint[])"
        )
        with named_errors():
            return {row[0]: (row[1], row[2]) for row in self._rows(statement, [list(positions)])}

    def behind(self, versions: Mapping[UUID, int], position: int) -> set[UUID]:
        """Return the vehicles that have an event after a version, up to a position."""
        statement: LiteralString = (
            "SELECT k.vehicle_id FROM unnest(%b::uuid[], %b::bigint[]) AS k (vehicle_id, version)"
            # Each is looked up by its key: OFFSET keeps the planner from another order.
            " CROSS JOIN LATERAL (SELECT notification_id FROM stored_events WHERE originator_id = k.vehicle_id"
            " AND originator_version = k.version + 1 OFFSET 0) AS e WHERE e.notification_id <= %s"
        )
        keys = [array("uuid", list(versions)), array("bigint", list(versions.values()))]
        with named_errors():
            return {row[0] for row in self._fetch(statement, [*keys, position], tuple_row, prepare=False)}

    def by_vehicle(
        self,
        place: tuple[UUID, int],
        last_id: UUID,
        between: tuple[int, int],
        limit: int,
        passed: Collection[tuple[str, bytes]] = (),
    ) -> VehiclePage:
        """Return up to `limit` events in order of vehicle and version: see `adapters.vehicle_log.RecordLog`."""
        statement: LiteralString = (
            # What is passed over comes without its bytes: to count it by itself is to read a page twice.
            "SELECT notification_id, originator_id, originator_version, topic,"
            " CASE WHEN (topic, substring(state FOR 5)) NOT IN (SELECT * FROM unnest(%b::text[], %b::bytea[]))"
            " THEN state END AS state, recorded_at"
            # In order and limited at first, so that it is read by the index: how much lies between two places is
            # misjudged.
            " FROM (SELECT * FROM stored_events"
            " WHERE (originator_id, originator_version) > (%s, %s) AND originator_id <= %s"
            " AND notification_id > %s AND notification_id <= %s ORDER BY originator_id, originator_version LIMIT %s)"
            " AS page ORDER BY originator_id, originator_version"
        )
        starts = [array("text", [topic for topic, _ in passed]), array("bytea", [start for _, start in passed])]
        with named_errors():
            # Plans that are kept know nothing of the limit: they may sort all that is left for each page.
            where = [*starts, *place, last_id, *between, limit]
            found = self._fetch(statement, where, tuple_row, prepare=False)
        records = [StoredRecord._make(row) for row in found if row[_STATE] is not None]
        return vehicle_page(records, _counted(found), place)

    def last_position(self) -> int:
        """Return the position of the newest event, 0 while there is none."""
        with named_errors():
            return self.max_notification_id() or 0

    def wait(self, after_position: int, timeout_ms: int) -> int:
        """Wait until there is an event after a position, at most so long; return the position of the newest."""
        with named_errors():
            return self._listener.wait(after_position, timeout_ms)

    def progress_of(self, vehicle_id: UUID) -> dict[str, StreamProgress]:
        """Return how far each stream of a vehicle has been taken."""
        return self.progress_of_all([vehicle_id]).get(vehicle_id, {})

    def progress_of_all(self, vehicle_ids: Collection[UUID]) -> dict[UUID, dict[str, StreamProgress]]:
        """Return how far each stream of vehicles has been taken; absent: a vehicle of which none has."""
        statement = (
            "SELECT vehicle_id, stream_id, last_sequence, missing, final FROM stream_progress"
            " WHERE vehicle_id = ANY(%b::uuid[])"
        )
        found: defaultdict[UUID, dict[str, StreamProgress]] = defaultdict(dict)
        with named_errors():
            for row in self._fetch(statement, [array("uuid", list(vehicle_ids))], tuple_row, prepare=False):
                found[row[0]][row[1]] = StreamProgress(row[1], row[2], missing_ranges(row[3]), row[4])
        return found

    def origin_of(self, vehicle_id: UUID, stream_id: str, sequence: int) -> Origin | None:
        """Return what a batch came from, None where its stream has not told."""
        statement = (
            "SELECT decoder, mapping FROM stream_origins WHERE vehicle_id = %s AND stream_id = %s"
            " AND from_sequence <= %s ORDER BY from_sequence DESC LIMIT 1"
        )
        with named_errors():
            return next(map(Origin._make, self._rows(statement, [vehicle_id, stream_id, sequence])), None)

    def consumed_position(self, source: str) -> int:
        """Return what comes next in a source of batches, 0 for one that has not been read yet."""
        with named_errors():
            found = self._rows("SELECT position FROM consumed_positions WHERE source = %s", [source])
        return int(found[0][0]) if found else 0

    def consumed_positions(self) -> dict[str, int]:
        """Return what comes next in each source of batches that has been read."""
        with named_errors():
            return dict(self._rows("SELECT source, position FROM consumed_positions", []))

    def find_vehicle(self, vin: str) -> DirectoryEntry | None:
        """Return the vehicle with this VIN, if one is registered."""
        statement = "SELECT vehicle_id, vin, brand, model, registered_at FROM directory WHERE vin = %s"
        with named_errors():
            return next((DirectoryEntry._make(row) for row in self._rows(statement, [vin])), None)

    def vehicles(self) -> list[DirectoryEntry]:
        """Return every registered vehicle, in the order of their ids."""
        statement = "SELECT vehicle_id, vin, brand, model, registered_at FROM directory ORDER BY vehicle_id"
        with named_errors():
            return [DirectoryEntry._make(row) for row in self._rows(statement, [])]

    # --- reading, as the library wants it -----------------------------------------------------------------------------

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> list[StoredEvent]:
        """Return the events of one stream, their versions above `gt`, up to `lte`."""
        statement = (
            f"{_RECORD} WHERE originator_id = %s AND originator_version > %s AND originator_version <= %s"
            f" ORDER BY originator_version {'DESC' if desc else 'ASC'} LIMIT %s"
        )
        found = self._records(
            statement, [originator_id, -1 if gt is None else gt, _BIGINT_MAX if lte is None else lte, limit]
        )
        return [StoredEvent(record.originator_id, record.version, record.topic, record.state) for record in found]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> list[Notification]:
        """Return at most `limit` events of the log from `start` on, those of some topics only if any are given."""
        after = 0 if start is None else start - 1 if inclusive_of_start else start
        of_topics = " AND topic = ANY(%s)" if topics else ""
        condition = f"notification_id > %s AND notification_id <= %s{of_topics}"
        statement = f"{_RECORD} WHERE {condition} ORDER BY notification_id LIMIT %s"
        chosen = [list(topics)] if topics else []
        found = self._records(statement, [after, _BIGINT_MAX if stop is None else stop, *chosen, limit])
        return [
            Notification(record.originator_id, record.version, record.topic, record.state, id=record.position)
            for record in found
        ]

    def max_notification_id(self) -> int | None:
        """Return the position of the newest event, None while there is none."""
        return next((row[0] for row in self._rows("SELECT max(notification_id) FROM stored_events", [])), None)

    def _records(self, statement: LiteralString, parameters: Sequence[object]) -> list[StoredRecord]:
        return self._fetch(statement, parameters, _stored_record)

    def _rows(self, statement: LiteralString, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        return self._fetch(statement, parameters, tuple_row)

    def _fetch(
        self,
        statement: LiteralString,
        parameters: Sequence[object],
        row_factory: BaseRowFactory[Row],
        *,
        prepare: bool = True,
    ) -> list[Row]:
        def attempt() -> list[Row]:
            with (
                self.datastore.get_connection() as connection,
                connection.cursor(binary=True, row_factory=row_factory) as cursor,
            ):
                return cursor.execute(statement, parameters, prepare=prepare).fetchall()

        return again(attempt)


_BIGINT_MAX: Final = 2**63 - 1
_VEHICLE: Final = itemgetter(StoredRecord._fields.index("originator_id"))
_VERSION, _STATE = map(StoredRecord._fields.index, ("version", "state"))


def _counted(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[UUID, int, int, int]]:
    """Yield each vehicle, the first and the last of its versions, and how many there are, of rows in order."""
    start = 0
    while start < len(rows):
        _, vehicle_id, first, *_ = rows[start]
        end = bisect_right(rows, vehicle_id, start, key=_VEHICLE)
        yield vehicle_id, first, rows[end - 1][_VERSION], end - start
        start = end


def _stored_record(_: object) -> RowMaker[StoredRecord]:
    return StoredRecord._make


def _uuid(event: StoredEvent) -> UUID:
    assert isinstance(event.originator_id, UUID)
    return event.originator_id
