"""Records as they come out of the partitions of a topic, and who takes them."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from domain.errors import StoreError

Header = tuple[str, bytes | None]  # Kafka allows one without a value


class Received(NamedTuple):
    """A record of a partition."""

    source: str  # the partition: topic, number, and which topic of this name it is, e.g. "telemetry/3#5f0c2a91"
    position: int  # its offset
    key: bytes | None  # the vehicle's id, as text
    value: bytes | None
    headers: Sequence[Header] = ()

    def where(self) -> dict[str, Any]:
        """Return the fields of an entry of the log about it; a key that is no vehicle's id is none of them."""
        found: dict[str, Any] = {"partition": self.source, "position": self.position}
        with suppress(ValueError):  # also of what is no ASCII
            found["vehicle_id"] = UUID((self.key or b"").decode("ascii"))
        return found


class HeldBackError(StoreError):
    """Records of some partitions can neither be taken nor be set aside: they stay where they are for a while.

    Nothing was taken of any partition.
    """

    def __init__(self, message: str, sources: Collection[str]) -> None:
        self.sources = sources
        super().__init__(message)


class PartitionWorker(Protocol):
    """Takes the records of partitions that it is given, and knows from where on."""

    def assign(self, sources: Collection[str]) -> Mapping[str, int]:
        """Begin with partitions, or begin anew; return the position that each is to be read from."""

    def revoke(self, sources: Collection[str]) -> None:
        """Leave partitions to others."""

    def restart(self, positions: Mapping[str, int]) -> None:
        """Read partitions from other positions on: the topic does not hold what comes next any more."""

    def take(self, records: Sequence[Received]) -> None:
        """Take records of assigned partitions, those of each in order; after an error all of it, or nothing.

        Raises HeldBackError where some of the partitions have to wait.
        """


class Published(Protocol):
    """Is told how much of the log a reader of its topic has seen."""

    def __call__(self, positions: Mapping[str, int], sources: Collection[str]) -> None:
        """Know that partitions are read up to positions of the log; `sources` are all partitions of the topic.

        Raises PositionConflictError where that is not so any more: they are to be read anew.
        """
