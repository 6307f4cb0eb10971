"""What a token may read of its own vehicles: each scope its part, and a stated reason where it may not."""

import json
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import pytest
from graphql import get_named_type

from adapters.access import Access, Scope
from adapters.clock import iso_time
from adapters.graphql import scopes
from adapters.graphql.envelope import MeasuredValue
from adapters.graphql.ids import event_id_of, trip_id_of, vehicle_id_of
from adapters.graphql.permits import Permits
from adapters.graphql.schema import CORE_SCHEMA
from adapters.twins import PageOf
from domain import events as e
from domain import paths
from domain.events import EVENT_TYPES
from domain.units import Micros
from tests.support.documents import everything_of, leaves
from tests.support.events import record_name
from tests.support.twins import REGISTRY, SECOND, T0, Car, World, full_car, memory_world, vin_of

VIN = vin_of(1)
STRANGER = full_car(2, brand="Skoda")
EVERYTHING = everything_of("Vehicle")
PLACE = "Vehicle.CurrentLocation.Latitude"
MODELS = ("navigation", "media", "diagnostics")
ENVELOPE = {"__typename", "path", "unit", "status", "reason"}  # what an envelope tells of itself


def car() -> Car:
    made = full_car(1, brand="Audi")
    made.sample(T0 + 3 * SECOND, {PLACE: 52.5, "Vehicle.CurrentLocation.Longitude": 13.4})
    made.trip(9, T0 + 9 * 3600 * SECOND, ended=False)
    return made


@pytest.fixture(scope="module")
def world() -> World:
    return memory_world(car(), full_car(2, brand="Skoda"))


def access(*held: Scope | str) -> Access:
    return Access("client", "subject", frozenset({"Audi"}), frozenset(map(Scope, held)))


def answer(world: World, document: str, *held: Scope | str, **variables: Any) -> dict[str, Any]:
    return world.api.answer(document, variables, access=access(*held)).body


def data(world: World, document: str, *held: Scope | str, **variables: Any) -> Any:
    body = answer(world, document, *held, **variables)
    assert "errors" not in body, body["errors"]
    return body["data"]


def vehicle(world: World, selection: str, *held: Scope | str, arguments: str = "") -> Any:
    return data(world, f'{{ vehicle(vin: "{VIN}"{arguments}) {{ {selection} }} }}', *held)["vehicle"]


def told(found: Any) -> set[str]:
    """Return which parts of a vehicle have a value in them."""
    return {
        ".".join(path[:2]) if path[0] in MODELS else path[0]
        for path, _ in leaves(found)
        if path[-1] not in ENVELOPE and not path[-1].endswith("Page") and "pageInfo" not in path
    }


# --- the models -------------------------------------------------------------------------------------------------------

IDENTITY = {"id", "vin", "brand", "model", "region", "registeredAt", "lastSeenAt"}


def test_a_token_without_scopes_shows_that_a_vehicle_is_there_and_nothing_of_it(world: World) -> None:
    """Whatever the schema will have: a new field is asked for too."""
    assert told(vehicle(world, EVERYTHING)) == IDENTITY


OF_VEHICLES = [each for each in Scope if each in scopes.OF_VEHICLES]
SUBSETS = [held for count in range(len(OF_VEHICLES) + 1) for held in combinations(OF_VEHICLES, count)]


def test_who_operates_the_platform_sees_nothing_of_a_vehicle_for_that(world: World) -> None:
    assert told(vehicle(world, EVERYTHING, *scopes.OPERATIONS_CHANGED)) == IDENTITY


@pytest.mark.parametrize("held", SUBSETS, ids=lambda held: " ".join(held) or "none")
def test_each_scope_shows_its_own_part(world: World, held: tuple[Scope, ...]) -> None:
    whole = told(vehicle(world, EVERYTHING, *Scope))
    assert whole > IDENTITY | {"events", "signals", "signal"}
    expected = set(IDENTITY)
    if Scope.NAVIGATION_READ in held:
        expected |= {each for each in whole if each.startswith("navigation.") and each != "navigation.trips"} | {
            "signal"
        }
    if {Scope.NAVIGATION_READ, Scope.NAVIGATION_HISTORY} <= set(held):
        expected |= {"navigation.trips"}
    expected |= {each for each in whole if each.startswith("media.") and Scope.MEDIA_READ in held}
    expected |= {each for each in whole if each.startswith("diagnostics.") and Scope.DIAGNOSTICS_READ in held}
    expected |= {"delivered"} if Scope.DIAGNOSTICS_READ in held else set()
    expected |= {"events"} if Scope.EVENTS_READ in held else set()
    found = told(vehicle(world, EVERYTHING, *held))
    of_signals = {Scope.NAVIGATION_READ, Scope.MEDIA_READ, Scope.DIAGNOSTICS_READ}
    assert found - {"signals"} == expected
    assert ("signals" in found) == bool(of_signals & set(held))


