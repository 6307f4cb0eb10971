"""Every failure of the world that fleettwin names.

FleettwinError                 anything below; the CLI prints it as one line and ends with exit status 2
├── BadInputError              something a person gave is wrong: what, where, what to do
│   ├── InvalidVinError        a VIN that ISO 3779 does not allow
│   └── UnknownSignalError     a VSS path that no catalogue in use has
├── RejectedCommandError       a command that the Vehicle refuses in its present state
│   ├── UnknownVehicleError    no such vehicle (or none that this caller may know of)
│   └── DecommissionedError    telemetry of a vehicle that has left the fleet
└── StoreError                 what the log or a read model holds contradicts its own rules
    ├── VersionConflictError   another writer has used this version of this vehicle
    ├── PositionConflictError  another projector has moved this position (the writer is a zombie)
    ├── VersionGoneError       a version of a projection that is not there any more: it was discarded
    ├── UnstorableError        what no column or record has a place for, whoever writes it and however often
    └── UnknownEventError      bytes of an event or schema that this code does not know
        └── UnreadableHistoryError  of a whole vehicle: nothing can be decided on it

Mistakes of our own code are assertions, never one of these.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID


class FleettwinError(Exception):
    """The base of every failure of the world."""


class BadInputError(FleettwinError):
    """Something a person gave is wrong; says what, where and what to do about it, in one line."""

    def __init__(self, what: str, *, where: str, remedy: str) -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(f"{where}: {what}; {remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), where=self.where, remedy=self.remedy), (self.what,)  # from process to process


def did_you_mean(near: Sequence[str], otherwise: str) -> str:
    """Return what to do about a name of nothing, of which these are near, the nearest first."""
    return f"did you mean {' or '.join(near[:3])}?" if near else otherwise


class InvalidVinError(BadInputError):
    """A vehicle identification number that ISO 3779 does not allow."""


class UnknownSignalError(BadInputError):
    """A VSS path that no catalogue in use has."""


class RejectedCommandError(FleettwinError):
    """A command that the Vehicle refuses in its present state."""


class UnknownVehicleError(RejectedCommandError):
    """No vehicle with this id or VIN is known."""


class DecommissionedError(RejectedCommandError):
    """Telemetry of a vehicle that has left the fleet."""

    def __init__(self, vehicle_id: UUID) -> None:
        self.vehicle_id = vehicle_id
        super().__init__(f"vehicle {vehicle_id} has been decommissioned and takes no telemetry")


class StoreError(FleettwinError):
    """What the log or a read model holds contradicts its own rules."""


class VersionConflictError(StoreError):
    """Another writer has already used this version of this vehicle."""


class PositionConflictError(StoreError):
    """Another projector has moved the position of this projection: this writer must stop."""


class VersionGoneError(StoreError):
    """A version of a projection is not there, or not any more: whoever follows it ends."""


class UnstorableError(StoreError):
    """What no column or record has a place for: writing it again would not help."""


class UnknownEventError(StoreError):
    """The bytes of an event, or the id of a schema, that this code does not know.

    `begins_as`: the class of the events that such bytes begin as; None: not even that is known.
    """

    def __init__(self, message: str, *, begins_as: type | None = None) -> None:
        self.begins_as = begins_as
        super().__init__(message)


class UnreadableHistoryError(UnknownEventError):
    """The history of a vehicle that this code cannot read, or not fold: no command and no batch is decided on it."""

    def __init__(self, vehicle_id: UUID, message: str) -> None:
        self.vehicle_id = vehicle_id
        super().__init__(message)
