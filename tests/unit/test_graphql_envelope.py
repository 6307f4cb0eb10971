import json
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import schemas
from adapters.graphql.envelope import (
    STALE_AFTER_US,
    BooleanValue,
    FloatValue,
    Signal,
    StringValue,
    ValueStatus,
    judge,
    measured,
)
from adapters.graphql.schema import CORE_SCHEMA, FIELD_PATHS
from adapters.twins import newest
from domain.signals import Quality
from domain.units import Micros
from projections.signal_rows import SignalRow
from tests.support.twins import SECOND, T0, Car, memory_world

ENVELOPE = "value unit path status reason capturedAt receivedAt eventId position"


def row(value: Any = 1.5, *, quality: int = 0, captured_at: int = T0) -> SignalRow:
    kinds: dict[type, str] = {float: "number", int: "integer", str: "string", bool: "boolean", type(None): "none"}
    number = float(value) if type(value) in (int, float) else None
    text, flag = value if isinstance(value, str) else None, value if isinstance(value, bool) else None
    at = Micros(captured_at)
    kind = kinds[type(value)]
    return SignalRow(UUID(int=1), "Vehicle.Speed", kind, number, text, flag, quality, at, at, "s", 1, 2, 3)


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (row(), ValueStatus.OK),
        (None, ValueStatus.NEVER_RECEIVED),
        (row(None, quality=Quality.INVALID), ValueStatus.INVALID),
        (row(None, quality=Quality.NOT_AVAILABLE), ValueStatus.UNSUPPORTED),
        (row(captured_at=T0 - STALE_AFTER_US), ValueStatus.OK),
        (row(captured_at=T0 - STALE_AFTER_US - 1), ValueStatus.STALE),
        (row(None, quality=Quality.INVALID, captured_at=T0 - 2 * STALE_AFTER_US), ValueStatus.INVALID),
        (row(float("nan")), ValueStatus.INVALID),
        (row(float("inf")), ValueStatus.INVALID),
    ],
)
def test_the_status_says_how_far_a_value_can_be_trusted(found: SignalRow | None, status: ValueStatus) -> None:
    value, told, reason = judge(found, T0)
    assert told is status
    assert (reason is None) == (status is ValueStatus.OK)
    assert (value is not None) == (status in (ValueStatus.OK, ValueStatus.STALE))


def test_a_value_is_not_stale_where_its_age_is_not_asked_for() -> None:
    assert judge(row(captured_at=T0 - 9 * STALE_AFTER_US), None).status is ValueStatus.OK


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        (FloatValue, 1.5, 1.5),
        (FloatValue, 83, 83.0),
        (FloatValue, "fast", None),
        (FloatValue, True, None),
        (StringValue, "ON", "ON"),
        (StringValue, 1.5, None),
        (BooleanValue, False, False),
        (BooleanValue, 1, None),
        (Signal, "ON", "ON"),
        (Signal, False, False),
        (Signal, 7, 7),
    ],
)
def test_a_value_of_another_type_than_the_fields_is_invalid(kind: type[Any], value: Any, told: Any) -> None:
    made: Any = measured(kind, "Vehicle.Speed", "km/h", row(value), None)
    assert made.value == told
    assert type(made.value) is type(told)
    assert made.status is (ValueStatus.OK if told is not None else ValueStatus.INVALID)


def test_the_envelope_leads_to_the_event_that_told_the_value() -> None:
    car = Car()
    car.sample(T0 + SECOND, {"Vehicle.Speed": 50.5})
    car.sample(T0 + 2 * SECOND, {"Vehicle.Speed": 51.5})
    world = memory_world(car)
    asked = f"query ($vin: String!) {{ vehicle(vin: $vin) {{ navigation {{ speed {{ {ENVELOPE} }} }} }} }}"
    speed = world.ask(asked, vin=car.vin)["vehicle"]["navigation"]["speed"]
    event_id = speed.pop("eventId")
    assert speed == {
        "value": 51.5,
        "unit": "km/h",
        "path": "Vehicle.Speed",
        "status": "OK",
        "reason": None,
        "capturedAt": "2026-02-02T02:40:02.000000Z",
        "receivedAt": "2026-02-02T02:40:03.000000Z",
        "position": 3,
    }
    node = world.ask("query ($id: ID!) { node(id: $id) { id ... on Event { version position data } } }", id=event_id)[
        "node"
    ]
    assert node["id"] == event_id
    assert (node["version"], node["position"], node["data"]["value"]) == (3, 3, [51.5])


def test_what_was_never_received_has_a_unit_and_nothing_else() -> None:
    world = memory_world(Car())
    asked = f"{{ vehicles(first: 1) {{ edges {{ node {{ diagnostics {{ odometer {{ {ENVELOPE} }} }} }} }} }} }}"
    odometer = world.ask(asked)["vehicles"]["edges"][0]["node"]["diagnostics"]["odometer"]
    assert odometer.pop("status") == "NEVER_RECEIVED"
    assert odometer.pop("reason") == "this vehicle has never sent it"
    assert odometer.pop("unit") == "m"
    assert odometer.pop("path") == "Vehicle.TraveledDistance"
    assert set(odometer.values()) == {None}


@pytest.mark.parametrize("quality", list(Quality))
def test_a_signal_asked_for_by_path_has_the_same_envelope(quality: Quality) -> None:
    car = Car()
    car.sample(T0, {"Vehicle.Speed": 50.5 if quality == Quality.OK else None}, quality=int(quality))
    world = memory_world(car)
    asked = f"""query ($vin: String!) {{ vehicle(vin: $vin) {{
        navigation {{ speed {{ {ENVELOPE} }} }} signal(path: "Vehicle.Speed") {{ {ENVELOPE} }} }} }}"""
    vehicle = world.ask(asked, vin=car.vin)["vehicle"]
    assert vehicle["signal"] == vehicle["navigation"]["speed"]
    assert vehicle["signal"]["status"] == {0: "OK", 1: "INVALID", 2: "UNSUPPORTED"}[quality]


def test_every_measured_field_says_unit_and_path_as_the_catalogue_has_them() -> None:
    facts = json.loads((Path(schemas.__file__).parent / "vss" / "paths.json").read_text(encoding="utf-8"))
    checked = 0
    for model in ("Navigation", "Media", "Diagnostics"):
        fields: Any = CORE_SCHEMA.type_map[model]
        for name, field in fields.fields.items():
            for path in FIELD_PATHS.get(name, ()) if "VSS: " in (field.description or "") else ():
                if field.description.endswith(f"VSS: {path}"):
                    checked += 1
                    assert f"Unit: {facts[path].get('unit') or 'none'}. " in field.description
    assert checked == 27


def test_of_two_read_models_that_keep_a_signal_the_one_that_is_further_counts() -> None:
    older, newer = row(1.0, captured_at=T0), row(2.0, captured_at=T0 + 1)
    later_in_its_stream = newer._replace(sequence=2, number=3.0)
    for told in permutations([older, newer, later_in_its_stream]):
        assert newest(told) == {(older.vehicle_id, older.path): later_in_its_stream}


def test_a_whole_number_that_no_double_is_equal_to_is_told_as_the_nearest() -> None:
    car = Car(1)
    car.sample(T0, {"Vehicle.Powertrain.FuelSystem.AbsoluteLevel": 2**60 + 1})
    query = f'{{ vehicle(vin: "{car.vin}") {{ diagnostics {{ fuelVolume {{ value status }} }} }} }}'
    found = memory_world(car).ask(query)
    assert found["vehicle"]["diagnostics"]["fuelVolume"] == {"value": 2.0**60, "status": "OK"}
