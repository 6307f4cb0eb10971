"""The statements that the twins are read with: names come from our row classes, every value is a parameter.

Where several vehicles are asked about, each gets its own page by a lateral join, and so do the conditions of a filter:
the planner is never free to read a table from its first row.
"""

# ruff: noqa: S608  # see above

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, LiteralString, NamedTuple

from adapters.fleet_counts import GroupBy
from adapters.postgres.schema import APPENDS_LOCK
from adapters.twins import PROJECTIONS, SEEN_ROWS, EventFilter, PageOf, VehicleFilter, projection_of, signal_table
from adapters.vehicle_order import OrderBy, Place, VehicleOrder
from domain.paths import LATITUDE, LONGITUDE, STATE_OF_CHARGE_DISPLAYED
from domain.vin import REGIONS
from projections.diagnostics.model import DiagnosticsSignalRow, TroubleCodeRow, WarningRow
from projections.media.model import MediaSignalRow, PlayRow
from projections.navigation.model import NavigationSignalRow, TrackRow
from projections.projection import Projection, Row, row_spec


def columns(row_type: type[Row]) -> LiteralString:
    """Return the columns of a row in the order of its fields, of the table called r."""
    return ", ".join(f"r.{column.name}" for column in row_spec(row_type).columns)


VERSIONS_REMEMBERED_MAX: Final = 64  # sets of them
SIGNAL_TABLES: Final = (NavigationSignalRow, MediaSignalRow, DiagnosticsSignalRow)
ENTRY: Final = "d.vehicle_id, d.vin, d.brand, d.model, d.registered_at"
COUNT: Final = "count"
VEHICLE: Final = "vehicle"  # of rows that count vehicles, what is no group
DIRECTORY: Final[LiteralString] = f"SELECT {ENTRY} FROM directory AS d"
REGION: Final[LiteralString] = (
    "CASE "
    + " ".join(f"WHEN strpos('{firsts}', left(d.vin, 1)) > 0 THEN '{region}'" for region, firsts in REGIONS)
    + " END"
)
# By code points, as everyone else orders text.
_OF_DIRECTORY: Final[Mapping[OrderBy, LiteralString]] = {
    OrderBy.VIN: 'd.vin COLLATE "C"',
    OrderBy.BRAND: 'd.brand COLLATE "C"',
    OrderBy.MODEL: 'd.model COLLATE "C"',
    OrderBy.REGION: f'({REGION}) COLLATE "C"',
    OrderBy.REGISTERED_AT: "d.registered_at",
}
NAMED: Final[LiteralString] = (
    f"{DIRECTORY} WHERE d.vehicle_id = ANY(%s::uuid[]) UNION {DIRECTORY} WHERE d.vin = ANY(%s::text[])"
)
EVENTS: Final = (
    "SELECT r.notification_id, r.originator_id, r.originator_version, r.topic, r.state, r.recorded_at"
    " FROM stored_events AS r"
)
# A stretch of the log, each event with its vehicle: OFFSET keeps the planner from reading the directory first.
_STRETCH: Final[LiteralString] = (
    "SELECT e.*, v.* FROM ({} WHERE r.notification_id > %s AND r.notification_id <= %s{}"
    " ORDER BY r.notification_id OFFSET 0) AS e CROSS JOIN LATERAL ({} WHERE d.vehicle_id = e.originator_id OFFSET 0)"
    " AS v{} ORDER BY e.notification_id LIMIT %s"
)
SHOWN: Final = "SELECT s.projection, s.version FROM shown_projections AS s"
# Of the versions that are shown, and then of those that follow the log beside them.
POSITIONS: Final = (
    "WITH shown AS (SELECT n.name, coalesce(s.version, n.version) AS version, n.place"
    " FROM unnest(%s::text[], %s::bigint[]) WITH ORDINALITY AS n (name, version, place)"
    " LEFT JOIN shown_projections AS s ON s.projection = n.name),"
    " wanted AS (SELECT n.name, n.version, 0 AS beside, n.place FROM shown AS n UNION ALL"
    " SELECT v.projection, v.version, 1, n.place FROM projection_versions AS v"
    " JOIN shown AS n ON n.name = v.projection AND n.version <> v.version"
    " WHERE v.state = 'ready' AND v.from_position = 0 AND v.vehicle_ids IS NULL)"
    " SELECT w.name, w.version, coalesce(p.position, 0),"
    " (SELECT count(*) FROM parked_vehicles AS k WHERE k.projection = w.name AND k.version = w.version),"
    " (SELECT coalesce(max(e.log_position), 0) FROM log_end() AS e)"
    " FROM wanted AS w LEFT JOIN projection_positions AS p ON p.projection = w.name AND p.version = w.version"
    " ORDER BY w.beside, w.place, w.version"
)

