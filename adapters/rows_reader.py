"""Twins read by going through all the rows of the vehicles asked about: every answer but where the rows come from."""

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import gt, lt
from typing import Any, Final, TypeVar
from uuid import UUID

from adapters.event_log import DirectoryEntry
from adapters.twins import Box, Circle, PageOf, Span, VehicleFilter, newest, signal_table
from adapters.vehicle_order import OrderBy, Placed, Value, value_of
from domain.geo import great_circle_m
from domain.paths import LATITUDE, LONGITUDE, STATE_OF_CHARGE_DISPLAYED
from domain.signals import Quality
from domain.units import Degrees, Metres, Micros
from domain.vin import Vin
from projections.diagnostics.model import ChargingRow, DiagnosticsSignalRow, QualityRow, TroubleCodeRow, WarningRow
from projections.media.model import MediaSignalRow, PlayRow
from projections.navigation.model import DestinationRow, NavigationSignalRow, TrackRow, TripRow
from projections.projection import R
from projections.signal_rows import SignalRow

_SIGNAL_TABLES = (NavigationSignalRow, MediaSignalRow, DiagnosticsSignalRow)

MORE: Final = 8  # times as many rows, where a page is not full

T = TypeVar("T")


def _without_what_goes_on(rows: Iterable[PlayRow]) -> Iterator[PlayRow]:
    """Give what was played, without a piece that is found playing and is the one before."""
    before: PlayRow | None = None
    for row in sorted(rows):
        pieces = [(each.vehicle_id, each.title, each.artist, each.album, each.source) for each in (row, before or row)]
        if not (row.initial and before and pieces[0] == pieces[1]):
            yield row
        before = row


def _owner(row: Any) -> UUID:
    vehicle_id: UUID = row.vehicle_id
    return vehicle_id


