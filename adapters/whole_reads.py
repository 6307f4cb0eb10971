"""Some vehicles with all that one field of a question wants of them, read at once: what is asked, what comes back."""

from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

from adapters.event_log import DirectoryEntry
from domain.units import Micros
from projections.projection import Row


class By(Enum):
    """How vehicles are named."""

    VIN = "vin"
    ID = "id"
    PAGE = "page"  # in the order of their ids


class Wanted(NamedTuple):
    """What is wanted of vehicles; of those that are equal a statement is made once."""

    by: By
    paths: tuple[str, ...] = ()  # signals, whose newest sample is wanted
    provenance: bool = False  # of a sample: when it reached us, and the event that told it
    last_seen: bool = False
    rows: tuple[type[Row], ...] = ()  # of tables that have few rows of a vehicle; of trips: the newest
    on_record: tuple[str, ...] = ()  # the fields and signals with personal data in it


class Asked(NamedTuple):
    """What is wanted of which vehicles: the one with this VIN or id, or so many that come after an id."""

    wanted: Wanted
    key: str | UUID | None
    limit: int = 1
    shown: int = 1  # of them; one more may be read, to see whether another page follows


class Asker(NamedTuple):
    """On whose behalf, of which brands (None: of all); and the id of the request that the record is kept under."""

    request_id: UUID
    client: str
    subject: str
    brands: Collection[str] | None


# The newest sample of a signal: columns of `projections.signal_rows.SignalRow`, those of provenance where it is wanted.
# A plain tuple, for there are many.
Sample = tuple[Any, ...]
SAMPLE: Final = ("path", "kind", "number", "text", "flag", "quality", "captured_at")
PROVENANCE: Final = ("received_at", "event_version", "position")


class WholeVehicle(NamedTuple):
    """What was read of a vehicle."""

    entry: DirectoryEntry
    last_seen: Micros | None
    samples: Mapping[str, Sample]  # by path
    rows: Mapping[type[Row], Sequence[Any]]


class WholeReads(Protocol):
    """Reads whole vehicles, without a thread that waits."""

    async def read(self, asked: Sequence[Asked], asker: Asker) -> Sequence[Sequence[WholeVehicle]]:
        """Return the vehicles of each question, all as of one moment.

        What is shown of personal data is on record, for good, when it returns. Raises StoreError: then nothing is to be
        shown.
        """

    async def close(self) -> None:
        """Read no more."""
