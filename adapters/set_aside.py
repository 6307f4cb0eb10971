"""Records that nobody can take, with their reason: what comes after them goes on.

A batch of a vehicle whose history cannot be read is none of these for ever: it waits here, whole, until the vehicle can
be decided for again; so does everything that comes of that vehicle after it, since what is taken late makes another
history.

What is kept has a bound. Of bad records beyond it only the number is kept, for each reason and partition, and where the
first and the last of them are: whoever fills a topic with nonsense fills no database. Batches that wait beyond theirs
are not taken from their partition: it stands still, and Kafka keeps them.
"""

import logging
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

from domain.errors import StoreError
from domain.units import Micros

VALUE_BYTES_MAX: Final = 10_000  # of a bad record that are kept
REASON_CHARACTERS_MAX: Final = 500
KEPT_RECORDS_MAX: Final = 10_000  # bad ones: at most some 200 MB
WAITING_RECORDS_MAX: Final = 500_000
WAITING_BYTES_MAX: Final = 1 << 30
COUNTED_MAX: Final = 1_000  # reasons and partitions that are counted apart
SAID_MAX: Final = 10  # lines of the log for one reason …
SAID_WITHIN_S: Final = 60.0  # … in so long
REASONS_REMEMBERED_MAX: Final = 1_000  # of which it is known how often they were said

KIND_CHARACTERS_MAX: Final = 200
OTHER_REASONS: Final = "other reasons"
_OF_ONE_RECORD: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|-?\d[\d,.]*")


class SetAside(NamedTuple):
    """A record that was set aside."""

    source: str  # e.g. "telemetry/3#5f0c2a91"
    position: int  # in its source
    reason: str
    key: bytes | None
    value: bytes | None  # its first `VALUE_BYTES_MAX` bytes; of a batch that waits, all
    length: int  # of the whole value, bytes
    set_aside_at: Micros
    waits_for: UUID | None = None  # the vehicle that it waits for; None: it is bad

    @classmethod
    def of(
        cls,
        source: str,
        position: int,
        reason: str,
        key: bytes | None,
        value: bytes | None,
        at: Micros,
        waits_for: UUID | None = None,
    ) -> "SetAside":
        """Return a record with no more of it than is kept."""
        return cls(
            source,
            position,
            reason[:REASON_CHARACTERS_MAX],
            None if key is None else key[:VALUE_BYTES_MAX],
            value if value is None or waits_for else value[:VALUE_BYTES_MAX],
            len(value or b""),
            at,
            waits_for,
        )

    @property
    def place(self) -> "Place":
        """Where it was."""
        return self.source, self.position

    @property
    def whole(self) -> bool:
        """Whether all of its bytes are kept."""
        return self.value is not None and len(self.value) == self.length


class Counted(NamedTuple):
    """Bad records of one partition and reason that are not kept."""

    source: str
    reason: str  # without what is of one record only
    records: int
    first_position: int
    last_position: int
    first_at: Micros
    last_at: Micros


Place = tuple[str, int]  # of a record: its source, and where it is there
BEFORE_ALL: Final[Place] = ("", -1)


class FullError(StoreError):
    """As many batches wait as are kept: one more would have to be dropped."""


class SetAsideStore(Protocol):
    """Where they are kept."""

    def add(self, records: Sequence[SetAside]) -> Sequence[SetAside]:
        """Keep records, or count them; return those that are new.

        One that is there already stays as it is; of a partition they come in order, so that one is counted once.
        Raises FullError where too many batches wait: then nothing is kept.
        """

    def newest(self, limit: int) -> Sequence[SetAside]:
        """Return the records that were set aside last, newest first."""

    def find(self, source: str, position: int) -> Sequence[SetAside]:
        """Return what was set aside there, by source: a source without the id of its topic is each that has one."""

    def count(self) -> int:
        """Return how many were set aside: those that are kept and those that are only counted."""

    def counted(self) -> Sequence[Counted]:
        """Return what was not kept, in order of source and reason."""

    def waiting(self, vehicle_ids: Collection[UUID]) -> Collection[UUID]:
        """Return those of some vehicles that batches wait for."""

    def waiting_vehicles(self) -> Sequence[UUID]:
        """Return every vehicle that batches wait for."""

    def waiting_of(self, vehicle_id: UUID, limit: int) -> Sequence[SetAside]:
        """Return the first batches that wait for a vehicle, in the order in which they came."""

    def bad(self, after: Place, limit: int) -> Sequence[SetAside]:
        """Return up to `limit` records that wait for nobody, in order of their places, after one."""

    def refuse(self, place: Place, reason: str) -> None:
        """Let a batch wait no longer: it is bad."""

    def remove(self, places: Collection[Place]) -> int:
        """Keep records no longer; return how many there were."""

    def discard(self, vehicle_id: UUID | None) -> int:
        """Drop what waits for a vehicle; None: what waits for nobody, and the counts. Return how many there were."""


def counted_with(
    counted: Mapping[tuple[str, str], Counted], records: Sequence[SetAside]
) -> tuple[dict[tuple[str, str], Counted], list[SetAside]]:
    """Return what changes of the counts by more records, and those of them that had not been counted before."""
    changed: dict[tuple[str, str], Counted] = {}
    new: list[SetAside] = []
    for each in records:
        place = each.source, kind_of(each.reason)
        known_places = counted.keys() | changed.keys()
        if place not in known_places and len(known_places) >= COUNTED_MAX:
            place = each.source, OTHER_REASONS
        known = changed.get(place) or counted.get(place)
        if known is None:
            at = each.set_aside_at
            changed[place] = Counted(*place, 1, each.position, each.position, at, at)
        elif each.position > known.last_position:
            changed[place] = known._replace(
                records=known.records + 1, last_position=each.position, last_at=each.set_aside_at
            )
        else:
            continue  # of a transaction that was begun anew
        new.append(each)
    return changed, new


def full(records_max: int, bytes_max: int) -> FullError:
    """Return what is raised where no more batches can wait."""
    return FullError(
        f"more than {records_max:,} batches, or {bytes_max:,} bytes, wait for vehicles whose history cannot be read:"
        " mend it and `fleettwin set-aside retry`, or `fleettwin set-aside discard --vehicle` them"
    )


def kind_of(reason: str) -> str:
    """Return a reason without what is of one record only: ids and numbers."""
    return _OF_ONE_RECORD.sub("…", reason)[:KIND_CHARACTERS_MAX]


class SetAsideSaid:
    """Says in the log what is set aside: a few lines for each reason in a while, and how many there were beside."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._since_s: dict[str, float] = {}
        self._said: dict[str, int] = {}

    def say(self, record: SetAside, where: Mapping[str, Any]) -> None:
        """Say it of one record; `where` are the fields of the entry."""
        kind = kind_of(record.reason)
        if kind not in self._said and len(self._said) >= REASONS_REMEMBERED_MAX:
            kind = OTHER_REASONS
        now_s = self._clock()
        if now_s >= self._since_s.get(kind, now_s) + SAID_WITHIN_S or kind not in self._said:
            unsaid = self._said.get(kind, 0) - SAID_MAX
            if unsaid > 0:
                self._log.warning("%d more were set aside: %s", unsaid, kind)
            self._since_s[kind], self._said[kind] = now_s, 0
        self._said[kind] += 1
        if self._said[kind] <= SAID_MAX:
            said = "%s, position %d, is set aside: %s"
            self._log.warning(said, record.source, record.position, record.reason, extra=dict(where))
        elif self._said[kind] == SAID_MAX + 1:
            self._log.warning("more are set aside, and not said for %.0f s: %s", SAID_WITHIN_S, kind)
