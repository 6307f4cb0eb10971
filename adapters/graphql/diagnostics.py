"""How a vehicle is."""

from typing import Annotated

import strawberry
from strawberry import ID

from adapters.graphql.cohort import Twin, signal_field
from adapters.graphql.envelope import (
    CAPTURED_AT,
    EVENT_ID,
    RECEIVED_AT,
    BooleanValue,
    FloatValue,
    StringValue,
    ValueStatus,
    judge,
)
from adapters.graphql.fields import computed, resolved
from adapters.graphql.ids import cursor_of, event_id_of
from adapters.graphql.paging import After, Connection, First, Order, Ordered, connection, page_of
from adapters.graphql.scalars import Int64
from adapters.graphql.trouble_codes import TroubleCode, unit_of
from domain import paths
from domain.units import Micros
from projections.diagnostics.model import ChargingRow, QualityRow, WarningRow


@strawberry.type(
    description="A warning: raised when a value passes its limit, cleared when it has come back past a second one."
)
class Warning:  # noqa: A001  # its name in the schema
    """A warning."""

    row: strawberry.Private[WarningRow]
    unit: str | None = strawberry.field(description="Of value and limit.")

    warning: str = computed(lambda each: each.row.warning, "Its name.")
    path: str = computed(lambda each: each.row.path, "The COVESA VSS path of the signal.")
    raised: bool = computed(lambda each: each.row.raised, "Whether it stands now.")
    value: float = computed(
        lambda each: each.row.value, "The value that raised or cleared it. Unit: as `unit` says. VSS: as `path` says."
    )
    limit: float = computed(
        lambda each: each.row.limit, "The limit that the value passed. Unit: as `unit` says. VSS: as `path` says."
    )
    captured_at: Micros = computed(lambda each: each.row.captured_at, CAPTURED_AT)
    received_at: Micros = computed(lambda each: each.row.received_at, RECEIVED_AT)
    event_id: ID = computed(lambda each: event_id_of(each.row.vehicle_id, each.row.event_version), EVENT_ID)
    position: Int64 = computed(lambda each: each.row.position, "The position of that event in the whole log.")


@strawberry.type(description="A charging session of the traction battery.")
class ChargingSession:
    """A charging session."""

    row: strawberry.Private[ChargingRow]

    started_at: Micros = computed(lambda each: each.row.started_at, "When it began, by the car's clock.")
    ended_at: Micros | None = computed(lambda each: each.row.ended_at, "Null: it charges still, as far as is known.")
    found_charging: bool = computed(
        lambda each: each.row.initial, "It was found charging at startedAt, and may have begun before."
    )
    start_percent: float | None = computed(
        lambda each: each.row.start_percent,
        f"State of charge at startedAt. Unit: percent. VSS: {paths.STATE_OF_CHARGE_DISPLAYED}",
    )
    end_percent: float | None = computed(
        lambda each: each.row.end_percent,
        f"State of charge at endedAt. Unit: percent. VSS: {paths.STATE_OF_CHARGE_DISPLAYED}",
    )
    energy_added_kwh: float | None = computed(
        lambda each: each.row.energy_added_kwh, f"What was added. Unit: kWh. VSS: {paths.BATTERY_ENERGY}"
    )
    received_at: Micros = computed(lambda each: each.row.received_at, RECEIVED_AT)
    event_id: ID = computed(lambda each: event_id_of(each.row.vehicle_id, each.row.event_version), EVENT_ID)
    position: Int64 = computed(lambda each: each.row.position, "The position of that event in the whole log.")


@strawberry.type(description="How good the telemetry of a vehicle is: counts over its whole history.")
class TelemetryQuality:
    """How good the telemetry of a vehicle is."""

    row: strawberry.Private[QualityRow | None]

    gaps: int = computed(lambda each: each.row.gaps if each.row else 0, "Times that batches were missing. Unit: none.")
    missing_batches: Int64 = computed(
        lambda each: each.row.missing_batches if each.row else 0,
        "Batches that were missing; those that came later after all are not taken off. Unit: none.",
    )
    late_samples: Int64 = computed(
        lambda each: each.row.late_samples if each.row else 0,
        "Samples older than what was known of their signal. Unit: none.",
    )
    clock_corrections: int = computed(
        lambda each: each.row.clock_corrections if each.row else 0,
        "Times that the car's clock was found wrong. Unit: none.",
    )


def _ignition(model: "Diagnostics") -> BooleanValue:
    twin, path = model.twin, paths.LOW_VOLTAGE_SYSTEM_STATE
    refusal = twin.refusal(path)
    if refusal:
        return BooleanValue(row=None, path=path, unit=None, status=ValueStatus.FORBIDDEN, reason=refusal, value=None)
    row = twin.cohort.signal(twin.id, path)
    value, status, reason = judge(row, twin.cohort.age_reference(twin.id))
    if value == "UNDEFINED":
        value, status, reason = None, ValueStatus.INVALID, "the car says UNDEFINED"
    on = None if value is None else value in paths.IGNITION_ON_STATES
    return BooleanValue(row=row, path=path, unit=None, status=status, reason=reason, value=on)


