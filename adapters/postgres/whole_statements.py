"""The statement that reads whole vehicles: one for each kind of question, names from our row classes only.

First the vehicles are found, then each is read by a lateral join: the planner never reads a table from its first row.
What is shown of personal data is put on record by the statement itself.
"""

# ruff: noqa: S608  # see above

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, LiteralString, NamedTuple
from uuid import UUID

from adapters.postgres.twin_statements import SIGNAL_TABLES, TwinStatements, twin_statements
from adapters.twins import SEEN_ROWS, signal_table
from adapters.whole_reads import PROVENANCE, SAMPLE, Asked, Asker, By, Wanted
from projections.diagnostics.model import TroubleCodeRow, WarningRow
from projections.navigation.model import TripRow
from projections.projection import Row, row_spec
from projections.signal_rows import SignalRow

STATEMENTS_REMEMBERED_MAX: Final = 256
_FROM_THE_FIRST: Final = UUID(int=0)  # which no vehicle has
_ORDERS: Final[Mapping[type[Row], LiteralString]] = {
    TroubleCodeRow: " ORDER BY r.ecu, r.service, r.code, r.failure_type",
    WarningRow: " ORDER BY r.warning",
    TripRow: " ORDER BY r.started_at DESC, r.trip_id DESC LIMIT 1",
}


class WholeStatement(NamedTuple):
    """A statement, and how the parameters of a question are put in."""

    text: LiteralString
    wanted: Wanted
    by_brand: bool

    def parameters(self, asked: Asked, asker: Asker) -> list[Any]:
        """Return what takes the places of $1 and so on."""
        found: list[Any] = [asked.key]
        if self.wanted.by is By.PAGE:
            found = [asked.key or _FROM_THE_FIRST, asked.limit]
            if self.by_brand:
                assert asker.brands is not None
                found += asker.brands
        found += [paths for _, paths in paths_by_table(self.wanted) if paths]
        if self.wanted.on_record:
            found += [asker.request_id, asker.client, asker.subject, list(self.wanted.on_record)]
            if self.wanted.by is By.PAGE:
                found.append(asked.shown)
        return found


def paths_by_table(wanted: Wanted) -> Sequence[tuple[type[SignalRow], list[str]]]:
    """Return which of the paths each table of signals keeps."""
    return [(table, [path for path in wanted.paths if signal_table(path) is table]) for table in SIGNAL_TABLES]


@lru_cache(STATEMENTS_REMEMBERED_MAX)
def whole_statement(wanted: Wanted, versions: frozenset[tuple[str, int]], *, by_brand: bool) -> WholeStatement:
    """Return the statement that reads what is wanted; `by_brand`: of one brand, for which there is an index."""
    return WholeStatement(_Writer(twin_statements(versions)).text(wanted, by_brand=by_brand), wanted, by_brand)


