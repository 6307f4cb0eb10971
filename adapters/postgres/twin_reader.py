"""The twins in PostgreSQL: what the API asks of directory, read models and log, each question one statement."""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import Any, Final, LiteralString, Self, TypeVar
from uuid import UUID

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg.rows import RowMaker, TupleRow, tuple_row
from psycopg_pool import ConnectionPool, PoolTimeout

from adapters.access import Shown
from adapters.clock import iso_time
from adapters.event_log import DirectoryEntry, OriginFrom, StoredRecord
from adapters.fleet_counts import Counted, Group, GroupBy, greatest
from adapters.parked_events import BEFORE_ALL, ParkedEvent, ParkedPlace, projection_place
from adapters.postgres.access_records import INSERT, insert_parameters
from adapters.postgres.arrays import array
from adapters.postgres.conninfo import bounded
from adapters.postgres.datastore import RECONNECT_S
from adapters.postgres.read_models import kept_of_vehicles, vehicles_with_rows_after
from adapters.postgres.schema import API_ROLE, BRANDS_SEPARATOR, BRANDS_SETTING
from adapters.postgres.snapshots import PostgresSnapshots
from adapters.postgres.twin_statements import (
    APPENDS_ENDED,
    BECOME_API,
    COUNT,
    DIRECTORY,
    EVENTS,
    HISTORY,
    HOPS,
    LOG_END,
    NAMED,
    ORIGINS,
    PARKED,
    POSITIONS,
    RECORDED_AT,
    SHOWN,
    SIGNAL_TABLES,
    VEHICLE,
    VERSIONS,
    Listed,
    TwinStatements,
    paged,
    stretch,
    twin_statements,
    where,
)
from adapters.projection_versions import VersionSeen, VersionState, at_version
from adapters.twins import (
    POSITIONS_A_PAGE,
    PROJECTIONS,
    EventFilter,
    Hops,
    Logged,
    LogPage,
    PageOf,
    Positions,
    Projected,
    ProjectionPosition,
    Span,
    VehicleFilter,
    projection_of,
    signal_table,
)
from adapters.vehicle_order import Place, Placed, VehicleOrder
from domain.errors import BadInputError, StoreError
from domain.signals import Origin
from domain.units import Micros
from projections.diagnostics.model import ChargingRow, QualityRow, TroubleCodeRow, WarningRow
from projections.history import Kept
from projections.media.model import PlayRow
from projections.navigation.model import DestinationRow, TrackRow, TripRow
from projections.ports import Parked
from projections.projection import Projection, R
from projections.signal_rows import SignalRow
from projections.snapshots import Range, SnapshotReader

CONNECTIONS_MAX: Final = 8
CONNECTION_WAIT_S: Final = 5.0
STATEMENT_TIMEOUT_MS: Final = 12_000  # longer than a request may take: what its end has not cancelled
CANCEL_WITHIN_S: Final = 5.0  # a cancellation is a connection of its own

T = TypeVar("T")


