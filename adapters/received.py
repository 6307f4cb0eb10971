"""Telemetry as it comes out of a topic, and who takes it."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol


class Received(NamedTuple):
    """A record of a partition."""

    source: str  # topic and partition, e.g. "telemetry/3"
    position: int  # its offset
    key: bytes | None  # the vehicle's id, as text
    value: bytes | None


class TelemetryWorker(Protocol):
    """Takes the records of partitions that it is given, and knows from where on."""

    def assign(self, sources: Collection[str]) -> Mapping[str, int]:
        """Begin with partitions, or begin anew; return the position that each is to be read from."""

    def revoke(self, sources: Collection[str]) -> None:
        """Leave partitions to others."""

    def restart(self, source: str, position: int) -> None:
        """Read a partition from another position on: the topic does not hold what comes next any more, or not yet."""

    def take(self, records: Sequence[Received]) -> None:
        """Take records of assigned partitions, those of each in order; after an error all of it, or nothing."""
