"""Whole vehicles in PostgreSQL: a transaction of one round trip, one statement for each question."""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from adapters.event_log import DirectoryEntry
from adapters.postgres.lanes import Lanes, Statement
from adapters.postgres.schema import API_ROLE, BRANDS_SEPARATOR, BRANDS_SETTING
from adapters.postgres.twin_reader import STATEMENT_TIMEOUT_MS
from adapters.postgres.whole_statements import whole_statement
from adapters.whole_reads import PROVENANCE, SAMPLE, Asked, Asker, Wanted, WholeVehicle
from domain.errors import StoreError
from projections.projection import Row, row_spec

# As whom, until the end of the transaction; and which versions of the projections are shown in it.
_VERSIONS: Final = (
    "SELECT string_agg(s.projection || ' ' || s.version, ' ' ORDER BY s.projection) FROM shown_projections AS s"
)
_BEGIN: Final = f"SELECT ({_VERSIONS})"  # no value
_BECOME_API: Final = f"SELECT ({_VERSIONS}), set_config('role', $1, true), set_config($2, $3, true)"
_ENTRY: Final = len(DirectoryEntry._fields)
_SHOWN_ANEW_MAX: Final = 3  # times that another version is shown while a question is asked
_PLAIN: Final[dict[str, Callable[[Any], Any]]] = {"uuid": UUID, "float": float}


class PostgresWholeReads:
    """Implements `adapters.whole_reads.WholeReads`."""

    def __init__(self, conninfo: str) -> None:
        self._lanes: Final = Lanes(conninfo, STATEMENT_TIMEOUT_MS)
        self._versions: str | None = None  # that were shown last, as `_BEGIN` tells them

    async def close(self) -> None:
        """Close every connection."""
        await self._lanes.close()

    async def read(self, asked: Sequence[Asked], asker: Asker) -> Sequence[Sequence[WholeVehicle]]:
        """Return the vehicles of each question, all as of one moment."""
        role, begin = None, Statement(_BEGIN, ())
        if asker.brands is not None:
            role = API_ROLE
            begin = Statement(_BECOME_API, (API_ROLE, BRANDS_SETTING, BRANDS_SEPARATOR.join(asker.brands)))
        by_brand = asker.brands is not None and len(asker.brands) == 1
        for _ in range(_SHOWN_ANEW_MAX):
            versions = self._versions
            statements = [whole_statement(each.wanted, _by_name(versions), by_brand=by_brand) for each in asked]
            parameters = [each.parameters(one, asker) for each, one in zip(statements, asked, strict=True)]
            of_questions = [
                Statement(each.text, values, role) for each, values in zip(statements, parameters, strict=True)
            ]
            try:
                ((shown, *_),), *found = await self._lanes.ask([begin, *of_questions])
            except StoreError:  # maybe because the tables of a version are gone
                ((shown, *_),), *found = await self._lanes.ask([begin])
                if shown == versions:
                    raise
            if shown == versions:
                return [[_vehicle(row, one.wanted) for row in rows] for one, rows in zip(asked, found, strict=True)]
            self._versions = shown
        raise StoreError("other versions of the projections are shown all the time")


@lru_cache(16)
def _by_name(versions: str | None) -> frozenset[tuple[str, int]]:
    words = (versions or "").split(" ")
    return frozenset((name, int(version)) for name, version in zip(words[::2], words[1::2], strict=False))


def _vehicle(row: tuple[Any, ...], wanted: Wanted) -> WholeVehicle:
    entry, place = DirectoryEntry._make(row[:_ENTRY]), _ENTRY
    last_seen, samples = None, {}
    if wanted.paths or wanted.last_seen:
        last_seen, place = row[place], place + 1
    if wanted.paths:
        width = len(SAMPLE) + (len(PROVENANCE) if wanted.provenance else 0)
        columns, place = row[place : place + width], place + width
        if columns[0] is not None:
            samples = dict(zip(columns[0], zip(*columns, strict=True), strict=True))
    rows = {row_type: _rows(row_type, text) for row_type, text in zip(wanted.rows, row[place:], strict=True)}
    return WholeVehicle(entry, last_seen, samples, rows)


def _rows(row_type: type[Row], text: str | None) -> list[Any]:
    """Return the rows that a list of lists tells of."""
    if text is None:
        return []
    plain = [
        (place, _PLAIN[column.kind]) for place, column in enumerate(row_spec(row_type).columns) if column.kind in _PLAIN
    ]
    found = []
    for values in json.loads(text):
        for place, make in plain:
            if values[place] is not None:
                values[place] = make(values[place])
        found.append(row_type._make(values))  # type: ignore[attr-defined]  # a NamedTuple
    return found