# Of every version that has rows or is to have them: of each projection the shown one first, then those beside it.
VERSIONS: Final = (
    "WITH shown AS (SELECT n.name, coalesce(s.version, n.version) AS version, n.place"
    " FROM unnest(%b::text[], %b::bigint[]) WITH ORDINALITY AS n (name, version, place)"
    " LEFT JOIN shown_projections AS s ON s.projection = n.name),"
    " there AS (SELECT n.name, n.version, n.version AS shown, coalesce(v.state, 'ready') AS state,"
    " coalesce(v.until_position, 0) AS until, coalesce(v.from_position, 0) AS begun, v.vehicle_ids, n.place"
    " FROM shown AS n LEFT JOIN projection_versions AS v ON v.projection = n.name AND v.version = n.version UNION ALL"
    " SELECT n.name, v.version, n.version, v.state, v.until_position, v.from_position, v.vehicle_ids, n.place"
    " FROM shown AS n JOIN projection_versions AS v ON v.projection = n.name AND v.version <> n.version)"
    " SELECT t.name, t.version, t.state = 'ready', t.until, t.begun, t.vehicle_ids, t.version = t.shown,"
    " coalesce(p.position, 0),"
    " (SELECT count(*) FROM parked_vehicles AS k WHERE k.projection = t.name AND k.version = t.version),"
    " coalesce(f.folded, 0), coalesce(f.to_fold, 0)"
    " FROM there AS t LEFT JOIN projection_positions AS p ON p.projection = t.name AND p.version = t.version"
    " LEFT JOIN LATERAL (SELECT sum(k.last_version) FILTER (WHERE k.version = t.version)::bigint AS folded,"
    " sum(k.last_version) FILTER (WHERE k.version = t.shown)::bigint AS to_fold FROM projection_vehicles AS k"
    " WHERE k.projection = t.name AND k.version IN (t.version, t.shown)"
    " AND (t.vehicle_ids IS NULL OR k.vehicle_id = ANY (t.vehicle_ids))) AS f ON t.state <> 'ready'"
    " ORDER BY t.place, t.version <> t.shown, t.version"
)
# Of some versions of projections, each with the place of its projection among them all.
PARKED: Final = (
    "SELECT n.name, n.version, k.vehicle_id, k.event_version, k.position, k.error, k.attempts, k.parked_at,"
    " k.newest_version, e.notification_id, e.originator_id, e.originator_version, e.topic, e.state, e.recorded_at"
    " FROM unnest(%b::text[], %b::bigint[], %b::bigint[]) AS n (name, version, place)"
    " JOIN parked_vehicles AS k ON k.projection = n.name AND k.version = n.version"
    " LEFT JOIN stored_events AS e ON e.originator_id = k.vehicle_id AND e.originator_version = k.event_version"
    " WHERE (n.place, n.version, k.vehicle_id) > (%s, %s, %s) AND (%s::uuid IS NULL OR k.vehicle_id = %s)"
    " ORDER BY n.place, n.version, k.vehicle_id LIMIT %s"
)


