"""`fleettwin export`: histories for tools of others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

from adapters.event_log import DirectoryEntry, StoredRecord
from adapters.parquet_export import whole_or_nothing, write_events, write_rows
from adapters.projection_versions import named
from adapters.recorded import recorded
from adapters.terminal import out
from adapters.wiring import FleetTwin
from domain.units import Micros
from projections.projection import Recorded

EVENTS: Final = "events"
PAGE_EVENTS: Final = 10_000


def export(twin: FleetTwin, what: str, folder: Path, begin: Micros | None, end: Micros | None) -> None:
    """Write events, or the rows of a read model, that are of a stretch of the vehicles' time."""
    projection = None if what == EVENTS else named(what, EVENTS)

    def chosen(at: Micros) -> bool:
        return (begin is None or at >= begin) and (end is None or at <= end)

    entry_of = _Directory(twin).find
    with whole_or_nothing(folder / what) as files:
        if projection is None:
            with twin.records.beside() as (until, lines):  # no longer: it holds back what a vacuum may clear away
                if begin is None and end is None:
                    files.add_streams(until, lines)
            told = f"{write_events(files, _events(twin, until), entry_of, chosen):,} events"
        else:
            with twin.read_models.reading(projection) as shown:
                count = write_rows(files, shown, entry_of, chosen)
            told = f"{count:,} rows of {shown.projection.id} at position {shown.position:,}"
    out.print(f"{told} are in {folder / what}")


class _Directory:
    """Registered vehicles, read again for one that is not known: it may have been registered meanwhile."""

    def __init__(self, twin: FleetTwin) -> None:
        self._twin = twin
        self._entries: dict[UUID, DirectoryEntry | None] = {}

    def find(self, vehicle_id: UUID) -> DirectoryEntry | None:
        if vehicle_id not in self._entries:
            self._entries[vehicle_id] = None
            self._entries.update((entry.vehicle_id, entry) for entry in self._twin.records.vehicles())
        return self._entries[vehicle_id]


def _events(twin: FleetTwin, until: int) -> Iterator[tuple[StoredRecord, Recorded]]:
    """Give the events of the log up to a position, in its order."""
    position = 0
    while position < until:
        page = twin.records.read(position, min(PAGE_EVENTS, until - position))
        for record in page:
            yield record, recorded(record, twin.codec.decode)
        position = page[-1].position