class PostgresTwinReader:
    """One consistent view: a transaction, begun by the first question.

    Where `brands` are given it is read as a role to which PostgreSQL shows vehicles of these only. Raises StoreError
    when the database does not answer in time.
    """

    def __init__(self, pool: ConnectionPool[Connection[TupleRow]], brands: Collection[str] | None = None) -> None:
        assert all(BRANDS_SEPARATOR not in brand for brand in brands or ())
        self._pool = pool
        self._brands = brands
        self._connection: Connection[TupleRow] | None = None
        self._shown: TwinStatements | None = None
        self._cancelled = False
        self._away = False
        self._giving_back = threading.Lock()  # none is cancelled that others may have by now

    def close(self) -> None:
        """End the view; should its connection be lost by now, nothing is lost with it."""
        if self._connection is None:
            return
        with suppress(psycopg.Error):
            self._connection.rollback()
        with self._giving_back:
            given_back, self._connection, self._shown = self._connection, None, None
        if self._cancelled:
            given_back.close()  # a cancellation that comes late meets nobody else's statement
        self._pool.putconn(given_back)

    def cancel(self) -> None:
        """End what is being asked, from another thread: it fails, and so does all that is asked after it."""
        self._cancelled = True
        with self._giving_back:
            if self._connection is not None:
                with suppress(psycopg.Error):
                    self._connection.cancel_safe(timeout=CANCEL_WITHIN_S)

    def put_on_record(self, shown: Shown) -> None:
        """Keep, for good, what somebody is about to be shown; the view ends with it.

        Raises StoreError: then nothing is to be shown.
        """
        if self._brands is None:
            self.close()  # what sees every brand is read-only
        try:
            connection = self._opened(writes=True)
            connection.execute(INSERT, insert_parameters(shown), prepare=True)
            connection.commit()
        except (psycopg.Error, PoolTimeout) as error:
            said = str(error).partition(chr(10))[0]
            raise StoreError(f"the access cannot be put on record: {said}") from error
        finally:
            self.close()

    # --- vehicles -----------------------------------------------------------------------------------------------------

    def vehicles(self, limit: int, after: UUID | None, chosen: VehicleFilter) -> Sequence[DirectoryEntry]:
        """Return up to `limit` vehicles in order of their ids, after `after`."""
        joins, conditions, parameters = self._chosen(chosen)
        if after is not None:
            conditions.append("d.vehicle_id > %s")
            parameters.append(after)
        statement: LiteralString = f"{DIRECTORY}{joins}{where(conditions)} ORDER BY d.vehicle_id LIMIT %s"
        return self._rows(DirectoryEntry._make, statement, [*parameters, limit])

    def ordered_vehicles(
        self, limit: int, order: VehicleOrder, after: Place | None, chosen: VehicleFilter
    ) -> Sequence[Placed]:
        """Return up to `limit` vehicles in an order, after a place in it."""
        joins, conditions, parameters = self._chosen(chosen)
        few = chosen.vins is not None
        statement, of_place = self._statements.ordered_vehicles(order, after, joins, conditions, few=few)
        return self._rows(
            lambda row: Placed(DirectoryEntry._make(row[:-1]), row[-1]), statement, [*parameters, *of_place, limit]
        )

    def counted(self, chosen: VehicleFilter, by: Collection[GroupBy], limit: int, listed: int) -> Counted:
        """Return how many vehicles a filter chooses, of each kind the `limit` greatest groups, and `listed` of them."""
        joins, conditions, parameters = self._chosen(chosen)
        kinds = sorted(by, key=lambda kind: kind.value)
        statement = self._statements.counted(kinds, joins, conditions)
        rows = self._rows(tuple, statement, [*parameters, *[limit] * len(kinds), listed])
        groups: dict[GroupBy, list[Group]] = {kind: [] for kind in kinds}
        total, vehicle_ids = 0, []
        for kind, value, vehicles, vehicle_id in rows:
            if kind == COUNT:
                total = vehicles
            elif kind == VEHICLE:
                vehicle_ids.append(vehicle_id)
            else:
                groups[GroupBy(kind)].append(Group(value, vehicles))
        return Counted(total, {kind: greatest(dict(each), limit) for kind, each in groups.items()}, vehicle_ids)

    def _chosen(self, chosen: VehicleFilter) -> tuple[LiteralString, list[LiteralString], list[object]]:
        """Return the joins, the conditions and the parameters of a filter, for whom this view is shown."""
        joins, conditions, parameters = self._statements.chosen_vehicles(chosen)
        if self._brands is not None and len(self._brands) == 1:  # there is an index for it
            conditions.append("d.brand = %s")
            parameters += self._brands
        return "".join(joins), conditions, parameters

    def vehicle(self, vehicle_id: UUID) -> DirectoryEntry | None:
        """Return the vehicle with this id."""
        return self._row(DirectoryEntry._make, f"{DIRECTORY} WHERE d.vehicle_id = %s", [vehicle_id])

    def vehicle_by_vin(self, vin: str) -> DirectoryEntry | None:
        """Return the vehicle with this VIN."""
        return self._row(DirectoryEntry._make, f"{DIRECTORY} WHERE d.vin = %s", [vin])

    def vehicles_named(self, vehicle_ids: Sequence[UUID], vins: Sequence[str]) -> Sequence[DirectoryEntry]:
        """Return the vehicles with one of these ids or VINs, each once."""
        return self._rows(DirectoryEntry._make, NAMED, [list(vehicle_ids), list(vins)])

    def brands(self) -> Sequence[str]:
        """Return the brands of the vehicles, in order."""
        return [brand for (brand,) in self._rows(tuple, "SELECT DISTINCT d.brand FROM directory AS d ORDER BY 1", [])]

    # --- signals ------------------------------------------------------------------------------------------------------

    def signals(
        self, vehicle_ids: Sequence[UUID], paths: Sequence[str], prefixes: Sequence[str]
    ) -> Sequence[SignalRow]:
        """Return the rows of the signals with one of these paths, or whose path begins with one of the prefixes."""
        parts: list[LiteralString] = []
        parameters: list[object] = []
        for row_type in SIGNAL_TABLES:
            held = [path for path in paths if signal_table(path) is row_type]
            for values, condition in ((held, "r.path = ANY(%s)"), (prefixes, "r.path ^@ ANY(%s::text[])")):
                if values:
                    parts.append(f"{self._statements.select(row_type)} WHERE r.vehicle_id = ANY(%s) AND {condition}")
                    parameters += [list(vehicle_ids), list(values)]
        return self._rows(SignalRow._make, " UNION ALL ".join(parts), parameters) if parts else []

    def last_seen(self, vehicle_ids: Sequence[UUID]) -> Mapping[UUID, Micros]:
        """Return the newest captured_at of any signal or trouble code of each vehicle."""
        return dict(self._rows(tuple, self._statements.last_seen, {"ids": list(vehicle_ids)}))

    # --- navigation ---------------------------------------------------------------------------------------------------

    def destinations(self, vehicle_ids: Sequence[UUID]) -> Sequence[DestinationRow]:
        """Return the newest destination of each vehicle that has had one."""
        return self._of(DestinationRow, vehicle_ids)

    def current_trips(self, vehicle_ids: Sequence[UUID]) -> Sequence[TripRow]:
        """Return the trip of each vehicle that started last, if it has not ended."""
        return [trip for trip in self.trips(vehicle_ids, PageOf(1)) if not trip.ended]

    def trip(self, vehicle_id: UUID, trip_id: UUID) -> TripRow | None:
        """Return one trip."""
        statement: LiteralString = f"{self._statements.select(TripRow)} WHERE r.vehicle_id = %s AND r.trip_id = %s"
        return self._row(TripRow._make, statement, [vehicle_id, trip_id])

    def trips(self, vehicle_ids: Sequence[UUID], page: PageOf) -> Sequence[TripRow]:
        """Return trips in order of (started_at, trip_id)."""
        return self._page(
            TripRow._make, Listed(self._statements.select(TripRow), ("started_at", "trip_id")), vehicle_ids, page
        )

    def tracks(self, spans: Sequence[Span]) -> Sequence[tuple[int, TrackRow]]:
        """Return the pieces of track that touch each span, with the index of the span."""
        parameters = [list(column) for column in zip(*spans, strict=True)]
        return (
            self._rows(lambda row: (row[0] - 1, TrackRow._make(row[1:])), self._statements.tracks, parameters)
            if spans
            else []
        )

    # --- media --------------------------------------------------------------------------------------------------------

    def plays(self, vehicle_ids: Sequence[UUID], page: PageOf) -> Sequence[PlayRow]:
        """Return what was played in order of (started_at,), without what only goes on."""
        listed = Listed(
            self._statements.select(PlayRow), ("started_at",), condition=self._statements.is_no_more_of_the_same
        )
        return self._page(PlayRow._make, listed, vehicle_ids, page)

    # --- diagnostics --------------------------------------------------------------------------------------------------

    def trouble_codes(self, vehicle_ids: Sequence[UUID]) -> Sequence[TroubleCodeRow]:
        """Return every trouble code, held or past, in order of ECU, service, code and failure type."""
        return self._of(TroubleCodeRow, vehicle_ids, " ORDER BY r.ecu, r.service, r.code, r.failure_type")

    def warnings(self, vehicle_ids: Sequence[UUID]) -> Sequence[WarningRow]:
        """Return every warning, raised or past, in order of their names."""
        return self._of(WarningRow, vehicle_ids, " ORDER BY r.warning")

    def charging(self, vehicle_ids: Sequence[UUID], page: PageOf) -> Sequence[ChargingRow]:
        """Return charging sessions in order of (started_at, session_id)."""
        listed = Listed(self._statements.select(ChargingRow), ("started_at", "session_id"))
        return self._page(ChargingRow._make, listed, vehicle_ids, page)

    def quality(self, vehicle_ids: Sequence[UUID]) -> Sequence[QualityRow]:
        """Return how good the telemetry of each vehicle is."""
        return self._of(QualityRow, vehicle_ids)

    # --- log ----------------------------------------------------------------------------------------------------------

    def events(self, vehicle_ids: Sequence[UUID], page: PageOf, topics: Sequence[str] | None) -> Sequence[StoredRecord]:
        """Return events in order of (version,)."""
        condition: LiteralString | None = None if topics is None else "r.topic = ANY(%(topics)s)"
        listed = Listed(EVENTS, ("originator_version",), "originator_id", condition)
        return self._page(StoredRecord._make, listed, vehicle_ids, page, topics)

    def event(self, vehicle_id: UUID, version: int) -> StoredRecord | None:
        """Return one event."""
        statement: LiteralString = f"{EVENTS} WHERE r.originator_id = %s AND r.originator_version = %s"
        return self._row(StoredRecord._make, statement, [vehicle_id, version])

    def log_page(self, after_position: int, until_position: int | None, limit: int, chosen: EventFilter) -> LogPage:
        """Return up to `limit` events of the log after a position, up to another, None: as far as it is.

        The order of positions is that of commits: what this view sees of the log has no hole.
        """
        (end, *_), *_ = self._rows(tuple, LOG_END, [])
        until = min(end if until_position is None else until_position, after_position + POSITIONS_A_PAGE)
        if until <= after_position:
            return LogPage([], after_position, end)
        statement, parameters = stretch(after_position, until, limit, chosen)
        found = self._rows(_logged, statement, parameters)
        return LogPage(found, found[-1].record.position if len(found) >= limit else until, end)

    def hops(self, row: SignalRow) -> Hops | None:
        """Return what the value of a row went through; None: its event is not in the log."""
        projection = projection_of(signal_table(row.path))
        asked = {
            "id": row.vehicle_id,
            "event": row.event_version,
            "stream": row.stream_id,
            "sequence": row.sequence,
            "projection": projection.name,
            "version": self._statements.version(projection),
        }
        return next(iter(self._rows(_hops, HOPS, asked)), None)

    def origins(self, vehicle_id: UUID, stream_id: str) -> Sequence[OriginFrom]:
        """Return what the batches of a stream come from."""
        return self._rows(_origin_from, ORIGINS, [vehicle_id, stream_id])

    def shown(self, projection: Projection) -> Projection:
        """Return a projection as it is shown."""
        return at_version(projection, self._statements.version(projection))

    def positions(self) -> Positions:
        """Return the position of the log and of each projection."""
        named = [[each.name for each in PROJECTIONS], [each.version for each in PROJECTIONS]]
        found = self._rows(tuple, POSITIONS, named)
        return Positions(found[0][4], [ProjectionPosition(*row[:4]) for row in found])

    def parked(
        self,
        limit: int,
        after: ParkedPlace | None,
        versions: Sequence[ProjectionPosition],
        vehicle_id: UUID | None = None,
    ) -> Sequence[ParkedEvent]:
        """Return up to `limit` events that stopped a vehicle in one of these versions, in the order of their places."""
        names = [each.name for each in versions]
        parameters = [
            array("text", names),
            array("bigint", [each.version for each in versions]),
            array("bigint", [projection_place(name) for name in names]),
            *(after or BEFORE_ALL),
            *(vehicle_id, vehicle_id, limit),
        ]
        return self._rows(_parked, PARKED, parameters)

    def versions(self) -> Sequence[VersionSeen]:
        """Return every version that has rows or is to have them: of each projection the shown one first."""
        names, versions = zip(*((each.name, each.version) for each in PROJECTIONS), strict=True)
        return self._rows(_version_seen, VERSIONS, [array("text", names), array("bigint", versions)])

    def of_vehicles(
        self, projections: Sequence[Projection], vehicle_ids: Collection[UUID]
    ) -> Mapping[UUID, Sequence[Kept]]:
        """Return what is kept of each vehicle, for each projection in their order."""
        return kept_of_vehicles(partial(self._rows, tuple), projections, vehicle_ids)

    def vehicles_with_rows(self, projection: Projection, limit: int, after: UUID) -> Sequence[UUID]:
        """Return up to `limit` vehicles that some table has a row of, in order of their ids, after one."""
        parameters = [after, limit] * len(projection.row_types) + [limit]
        return [vehicle_id for (vehicle_id,) in self._rows(tuple, vehicles_with_rows_after(projection), parameters)]

    # --- the past -----------------------------------------------------------------------------------------------------

    def position_at(self, known_at: Micros | None) -> int:
        """Return the position of the newest event that was recorded by then, 0 for none; None: of the newest.

        May begin a new view. Raises BadInputError for a time that has not come.
        """
        (end, recorded_at, now), *_ = self._rows(tuple, LOG_END, [])
        if known_at is None:
            return int(end)
        if known_at > now:
            what = f"by the clock of the database {iso_time(known_at)} has not come yet"
            raise BadInputError(what, where="knownAt", remedy="give a time that is past")
        if known_at >= recorded_at:  # an append that has begun may still be recorded as of then: wait for it, and look
            self._rows(tuple, APPENDS_ENDED, [])
            self.close()
            (end, recorded_at, _), *_ = self._rows(tuple, LOG_END, [])
        if known_at >= recorded_at:
            return int(end)
        low, high = 0, int(end)  # recorded by then; and later
        while high - low > 1:
            middle = (low + high) // 2
            ((recorded_at,),) = self._rows(tuple, RECORDED_AT, [middle])
            low, high = (middle, high) if recorded_at <= known_at else (low, middle)
        return low

    def history(self, ranges: Sequence[Range], until_position: int) -> Sequence[StoredRecord]:
        """Return events of vehicles up to a position, in order of vehicle and version."""
        ids, after, until = zip(*ranges, strict=True) if ranges else ((), (), ())
        parameters = [array("uuid", ids), array("bigint", after), array("bigint", until), until_position]
        return self._rows(StoredRecord._make, HISTORY, parameters)

    @property
    def snapshots(self) -> SnapshotReader:
        """Rows of vehicles as they were."""
        return PostgresSnapshots(self._rows)

    # --- how ----------------------------------------------------------------------------------------------------------

    @property
    def _statements(self) -> TwinStatements:
        """The statements for the versions that this view shows: the same to its end."""
        if self._shown is None or self._connection is None:
            self._shown = twin_statements(frozenset(self._shown_versions().items()))
        return self._shown

    def _shown_versions(self) -> dict[str, int]:
        return dict(self._rows(tuple, SHOWN, []))

    def _of(self, row_type: type[R], vehicle_ids: Sequence[UUID], order: LiteralString = "") -> list[R]:
        make: RowMaker[R] = row_type._make  # type: ignore[attr-defined]  # a NamedTuple
        return self._rows(
            make, f"{self._statements.select(row_type)} WHERE r.vehicle_id = ANY(%s){order}", [list(vehicle_ids)]
        )

    def _page(
        self,
        make: RowMaker[T],
        listed: Listed,
        vehicle_ids: Sequence[UUID],
        page: PageOf,
        topics: Sequence[str] | None = None,
    ) -> list[T]:
        statement, parameters = paged(listed, page)
        named = {"topics": list(topics)} if topics is not None else {}
        return self._rows(make, statement, {**parameters, **named, "ids": list(vehicle_ids)})

    def _row(self, make: RowMaker[T], statement: LiteralString, parameters: Sequence[object]) -> T | None:
        return next(iter(self._rows(make, statement, parameters)), None)

    def _rows(
        self, make: RowMaker[T], statement: LiteralString, parameters: Sequence[object] | Mapping[str, object]
    ) -> list[T]:
        attempts = 1 if self._connection else CONNECTIONS_MAX + 1  # each connection of the pool may have been lost
        for attempt in range(1, attempts + 1):
            try:
                return self._fetch(make, statement, parameters)
            except (psycopg.OperationalError, psycopg.errors.UndefinedTable, PoolTimeout) as error:
                lost = self._connection is not None and self._connection.broken and not self._cancelled
                if not lost or attempt == attempts:
                    raise StoreError(f"the read models do not answer: {str(error).partition(chr(10))[0]}") from error
                self.close()
        raise AssertionError  # the last attempt returns or raises

    def _fetch(
        self, make: RowMaker[T], statement: LiteralString, parameters: Sequence[object] | Mapping[str, object]
    ) -> list[T]:
        with self._opened(writes=self._brands is not None).cursor(binary=True, row_factory=lambda _: make) as cursor:
            return cursor.execute(statement, parameters, prepare=True).fetchall()

    def _opened(self, *, writes: bool) -> Connection[TupleRow]:
        """Return the connection of this view, begun as whom it is read as; the API's role may write records only."""
        if self._cancelled:
            raise StoreError("the view was cancelled")
        if self._connection is None:
            if self._away:
                raise StoreError("the database does not answer")
            try:
                self._connection = self._pool.getconn(CONNECTION_WAIT_S)
            except PoolTimeout:
                self._away = True  # the next question does not wait for it again
                raise
            self._connection.read_only = not writes
            if self._brands is not None:
                told = [API_ROLE, BRANDS_SETTING, BRANDS_SEPARATOR.join(self._brands)]
                self._connection.execute(BECOME_API, told, prepare=True)
        return self._connection