# Each range is read by the key: OFFSET keeps the planner from reading the whole log where they are many.
HISTORY: Final[LiteralString] = (
    "SELECT e.* FROM unnest(%b::uuid[], %b::bigint[], %b::bigint[]) AS v (id, after, until) CROSS JOIN LATERAL"
    f" ({EVENTS} WHERE r.originator_id = v.id AND r.originator_version > v.after AND r.originator_version <= v.until"
    " AND r.notification_id <= %s OFFSET 0) AS e ORDER BY e.originator_id, e.originator_version"
)
LOG_END: Final = (
    "SELECT coalesce(max(e.log_position), 0), coalesce(max(e.recorded_at), 0),"
    " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM log_end() AS e"
)
RECORDED_AT: Final = "SELECT log_recorded_at(%s)"
# Until the end of the transaction, whatever is asked in it.
BECOME_API: Final = "SELECT set_config('role', %s, true), set_config(%s, %s, true)"
# Shared, so that readers do not wait for each other.
APPENDS_ENDED: Final[LiteralString] = f"SELECT pg_advisory_xact_lock_shared({APPENDS_LOCK})::text"


# What the value of a row went through: its event, the origin of the batch that made it, and when the row's projection
# last wrote the vehicle.
HOPS: Final[LiteralString] = (
    "SELECT e.*, o.decoder, o.mapping, p.last_version, p.projected_at"
    f" FROM ({EVENTS} WHERE r.originator_id = %(id)s AND r.originator_version = %(event)s) AS e"
    " LEFT JOIN LATERAL (SELECT s.decoder, s.mapping FROM stream_origins AS s WHERE s.vehicle_id = %(id)s"
    " AND s.stream_id = %(stream)s AND s.from_sequence <= %(sequence)s"
    " ORDER BY s.from_sequence DESC LIMIT 1) AS o ON true"
    " LEFT JOIN projection_vehicles AS p"
    " ON p.projection = %(projection)s AND p.version = %(version)s AND p.vehicle_id = %(id)s"
)

# What the batches of a stream come from, in order of the first that do.
ORIGINS: Final[LiteralString] = (
    "SELECT s.from_sequence, s.decoder, s.mapping FROM stream_origins AS s"
    " WHERE s.vehicle_id = %s AND s.stream_id = %s ORDER BY s.from_sequence"
)


_OK: Final[LiteralString] = "0"  # domain.signals.Quality.OK
_PLACE: Final[tuple[tuple[str, LiteralString], ...]] = ((LATITUDE, "latitude"), (LONGITUDE, "longitude"))
_PARALLELS: Final[LiteralString] = "latitude.number BETWEEN %s AND %s"
_WITHIN: Final[LiteralString] = f"{_PARALLELS} AND longitude.number BETWEEN %s AND %s"
_ACROSS: Final[LiteralString] = f"{_PARALLELS} AND (longitude.number >= %s OR longitude.number <= %s)"
# As domain.geo has it: see there. The square of a number that is next to nothing is an error here, not 0; hence the
# rounding, to a tenth of a millimetre.
_RADIANS: Final[LiteralString] = "radians(round(({})::numeric, 9)::float8)"
_HALF: Final[LiteralString] = f"sin({_RADIANS.format('{}.number - %s')} / 2) ^ 2"
_DISTANCE_M: Final[LiteralString] = (
    f"2 * 6371008.8 * asin(least(1, sqrt({_HALF.format('latitude')}"
    f" + cos({_RADIANS.format('latitude.number')}) * cos({_RADIANS.format('%s::float8')})"
    f" * {_HALF.format('longitude')})))"
)


class Listed(NamedTuple):
    """A list that every vehicle has: `rows` reads it, and its rows (called r) are in the order of `key`."""

    rows: LiteralString
    key: Sequence[LiteralString]
    owner: LiteralString = "vehicle_id"
    condition: LiteralString | None = None