def _quality(model: "Diagnostics") -> TelemetryQuality | None:
    twin = model.twin
    if not twin.may_show("Diagnostics.telemetryQuality"):
        return None
    rows = twin.cohort.rows(twin.id, "quality", lambda read, ids: read.quality(ids))
    return TelemetryQuality(row=next(iter(rows), None))


@strawberry.type(
    description="How a vehicle is: energy, distance, trouble codes, warnings. Every other signal: Vehicle.signal."
    " Scope: diagnostics:read."
)
class Diagnostics:
    """The diagnostics of a vehicle."""

    twin: strawberry.Private[Twin]

    odometer: FloatValue = signal_field(FloatValue, paths.ODOMETER, "m", "Distance driven in the vehicle's life")
    ignition: BooleanValue = computed(
        _ignition,
        f"Whether the ignition (terminal 15) is on: ON or START. Unit: none. VSS: {paths.LOW_VOLTAGE_SYSTEM_STATE}",
        shows=(paths.LOW_VOLTAGE_SYSTEM_STATE,),
    )
    low_voltage_system_state: StringValue = signal_field(
        StringValue, paths.LOW_VOLTAGE_SYSTEM_STATE, None, "State of the low-voltage system: LOCK, OFF, ACC, ON, START"
    )
    low_voltage: FloatValue = signal_field(FloatValue, paths.LOW_VOLTAGE, "V", "Voltage of the low-voltage battery")
    state_of_charge: FloatValue = signal_field(
        FloatValue,
        paths.STATE_OF_CHARGE_DISPLAYED,
        "percent",
        "State of charge of the traction battery as the driver sees it",
    )
    state_of_charge_current: FloatValue = signal_field(
        FloatValue, paths.STATE_OF_CHARGE, "percent", "State of charge of the traction battery as the battery tells it"
    )
    battery_energy: FloatValue = signal_field(
        FloatValue, paths.BATTERY_ENERGY, "kWh", "Energy that is in the traction battery"
    )
    is_charging: BooleanValue = signal_field(
        BooleanValue, paths.IS_CHARGING, None, "Whether the traction battery charges"
    )
    fuel_level: FloatValue = signal_field(FloatValue, paths.FUEL_LEVEL, "percent", "Fuel, in parts of a full tank")
    fuel_volume: FloatValue = signal_field(
        FloatValue, "Vehicle.Powertrain.FuelSystem.AbsoluteLevel", "l", "Fuel, as a volume"
    )
    engine_speed: FloatValue = signal_field(FloatValue, paths.ENGINE_SPEED, "rpm", "Speed of the combustion engine")
    coolant_temperature: FloatValue = signal_field(
        FloatValue, paths.COOLANT_TEMPERATURE, "Celsius", "Temperature of the coolant of the combustion engine"
    )
    outside_temperature: FloatValue = signal_field(
        FloatValue, "Vehicle.Exterior.AirTemperature", "Celsius", "Temperature of the air outside"
    )
    telemetry_quality: TelemetryQuality | None = computed(_quality, "How good the telemetry of the vehicle is.")

    @resolved("Trouble codes, held and past, in order of ECU and code.")
    def trouble_codes(
        self,
        active: Annotated[
            bool | None, strawberry.argument(description="Only those whose fault is there, or is not.")
        ] = None,
        held: Annotated[bool | None, strawberry.argument(description="Only those that are held now, or were.")] = None,
    ) -> list[TroubleCode] | None:
        """Return trouble codes."""
        if not self.twin.may_show("Diagnostics.troubleCodes"):
            return None
        cohort = self.twin.cohort
        rows = cohort.rows(self.twin.id, "trouble codes", lambda read, ids: read.trouble_codes(ids))
        return [
            TroubleCode(row=row, catalogue=cohort.context.catalogue, permits=cohort.context.permits)
            for row in rows
            if active in (None, row.active) and held in (None, row.held)
        ]

    @resolved("Warnings, raised and past, in order of their names.")
    def warnings(
        self,
        raised: Annotated[bool | None, strawberry.argument(description="Only those that stand now, or do not.")] = None,
    ) -> list[Warning] | None:
        """Return warnings."""
        if not self.twin.may_show("Diagnostics.warnings"):
            return None
        cohort = self.twin.cohort
        rows = cohort.rows(self.twin.id, "warnings", lambda read, ids: read.warnings(ids))
        return [
            Warning(row=row, unit=unit_of(cohort.context.catalogue, row.path))
            for row in rows
            if raised in (None, row.raised)
        ]

    @resolved("Charging sessions by the time they began.")
    def charging_sessions(
        self, first: First, after: After = None, order: Ordered = Order.NEWEST_FIRST
    ) -> Connection[ChargingSession] | None:
        """Return a page of charging sessions."""
        page = page_of("charging", first, after, order)
        if not self.twin.may_show("Diagnostics.chargingSessions"):
            return None
        rows = self.twin.cohort.rows(self.twin.id, ("charging", page), lambda read, ids: read.charging(ids, page))
        return connection(
            rows,
            page,
            lambda row: cursor_of("charging", row.started_at, row.session_id),
            lambda row: ChargingSession(row=row),
        )
