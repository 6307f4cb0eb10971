"""Records that were set aside, in memory."""

from collections.abc import Sequence

from adapters.set_aside import SetAside


class MemorySetAside:
    """Implements `adapters.set_aside.SetAsideStore`."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, int], SetAside] = {}

    def add(self, records: Sequence[SetAside]) -> None:
        """Keep records; one that is there already stays as it is."""
        for record in records:
            self._records.setdefault((record.source, record.position), record)

    def newest(self, limit: int) -> Sequence[SetAside]:
        """Return the records that were set aside last, newest first."""
        found = sorted(self._records.values(), key=lambda record: (record.set_aside_at, *record[:2]), reverse=True)
        return found[:limit]

    def find(self, source: str, position: int) -> Sequence[SetAside]:
        """Return what was set aside there, by source: a source without the id of its topic is each that has one."""
        found = [each for each in self._records.values() if each.position == position]
        return sorted(each for each in found if source in {each.source, each.source.partition("#")[0]})

    def count(self) -> int:
        """Return how many there are."""
        return len(self._records)
