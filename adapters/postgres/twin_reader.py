"""The twins in PostgreSQL: what the API asks of directory, read models and log, each question one statement.

Lists are read by key, in the order of an index. Where several vehicles are asked about, each gets its own page by a
lateral join, and so do the conditions of a filter: the planner is never free to read a table from its first row.
"""

# ruff: noqa: S608  # names in statements are those of our row classes; every value is a parameter

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Final, LiteralString, Self, TypeVar
from uuid import UUID

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import RowMaker, TupleRow, tuple_row
from psycopg_pool import ConnectionPool, PoolTimeout

from adapters.event_log import DirectoryEntry, StoredRecord
from adapters.twins import PROJECTIONS, PageOf, Positions, ProjectionPosition, Span, VehicleFilter, signal_table
from domain.errors import StoreError
from domain.units import Micros
from projections.diagnostics.model import ChargingRow, DiagnosticsSignalRow, QualityRow, TroubleCodeRow, WarningRow
from projections.media.model import MediaSignalRow, PlayRow
from projections.navigation.model import DestinationRow, NavigationSignalRow, TrackRow, TripRow
from projections.projection import R, Row, row_spec
from projections.signal_rows import SignalRow

CONNECTIONS_MAX: Final = 8
CONNECTION_WAIT_S: Final = 5.0
STATEMENT_TIMEOUT_MS: Final = 10_000

_SIGNAL_TABLES: Final = (NavigationSignalRow, MediaSignalRow, DiagnosticsSignalRow)
_SEEN_TABLES: Final[tuple[type[Row], ...]] = (*_SIGNAL_TABLES, TroubleCodeRow)

T = TypeVar("T")


def _table(row_type: type[Row]) -> LiteralString:
    projection = next(each for each in PROJECTIONS if row_type in each.row_types)
    return f"{projection.name}_v{projection.version}_{row_spec(row_type).table}"


def _columns(row_type: type[Row]) -> LiteralString:
    return ", ".join(f"r.{column.name}" for column in row_spec(row_type).columns)


def _select(row_type: type[Row]) -> LiteralString:
    return f"SELECT {_columns(row_type)} FROM {_table(row_type)} AS r"


_DIRECTORY: Final = "SELECT d.vehicle_id, d.vin, d.brand, d.model, d.registered_at FROM directory AS d"
_EVENTS: Final = (
    "SELECT r.notification_id, r.originator_id, r.originator_version, r.topic, r.state, r.recorded_at"
    " FROM stored_events AS r"
)
# A piece found playing that is the one before it goes on with it: the row before it in the order of the primary key.
_GOES_ON: Final[LiteralString] = (
    "r.initial AND (r.title, r.artist, r.album, r.source) IS NOT DISTINCT FROM"
    f" (SELECT (p.title, p.artist, p.album, p.source) FROM {_table(PlayRow)} AS p"
    " WHERE p.vehicle_id = r.vehicle_id AND p.started_at < r.started_at ORDER BY p.started_at DESC LIMIT 1)"
)


