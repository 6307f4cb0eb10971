"""From which event on two versions of a projection tell something else of a row, as far as that can be known.

Of a row that this program folds to what is kept, every state before is known as well. Of another, whose fold is not in
this program any more or which was changed by hand, only the last: it has been as it is since the event that it names.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from projections.folding import fold_past
from projections.ports import END_VERSION
from projections.projection import Key, Projection, R, Recorded, Row, row_spec

RowsOfVehicle = Mapping[type[Row], Mapping[Key, Row]]
Place = tuple[type[Row], Key]  # of a row
_NEVER: Final = END_VERSION


class Side(NamedTuple):
    """Rows of one vehicle, and the fold that this program has for them."""

    projection: Projection
    rows: RowsOfVehicle


class Since(NamedTuple):
    """From when on two sides differ in a field: the version of the event; None: not known, and by whose fault."""

    version: int | None
    unknown: Sequence[Projection] = ()  # for these: this program does not fold the log to what they keep


class Folded:
    """Rows of one vehicle in memory, to fold on top of."""

    def __init__(self, rows: RowsOfVehicle) -> None:
        self.rows: dict[type[Row], dict[Key, Row]] = {row_type: dict(found) for row_type, found in rows.items()}
        self._failed = False

    def load(self, _: Projection, row_type: type[R], keys: Collection[Key]) -> Mapping[Key, R]:
        """Return the rows with these keys."""
        kept: Mapping[Key, Any] = self.rows.get(row_type, {})
        return {key: kept[key] for key in keys if key in kept}

    def fold(self, projection: Projection, events: Sequence[Recorded]) -> Collection[Place]:
        """Fold events; return which rows they wrote. After one that cannot be folded nothing changes any more."""
        if self._failed:
            return ()
        commit = fold_past(self, projection, events)
        self._failed = bool(commit.left_out)
        places = []
        for row_type, written in commit.written().items():
            of_type = self.rows.setdefault(row_type, {})
            for key, row in written.items():
                places.append((row_type, key))
                if row is None:
                    of_type.pop(key, None)
                else:
                    of_type[key] = row
        return places


def row_at(rows: RowsOfVehicle, place: Place) -> Any:
    """Return a row, or None."""
    return rows.get(place[0], {}).get(place[1])


def same(one: Any, other: Any) -> bool:
    """Return whether two rows or values are one to a digest, to which what is not a number is the same as itself."""
    return one is other or repr(one) == repr(other)


def different(left: RowsOfVehicle, right: RowsOfVehicle) -> Iterator[Place]:
    """Yield the places of the rows that differ, in order of table and key."""
    for row_type in sorted({*left, *right}, key=lambda each: row_spec(each).table):
        ones, others = left.get(row_type, {}), right.get(row_type, {})
        for key in sorted({*ones, *others}, key=repr):
            if not same(ones.get(key), others.get(key)):
                yield row_type, key


def since(
    left: Side, right: Side, places: Collection[Place], events: Sequence[Recorded]
) -> Mapping[tuple[Place, str | None], Since]:
    """Return from which event on two sides differ to their end, for each field of some rows, and (None) for the row.

    `events` are all that the rows were folded from.
    """
    sides = (left, right)
    unknown = _unknown(sides, places, events)
    begins = {place: max(versions.values(), default=0) for place, versions in unknown.items()}
    beginning: dict[int, list[Place]] = {}
    for place, version in begins.items():
        beginning.setdefault(version, []).append(place)

    found: dict[tuple[Place, str | None], int | None] = {}
    ones = Folded({})
    others = ones if left.projection.folds is right.projection.folds else Folded({})
    for event in events:
        version = event.event.originator_version
        written = set(ones.fold(left.projection, [event]))
        if others is not ones:
            written.update(others.fold(right.projection, [event]))
        for place in {*(written & begins.keys()), *beginning.get(version, ())}:
            if version < begins[place]:
                continue
            pair = [
                row_at(sides[number].rows if number in unknown[place] else folded.rows, place)
                for number, folded in enumerate((ones, others))
            ]
            first_seen = None if version == begins[place] else version
            for name, differs in _fields(place, *pair):
                if differs:
                    found.setdefault((place, name), first_seen)
                else:
                    found.pop((place, name), None)
    return {
        (place, name): Since(version, () if version else [sides[number].projection for number in unknown[place]])
        for place in places
        for name in (None, *(column.name for column in row_spec(place[0]).columns))
        for version in (found.get((place, name)),)
    }


def _unknown(
    sides: Sequence[Side], places: Collection[Place], events: Sequence[Recorded]
) -> dict[Place, dict[int, int]]:
    """Return for each row the sides whose states before are not known, and the event from which on they are."""
    unknown: dict[Place, dict[int, int]] = {place: {} for place in places}
    for number, side in enumerate(sides):
        told = Folded({})
        told.fold(side.projection, events)
        for place in places:
            row = row_at(side.rows, place)
            if not same(row, row_at(told.rows, place)):
                unknown[place][number] = _NEVER if row is None else row.event_version
    return unknown


def _fields(place: Place, one: Any, other: Any) -> Iterator[tuple[str | None, bool]]:
    """Give whether two rows differ, by field; None: whether only one of them is there."""
    columns = row_spec(place[0]).columns
    only_one = (one is None) != (other is None)
    yield None, only_one
    if one is None or other is None:
        yield from ((column.name, only_one) for column in columns)
        return
    for column, value, other_value in zip(columns, one, other, strict=True):
        yield column.name, not same(value, other_value)
