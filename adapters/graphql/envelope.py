"""The envelope of a measured value: its unit and times, how far it can be trusted, and which event told it."""

import math
from enum import Enum
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

import strawberry
from strawberry import ID

from adapters.graphql.fields import computed
from adapters.graphql.ids import event_id_of
from adapters.graphql.scalars import Int64, SignalScalar
from domain.signals import Quality, SignalValue
from domain.units import MICROS_PER_SECOND, Micros
from projections.signal_rows import SignalRow

CAPTURED_AT: Final = "When the car told it, by its own clock, corrected where that was wrong."
RECEIVED_AT: Final = "When it reached us."
EVENT_ID: Final = "The id of the event that told it: node(id:) has the event itself."
STALE_AFTER_S: Final = 600  # an unchanged value is confirmed once a minute: ten confirmations are missing
STALE_AFTER_US: Final = STALE_AFTER_S * MICROS_PER_SECOND


@strawberry.enum(description="How far a measured value can be trusted.")
class ValueStatus(Enum):
    """How far a measured value can be trusted."""

    OK = strawberry.enum_value("OK", description="As the car measured it.")
    STALE = strawberry.enum_value(
        "STALE",
        description=f"The last known value: more than {STALE_AFTER_S} s older than the vehicle's newest data.",
    )
    UNSUPPORTED = strawberry.enum_value("UNSUPPORTED", description="The car says that it has no such value.")
    NEVER_RECEIVED = strawberry.enum_value("NEVER_RECEIVED", description="This vehicle has never sent it.")
    FORBIDDEN = strawberry.enum_value("FORBIDDEN", description="The token may not read it: see reason.")
    ERASED = strawberry.enum_value("ERASED", description="It was there and has been erased.")
    INVALID = strawberry.enum_value(
        "INVALID", description="The car marks the value as wrong, or it cannot be: see reason."
    )


class Judged(NamedTuple):
    """What can be said of a row."""

    value: SignalValue | None
    status: ValueStatus
    reason: str | None


NEVER: Final = "this vehicle has never sent it"
_NEVER: Final = Judged(None, ValueStatus.NEVER_RECEIVED, NEVER)
_UNSUPPORTED: Final = Judged(None, ValueStatus.UNSUPPORTED, "the car says that it has no value")
_INVALID: Final = Judged(
    None, ValueStatus.INVALID, "the car marks the value as wrong, or it is outside the signal's valid range"
)
_NOT_FINITE: Final = Judged(None, ValueStatus.INVALID, "the number is not finite")


def judge(row: SignalRow | None, last_seen_at: Micros | None) -> Judged:
    """Return what can be said of the newest sample of a signal. `last_seen_at` None: its age is not asked for."""
    if row is None:
        return _NEVER
    if row.quality != Quality.OK:
        return _UNSUPPORTED if row.quality == Quality.NOT_AVAILABLE else _INVALID
    if row.number is not None and not math.isfinite(row.number):
        return _NOT_FINITE
    if last_seen_at is None or last_seen_at - row.captured_at <= STALE_AFTER_US:
        return Judged(row.value, ValueStatus.OK, None)
    age_s = (last_seen_at - row.captured_at) // MICROS_PER_SECOND
    return Judged(row.value, ValueStatus.STALE, f"last told {age_s} s before the vehicle's newest data")


class Told(Protocol):
    """Where a value comes from."""

    @property
    def vehicle_id(self) -> UUID:
        """The vehicle that told it."""

    @property
    def captured_at(self) -> Micros:
        """When the car measured it."""

    @property
    def received_at(self) -> Micros:
        """When it reached us."""

    @property
    def event_version(self) -> int:
        """The version of the event that told it."""

    @property
    def position(self) -> int:
        """The position of that event in the log."""


@strawberry.interface(
    description="What is said about every value that a car measured. capturedAt: by the car's clock (corrected where it"
    " was wrong); receivedAt: by ours; eventId and position: of the event that told the value. All but path, unit,"
    " status and reason are null where nothing was received."
)
class MeasuredValue:
    """The envelope, without the value itself."""

    row: strawberry.Private[Told | None]
    path: str = strawberry.field(description="The COVESA VSS path of the signal.")
    unit: str | None = strawberry.field(description="As VSS names it; null: a value without a unit.")
    status: ValueStatus = strawberry.field(description="How far it can be trusted.")
    reason: str | None = strawberry.field(description="Why status is not OK.")
    captured_at: Micros | None = computed(lambda value: value.row and value.row.captured_at, CAPTURED_AT)
    received_at: Micros | None = computed(lambda value: value.row and value.row.received_at, RECEIVED_AT)
    event_id: ID | None = computed(
        lambda value: value.row and event_id_of(value.row.vehicle_id, value.row.event_version),
        "The id of the event that told the value: node(id:) has the event itself.",
    )
    position: Int64 | None = computed(
        lambda value: value.row and value.row.position, "The position of that event in the whole log."
    )


@strawberry.type(description="A measured number.")
class FloatValue(MeasuredValue):
    """A measured number."""

    value: float | None = strawberry.field(description="In the unit that `unit` names. VSS: as `path` says.")


@strawberry.type(description="A measured text.")
class StringValue(MeasuredValue):
    """A measured text."""

    value: str | None = strawberry.field(description="As VSS spells it. VSS: as `path` says.")


@strawberry.type(description="A measured yes or no.")
class BooleanValue(MeasuredValue):
    """A measured yes or no."""

    value: bool | None = strawberry.field(description="Whether it is so. VSS: as `path` says.")


@strawberry.type(description="The newest sample of any signal.")
class Signal(MeasuredValue):
    """The newest sample of any signal."""

    value: SignalScalar | None = strawberry.field(
        description="A number is in the unit that `unit` names. VSS: as `path` says."
    )


_TYPES: Final[dict[type[MeasuredValue], tuple[type, ...]]] = {
    FloatValue: (float, int),
    StringValue: (str,),
    BooleanValue: (bool,),
}


def forbidden(kind: type[Any], path: str, unit: str | None, reason: str) -> MeasuredValue:
    """Return a value of the type `kind` that may not be shown: nothing but that is told."""
    made: MeasuredValue = kind(row=None, path=path, unit=unit, status=ValueStatus.FORBIDDEN, reason=reason, value=None)
    return made


def measured(
    kind: type[Any], path: str, unit: str | None, row: SignalRow | None, last_seen_at: Micros | None
) -> MeasuredValue:
    """Return a value of the type `kind` with its envelope."""
    value, status, reason = judge(row, last_seen_at)
    types = _TYPES.get(kind)
    if (
        value is not None
        and types
        and (
            not isinstance(value, types) or (kind is FloatValue and value in (True, False) and isinstance(value, bool))
        )
    ):
        found = type(value).__name__
        value, status, reason = None, ValueStatus.INVALID, f"the car sent a value of another type ({found})"
    elif kind is FloatValue and isinstance(value, int):
        value = float(value)  # GraphQL's Float refuses a whole number that no double is equal to
    made: MeasuredValue = kind(row=row, path=path, unit=unit, status=status, reason=reason, value=value)
    return made
