"""One batch as it is told: what it and its stream have said so far, and the events that it makes."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Final, Protocol

from domain import events as e
from domain import paths
from domain.legs import Sign
from domain.readings import FREEZE_FRAME_PATHS
from domain.signals import Quality, Sample, SignalBatch, SignalValue, recordable
from domain.state import Known, Lane, VehicleState
from domain.units import Micros

_NO_LANE: Final = Lane()  # what a stream that has not told anything has told


class Deciding(Protocol):
    """What an observation needs of the Vehicle."""

    state: VehicleState

    def trigger_event(self, event_class: type[e.VehicleEvent], **fields: object) -> None:
        """Add an event and fold it."""


class Telling:
    """What is known while a batch is taken, to all that decides on a part of it."""

    def __init__(
        self, vehicle: Deciding, batch: SignalBatch, last_sequence: int, missing: Sequence[tuple[int, int]]
    ) -> None:
        self.state = vehicle.state
        self.batch = batch
        self.lane = self._lane()  # what the stream has told so far
        self.last_sequence = last_sequence  # of the stream, before this batch
        self.offset_us = 0  # true time - vehicle clock, of what is told at present
        self.told: dict[str, Known] = {}  # of the present run, and not yet part of the lane
        self.signs: list[Sign] = []  # of driving, likewise
        self._vehicle = vehicle
        self._missing = missing  # what the stream lacks up to this batch
        self._at: dict[tuple[str, Micros], Sample] = {}  # by signal and time; of two of one time the one heard later
        self._frame: list[tuple[str, Micros, SignalValue | None]] = []  # what the freeze frame of a code may show
        if batch.trouble_codes:
            last = self.lane.last
            self._frame = [(path, last[path][0], last[path].value) for path in FREEZE_FRAME_PATHS if path in last]

    def _lane(self) -> Lane:
        return self.state.lanes.get(self.batch.stream_id, _NO_LANE)

    def hear(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """Take a run of samples with true times and return what is to be decided on, in order of time."""
        self._at = {(s.path, s.captured_at): recordable(s) for s in samples if s.path != paths.VIN}
        in_order = sorted(self._at.values(), key=attrgetter("captured_at"))
        if self.batch.trouble_codes:
            self._frame += [sample[:3] for sample in in_order if sample.path in FREEZE_FRAME_PATHS]
        return in_order

    def trigger(self, event_class: type[e.StreamEvent], at: Micros, **fields: object) -> None:
        """Trigger an event of this batch."""
        self._vehicle.trigger_event(
            event_class,
            captured_at=at,
            received_at=self.batch.received_at,
            stream_id=self.batch.stream_id,
            sequence=self.batch.sequence,
            clock_offset_us=self.offset_us,
            **fields,
        )
        self.lane = self._lane()

    def last(self, path: str) -> Known | None:
        """Return the newest that the stream has told of a signal."""
        return self.told.get(path) or self.lane.last.get(path)

    def value_at(self, path: str, at: Micros) -> SignalValue | None:
        """Return the value that the present run has of a signal at a time."""
        sample = self._at.get((path, at))
        return sample.value if sample else None

    def is_unsure(self, sequence: int) -> bool:
        """Whether a batch is missing between the one with this sequence number and the present one."""
        return any(sequence < last and first < self.batch.sequence for first, last in self._missing)

    def number(self, path: str, *, since: int | None = None) -> float | None:
        """Return the newest good number that the stream has told of a signal, if it is not older than `since`."""
        known = self.last(path)
        if known is None or known.quality != Quality.OK or not isinstance(known.value, (int, float)):
            return None
        return None if since is not None and known.captured_at < since else float(known.value)

    def number_by(self, path: str, at: Micros) -> float | None:
        """Return the number that one of `FREEZE_FRAME_PATHS` had at `at`, as far as the stream has told."""
        told = [(told_at, place) for place, (of, told_at, _) in enumerate(self._frame) if of == path and told_at <= at]
        value = self._frame[max(told)[1]][2] if told else None
        return float(value) if isinstance(value, (int, float)) else None
