"""Versions of projections read page by page, by whoever may not read whole tables at once.

A page ends after some seconds, wherever it is by then: what follows begins there. What one vehicle keeps is read, and
folded, in one go; of one with a longer history than `EVENTS_MAX` it is said that it is left out.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from adapters.differences import Sides
from adapters.event_log import DirectoryEntry, StoredRecord
from adapters.projection_versions import VersionSeen, VersionState
from adapters.recorded import Decode, recorded
from adapters.twins import ANY_VEHICLE, VehicleFilter
from domain.errors import FleettwinError
from projections.digest import Digest
from projections.history import Compared, Difference, Kept, compare, verify
from projections.projection import Projection, Recorded
from projections.snapshots import Range

PAGE_S: Final = 4.0  # less than half of what a request may take: one vehicle is finished whatever it takes
VEHICLES_AT_ONCE: Final = 20  # whose rows are held
HISTORY_PAGE: Final = 5_000  # events of one vehicle that are read at a time
EVENTS_MAX: Final = 100_000  # of one vehicle: more take too long to read and to fold
ALL_TOLD: Final = 2**62  # differences of a vehicle
_END: Final = 2**62  # beyond every position
BEFORE_ALL: Final = UUID(int=0)


class VersionsReader(Protocol):
    """One consistent view of the versions and of the log."""

    def vehicles(self, limit: int, after: UUID | None, chosen: VehicleFilter) -> Sequence[DirectoryEntry]:
        """Return up to `limit` vehicles in order of their ids, after `after`."""

    def of_vehicles(
        self, projections: Sequence[Projection], vehicle_ids: Collection[UUID]
    ) -> Mapping[UUID, Sequence[Kept]]:
        """Return what is kept of each vehicle, for each projection in their order."""

    def vehicles_with_rows(self, projection: Projection, limit: int, after: UUID) -> Sequence[UUID]:
        """Return up to `limit` vehicles that some table has a row of, in order of their ids, after one."""

    def history(self, ranges: Sequence[Range], until_position: int) -> Sequence[StoredRecord]:
        """Return events of vehicles up to a position, in order of vehicle and version."""


class TooLongError(FleettwinError):
    """The history of a vehicle is too long to be folded here."""


class Place(NamedTuple):
    """A place in the list of differences: so many of a vehicle are told, and all of those before it."""

    vehicle_id: UUID
    told: int


class ComparedPage(NamedTuple):
    """Differences, each with its place."""

    found: Sequence[tuple[Place, Difference]]
    reached: Place | None  # None: everything is compared
    vehicles: int  # that were compared to their end
    outside: int  # rows that differ only because one of the two was filled from a later position on
    left_out: Sequence[UUID]


class Summed(NamedTuple):
    """Digests as far as they are summed up: of what is kept, and of what the log says (None: it was not asked)."""

    kept: Digest
    told: Digest | None
    vehicles: int
    after: UUID  # the last vehicle
    whole: bool  # no vehicle follows
    left_out: Sequence[UUID]  # of this page; they are in neither digest


def compared_page(
    read: VersionsReader,
    decode: Decode,
    sides: Sides,
    limit: int,
    after: Place | None,
    clock: Callable[[], float] = time.monotonic,
) -> ComparedPage:
    """Return up to `limit` differences after a place; fewer where that takes long, though others may follow."""
    end = clock() + PAGE_S
    log = _Log(read, decode)
    found: list[tuple[Place, Difference]] = []
    left_out: list[UUID] = []
    vehicles = outside = 0
    reached = after or Place(BEFORE_ALL, ALL_TOLD)

    def page(at: Place | None) -> ComparedPage:
        return ComparedPage(found, at, vehicles, outside, left_out)

    for ids in _chunks(read, reached):
        chosen = sides.of_both(ids)
        held = _Held(read.of_vehicles(sides.versions, chosen) if chosen else {})
        for vehicle_id in chosen:
            told = after.told if after and after.vehicle_id == vehicle_id else 0
            try:
                compared = list(compare(sides.versions, held, log, [vehicle_id], sides.began_after))
            except TooLongError:
                left_out.append(vehicle_id)
                compared = []
            outside += 0 if told else sum(each.outside for each in compared)
            for place, difference in _places(vehicle_id, compared, told):
                found.append((place, difference))
                if len(found) == limit:
                    return page(place)
            vehicles += 1
            reached = Place(vehicle_id, ALL_TOLD)
            if clock() > end:
                return page(reached)
        reached = Place(ids[-1], ALL_TOLD)
        if clock() > end:
            return page(reached)
    return page(None)


def _places(vehicle_id: UUID, compared: Sequence[Compared], told: int) -> Iterator[tuple[Place, Difference]]:
    differences = [difference for each in compared for difference in each.differences]
    for number, difference in enumerate(differences[told:], told + 1):
        yield Place(vehicle_id, number), difference


def _chunks(read: VersionsReader, after: Place) -> Iterator[list[UUID]]:
    """Yield the vehicles of the directory, from the one on that is not told to its end."""
    last = after.vehicle_id if after.told == ALL_TOLD else UUID(int=max(0, after.vehicle_id.int - 1))
    while True:
        ids = [each.vehicle_id for each in read.vehicles(VEHICLES_AT_ONCE, last, ANY_VEHICLE)]
        if ids:
            yield ids
        if len(ids) < VEHICLES_AT_ONCE:
            return
        last = ids[-1]


def summed_page(
    read: VersionsReader,
    decode: Decode,
    of: VersionSeen,
    projection: Projection,
    begun: Summed,
    parked: Collection[UUID],
    clock: Callable[[], float] = time.monotonic,
) -> Summed:
    """Go on with digests from where they are; what the log says is summed up too, if it was from the beginning.

    Of a part it is what the log says of its vehicles after the position that it began at: of others it has no rows.
    """
    end = clock() + PAGE_S
    log = _Log(read, decode, *of.state.part)
    kept, told, vehicles, left_out = begun.kept, begun.told, begun.vehicles, list[UUID]()
    last = begun.after
    while True:
        ids = _with_rows(read, of.state, projection, last, expected=told is not None)
        held = read.of_vehicles([projection], ids) if ids else {}
        for vehicle_id in ids:
            if told is None:
                for rows in held[vehicle_id][0].rows.values():
                    for row in rows.values():
                        kept.add(row)
            else:
                try:
                    (found,) = verify(projection, _Held(held), log, iter([[vehicle_id]]), of.position, parked)
                except TooLongError:
                    left_out.append(vehicle_id)
                else:
                    kept = kept.plus(found.kept, sum(map(len, held[vehicle_id][0].rows.values())))
                    told = told.plus(found.told, found.rows)
            vehicles += 1
            last = vehicle_id
            if clock() > end:
                return Summed(kept, told, vehicles, last, False, left_out)
        if len(ids) < VEHICLES_AT_ONCE:
            return Summed(kept, told, vehicles, last, True, left_out)


def _with_rows(
    read: VersionsReader, state: VersionState, projection: Projection, after: UUID, *, expected: bool
) -> list[UUID]:
    """Return the next vehicles that have rows, or of which the log may say that they are expected to have some."""
    ids = {*read.vehicles_with_rows(projection, VEHICLES_AT_ONCE, after)}
    if expected and state.vehicle_ids is not None:
        ids |= {each for each in state.vehicle_ids if each > after}
    elif expected:
        ids |= {each.vehicle_id for each in read.vehicles(VEHICLES_AT_ONCE, after, ANY_VEHICLE)}
    return sorted(ids)[:VEHICLES_AT_ONCE]


class _Held:
    """Implements `projections.history.SnapshotStore` for vehicles that were read."""

    def __init__(self, kept: Mapping[UUID, Sequence[Kept]]) -> None:
        self._kept = kept

    def of_vehicles(self, _: Sequence[Projection], vehicle_ids: Collection[UUID]) -> Mapping[UUID, Sequence[Kept]]:
        """Return what is kept of each vehicle, for each projection in their order."""
        return {each: self._kept[each] for each in vehicle_ids}

    def vehicles_with_rows(self, _: Projection) -> Collection[UUID]:
        """Return the vehicles that were read."""
        return self._kept.keys()


class _Log:
    """Implements `projections.history.Histories` on a view, or on a part of the log. Raises TooLongError."""

    def __init__(
        self,
        read: VersionsReader,
        decode: Decode,
        after_position: int = 0,
        vehicle_ids: Collection[UUID] | None = None,  # None: all
    ) -> None:
        self._read = read
        self._decode = decode
        self._after_position = after_position
        self._vehicle_ids = vehicle_ids

    def history(self, vehicle_id: UUID, after_version: int, until_version: int) -> Sequence[Recorded]:
        """Return the events of one vehicle from `after_version` + 1 to `until_version`."""
        found: list[Recorded] = []
        if self._vehicle_ids is not None and vehicle_id not in self._vehicle_ids:
            return found
        while after_version < until_version:
            to = min(until_version, after_version + HISTORY_PAGE)
            page = self._read.history([Range(vehicle_id, after_version, to)], _END)
            found += [recorded(each, self._decode) for each in page if each.position > self._after_position]
            if len(found) > EVENTS_MAX:
                raise TooLongError(f"vehicle {vehicle_id} has more than {EVENTS_MAX:,} events")
            if len(page) < to - after_version:
                break
            after_version = to
        return found