def where(conditions: Sequence[LiteralString]) -> LiteralString:
    """Return what keeps the rows for which all of these hold."""
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def paged(listed: Listed, page: PageOf) -> tuple[LiteralString, dict[str, object]]:
    """Return what reads a page of the list of each vehicle in %(ids)s, and its other parameters."""
    direction: LiteralString = "DESC" if page.newest_first else "ASC"
    parameters: dict[str, object] = {"limit": page.limit}
    conditions = [f"r.{listed.owner} = v.id", *([listed.condition] if listed.condition else [])]
    if page.after is not None:
        names = [f"after_{column}" for column in listed.key]
        parameters |= zip(names, page.after, strict=True)
        compared: LiteralString = "<" if page.newest_first else ">"
        key = ", ".join(f"r.{column}" for column in listed.key)
        conditions.append(f"({key}) {compared} ({', '.join(f'%({name})s' for name in names)})")
    order = ", ".join(f"r.{column} {direction}" for column in listed.key)
    statement: LiteralString = (
        f"SELECT r.* FROM unnest(%(ids)s::uuid[]) AS v (id) CROSS JOIN LATERAL ({listed.rows}"
        f" WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT %(limit)s) AS r ORDER BY {order}"
    )
    return statement, parameters


def stretch(
    after_position: int, until_position: int, limit: int, chosen: EventFilter
) -> tuple[LiteralString, list[object]]:
    """Return what reads chosen events of a stretch of the log, and its parameters."""
    parameters: list[object] = [after_position, until_position]
    of_events: LiteralString = ""
    of_vehicles: list[LiteralString] = []
    if chosen.topics is not None:
        of_events += " AND r.topic = ANY(%s::text[])"
        parameters.append(list(chosen.topics))
    if chosen.vehicle_ids is not None:
        of_events += " AND r.originator_id = ANY(%s::uuid[])"
        parameters.append(list(chosen.vehicle_ids))
    named: tuple[tuple[LiteralString, Sequence[str] | None], ...] = (("brand", chosen.brands), ("model", chosen.models))
    for column, values in named:
        if values is not None:
            of_vehicles.append(f"v.{column} = ANY(%s::text[])")
            parameters.append(list(values))
    where: LiteralString = f" WHERE {' AND '.join(of_vehicles)}" if of_vehicles else ""
    return _STRETCH.format(EVENTS, of_events, DIRECTORY, where), [*parameters, limit]


