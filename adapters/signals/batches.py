"""Cutting what is told into batches: gapless sequence numbers, a bounded size, a bounded span of the vehicle's time.

The order is the order heard. Columns are heard side by side, so within a block their samples are merged by captured_at;
equal times keep the order of the columns. A clock that is set back in the middle of a block must not sort new samples
before old ones: where a column's own times step back by more than `CLOCK_STEP_US`, a new epoch begins, and epochs are
never mixed. Columns that were not heard on both sides of the step are the one exception: they are merged by time alone
in that one block.

A batch ends between two moments of the vehicle, not within one: what was measured together, as a latitude and its
longitude, is decided on together.

The same blocks give the same batches. A stream always ends with exactly one final batch, which is empty if nothing was
told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import numpy as np

from adapters.sampling import SampleColumn
from domain.signals import Origin, Quality, Sample, SignalBatch, TroubleCodeReport
from domain.units import Micros

BATCH_SAMPLES_WANTED: Final = 1_000  # samples and trouble code reports; a batch with them ends with its last moment
BATCH_SAMPLES_MAX: Final = 2_000  # at which it ends all the same: no car measures so much at one moment
BATCH_SPAN_US: Final = (
    30_000_000  # of captured time between the first and any other entry of a batch, in either direction
)
CLOCK_STEP_US: Final = 1_000_000  # times that go back by more than this mean that the clock was set

_QUALITIES: Final = {quality.value: quality for quality in Quality}

Entry = Sample | TroubleCodeReport


@dataclass(slots=True)
class Batcher:
    """Cuts one stream of one vehicle. `origin` goes with the first batch."""

    vehicle_id: UUID
    stream_id: str
    clock_offset_us: int | None = None  # true time - vehicle clock, where the recording tells it: gives `reference_at`
    origin: Origin | None = None
    _sequence: int = 0
    _open: list[Entry] = field(default_factory=list)
    _last: dict[str, int] = field(default_factory=dict)  # last captured_at of each column

    def add(
        self, columns: Sequence[SampleColumn], reports: Sequence[TroubleCodeReport] = (), *, received_at: Micros
    ) -> list[SignalBatch]:
        """Take what one block told and return the batches that are complete; the newest stays open for more."""
        complete = []
        for entry in self._merged(columns, reports):
            if self._open and self._ends_before(entry):
                complete.append(self._closed(received_at, final=False))
            self._open.append(entry)
        return complete

    def cut(self, *, received_at: Micros) -> list[SignalBatch]:
        """Return what is open as a batch, if anything is: for a car that sends what it has now and then."""
        return [self._closed(received_at, final=False)] if self._open else []

    def finish(self, *, received_at: Micros) -> SignalBatch:
        """Return the final batch of the stream."""
        return self._closed(received_at, final=True)

    def _ends_before(self, entry: Entry) -> bool:
        """Return whether the open batch, which is not empty, is complete without this entry."""
        if entry.captured_at == self._open[-1].captured_at:
            return len(self._open) >= BATCH_SAMPLES_MAX
        return (
            len(self._open) >= BATCH_SAMPLES_WANTED
            or abs(entry.captured_at - self._open[0].captured_at) > BATCH_SPAN_US
        )

    def _closed(self, received_at: Micros, *, final: bool) -> SignalBatch:
        self._sequence += 1
        entries, self._open = self._open, []
        reference_at = None
        if entries and self.clock_offset_us is not None:
            reference_at = Micros(max(entry.captured_at for entry in entries) + self.clock_offset_us)
        return SignalBatch(
            self.vehicle_id,
            self.stream_id,
            self._sequence,
            received_at,
            tuple(entry for entry in entries if isinstance(entry, Sample)),
            tuple(entry for entry in entries if isinstance(entry, TroubleCodeReport)),
            final,
            reference_at,
            self.origin if self._sequence == 1 else None,
        )

    def _merged(self, columns: Sequence[SampleColumn], reports: Sequence[TroubleCodeReport]) -> Iterable[Entry]:
        """Return the entries of one block in the order heard."""
        parts = [(column.path, column.captured_at, _samples(column)) for column in columns if len(column.captured_at)]
        for ecu in dict.fromkeys(report.ecu for report in reports):
            told: list[Entry] = [report for report in reports if report.ecu == ecu]
            parts.append((f"trouble codes of {ecu}", np.array([report.captured_at for report in told], np.int64), told))
        if not parts:
            return []
        epochs = []
        for name, times, _ in parts:
            back = np.diff(times, prepend=self._last.get(name, times[0])) < -CLOCK_STEP_US
            epochs.append(np.cumsum(back))
        if any(epoch[-1] for epoch in epochs):
            self._last.clear()  # who was not heard in this block must not tell of the same step again
        self._last.update((name, int(times[-1])) for name, times, _ in parts)
        entries = [entry for _, _, part in parts for entry in part]
        order = np.lexsort((np.concatenate([times for _, times, _ in parts]), np.concatenate(epochs)))
        return (entries[index] for index in order.tolist())


def _samples(column: SampleColumn) -> list[Entry]:
    path = column.path
    return [
        Sample(path, Micros(time), None if quality else value, _QUALITIES[quality])
        for time, value, quality in zip(
            column.captured_at.tolist(), column.values.tolist(), column.quality.tolist(), strict=True
        )
    ]