_RECORD_COLUMNS: Final = len(StoredRecord._fields)


def _logged(found: Sequence[Any]) -> Logged:
    return Logged(StoredRecord._make(found[:_RECORD_COLUMNS]), DirectoryEntry._make(found[_RECORD_COLUMNS:]))


def _origin_from(found: Sequence[Any]) -> OriginFrom:
    sequence, *origin = found
    return OriginFrom(sequence, Origin._make(origin))


def _hops(found: Sequence[Any]) -> Hops:
    *event, decoder, mapping, version, projected_at = found
    return Hops(
        StoredRecord._make(event),
        None if decoder is None else Origin(decoder, mapping),
        None if projected_at is None else Projected(version, projected_at),
    )


def _version_seen(found: Sequence[Any]) -> VersionSeen:
    return VersionSeen(VersionState._make(found[:6]), *found[6:])


def _parked(found: Sequence[Any]) -> ParkedEvent:
    name, version, *rest = found
    parked, record = rest[: len(Parked._fields)], rest[len(Parked._fields) :]
    return ParkedEvent(name, version, Parked._make(parked), None if record[0] is None else StoredRecord._make(record))


class PostgresTwins:
    """The twins of one database, for any number of threads."""

    def __init__(self, conninfo: str) -> None:
        self._pool: Final = ConnectionPool[Connection[TupleRow]](
            kwargs={**bounded(conninfo), "row_factory": tuple_row},
            min_size=1,
            max_size=CONNECTIONS_MAX,
            reconnect_timeout=RECONNECT_S,
            configure=_configure,
            open=False,
        )

    def open(self) -> Self:
        """Begin to connect."""
        self._pool.open()
        return self

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def brands(self) -> Sequence[str]:
        """Return the brands of all vehicles, in order. Raises StoreError where the database does not answer."""
        with self.reading() as read:
            return read.brands()

    @contextmanager
    def reading(self, brands: Collection[str] | None = None) -> Iterator[PostgresTwinReader]:
        """Open a view that stays the same until it is closed; takes no connection before it is first asked.

        It shows vehicles of these brands only; None: of all.
        """
        with closing(PostgresTwinReader(self._pool, brands)) as reader:
            yield reader


def _configure(connection: Connection[TupleRow]) -> None:
    connection.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}")
    connection.commit()
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
