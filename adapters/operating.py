"""What whoever operates the platform may see and have done through the API, beside the twins."""

import threading
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from adapters.lag import Observation
from adapters.projecting import Projecting
from adapters.watch import Watch
from domain.errors import StoreError
from projections.ports import Parked

RETRIES_AT_ONCE: Final = 2  # each may fold a long history, which no request's end stops


@dataclass(frozen=True, slots=True)
class Operating:
    """The stages as they were seen last, and the projections as they are moved."""

    watch: Watch
    projecting: Projecting
    _free: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(RETRIES_AT_ONCE))

    def seen(self) -> Observation | None:
        """Return what was seen last of every stage; None: nothing that is still worth telling."""
        return self.watch.seen()

    def problem(self) -> str | None:
        """Return why nothing is seen, or not everything; None: everything is."""
        return self.watch.problem()

    def retry(self, projection: str, version: int, vehicle_id: UUID) -> Parked | None:
        """Take a parked vehicle up again; return how it is parked now, None if it is not any more.

        Raises BadInputError for a version that does not follow the log, StoreError where it cannot be done now.
        """
        if not self._free.acquire(blocking=False):
            raise StoreError(f"{RETRIES_AT_ONCE} vehicles are being taken up again already")
        try:
            return self.projecting.take_up(projection, version, vehicle_id)
        finally:
            self._free.release()
