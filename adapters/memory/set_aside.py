"""Records that were set aside, in memory."""

from collections.abc import Collection, Sequence
from uuid import UUID

from adapters.set_aside import (
    KEPT_RECORDS_MAX,
    REASON_CHARACTERS_MAX,
    WAITING_BYTES_MAX,
    WAITING_RECORDS_MAX,
    Counted,
    Place,
    SetAside,
    counted_with,
    full,
)


class MemorySetAside:
    """Implements `adapters.set_aside.SetAsideStore`."""

    def __init__(
        self,
        kept_max: int = KEPT_RECORDS_MAX,
        waiting_max: int = WAITING_RECORDS_MAX,
        waiting_bytes_max: int = WAITING_BYTES_MAX,
    ) -> None:
        self._maxima = kept_max, waiting_max, waiting_bytes_max
        self._records: dict[Place, SetAside] = {}
        self._counted: dict[tuple[str, str], Counted] = {}

    def add(self, records: Sequence[SetAside]) -> Sequence[SetAside]:
        """Keep records, or count them; return those that are new."""
        kept_max, waiting_max, bytes_max = self._maxima
        new = [each for each in records if (each.source, each.position) not in self._records]
        lengths = [each.length for each in (*self._records.values(), *new) if each.waits_for]
        if any(each.waits_for for each in new) and (len(lengths) > waiting_max or sum(lengths) > bytes_max):
            raise full(waiting_max, bytes_max)
        room = max(0, kept_max - sum(each.waits_for is None for each in self._records.values()))
        bad = [each for each in new if each.waits_for is None]
        changed, counted = counted_with(self._counted, bad[room:])
        self._counted |= changed
        kept = [*(each for each in new if each.waits_for), *bad[:room]]
        self._records |= {(each.source, each.position): each for each in kept}
        return [*kept, *counted]

    def newest(self, limit: int) -> Sequence[SetAside]:
        """Return the records that were set aside last, newest first."""
        found = sorted(self._records.values(), key=lambda record: (record.set_aside_at, *record[:2]), reverse=True)
        return found[:limit]

    def find(self, source: str, position: int) -> Sequence[SetAside]:
        """Return what was set aside there, by source: a source without the id of its topic is each that has one."""
        found = [each for each in self._records.values() if each.position == position]
        wanted = [each for each in found if source in {each.source, each.source.partition("#")[0]}]
        return sorted(wanted, key=lambda record: record[:2])

    def count(self) -> int:
        """Return how many were set aside: those that are kept and those that are only counted."""
        return len(self._records) + sum(each.records for each in self._counted.values())

    def counted(self) -> Sequence[Counted]:
        """Return what was not kept, in order of source and reason."""
        return sorted(self._counted.values())

    def waiting(self, vehicle_ids: Collection[UUID]) -> Collection[UUID]:
        """Return those of some vehicles that batches wait for."""
        return {each for each in self.waiting_vehicles() if each in vehicle_ids}

    def waiting_vehicles(self) -> Sequence[UUID]:
        """Return every vehicle that batches wait for."""
        return sorted({each.waits_for for each in self._records.values() if each.waits_for})

    def waiting_of(self, vehicle_id: UUID, limit: int) -> Sequence[SetAside]:
        """Return the first batches that wait for a vehicle, in the order in which they came."""
        found = [each for each in self._records.values() if each.waits_for == vehicle_id]
        began: dict[str, int] = {}
        for each in found:
            began[each.source] = min(each.set_aside_at, began.get(each.source, each.set_aside_at))
        return sorted(found, key=lambda each: (began[each.source], *each[:2]))[:limit]

    def bad(self, after: Place, limit: int) -> Sequence[SetAside]:
        """Return up to `limit` records that wait for nobody, in order of their places, after one."""
        found = sorted((place, each) for place, each in self._records.items() if not each.waits_for and place > after)
        return [each for _, each in found[:limit]]

    def refuse(self, place: Place, reason: str) -> None:
        """Let a batch wait no longer: it is bad."""
        self._records[place] = self._records[place]._replace(waits_for=None, reason=reason[:REASON_CHARACTERS_MAX])

    def remove(self, places: Collection[Place]) -> int:
        """Keep records no longer; return how many there were."""
        return sum(self._records.pop(place, None) is not None for place in places)

    def discard(self, vehicle_id: UUID | None) -> int:
        """Drop what waits for a vehicle; None: what waits for nobody, and the counts. Return how many there were."""
        dropped = self.remove([place for place, each in self._records.items() if each.waits_for == vehicle_id])
        if vehicle_id is None:
            dropped += sum(each.records for each in self._counted.values())
            self._counted.clear()
        return dropped
