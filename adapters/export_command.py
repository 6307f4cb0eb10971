"""`fleettwin export`: histories for tools of others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from adapters.event_log import StoredRecord
from adapters.parquet_export import export_events, export_rows
from adapters.projection_versions import at_version, named
from adapters.recorded import recorded
from adapters.terminal import out
from adapters.versions_commands import shown_version
from adapters.wiring import FleetTwin
from domain.errors import BadInputError
from domain.units import Micros
from projections.projection import Recorded

EVENTS: Final = "events"
PAGE_EVENTS: Final = 10_000


def export(twin: FleetTwin, what: str, folder: Path, begin: Micros | None, end: Micros | None) -> None:
    """Write events, or the rows of a read model, that are of a stretch of the vehicles' time."""
    if begin is not None and end is not None and begin > end:
        raise BadInputError("the end is before the beginning", where="--to", remedy="give a later time")
    projection = None if what == EVENTS else named(what, EVENTS)

    def chosen(at: Micros) -> bool:
        return (begin is None or at >= begin) and (end is None or at <= end)

    entries = {entry.vehicle_id: entry for entry in twin.records.vehicles()}
    if projection is None:
        with twin.records.beside() as (until, streams):
            count = export_events(folder / EVENTS, _events(twin, until), entries, chosen, streams)
    else:
        shown = at_version(projection, shown_version(twin, what).version)
        count = export_rows(
            folder / what, shown, lambda row_type: twin.read_models.rows(shown, row_type), entries, chosen
        )
    out.print(f"{count:,} {'events' if projection is None else 'rows'} are in {folder / what}")


def _events(twin: FleetTwin, until: int) -> Iterator[tuple[StoredRecord, Recorded]]:
    """Give the events of the log up to a position, in its order."""
    position = 0
    while position < until:
        page = twin.records.read(position, min(PAGE_EVENTS, until - position))
        for record in page:
            yield record, recorded(record, twin.codec.decode)
        position = page[-1].position
