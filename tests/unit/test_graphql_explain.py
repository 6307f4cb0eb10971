"""Where a value comes from, over GraphQL."""

from typing import Any, Final

import pytest

from adapters.event_log import OriginFrom, ProgressChange
from adapters.graphql.ids import event_id_of, vehicle_id_of
from adapters.graphql.scalars import format_time
from domain import events as e
from domain import paths
from domain.signals import Origin, Quality
from domain.streams import StreamProgress
from domain.units import Micros
from tests.support.twins import SECOND, T0, Car, World, memory_world, vin_of

ORIGIN: Final = Origin("fleettwin 0.1.0, candump text: car.dbc sha256:001122334455", "vw_meb sha256:66778899aabb")
ASK: Final = """
query ($vehicle: ID!, $path: String!, $asOf: DateTime, $knownAt: DateTime, $position: Int64) {
  explain(vehicle: $vehicle, path: $path, asOf: $asOf, knownAt: $knownAt, position: $position) {
    value { value unit status reason eventId position }
    event { id type version position recordedAt }
    batch { streamId sequence origin { decoder mapping } }
    times { capturedAtRaw capturedAt receivedAt recordedAt projectedAt projectedAtIsExact }
  }
}
"""
NOTHING: Final = {"event": None, "batch": None, "times": None}


def explained(world: World, path: str = paths.SPEED, **more: Any) -> Any:
    return world.ask(ASK, **({"vehicle": vin_of(1), "path": path} | more))["explain"]


def text(at: int) -> str:
    return format_time(Micros(at))


def told(world: World, car: Car, sequence: int, *origins: tuple[int, Origin], stream_id: str = "drive") -> None:
    """Let a stream tell its origins up to a batch."""
    before = StreamProgress(stream_id)
    change = ProgressChange(car.id, before, before.taken(sequence, final=False), tuple(OriginFrom(*x) for x in origins))
    world.log.append([], [change])


def test_a_value_is_explained_from_its_event_to_what_read_it() -> None:
    car = Car(1)
    car.sample(T0, {paths.SPEED: 50.5}, clock_offset_us=3 * SECOND)
    world = memory_world(car)
    told(world, car, 9, (1, ORIGIN), (7, Origin("another", "another")))
    found = explained(world)
    (_, record) = world.log.read(0, 9)
    assert found["value"] == {
        "value": 50.5,
        "unit": "km/h",
        "status": "OK",
        "reason": None,
        "eventId": event_id_of(car.id, 2),
        "position": 2,
    }
    recorded_at = text(record.recorded_at)
    assert found["event"] == {
        "id": event_id_of(car.id, 2),
        "type": e.SignalsSampled.TOPIC,
        "version": 2,
        "position": 2,
        "recordedAt": recorded_at,
    }
    assert found["batch"] == {"streamId": "drive", "sequence": 2, "origin": ORIGIN._asdict()}
    times = found["times"]
    assert times.pop("projectedAt") >= recorded_at
    assert times == {
        "capturedAtRaw": text(T0 - 3 * SECOND),
        "capturedAt": text(T0),
        "receivedAt": text(T0 + SECOND),
        "recordedAt": recorded_at,
        "projectedAtIsExact": True,
    }


def test_each_value_has_the_origin_of_its_own_batch() -> None:
    other = Origin("fleettwin 0.2.0, candump text: car.dbc", "obd2 sha256:ffffffffffff")
    car = Car(1)
    car.sample(T0, {paths.SPEED: 50.5})  # the batch 2
    car.sample(T0 + SECOND, {paths.ALTITUDE: 300.0})  # the batch 3
    car.sample(T0 + 2 * SECOND, {paths.HEADING: 90.0}, stream_id="dongle")
    world = memory_world(car)
    told(world, car, 3, (1, ORIGIN), (3, other))
    origins = {path: explained(world, path)["batch"]["origin"] for path in (paths.SPEED, paths.ALTITUDE, paths.HEADING)}
    assert origins == {paths.SPEED: ORIGIN._asdict(), paths.ALTITUDE: other._asdict(), paths.HEADING: None}


def test_what_came_before_the_batch_that_told_is_not_guessed() -> None:
    car = Car(1)
    car.sample(T0, {paths.SPEED: 50.5})  # the batch 2
    world = memory_world(car)
    told(world, car, 5, (3, ORIGIN))
    assert explained(world)["batch"] == {"streamId": "drive", "sequence": 2, "origin": None}


def test_a_value_whose_event_is_not_the_vehicles_newest_was_there_at_the_latest_then() -> None:
    car = Car(1)
    car.sample(T0, {paths.SPEED: 50.5})
    car.code(T0)
    times = explained(memory_world(car))["times"]
    assert times["projectedAt"] is not None
    assert times["projectedAtIsExact"] is False


def test_what_was_never_received_comes_from_nowhere() -> None:
    found = explained(memory_world(Car(1)), paths.FUEL_LEVEL)
    assert (found["value"]["value"], found["value"]["status"]) == (None, "NEVER_RECEIVED")
    assert found["value"]["reason"] == "this vehicle has never sent it"
    assert {name: found[name] for name in NOTHING} == NOTHING


def test_that_there_is_no_value_is_explained_too() -> None:
    car = Car(1)
    car.sample(T0, {paths.SPEED: None}, quality=int(Quality.NOT_AVAILABLE))
    found = explained(memory_world(car))
    assert (found["value"]["status"], found["event"]["version"]) == ("UNSUPPORTED", 2)