def test_a_value_that_may_not_be_read_is_an_envelope_with_a_reason_and_an_answer_of_its_own(world: World) -> None:
    body = answer(world, f'{{ vehicle(vin: "{VIN}") {{ vin {EVERYTHING} }} }}', "media:read")
    assert "errors" not in body
    found = body["data"]["vehicle"]
    assert found["media"]["artist"]["value"] == "Artist"
    assert found["navigation"]["speed"] | {"__typename": None} == {
        "__typename": None,
        "path": "Vehicle.Speed",
        "unit": "km/h",
        "status": "FORBIDDEN",
        "reason": "the token lacks the scope navigation:read",
        "value": None,
        "capturedAt": None,
        "receivedAt": None,
        "eventId": None,
        "position": None,
    }
    for name in ("location", "destination", "latitude", "range"):
        assert found["navigation"][name]["status"] == "FORBIDDEN"
    assert {each["status"] for name, each in found["diagnostics"].items() if isinstance(each, dict)} == {"FORBIDDEN"}


def test_what_is_no_envelope_is_null_and_the_answer_says_why(world: World) -> None:
    body = answer(world, f'{{ vehicle(vin: "{VIN}") {{ {EVERYTHING} }} }}', "navigation:read")
    found = body["data"]["vehicle"]
    assert found["navigation"]["trips"] is found["media"]["playHistory"] is found["events"] is None
    assert {found["diagnostics"][name] for name in ("troubleCodes", "warnings", "chargingSessions")} == {None}
    assert found["navigation"]["currentTrip"]["startedAt"]
    assert found["navigation"]["currentTrip"]["track"] is None
    withheld = {each["field"]: each for each in body["extensions"]["withheld"]}
    assert withheld["Trip.track"] == {
        "field": "Trip.track",
        "code": "FORBIDDEN",
        "scopes": ["navigation:history"],
        "reason": "the token lacks the scope navigation:history",
    }
    assert withheld.keys() == {
        "Diagnostics.chargingSessions",
        "Diagnostics.telemetryQuality",
        "Diagnostics.troubleCodes",
        "Diagnostics.warnings",
        "Media.playHistory",
        "Navigation.trips",
        "Trip.track",
        "Vehicle.delivered",
        "Vehicle.events",
        "Vehicle.signals",
    }


def test_who_may_read_all_is_told_of_nothing_held_back(world: World) -> None:
    assert answer(world, f'{{ vehicle(vin: "{VIN}") {{ {EVERYTHING} }} }}', *Scope).keys() == {"data"}


def test_many_vehicles_have_one_reason(world: World) -> None:
    body = answer(
        world, "{ vehicles(first: 9) { edges { node { vin navigation { trips(first: 20) { edges { cursor } } } } } } }"
    )
    assert [edge["node"]["vin"] for edge in body["data"]["vehicles"]["edges"]] == [VIN]
    assert len(body["extensions"]["withheld"]) == 1


# --- the past ---------------------------------------------------------------------------------------------------------

THEN = f', asOf: "{iso_time(Micros(T0 + 5 * 3600 * SECOND))}"'


def test_the_past_of_navigation_needs_history_and_that_of_the_others_does_not(world: World) -> None:
    held = (Scope.NAVIGATION_READ, Scope.MEDIA_READ, Scope.DIAGNOSTICS_READ)
    found = vehicle(world, EVERYTHING, *held, arguments=THEN)
    assert not [each for each in told(found) if each.startswith("navigation.")]
    assert {"media.artist", "diagnostics.odometer"} <= told(found)
    assert found["navigation"]["location"]["reason"] == "the token lacks the scope navigation:history"
    assert found["signal"]["status"] == found["navigation"]["destination"]["status"] == "FORBIDDEN"
    with_history = told(vehicle(world, EVERYTHING, *held, Scope.NAVIGATION_HISTORY, arguments=THEN))
    assert {"navigation.location", "navigation.trips", "navigation.destination", "signal"} <= with_history


