"""Takes up again what was set aside: what waits for vehicles that can be decided for again, and what was bad once."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple
from uuid import UUID

from adapters.avro.telemetry import TelemetryCodec
from adapters.avro.wire import UnreadableError
from adapters.ingest import Takes, take_in_turn
from adapters.ingest_worker import REFUSALS, batch_of
from adapters.set_aside import BEFORE_ALL, SetAside, SetAsideStore
from domain.errors import UnreadableHistoryError

RETRIED_AT_ONCE: Final = 100  # batches in one transaction


class Retried(NamedTuple):
    """What became of it."""

    taken: int
    left: int  # records that stay


class SetAsideRetry:
    """Gives a fleet what was set aside.

    A batch counts once, however often it is given; what was taken is kept no longer. `telemetry` is what the sources of
    telemetry begin with: records of other topics are nobody's to take.
    """

    def __init__(self, store: SetAsideStore, fleet: Takes, codec: TelemetryCodec, telemetry: str) -> None:
        self._store = store
        self._fleet = fleet
        self._codec = codec
        self._telemetry = telemetry

    def run(self) -> Retried:
        """Take up what can be taken; what waits for a vehicle in the order in which it came."""
        taken = sum(map(self._take_up, self._store.waiting_vehicles()))
        place = BEFORE_ALL
        while found := self._store.bad(place, RETRIED_AT_ONCE):
            place = found[-1].place
            for each in found:
                if each.whole and each.source.startswith(self._telemetry):
                    with suppress(UnreadableError, UnreadableHistoryError, *REFUSALS):
                        self._take([each])
                        taken += 1
        return Retried(taken, self._store.count() - sum(each.records for each in self._store.counted()))

    def _take_up(self, vehicle_id: UUID) -> int:
        """Take up what waits for one vehicle, as far as it can be taken; return how many batches."""
        taken = 0
        while found := self._store.waiting_of(vehicle_id, RETRIED_AT_ONCE):  # a worker may add to them meanwhile
            try:
                self._take(found)
            except (UnreadableError, UnreadableHistoryError):  # a newer program knows them
                break
            except REFUSALS:
                taken += self._take_one_by_one(found)
            else:
                taken += len(found)
        return taken

    def _take_one_by_one(self, records: Sequence[SetAside]) -> int:
        """Take what is not refused; what is refused is bad, and waits no longer."""
        taken = 0
        for each in records:
            try:
                self._take([each])
            except REFUSALS as error:
                self._store.refuse(each.place, str(error) or repr(error))
            else:
                taken += 1
        return taken

    def _take(self, records: Sequence[SetAside]) -> None:
        take_in_turn(self._fleet, [batch_of(self._codec, each.key, each.value) for each in records])
        self._store.remove([each.place for each in records])
