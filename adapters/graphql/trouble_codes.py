"""Trouble codes: what an ECU reports, and what the code says by itself."""

import json
from enum import Enum
from typing import Final

import strawberry
from strawberry import ID

from adapters.graphql.envelope import CAPTURED_AT, EVENT_ID, RECEIVED_AT
from adapters.graphql.fields import computed
from adapters.graphql.ids import event_id_of
from adapters.graphql.permits import Permits
from adapters.graphql.port import Catalogue
from adapters.graphql.scalars import Int64
from adapters.graphql.scopes import is_place
from domain.trouble_codes import TroubleCodeText, explain
from domain.units import Micros
from projections.diagnostics.model import NO_FAILURE_TYPE, TroubleCodeRow


@strawberry.type(description="The status byte of a trouble code, statusOfDTC of ISO 14229-1 (annex D.2), bit by bit.")
class TroubleCodeStatus:
    """The status byte of a trouble code."""

    byte: int = strawberry.field(description="All eight bits, 0 to 255. Unit: none.")
    test_failed: bool = computed(lambda status: bool(status.byte & 0x01), "Bit 0: the last test found the fault.")
    test_failed_this_operation_cycle: bool = computed(
        lambda status: bool(status.byte & 0x02), "Bit 1: a test of this operation cycle found it."
    )
    pending: bool = computed(
        lambda status: bool(status.byte & 0x04), "Bit 2: a test of this or the last operation cycle found it."
    )
    confirmed: bool = computed(
        lambda status: bool(status.byte & 0x08), "Bit 3: found often enough to be stored for good."
    )
    test_not_completed_since_last_clear: bool = computed(
        lambda status: bool(status.byte & 0x10), "Bit 4: no test has run to its end since the memory was cleared."
    )
    test_failed_since_last_clear: bool = computed(
        lambda status: bool(status.byte & 0x20), "Bit 5: a test has found it since the memory was cleared."
    )
    test_not_completed_this_operation_cycle: bool = computed(
        lambda status: bool(status.byte & 0x40), "Bit 6: no test has run to its end in this operation cycle."
    )
    warning_indicator_requested: bool = computed(
        lambda status: bool(status.byte & 0x80), "Bit 7: the ECU asks for a warning lamp."
    )


@strawberry.enum(description="Who defined a trouble code.")
class TroubleCodeOrigin(Enum):
    """Who defined a trouble code."""

    GENERIC = strawberry.enum_value("generic", description="SAE or ISO: it means the same for every maker.")
    MANUFACTURER = strawberry.enum_value("manufacturer", description="The maker of the vehicle.")
    RESERVED = strawberry.enum_value("reserved", description="Nobody yet.")


@strawberry.type(description="What the structure of a code says (SAE J2012), in words of our own; null: nothing.")
class TroubleCodeExplanation:
    """What the structure of a code says."""

    text: strawberry.Private[TroubleCodeText]

    system: str = computed(lambda each: each.text.system, 'One of "powertrain", "chassis", "body", "network".')
    origin: TroubleCodeOrigin = computed(lambda each: TroubleCodeOrigin(each.text.origin), "Who defined it.")
    group: str | None = computed(lambda each: each.text.group, "The part of the system, of a generic code.")
    category: str | None = computed(lambda each: each.text.category, "The category of the failure type.")
    failure_type: str | None = computed(lambda each: each.text.failure_type, "The failure type (SAE J2012-DA).")


@strawberry.type(description="A number that was known when the trouble code was first seen.")
class FreezeFrameValue:
    """A number of a freeze frame."""

    path: str = strawberry.field(description="The COVESA VSS path of the signal.")
    value: float = strawberry.field(description="Unit: as `unit` says. VSS: as `path` says.")
    unit: str | None = strawberry.field(description="As VSS names it; null: none is known.")


@strawberry.type(description="A trouble code of one ECU, held now or in the past.")
class TroubleCode:
    """A trouble code of one ECU."""

    row: strawberry.Private[TroubleCodeRow]
    catalogue: strawberry.Private[Catalogue]
    permits: strawberry.Private[Permits]

    code: str = computed(lambda each: each.row.code, 'SAE J2012, e.g. "P0D59".')
    failure_type: int | None = computed(
        lambda each: _failure_type(each.row),
        "The failure type byte of SAE J2012-DA; null: the protocol has none. Unit: none.",
    )
    ecu: str = computed(lambda each: each.row.ecu, 'The identifier that the ECU answers with, in hex, e.g. "7E8".')
    service: str = computed(lambda each: each.row.service, 'What was asked, e.g. "OBD 03" or "UDS 19".')
    status: TroubleCodeStatus | None = computed(
        lambda each: None if each.row.status is None else TroubleCodeStatus(byte=each.row.status),
        "As last reported; null: the protocol has none.",
    )
    active: bool = computed(lambda each: each.row.active, "The fault is there: test failed, pending or confirmed.")
    held: bool = computed(lambda each: each.row.held, "The ECU still lists the code; false: it is in the past.")
    first_seen_at: Micros = computed(lambda each: each.row.first_seen_at, "When it was first reported.")
    last_seen_at: Micros = computed(lambda each: each.row.last_seen_at, "When it was last reported anew or changed.")
    cleared_at: Micros | None = computed(
        lambda each: each.row.cleared_at, "When it was found cleared. Null: it is held."
    )
    freeze_frame: list[FreezeFrameValue] = computed(
        lambda each: _freeze_frame(each),  # noqa: PLW0108  # it comes later
        "As at firstSeenAt; places need the scopes of navigation too, and are left out without them.",
    )
    explanation: TroubleCodeExplanation = computed(
        lambda each: TroubleCodeExplanation(text=explain(each.row.code, _failure_type(each.row))),
        "What the structure of the code says.",
    )
    captured_at: Micros = computed(lambda each: each.row.captured_at, CAPTURED_AT)
    received_at: Micros = computed(lambda each: each.row.received_at, RECEIVED_AT)
    event_id: ID = computed(lambda each: event_id_of(each.row.vehicle_id, each.row.event_version), EVENT_ID)
    position: Int64 = computed(lambda each: each.row.position, "The position of that event in the whole log.")


_WHERE: Final = "freeze frame"


def _failure_type(row: TroubleCodeRow) -> int | None:
    return None if row.failure_type == NO_FAILURE_TYPE else row.failure_type


def _freeze_frame(code: TroubleCode) -> list[FreezeFrameValue]:
    frame: dict[str, float] = json.loads(code.row.freeze_frame)
    return [
        FreezeFrameValue(path=path, value=value, unit=unit_of(code.catalogue, path))
        for path, value in frame.items()
        if not is_place(path) or not code.permits.refusal(code.row.vehicle_id, path, past=True)
    ]


def unit_of(catalogue: Catalogue, path: str) -> str | None:
    """Return the unit of a signal; None also for one that the catalogue does not have."""
    return catalogue.fact(path, where=_WHERE).unit if path in catalogue else None
