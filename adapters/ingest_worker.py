"""Takes batches of telemetry that come as bytes from the partitions of a topic, exactly once each.

What the batches made of a fleet and how far each partition was read are written in one transaction, if the log has the
partition where this worker believes it to be: whoever lost a partition to another worker cannot write any more. Records
that no vehicle takes are set aside with their reason before the position moves over them.

So are the batches of a vehicle whose history cannot be read, to wait until it can be; and for as long as one of them
waits, all that come after it: a vehicle takes its batches in the order in which they were sent.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from adapters.avro.telemetry import TelemetryCodec
from adapters.avro.wire import UnreadableError
from adapters.metrics import DUPLICATE_BATCHES, INGESTED_BATCHES, INGESTED_EVENTS, INGESTED_RECORDS, SET_ASIDE
from adapters.received import HeldBackError, Received
from adapters.set_aside import FullError, SetAside, SetAsideSaid, SetAsideStore
from domain.errors import RejectedCommandError, UnreadableHistoryError, UnstorableError
from domain.fleet import ConsumedChange, Fleet, Taken
from domain.signals import SignalBatch
from domain.units import Micros

BATCHES_MAX: Final = 500  # taken in one transaction
RECORD_BYTES_MAX: Final = 1_000_000  # of a batch: about what a broker takes unasked

# Of one batch, not of the log: no other one would be refused for it, and it always will be.
REFUSALS: Final = (RejectedCommandError, UnstorableError, ValueError, ArithmeticError)
_WAITS_TOO: Final = "batches that its vehicle sent before it wait"

_log: Final = logging.getLogger(__name__)


class Positions(Protocol):
    """Knows how far each partition was read."""

    def consumed_position(self, source: str) -> int:
        """Return what comes next in a source of batches, 0 for one that has not been read yet."""


class Counts(NamedTuple):
    """What a worker did."""

    records: int = 0
    batches: int = 0  # that counted
    duplicates: int = 0
    set_aside: int = 0
    events: int = 0


class IngestWorker:
    """The single writer of the vehicles of its partitions. `now` gives the time at which a record is set aside."""

    def __init__(
        self,
        fleet: Fleet,
        codec: TelemetryCodec,
        positions: Positions,
        set_aside: SetAsideStore,
        now: Callable[[], Micros],
    ) -> None:
        self._fleet = fleet
        self._codec = codec
        self._log = positions
        self._set_aside = set_aside
        self._now = now
        self._said = SetAsideSaid(_log)
        self._positions: dict[str, int] = {}
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> Counts:
        """What was done so far."""
        return Counts(**self._counts)

    def assign(self, sources: Collection[str]) -> dict[str, int]:
        """Begin with partitions; return the position that each is to be read from."""
        found = {source: self._log.consumed_position(source) for source in sources}
        self._positions.update(found)
        return found

    def revoke(self, sources: Collection[str]) -> None:
        """Leave partitions to others, and forget the vehicles: they may be among them."""
        for source in sources:
            self._positions.pop(source, None)
        self._fleet.forget()

    def restart(self, positions: Mapping[str, int]) -> None:
        """Read partitions from other positions on: the topic does not hold what comes next any more."""
        steps = [ConsumedChange(source, self._positions[source], position) for source, position in positions.items()]
        for step in steps:
            if step.before:  # else whatever was deleted was never waited for
                where = {"partition": step.source, "position": step.before}
                said = "%s does not hold position %d: reading goes on at %d"
                _log.warning(said, step.source, step.before, step.after, extra=where)
        self._fleet.take([], steps)
        self._positions.update(positions)

    def take(self, records: Sequence[Received]) -> None:
        """Take records of assigned partitions, those of each in order.

        Raises VersionConflictError where another worker has one of the partitions, or writes one of the vehicles: the
        caller assigns them anew. Raises HeldBackError where batches would have to wait for their vehicle and no more
        can. After any error nothing has been taken, or all of it.
        """
        read, aside = self._read(records)
        after = dict(self._positions)
        for record in records:
            assert record.position >= after[record.source], "records come in order, from the position on"
            after[record.source] = record.position + 1
        steps = [
            ConsumedChange(source, before, after[source])
            for source, before in self._positions.items()
            if after[source] != before
        ]
        self._keep(aside)
        try:
            taken = self._fleet.take([batch for _, batch in read], steps)
        except UnreadableHistoryError:
            unreadable = self._fleet.unreadable({batch.vehicle_id for _, batch in read})
            if not unreadable:
                raise
            waiting = [(record, batch.vehicle_id) for record, batch in read if batch.vehicle_id in unreadable]
            self._keep([self._aside(record, unreadable[vehicle_id], vehicle_id) for record, vehicle_id in waiting])
            self.take(records)  # where these are waited for now
            return
        except REFUSALS:
            self._take_one_by_one(records)
            return
        self._positions = after
        self._note(taken, len(read), len(records), len(aside))

    def _take_one_by_one(self, records: Sequence[Received]) -> None:
        """Set aside what the fleet refuses or makes no event of that fits, and take the rest."""
        for record in records:
            read, aside = self._read([record])
            step = ConsumedChange(record.source, self._positions[record.source], record.position + 1)
            try:
                self._keep(aside)
                taken = self._fleet.take([batch for _, batch in read], [step])
            except (*REFUSALS, UnreadableHistoryError) as error:
                waits_for = error.vehicle_id if isinstance(error, UnreadableHistoryError) else None
                aside = [self._aside(record, str(error) or repr(error), waits_for)]
                self._keep(aside)
                taken, read = self._fleet.take([], [step]), []
            self._positions[record.source] = step.after
            self._note(taken, len(read), 1, len(aside))

    def _read(self, records: Sequence[Received]) -> tuple[list[tuple[Received, SignalBatch]], list[SetAside]]:
        """Return the batches that can be given to their vehicles, and what is set aside."""
        read: list[tuple[Received, SignalBatch]] = []
        aside: list[SetAside] = []
        for record in records:
            try:
                read.append((record, batch_of(self._codec, record.key, record.value)))
            except UnreadableError as error:
                aside.append(self._aside(record, str(error)))
        waiting = self._set_aside.waiting({batch.vehicle_id for _, batch in read}) if read else ()
        aside += [
            self._aside(record, _WAITS_TOO, batch.vehicle_id) for record, batch in read if batch.vehicle_id in waiting
        ]
        return [(record, batch) for record, batch in read if batch.vehicle_id not in waiting], aside

    def _aside(self, record: Received, reason: str, waits_for: UUID | None = None) -> SetAside:
        source, position, key, value, _ = record
        return SetAside.of(source, position, reason, key, value, self._now(), waits_for)

    def _keep(self, aside: Sequence[SetAside]) -> None:
        try:
            added = self._set_aside.add(aside)
        except FullError as error:
            raise HeldBackError(str(error), {each.source for each in aside if each.waits_for}) from error
        for each in added:
            self._said.say(each, Received(each.source, each.position, each.key, None).where())

    def _note(self, taken: Taken, batches: int, records: int, refused: int) -> None:
        self._counts.update(
            records=records,
            batches=batches - taken.duplicates,
            duplicates=taken.duplicates,
            set_aside=refused,
            events=len(taken.events),
        )
        INGESTED_RECORDS.inc(records)
        INGESTED_BATCHES.inc(batches - taken.duplicates)
        DUPLICATE_BATCHES.inc(taken.duplicates)
        SET_ASIDE.inc(refused)
        INGESTED_EVENTS.inc(len(taken.events))


def batch_of(codec: TelemetryCodec, key: bytes | None, value: bytes | None) -> SignalBatch:
    """Return the batch that key and value of a record are. Raises UnreadableError where they are none."""
    if key is None:
        raise UnreadableError("it has no key, which would be the vehicle's id")
    if value is None:
        raise UnreadableError("it has no value")
    if len(value) > RECORD_BYTES_MAX:
        raise UnreadableError(f"its {len(value):,} bytes are more than {RECORD_BYTES_MAX:,}")
    try:
        text = key.decode("ascii")
        vehicle_id = UUID(text)
    except ValueError as error:
        raise UnreadableError("its key is no vehicle id") from error
    if text != str(vehicle_id):  # it may lie in another partition than the vehicle's, which another worker writes
        raise UnreadableError(f"its key is a vehicle id, but not written as {vehicle_id}")
    return codec.decode(value, vehicle_id)