class PostgresTwinReader:
    """One consistent view: a transaction, begun by the first question.

    Raises StoreError when the database does not answer in time.
    """

    def __init__(self, pool: ConnectionPool[Connection[TupleRow]]) -> None:
        self._pool = pool
        self._connection: Connection[TupleRow] | None = None

    def close(self) -> None:
        """End the view; should its connection be lost by now, nothing is lost with it."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.rollback()
            self._pool.putconn(self._connection)
            self._connection = None

    # --- vehicles -----------------------------------------------------------------------------------------------------

    def vehicles(self, limit: int, after: UUID | None, chosen: VehicleFilter) -> Sequence[DirectoryEntry]:
        """Return up to `limit` vehicles in order of their ids, after `after`."""
        joins, conditions, parameters = _chosen(chosen)
        if after is not None:
            conditions.append("d.vehicle_id > %s")
            parameters.append(after)
        where: LiteralString = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        statement: LiteralString = f"{_DIRECTORY}{''.join(joins)}{where} ORDER BY d.vehicle_id LIMIT %s"
        return self._rows(DirectoryEntry._make, statement, [*parameters, limit])

    def vehicle(self, vehicle_id: UUID) -> DirectoryEntry | None:
        """Return the vehicle with this id."""
        return self._row(DirectoryEntry._make, f"{_DIRECTORY} WHERE d.vehicle_id = %s", [vehicle_id])

    def vehicle_by_vin(self, vin: str) -> DirectoryEntry | None:
        """Return the vehicle with this VIN."""
        return self._row(DirectoryEntry._make, f"{_DIRECTORY} WHERE d.vin = %s", [vin])

    # --- signals ------------------------------------------------------------------------------------------------------

    def signals(
        self, vehicle_ids: Sequence[UUID], paths: Sequence[str], prefixes: Sequence[str]
    ) -> Sequence[SignalRow]:
        """Return the rows of the signals with one of these paths, or whose path begins with one of the prefixes."""
        parts: list[LiteralString] = []
        parameters: list[object] = []
        for row_type in _SIGNAL_TABLES:
            held = [path for path in paths if signal_table(path) is row_type]
            for values, condition in ((held, "r.path = ANY(%s)"), (prefixes, "r.path ^@ ANY(%s::text[])")):
                if values:
                    parts.append(f"{_select(row_type)} WHERE r.vehicle_id = ANY(%s) AND {condition}")
                    parameters += [list(vehicle_ids), list(values)]
        return self._rows(SignalRow._make, " UNION ALL ".join(parts), parameters) if parts else []

    def last_seen(self, vehicle_ids: Sequence[UUID]) -> Mapping[UUID, Micros]:
        """Return the newest captured_at of any signal or trouble code of each vehicle."""
        tables: LiteralString = " UNION ALL ".join(
            f"SELECT r.vehicle_id, r.captured_at FROM {_table(row_type)} AS r WHERE r.vehicle_id = ANY(%(ids)s)"
            for row_type in _SEEN_TABLES
        )
        statement: LiteralString = f"SELECT s.vehicle_id, max(s.captured_at) FROM ({tables}) AS s GROUP BY s.vehicle_id"
        return dict(self._rows(tuple, statement, {"ids": list(vehicle_ids)}))

    # --- navigation ---------------------------------------------------------------------------------------------------

    def destinations(self, vehicle_ids: Sequence[UUID]) -> Sequence[DestinationRow]:
        """Return the newest destination of each vehicle that has had one."""
        return self._of(DestinationRow, vehicle_ids)

    def current_trips(self, vehicle_ids: Sequence[UUID]) -> Sequence[TripRow]:
        """Return the trip of each vehicle that started last, if it has not ended."""
        return [trip for trip in self.trips(vehicle_ids, PageOf(1)) if not trip.ended]

    def trip(self, vehicle_id: UUID, trip_id: UUID) -> TripRow | None:
        """Return one trip."""
        statement: LiteralString = f"{_select(TripRow)} WHERE r.vehicle_id = %s AND r.trip_id = %s"
        return self._row(TripRow._make, statement, [vehicle_id, trip_id])

    def trips(self, vehicle_ids: Sequence[UUID], page: PageOf) -> Sequence[TripRow]:
        """Return trips in order of (started_at, trip_id)."""
        return self._page(TripRow._make, _select(TripRow), "vehicle_id", ("started_at", "trip_id"), vehicle_ids, page)

    def tracks(self, spans: Sequence[Span]) -> Sequence[tuple[int, TrackRow]]:
        """Return the pieces of track that touch each span, with the index of the span."""
        statement: LiteralString = (
            f"SELECT s.place, {_columns(TrackRow)} FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[])"
            f" WITH ORDINALITY AS s (vehicle_id, started_at, ended_at, place) JOIN {_table(TrackRow)} AS r"
            " ON r.vehicle_id = s.vehicle_id AND r.started_at <= s.ended_at AND r.ended_at >= s.started_at"
        )
        columns = [list(column) for column in zip(*spans, strict=True)]
        return self._rows(lambda row: (row[0] - 1, TrackRow._make(row[1:])), statement, columns) if spans else []

    # --- media --------------------------------------------------------------------------------------------------------

    def plays(self, vehicle_ids: Sequence[UUID], page: PageOf) -> Sequence[PlayRow]:
        """Return what was played in order of (started_at,), without what only goes on."""
        select: LiteralString = f"{_select(PlayRow)} WHERE NOT coalesce({_GOES_ON}, false)"
        return self._page(PlayRow._make, select, "vehicle_id", ("started_at",), vehicle_ids, page)

    # --- diagnostics --------------------------------------------------------------------------------------------------

    def trouble_codes(self, vehicle_ids: Sequence[UUID]) -> Sequence[TroubleCodeRow]:
        """Return every trouble code, held or past, in order of ECU, service, code and failure type."""
        return self._of(TroubleCodeRow, vehicle_ids, " ORDER BY r.ecu, r.service, r.code, r.failure_type")

    def warnings(self, vehicle_ids: Sequence[UUID]) -> Sequence[WarningRow]:
        """Return every warning, raised or past, in order of their names."""
        return self._of(WarningRow, vehicle_ids, " ORDER BY r.warning")

    def charging(self, vehicle_ids: Sequence[UUID], page: PageOf) -> Sequence[ChargingRow]:
        """Return charging sessions in order of (started_at, session_id)."""
        key: tuple[LiteralString, LiteralString] = ("started_at", "session_id")
        return self._page(ChargingRow._make, _select(ChargingRow), "vehicle_id", key, vehicle_ids, page)

    def quality(self, vehicle_ids: Sequence[UUID]) -> Sequence[QualityRow]:
        """Return how good the telemetry of each vehicle is."""
        return self._of(QualityRow, vehicle_ids)

    # --- log ----------------------------------------------------------------------------------------------------------

    def events(self, vehicle_ids: Sequence[UUID], page: PageOf, topics: Sequence[str] | None) -> Sequence[StoredRecord]:
        """Return events in order of (version,)."""
        select: LiteralString = _EVENTS if topics is None else f"{_EVENTS} WHERE r.topic = ANY(%(topics)s)"
        key: tuple[LiteralString] = ("originator_version",)
        chosen = {} if topics is None else {"topics": list(topics)}
        return self._page(StoredRecord._make, select, "originator_id", key, vehicle_ids, page, chosen)

    def event(self, vehicle_id: UUID, version: int) -> StoredRecord | None:
        """Return one event."""
        statement: LiteralString = f"{_EVENTS} WHERE r.originator_id = %s AND r.originator_version = %s"
        return self._row(StoredRecord._make, statement, [vehicle_id, version])

    def positions(self) -> Positions:
        """Return the position of the log and of each projection."""
        statement: LiteralString = (
            "SELECT w.name, w.version, coalesce(p.position, 0),"
            " (SELECT count(*) FROM parked_vehicles AS k WHERE k.projection = w.name AND k.version = w.version),"
            " (SELECT coalesce(max(e.notification_id), 0) FROM stored_events AS e)"
            " FROM unnest(%s::text[], %s::bigint[]) WITH ORDINALITY AS w (name, version, place)"
            " LEFT JOIN projection_positions AS p ON p.projection = w.name AND p.version = w.version ORDER BY w.place"
        )
        wanted = [[each.name for each in PROJECTIONS], [each.version for each in PROJECTIONS]]
        found = self._rows(tuple, statement, wanted)
        return Positions(found[0][4], [ProjectionPosition(*row[:4]) for row in found])

    # --- how ----------------------------------------------------------------------------------------------------------

    def _of(self, row_type: type[R], vehicle_ids: Sequence[UUID], order: LiteralString = "") -> list[R]:
        make: RowMaker[R] = row_type._make  # type: ignore[attr-defined]  # a NamedTuple
        return self._rows(make, f"{_select(row_type)} WHERE r.vehicle_id = ANY(%s){order}", [list(vehicle_ids)])

    def _page(
        self,
        make: RowMaker[T],
        select: LiteralString,
        owner: LiteralString,
        key: Sequence[LiteralString],
        vehicle_ids: Sequence[UUID],
        page: PageOf,
        more: Mapping[str, object] | None = None,
    ) -> list[T]:
        """Return a page of each vehicle's rows."""
        direction: LiteralString = "DESC" if page.newest_first else "ASC"
        compared: LiteralString = "<" if page.newest_first else ">"
        parameters = {"ids": list(vehicle_ids), "limit": page.limit, **(more or {})}
        conditions: list[LiteralString] = [f"r.{owner} = v.id"]
        if page.after is not None:
            names = [f"after_{number}" for number in range(len(key))]
            placeholders = ", ".join(f"%({name})s" for name in names)
            after = f"({', '.join(f'r.{column}' for column in key)}) {compared} ({placeholders})"
            conditions.append(after)
            parameters.update(zip(names, page.after, strict=True))
        joined: LiteralString = " AND ".join(conditions)
        filtered: LiteralString = f"{select} {'AND' if ' WHERE ' in select else 'WHERE'} {joined}"
        inner: LiteralString = ", ".join(f"r.{column} {direction}" for column in key)
        outer: LiteralString = ", ".join(f"r.{column} {direction}" for column in key)
        statement: LiteralString = (
            f"SELECT r.* FROM unnest(%(ids)s::uuid[]) AS v (id)"
            f" CROSS JOIN LATERAL ({filtered} ORDER BY {inner} LIMIT %(limit)s) AS r ORDER BY {outer}"
        )
        return self._rows(make, statement, parameters)

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
                lost = self._connection is not None and self._connection.broken
                if not lost or attempt == attempts:
                    raise StoreError(f"the read models do not answer: {str(error).partition(chr(10))[0]}") from error
                self.close()
        raise AssertionError  # the last attempt returns or raises

    def _fetch(
        self, make: RowMaker[T], statement: LiteralString, parameters: Sequence[object] | Mapping[str, object]
    ) -> list[T]:
        if self._connection is None:
            self._connection = self._pool.getconn(CONNECTION_WAIT_S)
        with self._connection.cursor(binary=True, row_factory=lambda _: make) as cursor:
            return cursor.execute(statement, parameters, prepare=True).fetchall()


