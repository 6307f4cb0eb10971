"""The fold of diagnostics."""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from domain import events as e
from domain import paths
from domain.events import VehicleEvent
from domain.signals import INTEGER_MAX
from projections.diagnostics.model import (
    NO_FAILURE_TYPE,
    ChargingRow,
    DiagnosticsSignalRow,
    QualityRow,
    TroubleCodeRow,
    WarningRow,
)
from projections.projection import Key, Projection, Recorded, Renewed, Row, Rows
from projections.signal_rows import SAMPLES, signal_keys, tell, tell_newest

ELSEWHERE: Final = (
    "Vehicle.Cabin.Infotainment.Media.",
    "Vehicle.Cabin.Infotainment.Navigation.DestinationSet.",
    "Vehicle.CurrentLocation.Latitude",
    "Vehicle.CurrentLocation.Longitude",
)  # signals that other projections keep; speed, heading and range are kept by both, each for its own readers
PATHS_KEPT: Final = 4_096  # answers of `_is_kept`: VSS 6.0 has some 1,300 paths


@lru_cache(maxsize=PATHS_KEPT)
def _is_kept(path: str) -> bool:
    return not path.startswith(ELSEWHERE)


def _sampled(recorded: Recorded, x: e.SignalsSampled | e.LateSamplesRecorded, rows: Rows) -> None:
    tell_newest(rows, DiagnosticsSignalRow, recorded, x, _is_kept)
    if isinstance(x, e.LateSamplesRecorded):
        _count(recorded, rows, late_samples=len(x.path))


def _odometer(recorded: Recorded, x: e.OdometerAdvanced, rows: Rows) -> None:
    tell(rows, DiagnosticsSignalRow, recorded, paths.ODOMETER, x.odometer_m, x.captured_at)


def _code_key(x: e.TroubleCodeRaised | e.TroubleCodeCleared) -> tuple[object, ...]:
    failure_type = NO_FAILURE_TYPE if x.failure_type is None else x.failure_type
    return (x.ecu, x.service, x.code, failure_type)


def _raised(recorded: Recorded, x: e.TroubleCodeRaised, rows: Rows) -> None:
    current = rows.get(TroubleCodeRow, *_code_key(x))
    frame = json.dumps(x.freeze_frame, sort_keys=True)
    if current is None:
        row = TroubleCodeRow(
            x.originator_id,
            x.ecu,
            x.service,
            x.code,
            NO_FAILURE_TYPE if x.failure_type is None else x.failure_type,
            held=True,
            active=x.active,
            status=x.status,
            first_seen_at=x.captured_at,
            last_seen_at=x.captured_at,
            cleared_at=None,
            freeze_frame=frame,
            captured_at=x.captured_at,
            received_at=x.received_at,
            stream_id=x.stream_id,
            sequence=x.sequence,
            event_version=x.originator_version,
            position=recorded.position,
        )
        rows.put(row)
        return
    row = current
    if (x.captured_at, frame) < (current.first_seen_at, current.freeze_frame):
        row = row._replace(first_seen_at=x.captured_at, freeze_frame=frame)
    if (current.captured_at, current.stream_id, current.sequence) <= (x.captured_at, x.stream_id, x.sequence):
        row = row._replace(
            held=True,
            active=x.active,
            status=x.status,
            last_seen_at=x.captured_at,
            cleared_at=None,
            captured_at=x.captured_at,
            stream_id=x.stream_id,
            sequence=x.sequence,
        )
    rows.put(_touched(row, recorded))


def _cleared(recorded: Recorded, x: e.TroubleCodeCleared, rows: Rows) -> None:
    """Note the first reading after the newest report that does not name the code."""
    current = rows.get(TroubleCodeRow, *_code_key(x))
    if current is None or x.captured_at <= current.captured_at:
        return
    if current.cleared_at is None or x.captured_at < current.cleared_at:
        rows.put(_touched(current._replace(held=False, active=False, cleared_at=x.captured_at), recorded))


def _touched(row: TroubleCodeRow, recorded: Recorded) -> TroubleCodeRow:
    event = recorded.event
    return row._replace(
        received_at=event.received_at, event_version=event.originator_version, position=recorded.position
    )