class TwinStatements:
    """Those that depend on which version of each projection is shown."""

    def __init__(self, versions: Mapping[str, int]) -> None:
        self._versions = versions
        # A piece found playing that is the one before it, in the order of the primary key, goes on with it.
        self.is_no_more_of_the_same: Final[LiteralString] = (
            "NOT (r.initial AND (r.title, r.artist, r.album, r.source) IS NOT DISTINCT FROM"
            f" (SELECT (p.title, p.artist, p.album, p.source) FROM {self.table(PlayRow)} AS p"
            " WHERE p.vehicle_id = r.vehicle_id AND p.started_at < r.started_at ORDER BY p.started_at DESC LIMIT 1))"
        )
        seen: LiteralString = " UNION ALL ".join(
            f"SELECT r.vehicle_id, r.captured_at FROM {self.table(row_type)} AS r WHERE r.vehicle_id = ANY(%(ids)s)"
            for row_type in SEEN_ROWS
        )
        self.last_seen: Final[LiteralString] = (
            f"SELECT s.vehicle_id, max(s.captured_at) FROM ({seen}) AS s GROUP BY s.vehicle_id"
        )
        self.tracks: Final[LiteralString] = (
            f"SELECT s.place, {columns(TrackRow)} FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[])"
            f" WITH ORDINALITY AS s (vehicle_id, started_at, ended_at, place) JOIN {self.table(TrackRow)} AS r"
            " ON r.vehicle_id = s.vehicle_id AND r.started_at <= s.ended_at AND r.ended_at >= s.started_at"
        )

    def table(self, row_type: type[Row]) -> LiteralString:
        """Return the name of the table that keeps these rows."""
        projection = projection_of(row_type)
        return f"{projection.name}_v{self.version(projection)}_{row_spec(row_type).table}"

    def version(self, projection: Projection) -> int:
        """Return which version of a projection is shown."""
        return self._versions.get(projection.name, projection.version)

    def select(self, row_type: type[Row]) -> LiteralString:
        """Return what reads rows, without a condition; the table is called r."""
        return f"SELECT {columns(row_type)} FROM {self.table(row_type)} AS r"

    def ordered_vehicles(
        self,
        order: VehicleOrder,
        after: Place | None,
        joins: LiteralString,
        conditions: Sequence[LiteralString],
        *,
        few: bool,
    ) -> tuple[LiteralString, list[object]]:
        """Return what reads a page of chosen vehicles in an order, and the parameters between the filter's and LIMIT.

        Its last column is what they are ordered by. `few`: the filter names each.
        """
        value, join = self._order_value(order.by, few=few)
        direction, compared = ("DESC", "<") if order.descending else ("ASC", ">")
        parameters: list[object] = []
        keyset: list[LiteralString] = []
        if after is not None and after.value is None:
            keyset = [f"{value} IS NULL AND d.vehicle_id > %s"]
            parameters = [after.vehicle_id]
        elif after is not None:
            keyset = [f"({value} {compared} %s OR {value} IS NULL OR ({value} = %s AND d.vehicle_id > %s))"]
            parameters = [after.value, after.value, after.vehicle_id]
        statement: LiteralString = (
            f"SELECT {ENTRY}, {value} FROM directory AS d{joins}{join}{where([*conditions, *keyset])}"
            f" ORDER BY {value} {direction} NULLS LAST, d.vehicle_id LIMIT %s"
        )
        return statement, parameters

    def counted(
        self, by: Sequence[GroupBy], joins: LiteralString, conditions: Sequence[LiteralString]
    ) -> LiteralString:
        """Return what counts chosen vehicles, by each of these: what, value, vehicles, vehicle.

        After the filter's its parameters are how many groups of each kind there may be, and how many vehicles.
        """
        parts: list[LiteralString] = [f"SELECT '{COUNT}', NULL::text, count(*), NULL::uuid FROM chosen"]
        for kind in by:
            value, join = self._group(kind)
            count = "count(DISTINCT c.vehicle_id)" if join else "count(*)"  # two ECUs may hold one code
            parts.append(
                f"(SELECT '{kind.value}', g.value, g.vehicles, NULL::uuid FROM (SELECT {value} AS value,"
                f" {count} AS vehicles FROM chosen AS c{join} GROUP BY 1) AS g"
                ' ORDER BY g.vehicles DESC, g.value COLLATE "C" NULLS LAST LIMIT %s)'
            )
        parts.append(f"(SELECT '{VEHICLE}', NULL::text, 0, c.vehicle_id FROM chosen AS c LIMIT %s)")
        chosen: LiteralString = (
            f"SELECT d.vehicle_id, d.brand, d.model, {REGION} AS region FROM directory AS d{joins}{where(conditions)}"
        )
        return f"WITH chosen AS ({chosen}) {' UNION ALL '.join(parts)}"

    def _group(self, by: GroupBy) -> tuple[LiteralString, LiteralString]:
        """Return what chosen vehicles, called c, are counted by, and the join that gives it."""
        match by:
            case GroupBy.TROUBLE_CODE:
                return "t.code", f" JOIN {self.table(TroubleCodeRow)} AS t ON t.vehicle_id = c.vehicle_id AND t.held"
            case GroupBy.WARNING:
                return "w.warning", f" JOIN {self.table(WarningRow)} AS w ON w.vehicle_id = c.vehicle_id AND w.raised"
            case GroupBy.BRAND:
                return "c.brand", ""
            case GroupBy.MODEL:
                return "c.model", ""
            case GroupBy.REGION:
                return "c.region", ""

    def _order_value(self, by: OrderBy, *, few: bool) -> tuple[LiteralString, LiteralString]:
        """Return what vehicles of the directory, called d, are ordered by, and the join that gives it.

        Of `few` vehicles it is looked up one by one.
        """
        match by:
            case OrderBy.STATE_OF_CHARGE:
                charge = self.table(signal_table(STATE_OF_CHARGE_DISPLAYED))
                told: LiteralString = (
                    f"SELECT s.number AS value FROM {charge} AS s"
                    f" WHERE s.vehicle_id = d.vehicle_id AND s.path = '{STATE_OF_CHARGE_DISPLAYED}'"
                    f" AND s.quality = {_OK}"
                    " AND s.number > '-Infinity' AND s.number < 'Infinity'"  # no NaN, which is greater than that
                )
                join: LiteralString = f" LEFT JOIN LATERAL ({told}) AS placed ON true"
            case OrderBy.WARNINGS:
                raised = self.table(WarningRow)
                join = (
                    f" CROSS JOIN LATERAL (SELECT count(*) AS value FROM {raised} AS w"
                    " WHERE w.vehicle_id = d.vehicle_id AND w.raised) AS placed"
                )
            case OrderBy.TROUBLE_CODES:
                held = self.table(TroubleCodeRow)
                join = (
                    f" CROSS JOIN LATERAL (SELECT count(DISTINCT t.code) AS value FROM {held} AS t"
                    " WHERE t.vehicle_id = d.vehicle_id AND t.held) AS placed"
                )
            case OrderBy.LAST_SEEN:
                join = self._seen_of_few() if few else self._seen_of_all()
            case OrderBy.DISTANCE:
                return "away.distance_m", ""  # of the filter, which has the point
            case _:
                return _OF_DIRECTORY[by], ""
        return "placed.value", join

    def _seen_of_few(self) -> LiteralString:
        seen: LiteralString = ", ".join(
            f"(SELECT p.seen_at FROM projection_vehicles AS p WHERE p.projection = '{projection.name}'"
            f" AND p.version = {self.version(projection)} AND p.vehicle_id = d.vehicle_id)"
            for projection in PROJECTIONS
        )
        return f" CROSS JOIN LATERAL (SELECT greatest({seen}) AS value OFFSET 0) AS placed"

    def _seen_of_all(self) -> LiteralString:
        names = ", ".join(f"'{projection.name}'" for projection in PROJECTIONS)
        versions = ", ".join(f"{self.version(projection)}" for projection in PROJECTIONS)
        all_seen: LiteralString = f"vehicles_seen(ARRAY[{names}], ARRAY[{versions}]::bigint[])"
        return f" LEFT JOIN {all_seen} AS placed (vehicle_id, value) ON placed.vehicle_id = d.vehicle_id"

    def chosen_vehicles(self, chosen: VehicleFilter) -> tuple[list[LiteralString], list[LiteralString], list[object]]:
        """Return joins and conditions of a filter of the directory, called d, and their parameters in this order."""
        joins: list[LiteralString] = []
        conditions: list[LiteralString] = []
        in_joins: list[object] = []
        in_conditions: list[object] = []
        codes: LiteralString = (
            f"SELECT true AS found FROM {self.table(TroubleCodeRow)} AS c WHERE c.vehicle_id = d.vehicle_id AND c.held"
        )
        if chosen.has_trouble_code is not None:
            joins.append(f" LEFT JOIN LATERAL ({codes} LIMIT 1) AS any_code ON true")
            conditions.append("any_code.found" if chosen.has_trouble_code else "any_code.found IS NULL")
        if chosen.trouble_codes is not None:
            joins.append(f" CROSS JOIN LATERAL ({codes} AND c.code = ANY(%s::text[]) LIMIT 1) AS this_code")
            in_joins.append(list(chosen.trouble_codes))
        if chosen.last_seen_after is not None:
            seen: LiteralString = " UNION ALL ".join(
                f"SELECT true FROM {self.table(row_type)} AS s WHERE s.vehicle_id = d.vehicle_id AND s.captured_at > %s"
                for row_type in SEEN_ROWS
            )
            joins.append(f" CROSS JOIN LATERAL ({seen} LIMIT 1) AS seen")
            in_joins += [chosen.last_seen_after] * len(SEEN_ROWS)
        if chosen.last_seen_before is not None:
            later: LiteralString = " UNION ALL ".join(
                f"SELECT true AS found FROM {self.table(row_type)} AS s"
                " WHERE s.vehicle_id = d.vehicle_id AND s.captured_at >= %s"
                for row_type in SEEN_ROWS
            )
            joins.append(f" LEFT JOIN LATERAL ({later} LIMIT 1) AS seen_later ON true")
            conditions.append("seen_later.found IS NULL")
            in_joins += [chosen.last_seen_before] * len(SEEN_ROWS)
        if chosen.warnings is not None:
            joins.append(
                f" CROSS JOIN LATERAL (SELECT true FROM {self.table(WarningRow)} AS w WHERE w.vehicle_id = d.vehicle_id"
                " AND w.raised AND w.warning = ANY(%s::text[]) LIMIT 1) AS this_warning"
            )
            in_joins.append(list(chosen.warnings))
        by_numbers = self._by_numbers(chosen)
        joins += by_numbers[0]
        conditions += by_numbers[1]
        in_joins += by_numbers[2]
        in_conditions += by_numbers[3]
        named: tuple[tuple[LiteralString, Sequence[str] | None], ...] = (
            ("vin", chosen.vins),
            ("brand", chosen.brands),
            ("model", chosen.models),
        )
        if chosen.regions is not None:
            conditions.append(f"{REGION} = ANY(%s::text[])")
            in_conditions.append(list(chosen.regions))
        for column, values in named:
            if values is not None:
                conditions.append(f"d.{column} = ANY(%s::text[])")
                in_conditions.append(list(values))
        return joins, conditions, [*in_joins, *in_conditions]

    def _by_numbers(
        self, chosen: VehicleFilter
    ) -> tuple[list[LiteralString], list[LiteralString], list[object], list[object]]:
        """Return joins and conditions of a filter by numbers of signals, and the parameters of both."""
        wanted: list[tuple[str, LiteralString]] = []
        conditions: list[LiteralString] = []
        in_conditions: list[object] = []
        if chosen.state_of_charge is not None:
            wanted.append((STATE_OF_CHARGE_DISPLAYED, "charge"))
            conditions.append("charge.number BETWEEN %s AND %s")
            in_conditions += chosen.state_of_charge
        if chosen.by_place:
            wanted += _PLACE
        joins: list[LiteralString] = [
            f" CROSS JOIN LATERAL (SELECT s.number FROM {self.table(signal_table(path))} AS s"
            f" WHERE s.vehicle_id = d.vehicle_id AND s.path = %s AND s.quality = {_OK}) AS {name}"
            for path, name in wanted
        ]
        in_joins: list[object] = [path for path, _ in wanted]
        if chosen.box is not None:
            west, east, across = chosen.box.meridians
            conditions.append(_ACROSS if across else _WITHIN)
            in_conditions += [chosen.box.south, chosen.box.north, west, east]
        if chosen.circle is not None:
            latitude_deg, longitude_deg, radius_m = chosen.circle
            joins.append(f" CROSS JOIN LATERAL (SELECT {_DISTANCE_M} AS distance_m) AS away")
            in_joins += [latitude_deg, latitude_deg, longitude_deg]
            conditions.append("away.distance_m <= %s")
            in_conditions.append(radius_m)
        return joins, conditions, in_joins, in_conditions


@lru_cache(maxsize=VERSIONS_REMEMBERED_MAX)
def twin_statements(versions: frozenset[tuple[str, int]]) -> TwinStatements:
    """Return the statements for the versions that are shown; a projection that is not named has that of the code."""
    return TwinStatements(dict(versions))