def test_a_vehicle_is_named_by_its_vin_or_by_its_id() -> None:
    car = Car(1)
    car.sample(T0, {paths.SPEED: 50.5})
    world = memory_world(car)
    by_vin = explained(world)
    assert by_vin == explained(world, vehicle=vehicle_id_of(car.id)) == explained(world, vehicle=car.vin.lower())
    for missing in (vin_of(12345), vehicle_id_of(Car(12345).id)):
        assert explained(world, vehicle=missing) is None


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({"path": "Vehicle.Sped"}, "UNKNOWN_SIGNAL", "path: Vehicle.Sped is no signal of VSS 6.0 (bundled)"),
        ({"vehicle": "WVW"}, "BAD_USER_INPUT", "VIN 'WVW': a VIN has 17 characters, this one has 3"),
        ({"vehicle": "x" * 23}, "BAD_USER_INPUT", f"vehicle: '{'x' * 23}' is no id of this API"),
        ({"vehicle": event_id_of(Car(1).id, 1)}, "BAD_USER_INPUT", "vehicle: this is the id of an event"),
        ({"asOf": "2999-01-01T00:00:00Z"}, "BAD_USER_INPUT", "asOf: 2999-01-01T00:00:00+00:00 has not come yet"),
        ({"position": 7}, "BAD_USER_INPUT", "position: the log has no position 7"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], code: str, message: str) -> None:
    error = memory_world(Car(1)).refused(ASK, **({"vehicle": vin_of(1), "path": paths.SPEED} | given))
    assert (error["extensions"]["code"], error["message"]) == (code, message)


def test_a_value_of_the_past_is_explained_as_it_was() -> None:
    car = Car(1)
    car.sample(T0, {paths.SPEED: 30.0})
    car.sample(T0 + 100 * SECOND, {paths.SPEED: 50.0})
    world = memory_world(car)
    told(world, car, 9, (1, ORIGIN))
    for moment in ({"asOf": text(T0 + 60 * SECOND)}, {"position": 2}):
        found = explained(world, **moment)
        assert (found["value"]["value"], found["event"]["version"], found["batch"]["sequence"]) == (30.0, 2, 2)
        assert found["batch"]["origin"] == ORIGIN._asdict()
        assert found["times"]["projectedAt"] is None  # no read model holds the past
    assert explained(world, asOf=text(T0 - SECOND)) is None


EVENTS: Final = """
query ($vin: String!) {
  vehicle(vin: $vin) {
    events(first: 9) { edges { node { type batch { streamId sequence origin { decoder mapping } } } } }
  }
}
"""


def test_an_event_tells_the_batch_that_it_was_decided_with() -> None:
    other = Origin("fleettwin 0.2.0, candump text: car.dbc", "obd2 sha256:ffffffffffff")
    car = Car(1)
    car.code(T0)  # with the batch 2
    car.clear(T0 + SECOND)  # with the batch 3
    car.code(T0 + 2 * SECOND, stream_id="dongle")
    world = memory_world(car)
    told(world, car, 9, (1, ORIGIN), (3, other))
    edges = world.ask(EVENTS, vin=vin_of(1))["vehicle"]["events"]["edges"]
    assert [edge["node"] for edge in edges] == [
        {"type": e.VehicleRegistered.TOPIC, "batch": None},
        {
            "type": e.TroubleCodeRaised.TOPIC,
            "batch": {"streamId": "drive", "sequence": 2, "origin": ORIGIN._asdict()},
        },
        {
            "type": e.TroubleCodeCleared.TOPIC,
            "batch": {"streamId": "drive", "sequence": 3, "origin": other._asdict()},
        },
        {"type": e.TroubleCodeRaised.TOPIC, "batch": {"streamId": "dongle", "sequence": 4, "origin": None}},
    ]


def test_what_batches_come_from_is_asked_once_a_stream_and_only_when_it_is_wanted() -> None:
    car = Car(1)
    for seconds in range(5):
        car.code(T0 + seconds * SECOND)
    world = memory_world(car)
    whole = {"vin": vin_of(1)}
    assert asked_of(world, EVENTS, **whole) == ["vehicle_by_vin", "events", "origins"]
    assert asked_of(world, EVENTS.replace("origin { decoder mapping }", ""), **whole) == ["vehicle_by_vin", "events"]


def test_it_takes_one_question_more_than_the_value_alone() -> None:
    car = Car(1)
    car.sample(T0, {paths.SPEED: 50.5})
    asked = asked_of(memory_world(car), ASK, vehicle=vin_of(1), path=paths.SPEED)
    assert asked == ["vehicle_by_vin", "signals", "last_seen", "hops"]


def asked_of(world: World, document: str, **variables: Any) -> list[str]:
    """Return what a document asks of the reader of twins."""
    asked: list[str] = []
    reader = world.twins

    class Counting:
        def __getattr__(self, name: str) -> Any:
            found = getattr(reader, name)

            def called(*arguments: Any) -> Any:
                asked.append(name)
                return found(*arguments)

            return called

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def reading(self, _: Any = None) -> Any:
            return self

    api = type(world.api)(Counting(), world.api.catalogue, world.api.decode)
    answer = api.execute(document, variables)
    assert "errors" not in answer, answer
    return asked