def _chosen(chosen: VehicleFilter) -> tuple[list[LiteralString], list[LiteralString], list[object]]:
    """Return the joins and conditions of a filter, and their parameters in this order."""
    joins: list[LiteralString] = []
    conditions: list[LiteralString] = []
    in_joins: list[object] = []
    in_conditions: list[object] = []
    codes: LiteralString = (
        f"SELECT true AS found FROM {_table(TroubleCodeRow)} AS c WHERE c.vehicle_id = d.vehicle_id AND c.held"
    )
    if chosen.has_trouble_code is not None:
        joins.append(f" LEFT JOIN LATERAL ({codes} LIMIT 1) AS any_code ON true")
        conditions.append("any_code.found" if chosen.has_trouble_code else "any_code.found IS NULL")
    if chosen.trouble_codes is not None:
        joins.append(f" CROSS JOIN LATERAL ({codes} AND c.code = ANY(%s::text[]) LIMIT 1) AS this_code")
        in_joins.append(list(chosen.trouble_codes))
    if chosen.last_seen_after is not None:
        seen: LiteralString = " UNION ALL ".join(
            f"SELECT true FROM {_table(row_type)} AS s WHERE s.vehicle_id = d.vehicle_id AND s.captured_at > %s"
            for row_type in _SEEN_TABLES
        )
        joins.append(f" CROSS JOIN LATERAL ({seen} LIMIT 1) AS seen")
        in_joins += [chosen.last_seen_after] * len(_SEEN_TABLES)
    named: tuple[tuple[LiteralString, Sequence[str] | None], ...] = (
        ("vin", chosen.vins),
        ("brand", chosen.brands),
        ("model", chosen.models),
    )
    for column, values in named:
        if values is not None:
            conditions.append(f"d.{column} = ANY(%s::text[])")
            in_conditions.append(list(values))
    return joins, conditions, [*in_joins, *in_conditions]


class PostgresTwins:
    """The twins of one database, for any number of threads."""

    def __init__(self, conninfo: str) -> None:
        self._pool: Final = ConnectionPool[Connection[TupleRow]](
            kwargs={**conninfo_to_dict(conninfo), "row_factory": tuple_row},
            min_size=1,
            max_size=CONNECTIONS_MAX,
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

    @contextmanager
    def reading(self) -> Iterator[PostgresTwinReader]:
        """Open a view that stays the same until it is closed; takes no connection before it is first asked."""
        with closing(PostgresTwinReader(self._pool)) as reader:
            yield reader


def _configure(connection: Connection[TupleRow]) -> None:
    connection.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}")
    connection.commit()
    connection.read_only = True
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
