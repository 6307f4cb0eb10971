"""Snapshots in PostgreSQL: see `projections.snapshots`."""

# ruff: noqa: S608  # statements are put together of what is written here, every value is a parameter
# Lateral joins with LIMIT or OFFSET: each vehicle is looked up by key, whatever the planner believes of their number.

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final, LiteralString, Protocol, TypeVar
from uuid import UUID

from psycopg.rows import RowMaker

from adapters.fold_identity import fold_identity
from adapters.postgres.arrays import ElementType, array
from adapters.postgres.datastore import Datastore
from adapters.postgres.errors import named_errors
from adapters.twins import PROJECTIONS, projection_of
from domain.units import Micros
from projections.ports import END_VERSION
from projections.projection import Key, Projection, R, Row, row_key, row_spec
from projections.snapshots import Block, Moment, Newest, Oldest, Range, RowsOf, Snapshot

_BLOCK: Final = (
    "SELECT b.vehicle_id, b.after_version, b.to_version, b.from_position, b.to_position, b.first_told, b.all_told_by"
    " FROM snapshot_blocks AS b"
)
_NEWEST: Final[LiteralString] = (
    f"SELECT b.* FROM unnest(%(ids)b::uuid[]) AS v (id) CROSS JOIN LATERAL ({_BLOCK} WHERE b.fold = %(fold)s"
    " AND b.vehicle_id = v.id AND b.to_position <= %(position)s AND b.all_told_by <= %(as_of)s"
    " ORDER BY b.to_version DESC LIMIT 1) AS b"
)
# The blocks that a moment may see something of, and what comes after the last block.
_RANGES: Final = (
    "WITH v AS MATERIALIZED (SELECT v.id, v.version, l.to_version, l.to_position"
    " FROM unnest(%(ids)b::uuid[], %(versions)b::bigint[]) AS v (id, version) LEFT JOIN LATERAL"
    " (SELECT b.to_version, b.to_position FROM snapshot_blocks AS b WHERE b.fold = %(fold)s AND b.vehicle_id = v.id"
    " ORDER BY b.to_version DESC LIMIT 1) AS l ON true)"
    " SELECT b.vehicle_id, b.after_version, b.to_version FROM v CROSS JOIN LATERAL"
    " (SELECT b.* FROM snapshot_blocks AS b WHERE b.fold = %(fold)s AND b.vehicle_id = v.id"
    " AND b.to_version > v.version AND b.first_told <= %(as_of)s AND b.from_position <= %(position)s OFFSET 0) AS b"
    " UNION ALL SELECT v.id, coalesce(v.to_version, 0), %(end)s FROM v"
    " WHERE coalesce(v.to_position, 0) < %(position)s ORDER BY 1, 2"
)
_STATES: Final = (
    "SELECT s.vehicle_id, s.rows FROM unnest(%(ids)b::uuid[], %(versions)b::bigint[]) AS v (id, version)"
    " CROSS JOIN LATERAL (SELECT s.vehicle_id, s.rows FROM snapshot_states AS s WHERE s.fold = %(fold)s"
    " AND s.vehicle_id = v.id AND s.to_version = v.version AND s.projection = %(projection)s OFFSET 0) AS s"
)
_LOAD: Final = (
    "SELECT k.id, r.key, r.row FROM unnest(%(ids)b::uuid[], %(keys)b::text[], %(versions)b::bigint[])"
    " AS k (id, key, version) CROSS JOIN LATERAL (SELECT r.key, r.row FROM snapshot_rows AS r"
    " WHERE r.fold = %(fold)s AND r.vehicle_id = k.id AND r.kind = %(kind)s AND r.key = k.key"
    " AND r.to_version <= k.version ORDER BY r.to_version DESC LIMIT 1) AS r WHERE r.row IS NOT NULL"
)
_GROWN: Final = (
    "SELECT v.id, r.key, r.row FROM unnest(%(ids)b::uuid[], %(versions)b::bigint[]) AS v (id, version)"
    " CROSS JOIN LATERAL (SELECT r.key, r.row FROM"
    " (SELECT DISTINCT ON (r.key) r.key, r.row, r.started_at, r.ended_at FROM snapshot_rows AS r"
    " WHERE r.fold = %(fold)s AND r.vehicle_id = v.id AND r.kind = %(kind)s AND r.to_version <= v.version"
    " ORDER BY r.key, r.to_version DESC) AS r WHERE r.row IS NOT NULL"
    " AND (%(begin)s::bigint IS NULL OR (r.started_at <= %(end)s AND r.ended_at >= %(begin)s))"
    " AND (%(bound)s::bigint IS NULL OR %(sign)s * r.started_at >= %(sign)s * %(bound)s)"
    " ORDER BY %(sign)s * r.started_at FETCH FIRST %(count)s ROWS WITH TIES) AS r"
)
# One statement, so that all of it is there or nothing.
_ADD: Final = (
    "WITH blocks AS (INSERT INTO snapshot_blocks SELECT %(fold)s, b.* FROM unnest(%(vehicle_id)b::uuid[],"
    " %(after_version)b::bigint[], %(to_version)b::bigint[], %(from_position)b::bigint[], %(to_position)b::bigint[],"
    " %(first_told)b::bigint[], %(all_told_by)b::bigint[]) AS b ON CONFLICT DO NOTHING),"
    " states AS (INSERT INTO snapshot_states SELECT %(fold)s, s.* FROM unnest(%(state_ids)b::uuid[],"
    " %(state_versions)b::bigint[], %(state_projections)b::text[], %(states)b::text[]) AS s ON CONFLICT DO NOTHING),"
    " rows AS (INSERT INTO snapshot_rows SELECT %(fold)s, r.* FROM unnest(%(row_ids)b::uuid[], %(row_kinds)b::text[],"
    " %(row_keys)b::text[], %(row_versions)b::bigint[], %(started_at)b::bigint[], %(ended_at)b::bigint[],"
    " %(rows)b::text[]) AS r ON CONFLICT DO NOTHING) SELECT 1"
)
_BEHIND: Final = (
    "SELECT d.vehicle_id FROM directory AS d WHERE (SELECT max(e.originator_version) FROM stored_events AS e"
    " WHERE e.originator_id = d.vehicle_id) >= %(events)s + coalesce((SELECT max(b.to_version)"
    " FROM snapshot_blocks AS b WHERE b.fold = %(fold)s AND b.vehicle_id = d.vehicle_id), 0) ORDER BY d.vehicle_id"
)
_FORGET: Final = (
    "WITH blocks AS (DELETE FROM snapshot_blocks WHERE fold <> %(fold)s),"
    " states AS (DELETE FROM snapshot_states WHERE fold <> %(fold)s),"
    " rows AS (DELETE FROM snapshot_rows WHERE fold <> %(fold)s) SELECT 1"
)