def test_history_alone_shows_nothing(world: World) -> None:
    assert told(vehicle(world, EVERYTHING, Scope.NAVIGATION_HISTORY)) == IDENTITY
    assert told(vehicle(world, EVERYTHING, Scope.NAVIGATION_HISTORY, arguments=THEN)) - {"seenPosition"} == IDENTITY


# --- signals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        (paths.SPEED, {"navigation:read"}),
        (PLACE, {"navigation:read"}),
        ("Vehicle.CurrentLocation.Timestamp", {"navigation:read"}),
        ("Vehicle.Powertrain.TractionBattery.Charging.Location.Latitude", {"navigation:read"}),
        ("Vehicle.Cabin.Infotainment.Navigation.GuidanceVoice", {"navigation:read"}),
        ("Vehicle.Cabin.Infotainment.Media.SelectedURI", {"media:read"}),
        ("Vehicle.Exterior.AirTemperature", {"diagnostics:read"}),
        ("Vehicle.Own.Extension", {"diagnostics:read"}),
    ],
)
def test_a_signal_has_the_scope_of_what_it_tells(path: str, needed: set[str]) -> None:
    assert scopes.of_path(path, past=False) == needed
    past = needed | ({"navigation:history"} if "navigation:read" in needed else set())
    assert scopes.of_path(path, past=True) == past


def test_signals_by_path_and_by_branch_are_envelopes_all_the_same(world: World) -> None:
    named = f'{{ path status value }} some: signals(paths: ["{PLACE}", "{paths.MEDIA_ARTIST}"]) {{ path status value }}'
    found = vehicle(world, f"signals {named}", "media:read")
    assert [(each["path"], each["status"], each["value"]) for each in found["some"]] == [
        (PLACE, "FORBIDDEN", None),
        (paths.MEDIA_ARTIST, "STALE", "Artist"),
    ]
    values = {each["path"]: each["value"] for each in found["signals"] if each["status"] != "FORBIDDEN"}
    assert values == {paths.MEDIA_ARTIST: "Artist", paths.MEDIA_TITLE: "Piece 2"}


def test_a_list_of_signals_names_none_that_the_token_may_not_read(world: World) -> None:
    """As `delivered` does: the names alone tell which equipment a car has."""
    body = answer(world, f'{{ vehicle(vin: "{VIN}") {{ signals {{ path }} }} }}', "events:read")
    assert body["data"] == {"vehicle": {"signals": []}}
    (withheld,) = body["extensions"]["withheld"]
    assert (withheld["field"], withheld["scopes"]) == (
        "Vehicle.signals",
        ["diagnostics:read", "media:read", "navigation:read"],
    )
    found = vehicle(world, "signals { path }", "media:read")["signals"]
    assert [each["path"] for each in found] == [paths.MEDIA_ARTIST, paths.MEDIA_TITLE]


# --- events -----------------------------------------------------------------------------------------------------------

EVENTS = "events(first: 100) { edges { node { id type data withheld } } }"


def of_types(world: World, *held: Scope | str) -> dict[str, dict[str, Any]]:
    edges = vehicle(world, EVENTS, "events:read", *held)["events"]["edges"]
    return {edge["node"]["type"]: edge["node"] for edge in reversed(edges)}


def test_the_data_of_an_event_need_the_scopes_of_what_they_tell(world: World) -> None:
    plain = of_types(world)
    assert {kind for kind, each in plain.items() if each["data"]} == {
        e.VehicleRegistered.TOPIC,
        e.TelemetryGapDetected.TOPIC,
        e.SignalsSampled.TOPIC,
    }
    assert plain[e.TrackExtended.TOPIC]["withheld"] == (
        "the token lacks the scopes navigation:history and navigation:read"
    )
    assert plain[e.TroubleCodeRaised.TOPIC]["withheld"] == "the token lacks the scope diagnostics:read"
    assert of_types(world, "navigation:read")[e.TrackExtended.TOPIC]["data"] == {}
    assert of_types(world, "navigation:read", "navigation:history")[e.TrackExtended.TOPIC]["data"]["latitude_deg"]
    assert of_types(world, "media:read")[e.TrackStarted.TOPIC]["data"]["artist"] == "Artist"
    whole = of_types(world, *Scope)
    assert all(each["data"] and each["withheld"] is None for each in whole.values())


