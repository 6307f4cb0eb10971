"""Records that nobody can take, with their reason: what comes after them goes on."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from domain.units import Micros

VALUE_BYTES_MAX: Final = 10_000  # of a record that are kept
REASON_CHARACTERS_MAX: Final = 500


class SetAside(NamedTuple):
    """A record that was set aside."""

    source: str  # e.g. "telemetry/3#5f0c2a91"
    position: int  # in its source
    reason: str
    key: bytes | None
    value: bytes | None  # its first `VALUE_BYTES_MAX` bytes
    length: int  # of the whole value, bytes
    set_aside_at: Micros

    @classmethod
    def of(
        cls, source: str, position: int, reason: str, key: bytes | None, value: bytes | None, at: Micros
    ) -> "SetAside":
        """Return a record with no more of it than is kept."""
        return cls(
            source,
            position,
            reason[:REASON_CHARACTERS_MAX],
            None if key is None else key[:VALUE_BYTES_MAX],
            None if value is None else value[:VALUE_BYTES_MAX],
            len(value or b""),
            at,
        )


class SetAsideStore(Protocol):
    """Where they are kept."""

    def add(self, records: Sequence[SetAside]) -> None:
        """Keep records; one that is there already stays as it is."""

    def newest(self, limit: int) -> Sequence[SetAside]:
        """Return the records that were set aside last, newest first."""

    def find(self, source: str, position: int) -> Sequence[SetAside]:
        """Return what was set aside there, by source: a source without the id of its topic is each that has one."""

    def count(self) -> int:
        """Return how many there are."""