class RowsReader(ABC):
    """Answers what the port `TwinReader` asks of rows; who derives from it gives these, vehicles and their events."""

    @abstractmethod
    def _of(self, row_type: type[R], vehicle_ids: Sequence[UUID]) -> list[R]:
        """Return the rows of some vehicles in one table."""

    def fits(self, entry: DirectoryEntry, chosen: VehicleFilter) -> bool:
        """Return whether a vehicle is one of those that a filter chooses."""
        if not _is_of(entry, chosen):
            return False
        if chosen.has_trouble_code is not None or chosen.trouble_codes is not None:
            codes = {row.code for row in self.trouble_codes([entry.vehicle_id]) if row.held}
            if chosen.has_trouble_code not in (None, bool(codes)):
                return False
            if chosen.trouble_codes is not None and not codes & set(chosen.trouble_codes):
                return False
        if chosen.warnings is not None:
            raised = {row.warning for row in self.warnings([entry.vehicle_id]) if row.raised}
            if not raised & set(chosen.warnings):
                return False
        return self._fits_seen(entry, chosen) and self._fits_newest(entry, chosen)

    def _fits_seen(self, entry: DirectoryEntry, chosen: VehicleFilter) -> bool:
        """Return whether a vehicle was last seen when a filter says."""
        after, before = chosen.last_seen_after, chosen.last_seen_before
        if after is None and before is None:
            return True
        last_seen = self.last_seen([entry.vehicle_id]).get(entry.vehicle_id)
        if last_seen is None:
            return after is None
        return (after is None or last_seen > after) and (before is None or last_seen < before)

    def _fits_newest(self, entry: DirectoryEntry, chosen: VehicleFilter) -> bool:
        """Return whether the newest numbers of a vehicle are those that a filter chooses."""
        between, box, circle = chosen.state_of_charge, chosen.box, chosen.circle
        if between is None and box is None and circle is None:
            return True
        numbers = self._numbers([entry.vehicle_id], STATE_OF_CHARGE_DISPLAYED, LATITUDE, LONGITUDE).get(
            entry.vehicle_id, {}
        )
        if between is not None:
            charge = numbers.get(STATE_OF_CHARGE_DISPLAYED)
            if charge is None or not between.least <= charge <= between.most:
                return False
        if box is None and circle is None:
            return True
        latitude, longitude = numbers.get(LATITUDE), numbers.get(LONGITUDE)
        if latitude is None or longitude is None:
            return False
        if box is not None and not (box.south <= latitude <= box.north and _between(box, longitude)):
            return False
        return circle is None or (_distance_m(latitude, longitude, circle) <= circle.radius_m)

    def placed(self, entries: Sequence[DirectoryEntry], by: OrderBy, chosen: VehicleFilter) -> list[Placed]:
        """Return vehicles that a filter chose with what they are ordered by."""
        values = self._order_values(entries, by, chosen)
        return [Placed(entry, values.get(entry.vehicle_id)) for entry in entries]

    def _order_values(
        self, entries: Sequence[DirectoryEntry], by: OrderBy, chosen: VehicleFilter
    ) -> Mapping[UUID, Value]:
        ids = [entry.vehicle_id for entry in entries]
        match by:
            case OrderBy.LAST_SEEN:
                return self.last_seen(ids)
            case OrderBy.STATE_OF_CHARGE:
                told = self._numbers(ids, STATE_OF_CHARGE_DISPLAYED).items()
                charges = ((vehicle_id, numbers[STATE_OF_CHARGE_DISPLAYED]) for vehicle_id, numbers in told)
                return {vehicle_id: charge for vehicle_id, charge in charges if math.isfinite(charge)}
            case OrderBy.WARNINGS:
                raised = Counter(row.vehicle_id for row in self.warnings(ids) if row.raised)
                return {vehicle_id: raised[vehicle_id] for vehicle_id in ids}
            case OrderBy.TROUBLE_CODES:
                codes = {(row.vehicle_id, row.code) for row in self.trouble_codes(ids) if row.held}
                held = Counter(vehicle_id for vehicle_id, _ in codes)  # two ECUs may hold one code
                return {vehicle_id: held[vehicle_id] for vehicle_id in ids}
            case OrderBy.DISTANCE:
                assert chosen.circle is not None  # it chose those whose place is known
                return {
                    vehicle_id: _distance_m(numbers[LATITUDE], numbers[LONGITUDE], chosen.circle)
                    for vehicle_id, numbers in self._numbers(ids, LATITUDE, LONGITUDE).items()
                }
        return {entry.vehicle_id: value_of(entry, by) for entry in entries}

    def _numbers(self, vehicle_ids: Sequence[UUID], *paths: str) -> Mapping[UUID, dict[str, float]]:
        """Return the newest number that can be used of each of these signals, of each vehicle that has told one."""
        found: dict[UUID, dict[str, float]] = {}
        for row in newest(self.signals(vehicle_ids, paths, [])).values():
            if row.quality == Quality.OK and row.number is not None:
                found.setdefault(row.vehicle_id, {})[row.path] = row.number
        return found

    def signals(
        self, vehicle_ids: Sequence[UUID], paths: Sequence[str], prefixes: Sequence[str]
    ) -> Sequence[SignalRow]:
        """Return the rows of the signals with one of these paths, or whose path begins with one of the prefixes."""
        tables = _SIGNAL_TABLES if prefixes else {signal_table(path): None for path in paths}
        return [
            row
            for row in self._signals(vehicle_ids, tables)
            if (row.path in paths and type(row) is signal_table(row.path)) or row.path.startswith(tuple(prefixes))
        ]

    def last_seen(self, vehicle_ids: Sequence[UUID]) -> Mapping[UUID, Micros]:
        """Return the newest captured_at of any signal or trouble code of each vehicle."""
        found: dict[UUID, Micros] = {}
        told = [(row.vehicle_id, row.captured_at) for row in self._signals(vehicle_ids)]
        told += [(row.vehicle_id, row.captured_at) for row in self._of(TroubleCodeRow, vehicle_ids)]
        for vehicle_id, captured_at in told:
            found[vehicle_id] = max(captured_at, found.get(vehicle_id, captured_at))
        return found

    def _signals(
        self, vehicle_ids: Sequence[UUID], tables: Iterable[type[SignalRow]] = _SIGNAL_TABLES
    ) -> Iterator[SignalRow]:
        for table in tables:
            yield from self._of(table, vehicle_ids)

    def destinations(self, vehicle_ids: Sequence[UUID]) -> Sequence[DestinationRow]:
        """Return the newest destination of each vehicle that has had one."""
        return self._of(DestinationRow, vehicle_ids)

    def current_trips(self, vehicle_ids: Sequence[UUID]) -> Sequence[TripRow]:
        """Return the trip of each vehicle that started last, if it has not ended."""
        return [trip for trip in self.trips(vehicle_ids, PageOf(1)) if not trip.ended]

    def trip(self, vehicle_id: UUID, trip_id: UUID) -> TripRow | None:
        """Return one trip."""
        return next((row for row in self._of(TripRow, [vehicle_id]) if row.trip_id == trip_id), None)

    def trips(self, vehicle_ids: Sequence[UUID], page: PageOf) -> Sequence[TripRow]:
        """Return trips in order of (started_at, trip_id)."""
        return self._page_of(TripRow, vehicle_ids, page, lambda row: (row.started_at, row.trip_id))

    def tracks(self, spans: Sequence[Span]) -> Sequence[tuple[int, TrackRow]]:
        """Return the pieces of track that touch each span, with the index of the span."""
        return [
            (index, row)
            for index, span in enumerate(spans)
            for row in self._tracks(span.vehicle_id, span.started_at, span.ended_at)
            if row.started_at <= span.ended_at and row.ended_at >= span.started_at
        ]

    def _tracks(self, vehicle_id: UUID, begin: Micros, end: Micros) -> Sequence[TrackRow]:  # noqa: ARG002  # for others
        """Return the pieces of track of a vehicle that touch a stretch of time, and maybe more."""
        return self._of(TrackRow, [vehicle_id])

    def plays(self, vehicle_ids: Sequence[UUID], page: PageOf) -> Sequence[PlayRow]:
        """Return what was played in order of (started_at,), without what only goes on."""
        return self._page_of(PlayRow, vehicle_ids, page, lambda row: (row.started_at,), _without_what_goes_on)

    def trouble_codes(self, vehicle_ids: Sequence[UUID]) -> Sequence[TroubleCodeRow]:
        """Return every trouble code, held or past, in order of ECU, service, code and failure type."""
        return sorted(self._of(TroubleCodeRow, vehicle_ids), key=lambda row: row[1:5])

    def warnings(self, vehicle_ids: Sequence[UUID]) -> Sequence[WarningRow]:
        """Return every warning, raised or past, in order of their names."""
        return sorted(self._of(WarningRow, vehicle_ids), key=lambda row: row.warning)

    def charging(self, vehicle_ids: Sequence[UUID], page: PageOf) -> Sequence[ChargingRow]:
        """Return charging sessions in order of (started_at, session_id)."""
        return self._page_of(ChargingRow, vehicle_ids, page, lambda row: (row.started_at, row.session_id))

    def quality(self, vehicle_ids: Sequence[UUID]) -> Sequence[QualityRow]:
        """Return how good the telemetry of each vehicle is."""
        return self._of(QualityRow, vehicle_ids)

    def _first_of(
        self,
        row_type: type[R],
        vehicle_ids: Sequence[UUID],
        page: PageOf,  # noqa: ARG002  # for others
        count: int,  # noqa: ARG002
    ) -> tuple[list[R], Mapping[UUID, Micros]]:
        """Return the rows of a type that a page may be of; and, by vehicle, up to when none is missing if some are.

        Of such a vehicle there are about so many rows, in the order of the page, one of which began at that moment; and
        if the page is from a moment on, the row before that as well.
        """
        return self._of(row_type, vehicle_ids), {}

    def _page_of(
        self,
        row_type: type[R],
        vehicle_ids: Sequence[UUID],
        page: PageOf,
        key: Callable[[R], tuple[Any, ...]],
        chosen: Callable[[Iterable[R]], Iterable[R]] = iter,
    ) -> list[R]:
        """Return the page of each vehicle's rows that are `chosen`, by themselves and the row before."""
        count = page.limit + 2  # the one that the page comes after, and the one whose moment is the bound
        while True:
            rows, bounds = self._first_of(row_type, vehicle_ids, page, count)
            within = gt if page.newest_first else lt
            shown: Iterable[Any] = chosen(rows)
            whole = [
                row for row in shown if row.vehicle_id not in bounds or within(row.started_at, bounds[row.vehicle_id])
            ]
            found = self._page(whole, page, key)
            counts = Counter(row.vehicle_id for row in found)
            if all(counts[vehicle_id] == page.limit for vehicle_id in bounds):
                return found
            count *= MORE

    @staticmethod
    def _page(
        rows: Iterable[T],
        page: PageOf,
        key: Callable[[T], tuple[Any, ...]],
        owner: Callable[[T], UUID] = _owner,
    ) -> list[T]:
        """Return the page of each vehicle's rows."""
        found: list[T] = []
        counts: dict[UUID, int] = {}
        for row in sorted(rows, key=key, reverse=page.newest_first):
            later = page.after is None or (key(row) < page.after if page.newest_first else key(row) > page.after)
            if later and counts.get(owner(row), 0) < page.limit:
                counts[owner(row)] = counts.get(owner(row), 0) + 1
                found.append(row)
        return found


def _is_of(entry: DirectoryEntry, chosen: VehicleFilter) -> bool:
    """Return whether a vehicle is one of those that a filter names, by what does not change."""
    named = (
        (chosen.vins, entry.vin),
        (chosen.brands, entry.brand),
        (chosen.models, entry.model),
        (chosen.regions, Vin(entry.vin).region),
    )
    return all(wanted is None or value in wanted for wanted, value in named)


def _between(box: Box, longitude: float) -> bool:
    """Whether a meridian is between those of a box."""
    west, east, across = box.meridians
    return longitude >= west or longitude <= east if across else west <= longitude <= east


def _distance_m(latitude: float, longitude: float, circle: Circle) -> Metres:
    middle = Degrees(circle.latitude_deg), Degrees(circle.longitude_deg)
    return great_circle_m(Degrees(latitude), Degrees(longitude), *middle)