class _Writer:
    def __init__(self, statements: TwinStatements) -> None:
        self._statements = statements
        self._parameters = 0

    def _next(self, kind: LiteralString) -> LiteralString:
        self._parameters += 1
        number: LiteralString = _literal(self._parameters)
        return f"${number}::{kind}"

    def text(self, wanted: Wanted, *, by_brand: bool) -> LiteralString:
        chosen = self._chosen(wanted, by_brand=by_brand)
        columns: list[LiteralString] = ["v.vehicle_id, v.vin, v.brand, v.model, v.registered_at"]
        joins: LiteralString = ""
        if wanted.paths or wanted.last_seen:
            columns.append("s.*")
            joins = f" CROSS JOIN LATERAL ({self._signals(wanted)}) AS s"
        columns += [self._rows(row_type) for row_type in wanted.rows]
        record: LiteralString = f", recorded AS ({self._record(wanted)})" if wanted.on_record else ""
        return (
            f"WITH chosen AS MATERIALIZED ({chosen}){record}"
            f" SELECT {', '.join(columns)} FROM chosen AS v{joins} ORDER BY v.vehicle_id"
        )

    def _chosen(self, wanted: Wanted, *, by_brand: bool) -> LiteralString:
        directory: LiteralString = "SELECT d.vehicle_id, d.vin, d.brand, d.model, d.registered_at FROM directory AS d"
        if wanted.by is By.PAGE:
            after, count = self._next("uuid"), self._next("bigint")
            brand: LiteralString = f" AND d.brand = {self._next('text')}" if by_brand else ""
            return f"{directory} WHERE d.vehicle_id > {after}{brand} ORDER BY d.vehicle_id LIMIT {count}"
        if wanted.by is By.ID:
            return f"{directory} WHERE d.vehicle_id = {self._next('uuid')}"
        return f"{directory} WHERE d.vin = {self._next('text')}"

    def _signals(self, wanted: Wanted) -> LiteralString:
        """Return what reads the samples of a vehicle as arrays, one for each column, and the newest time of all."""
        shown = (*SAMPLE, *(PROVENANCE if wanted.provenance else ()))
        parts: list[LiteralString] = []
        for table, paths in paths_by_table(wanted):
            if not paths and not wanted.last_seen:
                continue
            is_wanted: LiteralString = f"r.path = ANY ({self._next('text[]')})" if paths else "false"
            condition: LiteralString = "" if wanted.last_seen else f" AND {is_wanted}"
            named = ", ".join(f"r.{name}" for name in shown)
            parts.append(
                f"SELECT {is_wanted if wanted.last_seen else 'true'} AS wanted, {named}"
                f" FROM {self._statements.table(table)} AS r WHERE r.vehicle_id = v.vehicle_id{condition}"
            )
        for other in SEEN_ROWS if wanted.last_seen else ():
            if other not in SIGNAL_TABLES:
                nothing: LiteralString = ", ".join(
                    "r.captured_at" if name == "captured_at" else "NULL" for name in shown
                )
                parts.append(
                    f"SELECT false, {nothing} FROM {self._statements.table(other)} AS r"
                    " WHERE r.vehicle_id = v.vehicle_id"
                )
        last_seen: LiteralString = "max(u.captured_at)" if wanted.last_seen else "NULL::bigint"
        arrays = ", ".join(f"array_agg(u.{name}) FILTER (WHERE u.wanted)" for name in shown) if wanted.paths else ""
        listed: LiteralString = f", {arrays}" if arrays else ""
        return f"SELECT {last_seen}{listed} FROM ({' UNION ALL '.join(parts)}) AS u"

    def _rows(self, row_type: type[Row]) -> LiteralString:
        """Return what reads the rows of a vehicle in one table as JSON: a list of them, each a list of its columns."""
        columns = ", ".join(f"r.{column.name}" for column in row_spec(row_type).columns)
        order: LiteralString = _ORDERS.get(row_type, "")
        return (
            "(SELECT json_agg(json_build_array("
            f"{columns}))::text FROM (SELECT * FROM {self._statements.table(row_type)} AS r"
            f" WHERE r.vehicle_id = v.vehicle_id{order}) AS r)"
        )

    def _record(self, wanted: Wanted) -> LiteralString:
        values = [self._next(kind) for kind in ("uuid", "text", "text", "text[]")]
        some: LiteralString = "SELECT c.vehicle_id FROM chosen AS c"
        if wanted.by is By.PAGE:
            some = f"{some} ORDER BY c.vehicle_id LIMIT {self._next('bigint')}"
        request_id, client, subject, fields = values
        return (
            "INSERT INTO access_records (request_id, client, subject, vehicle_ids, fields)"
            f" SELECT {request_id}, {client}, {subject}, s.ids, {fields}"
            f" FROM (SELECT array_agg(c.vehicle_id) AS ids FROM ({some}) AS c) AS s WHERE s.ids IS NOT NULL"
        )


def _literal(number: int) -> LiteralString:
    text: Any = str(number)
    literal: LiteralString = text
    return literal
