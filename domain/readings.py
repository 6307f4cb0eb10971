"""What a reading of an ECU's trouble codes changes."""

from collections.abc import Mapping
from typing import Final, Protocol

from domain import events as e
from domain import paths
from domain.signals import SignalBatch, TroubleCodeReport
from domain.state import CodeKey, Lane, VehicleState
from domain.units import Micros

FREEZE_FRAME_PATHS: Final = (
    paths.SPEED,
    paths.ENGINE_SPEED,
    paths.COOLANT_TEMPERATURE,
    paths.LOW_VOLTAGE,
    paths.ODOMETER,
    paths.STATE_OF_CHARGE_DISPLAYED,
)


class Observing(Protocol):
    """What a reading needs of the observation that it came with."""

    state: VehicleState
    batch: SignalBatch

    @property
    def lane(self) -> Lane:
        """What the stream has told so far."""

    def trigger(self, event_class: type[e.StreamEvent], at: Micros, **fields: object) -> None:
        """Trigger an event of the batch."""

    def is_unsure(self, sequence: int) -> bool:
        """Whether a batch is missing between the one with this sequence number and the present one."""

    def number_by(self, path: str, at: Micros) -> float | None:
        """Return the number that one of `FREEZE_FRAME_PATHS` had at `at`, as far as the stream has told."""


def take_report(seen: Observing, report: TroubleCodeReport) -> None:
    """Tell new codes, codes with a new status, and, if the report is a whole list, codes that are gone.

    A report older than what its stream has told of the same ECU and service is told in full: its codes were held then.
    So is one that comes after a hole in its stream, where the codes may have been others.
    """
    scope = (report.ecu, report.service)
    known = seen.lane.codes.get(scope)
    if known and (known[:2] > (report.captured_at, seen.batch.sequence) or seen.is_unsure(known.sequence)):
        known = None
    before: Mapping[CodeKey, int | None] = known.statuses if known else {}
    statuses = {CodeKey(report.ecu, report.service, code.code, code.failure_type): code for code in report.codes}
    news = report.complete and (known is None or not known.complete or before.keys() != statuses.keys())
    if news:
        texts = sorted(key.text for key in statuses)
        seen.trigger(e.TroubleCodesRead, report.captured_at, ecu=report.ecu, service=report.service, codes=texts)
    for key, code in statuses.items():
        if key in before and before[key] == code.status:
            continue
        at = report.captured_at
        frame = {path: number for path in FREEZE_FRAME_PATHS if (number := seen.number_by(path, at)) is not None}
        seen.trigger(
            e.TroubleCodeRaised,
            report.captured_at,
            ecu=key.ecu,
            service=key.service,
            code=key.code,
            failure_type=key.failure_type,
            status=code.status,
            active=code.active,
            freeze_frame=frame,
        )
        gone_at = _gone_at(seen.state, key, report.captured_at)
        if gone_at is not None:
            _clear(seen, key, gone_at)
    if news:
        gone = [key for key in seen.state.codes if key[:2] == scope and key not in statuses]
        for key in sorted(gone, key=lambda key: key.text):
            _clear(seen, key, report.captured_at)


def _clear(seen: Observing, key: CodeKey, at: Micros) -> None:
    if seen.state.codes[key].is_cleared_by(at):
        seen.trigger(
            e.TroubleCodeCleared, at, ecu=key.ecu, service=key.service, code=key.code, failure_type=key.failure_type
        )


def _gone_at(state: VehicleState, key: CodeKey, raised_at: Micros) -> Micros | None:
    """Return when the first reading later than `raised_at`, if one is known, showed that the code is not held."""
    for reading in state.readings.get((key.ecu, key.service), ()):
        if reading.captured_at > raised_at and key.text not in reading.codes:
            return reading.captured_at
    return None
