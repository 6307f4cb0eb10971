"""A log whose process dies at will, and that holds no more than PostgreSQL does."""

from collections.abc import Sequence
from typing import Any, Final

from eventsourcing.persistence import StoredEvent

from adapters.memory.event_store import MemoryEventLog
from domain.errors import StoreError
from domain.fleet import ProgressChange
from tests.support.batches import T0

INDEX_ROW_BYTES_MAX: Final = 2_700  # of a B-tree, about


class Lightning(Exception):  # noqa: N818  # it is no error of ours
    """The process is gone."""


class MortalLog(MemoryEventLog):
    """A log whose process dies before or after what it writes, and whose texts PostgreSQL could keep."""

    def __init__(self) -> None:
        super().__init__(lambda: T0)
        self.dies: str | None = None

    def append(
        self, events: Sequence[StoredEvent], progress: Sequence[ProgressChange] = (), *more: Any, **named: Any
    ) -> Sequence[int]:
        for change in progress:
            if "\0" in change.after.stream_id or len(change.after.stream_id.encode()) > INDEX_ROW_BYTES_MAX:
                raise StoreError("the database refuses the stream's id")
        dies, self.dies = self.dies, None
        if dies == "before":
            raise Lightning
        positions = super().append(events, progress, *more, **named)
        if dies == "after":
            raise Lightning
        return positions
