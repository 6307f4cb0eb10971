"""What an ingest tells of itself, on its way and at its end."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


class Progress(NamedTuple):
    """How far an ingest is. `done` of `total` counts bytes on disk, over both passes."""

    done: int
    total: int
    frames: int
    samples: int
    events: int


@dataclass(slots=True)
class Summary:
    """What an ingest found and did."""

    path: str
    format: str
    frames: int = 0  # or rows
    decoded_frames: int = 0
    other_frames: Counter[str] = field(default_factory=Counter)  # remote, error, truncated: what is no data frame
    unknown_ids: Counter[str] = field(default_factory=Counter)  # frames by an id that no DBC file or protocol knows
    unknown_signals: Counter[str] = field(default_factory=Counter)  # rows by a name that nothing knows
    too_short: Counter[str] = field(default_factory=Counter)  # frames too short for a signal
    diagnostics: Counter[str] = field(default_factory=Counter)  # answers by service, and what was left out
    checkable_frames: int = 0  # that carry an end-to-end checksum of the mapping's platforms
    failed_checksums: int = 0
    samples: int = 0
    told_samples: int = 0  # that changed, or confirm
    batches: int = 0
    duplicate_batches: int = 0  # taken before
    sent: bool = False  # to Kafka: what they did to the fleet is not known
    events: Counter[str] = field(default_factory=Counter)
    known_drives: int = 0  # trips of this recording that another recording had told already
    vehicles: list[str | None] = field(default_factory=list)  # that rows name; None: they name none
    unmapped: Counter[str] = field(default_factory=Counter)  # known messages, PIDs and DIDs that the mapping leaves out
    notes: list[str] = field(default_factory=list)
