"""The vehicles of one field of a document, read together: each kind of row once for all, when first asked for."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from graphql import DocumentNode

from adapters.access import Access
from adapters.event_log import DirectoryEntry, OriginFrom
from adapters.graphql.ending import Ending
from adapters.graphql.envelope import MeasuredValue, forbidden, measured
from adapters.graphql.errors import NotReachedError
from adapters.graphql.fields import ShownSignal, computed
from adapters.graphql.lookahead import Summary, summary
from adapters.graphql.permits import Permits
from adapters.graphql.port import Catalogue, Decode, Operations, TwinReader, View
from adapters.past import PastReader, resolved_position
from adapters.twins import Span, newest
from domain.signals import Origin
from domain.units import Micros
from projections.navigation.model import Fix, TrackRow, merge_track
from projections.signal_rows import SignalRow
from projections.snapshots import Moment

TRACKS_A_STATEMENT: Final = 100  # trips whose tracks are read, and held, at a time
_NEEDS_AGE: Final = frozenset({"status", "reason"})

R = TypeVar("R")


class Seen(NamedTuple):
    """A reader, and the moment that it shows; None: the present."""

    read: TwinReader
    moment: Moment | None = None


class Operating(NamedTuple):
    """What may be seen and done beside the twins, and who asks for it."""

    operations: Operations
    access: Access
    request_id: UUID


@dataclass(slots=True)
class Context:
    """What the resolvers of one execution share."""

    read: View
    catalogue: Catalogue
    decode: Decode
    document: DocumentNode
    field_paths: Mapping[str, frozenset[str]]  # by the name of a field, the signals that it shows
    permits: Permits
    operating: "Operating | None" = None  # None: there is nothing to see or to do but the twins
    ending: Ending = field(default_factory=Ending)
    known: dict[UUID, "Twin"] = field(default_factory=dict)  # vehicles of the present that have been read
    _past: dict[Moment, Seen] = field(default_factory=dict)
    _origins: dict[tuple[UUID, str], Sequence[OriginFrom]] = field(default_factory=dict)  # of streams that were read
    _asked: Summary | None = None

    @property
    def asked(self) -> Summary:
        """What the document mentions, looked for once: each field of the root has a cohort."""
        if self._asked is None:
            self._asked = summary(self.document)
        return self._asked

    def seen(self, as_of: Micros | None, known_at: Micros | None, position: int | None = None) -> Seen:
        """Return what reads the present, or the past where a time or a position is given.

        Raises BadInputError for a time that has not come.
        """
        if as_of is None and known_at is None and position is None:
            return Seen(self.read)
        moment = Moment(resolved_position(self.read, as_of, known_at, position), as_of)
        if moment not in self._past:
            self._past[moment] = Seen(PastReader(self.read, self.decode, moment), moment)
        return self._past[moment]

    def origin_of(self, stream: tuple[UUID, str], sequence: int) -> Origin | None:
        """Return what a batch of a stream of a vehicle came from; None: the stream has not told."""
        if stream not in self._origins:
            self._origins[stream] = self.read.origins(*stream)
        return next((told.origin for told in reversed(self._origins[stream]) if told.sequence <= sequence), None)

    def check_reached(self, position: int | None) -> None:
        """Raise NotReachedError where the read models have not come to a position; None: wherever they are."""
        if position is None:
            return
        positions = self.read.positions()
        if positions.reached < position:
            raise NotReachedError(position, positions.reached, positions.log_position)

    def twin_of(self, vehicle_id: UUID, variable_values: Mapping[str, Any]) -> "Twin | None":
        """Return a vehicle as it is now."""
        if vehicle_id not in self.known:
            entry = self.read.vehicle(vehicle_id)
            if entry is None:
                return None
            self.know([entry], variable_values)
        return self.known[vehicle_id]

    def know_vehicles(self, vehicle_ids: Sequence[UUID], variable_values: Mapping[str, Any]) -> None:
        """Note vehicles that are read together, if the document asks for any vehicle of what it shows."""
        wanted = set(vehicle_ids) - self.known.keys()
        if wanted and "vehicle" in self.asked.names:
            self.know(self.read.vehicles_named(sorted(wanted), ()), variable_values)

    def know(self, entries: Sequence[DirectoryEntry], variable_values: Mapping[str, Any]) -> None:
        """Note vehicles that are read together, should any of them be asked for."""
        twins = Cohort(self, entries, variable_values, Seen(self.read)).twins()
        self.known.update((twin.id, twin) for twin in twins)


class Cohort:
    """Some vehicles, and what has been read of them."""

    def __init__(
        self,
        context: Context,
        entries: Sequence[DirectoryEntry],
        variable_values: Mapping[str, Any],
        seen: "Seen",
    ) -> None:
        self.context = context
        self.seen = seen
        self.entries = entries
        self._ids = [entry.vehicle_id for entry in entries]
        self._asked = context.asked
        self._expected = self._asked.signal_paths(variable_values).union(
            *(context.field_paths.get(name, ()) for name in self._asked.names)
        )
        self._signals: dict[tuple[UUID, str], SignalRow] = {}
        self._signals_read: set[str] = set()
        self._branches: dict[str, Mapping[UUID, Sequence[SignalRow]]] = {}
        self._grouped: dict[Hashable, Mapping[UUID, Sequence[Any]]] = {}
        self._tracks: dict[Hashable, Tracks] = {}
        self._last_seen: Mapping[UUID, Micros] | None = None

    def twins(self) -> list["Twin"]:
        """Return the vehicles one by one."""
        return [Twin(self, entry) for entry in self.entries]

    def signal(self, vehicle_id: UUID, path: str) -> SignalRow | None:
        """Return the newest sample of a signal."""
        if path not in self._signals_read:
            wanted = {path} | (self._expected - self._signals_read)
            self._signals.update(newest(self.seen.read.signals(self._ids, sorted(wanted), ())))
            self._signals_read |= wanted
        return self._signals.get((vehicle_id, path))

    def branch(self, vehicle_id: UUID, prefix: str) -> Sequence[SignalRow]:
        """Return the newest sample of every signal at or below the branch `prefix`, by path; "": of all."""
        if prefix not in self._branches:
            paths, prefixes = ([prefix], [f"{prefix}."]) if prefix else ([], [""])
            rows = newest(self.seen.read.signals(self._ids, paths, prefixes)).values()
            self._branches[prefix] = _by_vehicle(sorted(rows, key=lambda row: row.path), lambda row: row.vehicle_id)
        return self._branches[prefix].get(vehicle_id, ())

    def last_seen(self, vehicle_id: UUID) -> Micros | None:
        """Return the newest time of a vehicle by its own clock."""
        if self._last_seen is None:
            self._last_seen = self.seen.read.last_seen(self._ids)
        return self._last_seen.get(vehicle_id)

    def age_reference(self, vehicle_id: UUID) -> Micros | None:
        """Return the time that ages count from, None if the document does not ask for what depends on it."""
        return self.last_seen(vehicle_id) if _NEEDS_AGE & self._asked.names else None

    def rows(
        self,
        vehicle_id: UUID,
        key: Hashable,
        load: Callable[[TwinReader, Sequence[UUID]], Iterable[R]],
        owner: Callable[[R], UUID] = lambda row: row.vehicle_id,  # type: ignore[attr-defined]
    ) -> Sequence[R]:
        """Return the rows of a vehicle that `load` reads for all of them; `key` names what it reads."""
        if key not in self._grouped:
            self._grouped[key] = _by_vehicle(load(self.seen.read, self._ids), owner)
        return self._grouped[key].get(vehicle_id, ())

    def tracks(self, key: Hashable) -> "Tracks":
        """Return the tracks of the trips that were read under `key`."""
        if key not in self._tracks:
            trips = [trip for vehicle_id in self._ids for trip in self._grouped[key].get(vehicle_id, ())]
            self._tracks[key] = Tracks(self.seen.read, trips, self.context.permits)
        return self._tracks[key]


def _by_vehicle(rows: Iterable[R], owner: Callable[[R], UUID]) -> dict[UUID, list[R]]:
    grouped: dict[UUID, list[R]] = defaultdict(list)
    for row in rows:
        grouped[owner(row)].append(row)
    return dict(grouped)


class Tracks:
    """The tracks of several trips, read some at a time in the order of the trips; only the last ones read are held."""

    def __init__(self, read: TwinReader, trips: Sequence[Any], permits: Permits) -> None:
        self.permits = permits
        self._read = read
        self._spans = [Span(trip.vehicle_id, trip.started_at, trip.ended_at) for trip in trips]
        self._place = {span: index for index, span in enumerate(self._spans)}
        self._chunk = -1
        self._pieces: Mapping[int, Sequence[TrackRow]] = {}

    def fixes(self, span: Span) -> list[Fix]:
        """Return the fixes of a trip, one a moment, in order of time."""
        chunk, index = divmod(self._place[span], TRACKS_A_STATEMENT)
        if chunk != self._chunk:
            first = chunk * TRACKS_A_STATEMENT
            pieces: dict[int, list[TrackRow]] = defaultdict(list)
            for place, piece in self._read.tracks(self._spans[first : first + TRACKS_A_STATEMENT]):
                pieces[place].append(piece)
            self._chunk, self._pieces = chunk, pieces
        return merge_track(list(self._pieces.get(index, ())), span.started_at, span.ended_at)


class Twin(NamedTuple):
    """One vehicle of a cohort."""

    cohort: Cohort
    entry: DirectoryEntry

    @property
    def id(self) -> UUID:
        """The id of the vehicle."""
        return self.entry.vehicle_id

    @property
    def is_past(self) -> bool:
        """Whether it is shown as it was."""
        return self.cohort.seen.moment is not None

    def refusal(self, path: str) -> str | None:
        """Return why a signal may not be shown; None: it may."""
        return self.cohort.context.permits.refusal(self.id, path, past=self.is_past)

    def may_show(self, field_name: str) -> bool:
        """Return whether a field that is no envelope may be shown."""
        return self.cohort.context.permits.may_show(self.id, field_name, past=self.is_past)

    def measured(self, kind: type[MeasuredValue], path: str, unit: str | None) -> MeasuredValue:
        """Return the newest value of a signal in its envelope."""
        refusal = self.refusal(path)
        if refusal:
            return forbidden(kind, path, unit, refusal)
        row = self.cohort.signal(self.id, path)
        return measured(kind, path, unit, row, self.cohort.age_reference(self.id))


def signal_field(kind: type[MeasuredValue], path: str, unit: str | None, words: str) -> Any:
    """Declare a field of a sub-model of a vehicle that shows the newest value of one signal."""
    description = f"{words}. Unit: {unit or 'none'}. VSS: {path}"
    field = computed(lambda model: model.twin.measured(kind, path, unit), description, shows=(path,))
    field.signal = ShownSignal(kind, path, unit)
    return field