def _warning(recorded: Recorded, x: e.WarningRaised | e.WarningCleared, rows: Rows) -> None:
    current = rows.get(WarningRow, x.warning)
    if current and (current.captured_at, current.stream_id, current.sequence) > (
        x.captured_at,
        x.stream_id,
        x.sequence,
    ):
        return
    rows.put(
        WarningRow(
            x.originator_id,
            x.warning,
            x.path,
            isinstance(x, e.WarningRaised),
            x.value,
            x.limit,
            x.captured_at,
            x.received_at,
            x.stream_id,
            x.sequence,
            x.originator_version,
            recorded.position,
        )
    )


def _charging_started(recorded: Recorded, x: e.ChargingStarted, rows: Rows) -> None:
    if rows.get(ChargingRow, x.session_id) is None:
        row = ChargingRow(
            x.originator_id,
            x.session_id,
            x.captured_at,
            None,
            x.state_of_charge_percent,
            None,
            None,
            x.initial,
            x.received_at,
            x.originator_version,
            recorded.position,
        )
        rows.put(row)


def _charging_ended(recorded: Recorded, x: e.ChargingEnded, rows: Rows) -> None:
    current = rows.get(ChargingRow, x.session_id)
    if current and (current.ended_at is None or current.ended_at <= x.captured_at):
        ended = current._replace(
            ended_at=x.captured_at, end_percent=x.state_of_charge_percent, energy_added_kwh=x.energy_added_kwh
        )
        rows.put(
            ended._replace(received_at=x.received_at, event_version=x.originator_version, position=recorded.position)
        )


def _gap(recorded: Recorded, x: e.TelemetryGapDetected, rows: Rows) -> None:
    _count(recorded, rows, gaps=1, missing_batches=x.last_missing - x.first_missing + 1)


def _clock(recorded: Recorded, _: e.ClockCorrected, rows: Rows) -> None:
    _count(recorded, rows, clock_corrections=1)


def _count(recorded: Recorded, rows: Rows, **counts: int) -> None:
    vehicle_id, version = recorded.event.originator_id, recorded.event.originator_version
    row = rows.get(QualityRow) or QualityRow(vehicle_id, 0, 0, 0, 0, version, recorded.position)
    more = {name: min(INTEGER_MAX, getattr(row, name) + count) for name, count in counts.items()}
    rows.put(row._replace(**more, event_version=version, position=recorded.position))


def _keys(event: VehicleEvent) -> Sequence[tuple[type[Row], Key]]:
    keys: list[tuple[type[Row], Key]] = []
    if isinstance(event, (e.SignalsSampled, e.LateSamplesRecorded)):
        keys = signal_keys(DiagnosticsSignalRow, filter(_is_kept, event.path))
    elif isinstance(event, e.OdometerAdvanced):
        keys = signal_keys(DiagnosticsSignalRow, (paths.ODOMETER,))
    elif isinstance(event, (e.TroubleCodeRaised, e.TroubleCodeCleared)):
        keys = [(TroubleCodeRow, _code_key(event))]
    elif isinstance(event, (e.WarningRaised, e.WarningCleared)):
        keys = [(WarningRow, (event.warning,))]
    elif isinstance(event, (e.ChargingStarted, e.ChargingEnded)):
        keys = [(ChargingRow, (event.session_id,))]
    if isinstance(event, (e.LateSamplesRecorded, e.TelemetryGapDetected, e.ClockCorrected)):
        keys.append((QualityRow, ()))
    return keys


DIAGNOSTICS: Final = Projection(
    name="diagnostics",
    version=1,
    row_types=(DiagnosticsSignalRow, TroubleCodeRow, WarningRow, ChargingRow, QualityRow),
    folds={
        e.SignalsSampled: _sampled,
        e.LateSamplesRecorded: _sampled,
        e.OdometerAdvanced: _odometer,
        e.TroubleCodeRaised: _raised,
        e.TroubleCodeCleared: _cleared,
        e.WarningRaised: _warning,
        e.WarningCleared: _warning,
        e.ChargingStarted: _charging_started,
        e.ChargingEnded: _charging_ended,
        e.TelemetryGapDetected: _gap,
        e.ClockCorrected: _clock,
    },
    keys=_keys,
    renewed={e.SignalsSampled: SAMPLES, e.OdometerAdvanced: Renewed("captured_at", signals=(paths.ODOMETER,))},
)