T = TypeVar("T")


class Fetch(Protocol):
    """Runs a statement and makes something of each of its rows."""

    def __call__(self, make: RowMaker[T], statement: LiteralString, parameters: Mapping[str, object]) -> list[T]:
        """Return what was made."""


class PostgresSnapshots:
    """Implements `projections.snapshots.SnapshotStore`. `fold` tells the program that folds."""

    def __init__(self, fetch: Fetch, fold: int | None = None) -> None:
        self._fetch = fetch
        self._fold = fold_identity() if fold is None else fold

    def behind(self, events: int) -> list[UUID]:
        """Return the vehicles with at least so many events after their newest snapshot, in order of their ids."""
        return self._fetch(_first, _BEHIND, {"fold": self._fold, "events": events})

    def forget_others(self) -> None:
        """Delete what other programs have folded."""
        self._fetch(_first, _FORGET, {"fold": self._fold})

    def newest(self, vehicle_ids: Sequence[UUID], moment: Moment | None) -> Mapping[UUID, Block]:
        """Return the newest snapshot of each vehicle all of whose events were known, and told, by a moment."""
        parameters = {"ids": array("uuid", list(vehicle_ids)), **self._seen(moment or Moment(END_VERSION))}
        return {each.vehicle_id: each for each in self._fetch(Block._make, _NEWEST, parameters)}

    def ranges(self, versions: Mapping[UUID, int], moment: Moment) -> Sequence[Range]:
        """Return where events after these versions are that a moment may see, in order of vehicle and version."""
        return self._fetch(Range._make, _RANGES, {**_versions(versions), **self._seen(moment), "end": END_VERSION})

    def states(self, projection: Projection, versions: Mapping[UUID, int]) -> Mapping[UUID, RowsOf]:
        """Return the rows of a projection that do not grow."""
        if not versions:
            return {}
        parameters = {**_versions(versions), "fold": self._fold, "projection": projection.name}
        kept = _kept_whole(projection)
        found: dict[UUID, RowsOf] = {}
        for vehicle_id, text in self._fetch(_pair, _STATES, parameters):
            found[vehicle_id] = {
                row_type: {row_key(row): row for row in (_row(row_type, vehicle_id, values) for values in rows)}
                for row_type, rows in zip(kept, json.loads(text), strict=True)
            }
        return found

    def load(self, row_type: type[R], keys: Sequence[Key], versions: Mapping[UUID, int]) -> Mapping[Key, R]:
        """Return rows of a type that grows, by key, of vehicles that have a version."""
        wanted = [key for key in keys if key[0] in versions]
        if not wanted:
            return {}
        parameters = {
            "ids": array("uuid", [key[0] for key in wanted]),
            "keys": array("text", [_key_text(key) for key in wanted]),
            "versions": array("bigint", [versions[key[0]] for key in wanted]),
            "fold": self._fold,
            "kind": _kind(row_type),
        }
        rows = self._fetch(_reader(row_type), _LOAD, parameters)
        return {row_key(row): row for row in rows}

    def grown(
        self,
        row_type: type[R],
        versions: Mapping[UUID, int],
        between: tuple[Micros, Micros] | None = None,
        chosen: Newest | Oldest | None = None,
    ) -> Sequence[R]:
        """Return rows of a type that grows; `between`: of one with a beginning and an end, those that touch it."""
        if not versions:
            return []
        begin, end = between or (None, None)
        count, bound = chosen or (END_VERSION, None)
        sign = -1 if isinstance(chosen, Newest) else 1
        wanted = {"begin": begin, "end": end, "count": count, "bound": bound, "sign": sign}
        parameters = {**_versions(versions), "fold": self._fold, "kind": _kind(row_type), **wanted}
        return self._fetch(_reader(row_type), _GROWN, parameters)

    def add(self, snapshots: Sequence[Snapshot]) -> None:
        """Keep snapshots, all or none; one that is there already stays as it is."""
        if not snapshots:
            return
        columns: dict[str, list[Any]] = defaultdict(list)
        for block, states, grown in snapshots:
            for name, value in zip(Block._fields, block, strict=True):
                columns[name].append(value)
            for projection in PROJECTIONS:
                columns["state_ids"].append(block.vehicle_id)
                columns["state_versions"].append(block.to_version)
                columns["state_projections"].append(projection.name)
                rows = [[row[1:] for row in states[each].values()] for each in _kept_whole(projection)]  # type: ignore[index]  # NamedTuples
                columns["states"].append(_text(rows))
            for row_type, written in grown.items():
                for key, row in written.items():
                    columns["row_ids"].append(block.vehicle_id)
                    columns["row_kinds"].append(_kind(row_type))
                    columns["row_keys"].append(_key_text(key))
                    columns["row_versions"].append(block.to_version)
                    columns["started_at"].append(getattr(row, "started_at", None))
                    columns["ended_at"].append(getattr(row, "ended_at", None))
                    columns["rows"].append(None if row is None else _text(row[1:]))  # type: ignore[index]  # a NamedTuple
        parameters = {name: array(kind, columns[name]) for name, kind in _ADDED.items()}
        self._fetch(_first, _ADD, {**parameters, "fold": self._fold})

    def _seen(self, moment: Moment) -> dict[str, object]:
        as_of = END_VERSION if moment.as_of is None else moment.as_of
        return {"fold": self._fold, "position": moment.position, "as_of": as_of}


