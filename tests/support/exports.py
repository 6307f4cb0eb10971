"""Exports of what a test has at hand."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from adapters.event_log import DirectoryEntry, StoredRecord
from adapters.parquet_export import whole_or_nothing, write_events, write_rows
from adapters.projection_versions import ShownRows
from projections.projection import Projection, Recorded


def export_events(
    folder: Path, events: Iterable[tuple[StoredRecord, Recorded]], entries: Mapping[UUID, DirectoryEntry] | None = None
) -> int:
    """Export events of all times; return how many."""
    with whole_or_nothing(folder) as files:
        return write_events(files, events, (entries or {}).get, lambda _: True)


def export_rows(
    folder: Path,
    projection: Projection,
    rows: Callable[[Any], Iterable[Any]],
    entries: Mapping[UUID, DirectoryEntry] | None = None,
) -> int:
    """Export rows of all times; return how many."""
    with whole_or_nothing(folder) as files:
        return write_rows(files, ShownRows(projection, 0, rows), (entries or {}).get, lambda _: True)
