"""The rows of media."""

from typing import NamedTuple
from uuid import UUID

from domain.units import Micros
from projections.projection import table
from projections.signal_rows import SIGNAL_KEY, SignalRow


@table("signals", key=SIGNAL_KEY, rewritten=True)
class MediaSignalRow(SignalRow):
    """The newest sample of a signal under Vehicle.Cabin.Infotainment.Media."""

    __slots__ = ()


@table("plays", key=("vehicle_id", "started_at"), grows=True)
class PlayRow(NamedTuple):
    """A piece that began to play at `started_at`, or was found playing then where a stream begins (`initial`)."""

    vehicle_id: UUID
    started_at: Micros
    title: str
    artist: str | None
    album: str | None
    source: str | None
    initial: bool
    received_at: Micros
    stream_id: str
    sequence: int
    event_version: int
    position: int