def test_an_event_of_many_signals_shows_those_that_may_be_read(world: World) -> None:
    nothing = of_types(world)[e.SignalsSampled.TOPIC]
    assert nothing["data"]["path"] == nothing["data"]["value"] == []
    some = of_types(world, "media:read")[e.SignalsSampled.TOPIC]
    assert (some["data"]["path"], some["data"]["value"]) == ([paths.MEDIA_ARTIST], ["Artist"])
    assert {len(column) for column in some["data"].values() if isinstance(column, list)} == {1}
    assert some["withheld"] == (
        "the token lacks the scope diagnostics:read; the token lacks the scopes navigation:history and navigation:read"
    )
    assert len(of_types(world, *Scope)[e.SignalsSampled.TOPIC]["data"]["path"]) == 7


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=lambda each: each.__name__)
def test_every_personal_field_of_an_event_is_guarded_by_its_scope(event_type: type[e.VehicleEvent]) -> None:
    schemas = [
        json.loads(each.text) for each in REGISTRY.by_id.values() if each.subject.endswith(record_name(event_type))
    ]
    kinds: set[str] = set()
    for schema in schemas:
        for field in schema["fields"]:
            personal = field.get("personal", [])
            kinds |= {personal} if isinstance(personal, str) else set(personal)
    by_path = event_type in (e.SignalsSampled, e.LateSamplesRecorded)
    needed = scopes._OF_EVENT[event_type]
    assert schemas
    assert by_path or "location" not in kinds or needed >= scopes.NAVIGATION_PAST
    assert by_path or "media" not in kinds or needed >= scopes.MEDIA


# --- by other ways ----------------------------------------------------------------------------------------------------


def ids(world: World, number: int) -> tuple[str, str]:
    """Return the ids of a trip and of an event of a car."""
    with world.twins.reading() as read:
        (trip,) = read.trips([Car(number).id], PageOf(1))
    return trip_id_of(trip.vehicle_id, trip.trip_id), event_id_of(trip.vehicle_id, 1)


@pytest.mark.parametrize(
    ("place", "field", "needed"),
    [
        (0, "Query.node(Trip)", ("navigation:history", "navigation:read")),
        (1, "Query.node(Event)", ("events:read",)),
    ],
)
def test_a_node_needs_the_scopes_of_what_it_is_and_a_strangers_answers_alike(
    world: World, place: int, field: str, needed: tuple[str, ...]
) -> None:
    document = "query ($id: ID!) { node(id: $id) { id } }"
    own, strangers = ids(world, 1)[place], ids(world, 2)[place]
    for held in ((), needed[:-1] if len(needed) > 1 else ("media:read",)):
        refused = [answer(world, document, *held, id=each) for each in (own, strangers)]
        assert refused[0] == refused[1]
        assert refused[0]["data"] == {"node": None}
        assert refused[0]["extensions"]["withheld"][0]["field"] == field
    assert data(world, document, *needed, id=own)["node"]["id"] == own
    assert answer(world, document, *needed, id=strangers) == {"data": {"node": None}}


@pytest.mark.parametrize("chosen", ["hasTroubleCode: true", "hasTroubleCode: false", 'troubleCodes: ["P0D59"]'])
def test_who_may_not_read_trouble_codes_may_not_choose_by_them(world: World, chosen: str) -> None:
    document = f"{{ vehicles(first: 9, filter: {{ {chosen} }}) {{ edges {{ node {{ vin }} }} }} }}"
    (error,) = answer(world, document, "navigation:read", "events:read")["errors"]
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert error["message"] == "filter: trouble codes: the token lacks the scope diagnostics:read"
    assert data(world, document, "diagnostics:read") is not None


