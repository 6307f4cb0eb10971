"""One batch of telemetry on its way to becoming events of a Vehicle.

Each sample is late (older than what its stream has told of the same signal), unchanged, or fresh. A fresh one makes the
event of a rule, or goes with the other fresh ones into one `SignalsSampled`. What is recorded depends on the lane of
the batch's stream only (see `domain.state`).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from domain import events as e
from domain import paths
from domain.dating import dated
from domain.drives import SIGNS, end_trips, follow, note_sign, tell_growth
from domain.places import DESTINATION, OTHER_HALF, POSITION, Places
from domain.readings import take_report
from domain.rules import RULES
from domain.signals import Quality, Sample, SignalBatch, SignalValue
from domain.state import Known, WarningState
from domain.telling import Deciding, Telling
from domain.units import MICROS_PER_SECOND, Micros
from domain.warnings import WARNING_BY_PATH

CONFIRM_US: Final = 60 * MICROS_PER_SECOND  # an unchanged value is confirmed at most this often
TOLD_AS_NUMBERS: Final = frozenset({*OTHER_HALF, paths.ODOMETER, paths.MEDIA_VOLUME})  # by events of their own


MORE_THAN_VALUES: Final = frozenset({*RULES, *OTHER_HALF, *WARNING_BY_PATH, *SIGNS})  # what tells more than its value


class Fresh(NamedTuple):
    """A sample to be recorded."""

    path: str
    at: Micros
    value: SignalValue | None
    quality: int
    changed: bool  # False: a confirmation at the heartbeat


class Observation:
    """Takes one batch."""

    def __init__(
        self, vehicle: Deciding, batch: SignalBatch, last_sequence: int, missing: Sequence[tuple[int, int]]
    ) -> None:
        self._heard = Telling(vehicle, batch, last_sequence, missing)
        self._places = Places(self._heard)
        self._fresh: list[Fresh] = []
        self._late: list[Fresh] = []
        self._warned: dict[str, WarningState] = {}

    def take(self) -> None:
        """Trigger every event that the batch makes."""
        heard, batch = self._heard, self._heard.batch
        if batch.sequence > heard.last_sequence + 1:
            at = batch.received_at if heard.lane.newest_at is None else heard.lane.newest_at
            heard.trigger(
                e.TelemetryGapDetected, at, first_missing=heard.last_sequence + 1, last_missing=batch.sequence - 1
            )
        until = batch.received_at if batch.final else Micros(0)
        for samples in dated(heard, batch.samples, [sample.captured_at for sample in batch.samples]):
            self._take_samples(heard.hear(samples))
            until = max(until, *(sample.captured_at for sample in samples))
            self._tell(until)
        if not batch.samples:
            self._tell(until)
        for reports in dated(heard, batch.trouble_codes, [report.captured_at for report in batch.trouble_codes]):
            for report in reports:
                take_report(heard, report)
        end_trips(heard)

    def _tell(self, until: Micros) -> None:
        """Trigger what the samples so far make together; `until` is how far the stream has come."""
        grown = follow(self._heard, until)
        self._tell_samples({fix.captured_at for growth in grown for fix in growth.fixes})
        for growth in grown:
            tell_growth(self._heard, growth)
        self._tell_late()
        self._fresh, self._late = [], []
        self._heard.told, self._heard.signs = {}, []

    def _take_samples(self, samples: Sequence[Sample]) -> None:
        heard = self._heard
        stream_id, sequence = heard.batch.stream_id, heard.batch.sequence
        for path, at, value, sample_quality in samples:
            if path in TOLD_AS_NUMBERS and isinstance(value, int):
                value = float(value)  # what the fold of its event will hold  # noqa: PLW2901
            quality = int(sample_quality)
            last = heard.told.get(path) or heard.lane.last.get(path)
            known = Known(at, stream_id, sequence, value, quality)
            if last and at <= last.captured_at and known[:3] < last[:3]:
                self._late.append(Fresh(path, at, value, quality, changed=False))
                self._warn(path, known)
                continue
            changed = last is None or last.quality != quality or not _is_same(last.value, value)
            if not changed and not self._confirm(path, at, last):
                continue
            if path not in MORE_THAN_VALUES or not self._tell_more(path, known, changed=changed):
                self._fresh.append(Fresh(path, at, value, quality, changed))
            heard.told[path] = known

    def _tell_more(self, path: str, known: Known, *, changed: bool) -> bool:
        """Tell and note what a value means; return whether the event that it makes tells the value."""
        at, value = known.captured_at, known.value
        told = False
        good = known.quality == Quality.OK and value is not None
        if changed and good and value is not None and path in RULES:
            told = RULES[path](self._heard, at, value)
        elif known.quality == Quality.NOT_AVAILABLE and path in DESTINATION:
            self._places.clear_destination(at)
        self._warn(path, known)
        if path in OTHER_HALF and good:
            told = self._places.take_half(path, at, value, changed=changed)
        if path in POSITION:
            self._places.note_lost(at)
        note_sign(self._heard, path, known)
        return told

    def _is_due(self, at: Micros, last: Known | None) -> bool:
        """Whether a value is told even if it is the same: its heartbeat is due, or a missing batch may have had one."""
        if last is None or at - last.captured_at >= CONFIRM_US:
            return True
        return self._heard.is_unsure(last.sequence)

    def _confirm(self, path: str, at: Micros, last: Known | None) -> bool:
        """Whether an unchanged value is told all the same: it is due, or the other half of its pair is told."""
        if self._is_due(at, last):
            return True
        other = OTHER_HALF.get(path)
        if other is None or (last and last.captured_at == at):
            return False
        known, value = self._heard.last(other), self._heard.value_at(other, at)
        if known and known.captured_at == at:
            return True
        return value is not None and (known is None or known.value != value or self._is_due(at, known))

    def _warn(self, path: str, known: Known) -> None:
        """Tell of a warning that the newest value raises or clears."""
        rule = WARNING_BY_PATH.get(path)
        raised = rule.verdict(known.value) if rule else None
        if rule is None or raised is None:
            return
        assert isinstance(known.value, (int, float))
        before = self._warned.get(rule.warning) or self._heard.state.warnings.get(rule.warning)
        if before and known[:3] < before[:3]:
            return
        self._warned[rule.warning] = WarningState(*known[:3], raised)
        if raised != (before is not None and before.raised):
            limit = rule.limit if raised else rule.clear_limit
            event = e.WarningRaised if raised else e.WarningCleared
            self._heard.trigger(
                event, known.captured_at, warning=rule.warning, path=path, value=float(known.value), limit=limit
            )

    def _tell_samples(self, in_track: set[Micros]) -> None:
        """Tell the fresh samples that no rule has told; positions that a leg takes go with its track."""
        fresh = [x for x in self._fresh if not (x.at in in_track and x.path in POSITION and x.quality == Quality.OK)]
        if fresh:
            self._heard.trigger(
                e.SignalsSampled,
                max(x.at for x in fresh),
                path=[x.path for x in fresh],
                sampled_at=[x.at for x in fresh],
                value=[x.value for x in fresh],
                quality=[x.quality for x in fresh],
                changed=[x.changed for x in fresh],
            )

    def _tell_late(self) -> None:
        if self._late:
            self._heard.trigger(
                e.LateSamplesRecorded,
                max(x.at for x in self._late),
                path=[x.path for x in self._late],
                sampled_at=[x.at for x in self._late],
                value=[x.value for x in self._late],
                quality=[x.quality for x in self._late],
            )


def _is_same(one: SignalValue | None, other: SignalValue | None) -> bool:
    """Whether two values say the same; true is not 1, but 1.0 is."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)
