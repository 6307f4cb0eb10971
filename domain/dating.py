"""True times for what a batch tells, where the car's clock is wrong."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeVar

from domain import clocks
from domain import events as e
from domain.signals import Sample, TroubleCodeReport
from domain.telling import Telling
from domain.units import Micros

Told = TypeVar("Told", Sample, TroubleCodeReport)  # what has a time by the car's clock


def dated(heard: Telling, told: Sequence[Told], shown: Sequence[Micros]) -> Iterator[Sequence[Told]]:
    """Give what the batch told in runs under the same clock, with true times; a run without a fault has no offset.

    `shown` are the times as the car's clock showed them.
    """
    received_at = heard.batch.received_at
    if not told:
        return
    if min(shown) >= clocks.CLOCK_FLOOR and max(shown) <= received_at + clocks.CLOCK_AHEAD_MAX_US:
        yield told
        return
    runs = [(why, list(run)) for why, run in groupby(told, key=lambda x: clocks.fault(x.captured_at, received_at))]
    for number, (fault, run) in enumerate(runs):
        later = [x.captured_at for why, after in runs[number:] if why is None for x in after]
        offset_us = _corrected(heard, [x.captured_at for x in run], later) if fault else 0
        heard.offset_us = offset_us
        yield [x._replace(captured_at=Micros(x.captured_at + offset_us)) for x in run]
    heard.offset_us = 0


def _corrected(heard: Telling, shown: Sequence[Micros], later: list[Micros]) -> int:
    """Return what to add to wrong times, which have the same fault; tell it where it is new.

    `later` are right times that the batch tells after them.
    """
    batch, lane = heard.batch, heard.lane
    reference_offset_us = None
    if batch.reference_at is not None:
        times = [sample.captured_at for sample in batch.samples]
        times += [report.captured_at for report in batch.trouble_codes]
        reference_offset_us = batch.reference_at - max(times)
    later += [known.captured_at for known in lane.last.values() if known.sequence > batch.sequence]
    found = clocks.correction(
        shown,
        offset_us=lane.clock_offset_us,
        newest_at=lane.newest_at,
        received_at=batch.received_at,
        reference_offset_us=reference_offset_us,
        before=min(later, default=None),
        late=batch.sequence < heard.last_sequence,
    )
    if found is None:
        return lane.clock_offset_us
    heard.offset_us = found.offset_us
    at = Micros(found.shown_at + found.offset_us)
    heard.trigger(e.ClockCorrected, at, shown_at=found.shown_at, reason=found.reason)
    return found.offset_us
