"""The rows of diagnostics."""

from typing import NamedTuple
from uuid import UUID

from domain.units import KilowattHours, Micros, Percent
from projections.projection import table
from projections.signal_rows import SIGNAL_KEY, SignalRow

NO_FAILURE_TYPE = -1  # in a key, where null cannot be


@table("signals", key=SIGNAL_KEY, rewritten=True)
class DiagnosticsSignalRow(SignalRow):
    """The newest sample of any signal that is neither navigation nor media."""

    __slots__ = ()


@table("trouble_codes", key=("vehicle_id", "ecu", "service", "code", "failure_type"))
class TroubleCodeRow(NamedTuple):
    """A trouble code of one ECU: held now, or in the past (`held` false)."""

    vehicle_id: UUID
    ecu: str
    service: str
    code: str
    failure_type: int  # NO_FAILURE_TYPE where the protocol has none
    held: bool
    active: bool
    status: int | None  # ISO 14229-1 D.2, as last reported
    first_seen_at: Micros
    last_seen_at: Micros
    cleared_at: Micros | None  # of the first reading after `captured_at` that does not name it
    freeze_frame: str  # JSON object: numbers by VSS path, as at `first_seen_at`
    captured_at: Micros  # of the newest report that names it
    received_at: Micros
    stream_id: str
    sequence: int
    event_version: int
    position: int


@table("warnings", key=("vehicle_id", "warning"))
class WarningRow(NamedTuple):
    """A warning: raised now, or in the past."""

    vehicle_id: UUID
    warning: str
    path: str
    raised: bool
    value: float  # in the unit of `path`
    limit: float
    captured_at: Micros
    received_at: Micros
    stream_id: str
    sequence: int
    event_version: int
    position: int


@table("charging", key=("vehicle_id", "session_id"), grows=True)
class ChargingRow(NamedTuple):
    """A charging session; `ended_at` None: its stream has not told its end."""

    vehicle_id: UUID
    session_id: UUID
    started_at: Micros
    ended_at: Micros | None
    start_percent: Percent | None
    end_percent: Percent | None
    energy_added_kwh: KilowattHours | None
    initial: bool
    received_at: Micros
    event_version: int
    position: int


@table("quality", key=("vehicle_id",))
class QualityRow(NamedTuple):
    """How good the telemetry of a vehicle is, in counts over its whole history."""

    vehicle_id: UUID
    gaps: int
    missing_batches: int  # announced by gaps; late ones that came after all are not taken off
    late_samples: int
    clock_corrections: int
    event_version: int
    position: int
