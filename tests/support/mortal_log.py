"""A log whose process dies at will."""

from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import StoredEvent

from adapters.memory.event_store import MemoryEventLog
from domain.fleet import ProgressChange
from tests.support.batches import T0


class Lightning(Exception):  # noqa: N818  # it is no error of ours
    """The process is gone."""


class MortalLog(MemoryEventLog):
    """A log whose process dies before or after what it writes."""

    def __init__(self) -> None:
        super().__init__(lambda: T0)
        self.dies: str | None = None

    def append(
        self, events: Sequence[StoredEvent], progress: Sequence[ProgressChange] = (), *more: Any, **named: Any
    ) -> Sequence[int]:
        dies, self.dies = self.dies, None
        if dies == "before":
            raise Lightning
        positions = super().append(events, progress, *more, **named)
        if dies == "after":
            raise Lightning
        return positions