def fetch_from(datastore: Datastore) -> Fetch:
    """Return what runs each statement in a transaction of its own. It raises StoreError where nothing answers."""

    def fetch(make: RowMaker[T], statement: LiteralString, parameters: Mapping[str, object]) -> list[T]:
        with (
            named_errors(),
            datastore.get_connection() as connection,
            connection.cursor(binary=True, row_factory=lambda _: make) as cursor,
        ):
            return cursor.execute(statement, parameters).fetchall()

    return fetch


_ADDED: Final[Mapping[str, ElementType]] = {
    "vehicle_id": "uuid",
    **dict.fromkeys(Block._fields[1:], "bigint"),
    "state_ids": "uuid",
    "state_versions": "bigint",
    "state_projections": "text",
    "states": "text",
    "row_ids": "uuid",
    "row_kinds": "text",
    "row_keys": "text",
    "row_versions": "bigint",
    "started_at": "bigint",
    "ended_at": "bigint",
    "rows": "text",
}


def _kept_whole(projection: Projection) -> list[type[Row]]:
    return [each for each in projection.row_types if not row_spec(each).grows]


def _kind(row_type: type[Row]) -> str:
    return f"{projection_of(row_type).name} {row_spec(row_type).table}"


def _versions(versions: Mapping[UUID, int]) -> dict[str, object]:
    return {"ids": array("uuid", list(versions)), "versions": array("bigint", list(versions.values()))}


def _text(value: Any) -> str:
    return json.dumps(value, default=str, separators=(",", ":"))  # `str`: of a UUID


def _key_text(key: Key) -> str:
    return _text(key[1:])


def _reader(row_type: type[R]) -> RowMaker[R]:
    return lambda values: _row(row_type, values[0], json.loads(values[2]))


def _row(row_type: type[R], vehicle_id: UUID, values: list[Any]) -> R:
    """Return the row that JSON holds without its vehicle."""
    for place, convert in _conversions(row_type):
        value = values[place]
        if value is not None:
            values[place] = convert(value)
    return row_type._make((vehicle_id, *values))  # type: ignore[attr-defined,no-any-return]  # a NamedTuple


@cache
def _conversions(row_type: type[Row]) -> Sequence[tuple[int, Callable[[Any], Any]]]:
    """Return what JSON has no type of its own for, by place."""
    kinds = {"uuid": UUID, "float": float}
    columns = row_spec(row_type).columns[1:]
    return [(place, kinds[column.kind]) for place, column in enumerate(columns) if column.kind in kinds]


def _first(values: Sequence[Any]) -> Any:
    return values[0]


def _pair(values: Sequence[Any]) -> tuple[UUID, str]:
    return values[0], values[1]
