"""What a projection is: a name, a version, the tables of rows that it keeps, and a pure fold of events into those rows.

A row is a NamedTuple that names its columns (units in names), declared with `table` and its key; `row_spec` reads that,
and no projection needs SQL.

Architecture invariant: everything in a row comes from the log, so that a rebuild can be equal.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from types import NoneType, UnionType
from typing import Any, Final, NamedTuple, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from domain.errors import UnknownEventError
from domain.events import VehicleEvent
from domain.units import Micros


class Recorded(NamedTuple):
    """An event with its place in the whole log."""

    position: int  # 1, 2, 3 … over all vehicles
    recorded_at: Micros
    event: VehicleEvent


@dataclass(frozen=True, kw_only=True)
class UnreadableEvent(VehicleEvent):
    """Stands for an event whose bytes this code cannot read: a fold of it fails, and so parks its vehicle.

    A projection that does not fold events of the class that its bytes begin as goes on. None: what it is nobody knows.
    """

    reason: str
    begins_as: type[VehicleEvent] | None = None


class Row(Protocol):
    """A row of a read model: a NamedTuple declared with `table`."""

    @property
    def vehicle_id(self) -> UUID:
        """The vehicle that the row is about."""


R = TypeVar("R", bound=Row)
Key = tuple[Any, ...]


class Rows(Protocol):
    """The rows of one vehicle, which is all that the fold of an event of it reads and writes.

    So a key is told without its `vehicle_id`, and has the types of its other columns.
    """

    def get(self, row_type: type[R], *key: Any) -> R | None:
        """Return the row with this key, or None."""

    def put(self, row: Row) -> None:
        """Insert or replace the row with this row's key."""

    def delete(self, row_type: type[Row], *key: Any) -> None:
        """Remove the row with this key, if there is one."""


Fold = Callable[[Recorded, Any, Rows], None]


class Copied(NamedTuple):
    """A row of nothing but what an event is: its fields by their names, its version and its position.

    `items` are the other columns: a field that is a list, and which of its items.
    """

    row_type: type[Row]
    items: Mapping[str, tuple[str, int]]


class Renewed(NamedTuple):
    """What the fold of a type of event leaves until a later event tells it anew, and does not read.

    That are signals, until one is told as measured later: those of the field `paths`, in order of time, or always the
    same; `measured_at` is the field of when, a moment or moments in order. It may also be one row, which the fold of
    every event with the same field `row` puts anew. What else it leaves is `copied`, which no fold reads or writes.
    """

    measured_at: str
    paths: str = ""
    signals: tuple[str, ...] = ()
    row: str = ""
    copied: Copied | None = None


@dataclass(frozen=True, slots=True)
class Projection:
    """A read model. `folds` says what each type of event does to the rows; other events change nothing."""

    name: str
    version: int
    row_types: tuple[type[Row], ...]
    folds: Mapping[type[VehicleEvent], Fold]
    keys: Callable[
        [VehicleEvent], Sequence[tuple[type[Row], Key]]
    ]  # the rows of its vehicle that folding this event will ask for, as far as is known before
    renewed: Mapping[type[VehicleEvent], Renewed] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Name and version, e.g. "navigation v1"."""
        return f"{self.name} v{self.version}"

    def fold(self, recorded: Recorded, rows: Rows) -> None:
        """Fold one event into the rows. Raises `UnknownEventError` for one that cannot be read, and might change them.

        What changes nothing is passed over wherever it can be told before its bytes are read: the same holds here.
        """
        event = recorded.event
        fold = self.folds.get(type(event))
        if fold:
            fold(recorded, event, rows)
        elif isinstance(event, UnreadableEvent) and (event.begins_as is None or event.begins_as in self.folds):
            raise UnknownEventError(event.reason)


class Column(NamedTuple):
    """One column.

    `kind` is "uuid", "text", "int", "float", "bool", or one of these with "[]" for an array (whose items may be null).
    """

    name: str
    kind: str
    nullable: bool


class RowSpec(NamedTuple):
    """A table as data."""

    table: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rewritten: bool = False
    grows: bool = False


_KINDS: Final = {UUID: "uuid", str: "text", int: "int", float: "float", bool: "bool"}


def table(
    name: str, *, key: tuple[str, ...], rewritten: bool = False, grows: bool = False
) -> Callable[[type[R]], type[R]]:
    """Declare a NamedTuple as the row of a table; its first columns are those of `key`, `vehicle_id` first.

    `rewritten`: most writes find the row there, as those of newest values do; a store may leave room for that.
    `grows`: there is a row for each thing that happened, so that a vehicle has the more of them the older it is.
    """

    def declare(row_type: type[R]) -> type[R]:
        hints = get_type_hints(row_type)
        columns = tuple(_column(column, hints[column]) for column in row_type._fields)  # type: ignore[attr-defined]  # a NamedTuple
        if key[0] != "vehicle_id" or key != tuple(column.name for column in columns[: len(key)]):
            msg = f"{row_type.__name__}: the key {key} must begin with vehicle_id, and be the first columns"
            raise TypeError(msg)
        row_type.SPEC = RowSpec(name, columns, key, rewritten, grows)  # type: ignore[attr-defined]
        row_type.KEY_OF = itemgetter(slice(len(key)))  # type: ignore[attr-defined]
        row_type.KEY_IN_VEHICLE_OF = itemgetter(slice(1, len(key)))  # type: ignore[attr-defined]
        return row_type

    return declare


def row_spec(row_type: type[Row]) -> RowSpec:
    """Return the table of a row type."""
    spec: RowSpec = row_type.SPEC  # type: ignore[attr-defined]  # set by `table`
    return spec


def row_key(row: Row) -> Key:
    """Return the key of a row."""
    key: Key = type(row).KEY_OF(row)  # type: ignore[attr-defined]  # set by `table`
    return key


def row_key_in_vehicle(row: Row) -> Key:
    """Return the key of a row without its `vehicle_id`."""
    key: Key = type(row).KEY_IN_VEHICLE_OF(row)  # type: ignore[attr-defined]  # set by `table`
    return key


def _column(name: str, hint: Any) -> Column:
    options, nullable = _options(hint)
    kind = _kind(options[0]) if len(options) == 1 else None
    if kind is None:
        msg = f"column {name}: {hint} is no type of a column"
        raise TypeError(msg)
    return Column(name, kind, nullable)


def _options(hint: Any) -> tuple[list[Any], bool]:
    """Return what a type may be besides None, and whether it may be None."""
    if get_origin(hint) not in (Union, UnionType):
        return [hint], False
    options = get_args(hint)
    return [option for option in options if option is not NoneType], NoneType in options


def _kind(hint: Any) -> str | None:
    if get_origin(hint) is list:
        options, _ = _options(get_args(hint)[0])
        kind = _kind(options[0])
        return f"{kind}[]" if kind else None
    while hasattr(hint, "__supertype__"):  # a NewType of `domain.units`
        hint = hint.__supertype__
    return _KINDS.get(hint)
