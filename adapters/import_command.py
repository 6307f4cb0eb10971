"""`fleettwin import`: exported events into an empty store."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from adapters.event_log import DirectoryEntry, StoredRecord
from adapters.export_command import EVENTS
from adapters.parquet_import import ExportedEvents
from adapters.tables import counted
from adapters.terminal import out, told_folding, told_rebuild
from adapters.wiring import FleetTwin
from domain.errors import BadInputError, UnknownEventError
from domain.events import VehicleRegistered
from domain.upcasts import topics_of
from domain.vin import Vin

TOLD_EVERY: Final = 1_000  # events


def import_events(twin: FleetTwin, folder: Path) -> None:
    """Take what `export events` wrote: all of it, at the same positions, or nothing. Raises BadInputError."""
    exported = ExportedEvents(_folder_of_events(folder), twin.codec.is_of)
    key = twin.config.vin_key()
    directory: list[DirectoryEntry] = []
    began = time.monotonic()
    with told_rebuild("import", exported.count) as tell:
        count = twin.records.restore(_seen(twin, exported, key, directory, tell), directory, exported.streams())
    took_s = max(time.monotonic() - began, 1e-3)
    with told_folding() as show:
        twin.projecting.catch_up(show)
    loaded = f"{counted(count, 'event')} of {counted(len(directory), 'vehicle')}"
    out.print(f"{loaded} are in the log, {count / took_s:,.0f} events/s")


def _folder_of_events(folder: Path) -> Path:
    """Return what `export` has made in the folder that it was given; else that folder, which may be it itself."""
    try:
        return folder / EVENTS if (folder / EVENTS).is_dir() else folder
    except OSError as error:
        what, remedy = (
            f"cannot be read ({error.strerror})",
            "give the folder that `fleettwin export events --out` was given",
        )
        raise BadInputError(what, where=str(folder), remedy=remedy) from error


def _seen(
    twin: FleetTwin, exported: ExportedEvents, key: bytes, directory: list[DirectoryEntry], tell: Callable[[int], None]
) -> Iterator[StoredRecord]:
    """Give all events, and note the vehicles that they register."""
    registrations = topics_of([VehicleRegistered])
    for record in exported.records():
        if record.topic in registrations:
            directory.append(_entry(twin, record, key))
        if record.position % TOLD_EVERY == 0 or record.position == exported.count:
            tell(record.position)
        yield record


def _entry(twin: FleetTwin, record: StoredRecord, key: bytes) -> DirectoryEntry:
    where = f"position {record.position}"
    try:
        event = twin.codec.decode(record.topic, record.state, record.originator_id, record.version)
    except UnknownEventError as error:
        remedy = "import it with the release that wrote it, or a later one"
        raise BadInputError(
            f"the registration of a vehicle cannot be read: {error}", where=where, remedy=remedy
        ) from error
    assert isinstance(event, VehicleRegistered)
    if Vin.parse(event.vin).vehicle_id(key) != record.originator_id:
        what = "the ids of these vehicles were derived with another key"
        remedy = "set it to that of the store that was exported (where it was not set: vin.key in its FLEETTWIN_HOME)"
        raise BadInputError(what, where="FLEETTWIN_VIN_KEY", remedy=remedy)
    return DirectoryEntry(record.originator_id, event.vin, event.brand, event.model, event.captured_at)