def test_where_a_value_comes_from_needs_the_scope_of_the_value_and_the_event_its_own(world: World) -> None:
    fields = everything_of("Explanation")
    document = f'{{ explain(vehicle: "{VIN}", path: "{paths.MEDIA_ARTIST}") {{ {fields} }} }}'
    refused = data(world, document, "events:read")["explain"]
    assert refused.pop("value")["status"] == "FORBIDDEN"
    assert set(refused.values()) == {None, "Explanation"}
    body = answer(world, document, "media:read")
    assert body["data"]["explain"]["value"]["value"] == "Artist"
    assert body["data"]["explain"]["event"] is None
    assert body["extensions"]["withheld"][0]["field"] == "Explanation.event"
    assert data(world, document, "media:read", "events:read")["explain"]["event"]["data"]["path"] == [
        paths.MEDIA_ARTIST
    ]


def test_places_in_a_freeze_frame_need_the_scopes_of_navigation() -> None:
    made = Car(5, brand="Audi")
    raised: Any = made.code
    raised(T0)
    frame = {"Vehicle.Speed": 12.5, PLACE: 52.5}
    code = {"ecu": "7E8", "service": "UDS 19", "failure_type": None, "status": None, "active": True}
    made.tell(e.TroubleCodeRaised, T0, code="P0001", freeze_frame=frame, **code)
    world = memory_world(made)
    document = f'{{ vehicle(vin: "{made.vin}") {{ diagnostics {{ troubleCodes {{ freezeFrame {{ path }} }} }} }} }}'

    def shown(*held: str) -> Iterable[str]:
        codes = data(world, document, "diagnostics:read", *held)["vehicle"]["diagnostics"]["troubleCodes"]
        return {each["path"] for code in codes for each in code["freezeFrame"]}

    assert shown() == shown("navigation:read") == {"Vehicle.Speed"}
    assert shown("navigation:read", "navigation:history") == {"Vehicle.Speed", PLACE}


@pytest.mark.parametrize(
    "document",
    [
        'query {{ vehicle(vin: "{vin}") {{ vin }} }}',
        'query {{ vehicle(id: "{id}") {{ vin }} }}',
        'query {{ node(id: "{id}") {{ id }} }}',
        'query {{ explain(vehicle: "{vin}", path: "Vehicle.Speed") {{ value {{ value }} }} }}',
        'query {{ explain(vehicle: "{id}", path: "Vehicle.Speed") {{ value {{ value }} }} }}',
        'query {{ vehicle(vin: "{vin}", knownAt: "2026-06-01T00:00:00Z") {{ vin }} }}',
        'query {{ vehicles(first: 9, filter: {{ vins: ["{vin}"] }}) {{ edges {{ cursor }} }} }}',
    ],
)
def test_a_vehicle_of_another_brand_and_one_that_does_not_exist_answer_alike(world: World, document: str) -> None:
    answers = [
        answer(world, document.format(vin=each.vin, id=vehicle_id_of(each.id)), *Scope) for each in (STRANGER, Car(777))
    ]
    assert answers[0] == answers[1]
    assert not [leaf for path, leaf in leaves(answers[0]) if "errors" in path]


# --- the schema -------------------------------------------------------------------------------------------------------


def test_every_field_of_a_model_is_an_envelope_or_has_its_scopes() -> None:
    envelopes = {CORE_SCHEMA.type_map[each.__name__] for each in MeasuredValue.__subclasses__()}
    for model in ("Navigation", "Media", "Diagnostics"):
        kind: Any = CORE_SCHEMA.type_map[model]
        for name, field in kind.fields.items():
            known = f"{model}.{name}" in scopes.FIELDS
            assert known or get_named_type(field.type) in envelopes, f"{model}.{name} has no scope"


def test_every_field_that_has_scopes_is_there() -> None:
    for name in scopes.FIELDS:
        model, _, field = name.partition(".")
        kind: Any = CORE_SCHEMA.type_map[model]
        assert field.partition("(")[0] in kind.fields, name


def test_each_answer_says_what_it_was_not_told_itself() -> None:
    permits = Permits(Access("app", "app", None, frozenset()))
    assert not permits.may_read("Vehicle.events")
    assert [each["field"] for each in permits.withheld] == ["Vehicle.events"]
    permits.withhold_anew()
    assert permits.withheld == []
