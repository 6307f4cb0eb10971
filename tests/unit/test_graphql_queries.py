from itertools import pairwise
from typing import Any, Final

import pytest

from adapters.graphql.ids import event_id_of, trip_id_of, vehicle_id_of
from adapters.graphql.navigation import thinned
from domain import events as e
from domain import paths
from tests.support.twins import SECOND, T0, Car, World, full_car, memory_world, vin_of

HOUR = 3600 * SECOND
STATUS_BITS: Final = (  # ISO 14229-1, annex D.2, from bit 0 on
    "testFailed",
    "testFailedThisOperationCycle",
    "pending",
    "confirmed",
    "testNotCompletedSinceLastClear",
    "testFailedSinceLastClear",
    "testNotCompletedThisOperationCycle",
    "warningIndicatorRequested",
)


@pytest.fixture(scope="module")
def world() -> World:
    return memory_world(*(full_car(number) for number in range(1, 6)), Car(99, brand="Skoda", model=None))


def nodes(connection: dict[str, Any]) -> list[Any]:
    return [edge["node"] for edge in connection["edges"]]


def of(world: World, fields: str, number: int = 1) -> Any:
    return world.ask(f"query ($vin: String!) {{ vehicle(vin: $vin) {{ {fields} }} }}", vin=vin_of(number))["vehicle"]


def test_a_vehicle_is_the_same_by_vin_by_id_and_as_a_node(world: World) -> None:
    car = full_car(1)
    fields = "id vin brand model registeredAt lastSeenAt"
    by_vin = of(world, fields)
    by_id = world.ask(f"query ($id: ID!) {{ vehicle(id: $id) {{ {fields} }} }}", id=vehicle_id_of(car.id))["vehicle"]
    node = world.ask(
        f"query ($id: ID!) {{ node(id: $id) {{ ... on Vehicle {{ {fields} }} }} }}", id=vehicle_id_of(car.id)
    )["node"]
    assert by_vin == by_id == node
    assert by_vin == {
        "id": vehicle_id_of(car.id),
        "vin": "WVWZZZE1ZMP000001",
        "brand": "Volkswagen",
        "model": "ID.3",
        "registeredAt": "2026-02-02T02:40:00.000000Z",
        "lastSeenAt": "2026-02-02T04:50:01.000000Z",
    }


def test_a_vin_may_be_written_in_small_letters(world: World) -> None:
    assert world.ask('{ vehicle(vin: " wvwzzze1zmp000001") { vin } }') == {"vehicle": {"vin": vin_of(1)}}


def test_a_vehicle_that_is_not_there_is_null(world: World) -> None:
    assert world.ask(f'{{ vehicle(vin: "{vin_of(12345)}") {{ id }} }}') == {"vehicle": None}
    assert world.ask("query ($id: ID) { vehicle(id: $id) { id } }", id=vehicle_id_of(Car(12345).id)) == {
        "vehicle": None
    }


def test_nodes_that_are_not_there_are_null(world: World) -> None:
    car, missing = full_car(1), Car(12345)
    for node_id in (
        vehicle_id_of(missing.id),
        trip_id_of(car.id, missing.id),
        event_id_of(car.id, 10_000),
        event_id_of(missing.id, 1),
    ):
        assert world.ask("query ($id: ID!) { node(id: $id) { __typename } }", id=node_id) == {"node": None}


def test_a_trip_is_a_node(world: World) -> None:
    (trip,) = nodes(
        of(world, "navigation { trips(first: 1) { edges { node { id startedAt } } } }")["navigation"]["trips"]
    )
    asked = "query ($id: ID!) { node(id: $id) { id ... on Trip { startedAt track { pointCount } } } }"
    assert world.ask(asked, id=trip["id"])["node"] == trip | {"track": {"pointCount": 3}}


def test_vehicles_are_paged_until_there_is_no_next_page(world: World) -> None:
    asked = """query ($after: String) { vehicles(first: 4, after: $after) {
        edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    first = world.ask(asked)["vehicles"]
    assert len(first["edges"]) == 4
    assert first["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": first["edges"][0]["cursor"],
        "endCursor": first["edges"][-1]["cursor"],
    }
    second = world.ask(asked, after=first["pageInfo"]["endCursor"])["vehicles"]
    assert (second["pageInfo"]["hasNextPage"], second["pageInfo"]["hasPreviousPage"]) == (False, True)
    assert len({node["id"] for node in nodes(first) + nodes(second)}) == 6
    past = world.ask(asked, after=second["pageInfo"]["endCursor"])["vehicles"]
    assert past == {
        "edges": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": True, "startCursor": None, "endCursor": None},
    }


def test_vehicles_are_chosen_by_a_filter(world: World) -> None:
    asked = "query ($filter: VehicleFilter) { vehicles(first: 9, filter: $filter) { edges { node { vin } } } }"

    def chosen(**given: Any) -> set[str]:
        return {node["vin"] for node in nodes(world.ask(asked, filter=given)["vehicles"])}

    assert chosen(brands=["Skoda"]) == {vin_of(99)}
    assert chosen(vins=[vin_of(2).lower()], hasTroubleCode=True) == {vin_of(2)}
    assert chosen(lastSeenAfter="2026-02-02T04:50:04Z") == {vin_of(5)}
    assert chosen() == {vin_of(number) for number in (1, 2, 3, 4, 5, 99)}
    assert chosen(troubleCodes=["P0D59"], models=["ID.3"], brands=None) == {vin_of(number) for number in range(1, 6)}
    for nobodys in ({"troubleCodes": ["U3FFF"]}, {"brands": ["audi"]}, {"models": ["ID.33"]}):
        assert chosen(**nobodys) == set()


def test_navigation_tells_place_motion_and_destination(world: World) -> None:
    navigation = of(
        world,
        """navigation { location { latitude longitude status capturedAt unit } latitude { value } speed { value unit }
        heading { value } range { value status }
        destination { state latitude longitude setAt status } currentTrip { id } }""",
    )["navigation"]
    assert navigation == {
        "location": {
            "latitude": 52.002,
            "longitude": 10.002,
            "status": "OK",
            "capturedAt": "2026-02-02T04:50:01.000000Z",
            "unit": "degrees",
        },
        "latitude": {"value": 52.002},
        "speed": {"value": 50.5, "unit": "km/h"},
        "heading": {"value": 91.0},
        "range": {"value": None, "status": "NEVER_RECEIVED"},
        "destination": {
            "state": "SET",
            "latitude": 52.5,
            "longitude": 13.4,
            "setAt": "2026-02-02T02:40:01.000000Z",
            "status": "OK",
        },
        "currentTrip": None,
    }


def test_a_location_is_as_good_as_the_worse_of_its_halves() -> None:
    car = Car()
    car.sample(T0, {paths.LATITUDE: 52.0, paths.LONGITUDE: 10.0})
    car.sample(T0 + SECOND, {paths.LONGITUDE: None}, quality=1)
    world = memory_world(car)
    location = of(world, "navigation { location { latitude longitude status } }")["navigation"]["location"]
    assert location == {"latitude": None, "longitude": None, "status": "INVALID"}


def test_a_vehicle_that_drives_has_a_current_trip() -> None:
    car = Car()
    trip_id = car.trip(1, T0, ended=False)
    world = memory_world(car)
    trip = of(world, "navigation { currentTrip { id ended endReason track { pointCount } } }")["navigation"][
        "currentTrip"
    ]
    assert trip == {"id": trip_id_of(car.id, trip_id), "ended": False, "endReason": None, "track": {"pointCount": 3}}


def test_trips_tell_distance_duration_and_track(world: World) -> None:
    trips = of(
        world,
        """navigation { trips(first: 2, order: OLDEST_FIRST) { edges { node {
        startedAt endedAt ended endReason distanceM durationS energyKwh receivedAt position
        track(maxPoints: 2) { pointCount points { capturedAt latitude longitude heading speed altitude } } } } } }""",
    )["navigation"]["trips"]
    first, second = nodes(trips)
    assert first == {
        "startedAt": "2026-02-02T02:40:01.000000Z",
        "endedAt": "2026-02-02T02:50:01.000000Z",
        "ended": True,
        "endReason": "ignition off",
        "distanceM": 1000.0,
        "durationS": 600.0,
        "energyKwh": None,
        "receivedAt": "2026-02-02T02:50:02.000000Z",
        "position": 6,
        "track": {
            "pointCount": 3,
            "points": [
                {
                    "capturedAt": "2026-02-02T02:40:01.000000Z",
                    "latitude": 52.0,
                    "longitude": 10.0,
                    "heading": 90.0,
                    "speed": 50.0,
                    "altitude": None,
                },
                {
                    "capturedAt": "2026-02-02T02:50:01.000000Z",
                    "latitude": 52.002,
                    "longitude": 10.002,
                    "heading": 90.0,
                    "speed": 50.0,
                    "altitude": None,
                },
            ],
        },
    }
    assert second["distanceM"] == 2000.0


@pytest.mark.parametrize("most", [1, 2, 3, 7, 99, 100, 101])
def test_a_thinned_track_keeps_its_ends_and_is_spread_evenly(most: int) -> None:
    kept = thinned(100, most)
    assert len(kept) == min(most, 100)
    assert kept == sorted(set(kept))
    assert kept[-1] == 99
    assert most == 1 or kept[0] == 0
    steps = {after - before for before, after in pairwise(kept)}
    assert not steps or max(steps) - min(steps) <= 1


def test_media_tells_what_plays_and_what_was_played(world: World) -> None:
    media = of(
        world,
        """media { title { value } artist { value } source { status } volume { unit status }
        playHistory(first: 2) { edges { node { startedAt title artist album source foundPlaying } }
        pageInfo { hasNextPage } } }""",
    )["media"]
    assert media["title"] == {"value": "Piece 2"}
    assert media["artist"] == {"value": "Artist"}
    assert media["source"] == {"status": "NEVER_RECEIVED"}
    assert media["volume"] == {"unit": "percent", "status": "NEVER_RECEIVED"}
    assert nodes(media["playHistory"])[0] == {
        "startedAt": "2026-02-02T04:40:01.000000Z",
        "title": "Piece 2",
        "artist": "Artist",
        "album": None,
        "source": "BLUETOOTH",
        "foundPlaying": False,
    }
    assert media["playHistory"]["pageInfo"] == {"hasNextPage": True}


def test_a_trouble_code_spells_out_its_status_and_says_what_it_means(world: World) -> None:
    (code,) = of(
        world,
        """diagnostics { troubleCodes(held: true) { code failureType ecu service active held firstSeenAt clearedAt
        status { byte testFailed testFailedThisOperationCycle pending confirmed testNotCompletedSinceLastClear
                 testFailedSinceLastClear testNotCompletedThisOperationCycle warningIndicatorRequested }
        freezeFrame { path value unit } explanation { system origin group category failureType } } }""",
    )["diagnostics"]["troubleCodes"]
    assert code == {
        "code": "P0D59",
        "failureType": 0x1A,
        "ecu": "7E8",
        "service": "UDS 19",
        "active": True,
        "held": True,
        "firstSeenAt": "2026-02-02T02:40:01.000000Z",
        "clearedAt": None,
        "status": {
            "byte": 0x2F,
            "testFailed": True,
            "testFailedThisOperationCycle": True,
            "pending": True,
            "confirmed": True,
            "testNotCompletedSinceLastClear": False,
            "testFailedSinceLastClear": True,
            "testNotCompletedThisOperationCycle": False,
            "warningIndicatorRequested": False,
        },
        "freezeFrame": [{"path": "Vehicle.Speed", "value": 12.5, "unit": "km/h"}],
        "explanation": {
            "system": "powertrain",
            "origin": "GENERIC",
            "group": "hybrid or electric drive",
            "category": "electrical fault",
            "failureType": "resistance too low",
        },
    }


@pytest.mark.parametrize(
    ("arguments", "codes"),
    [
        ("", ["P0D59", "U0100"]),
        ("(active: true)", ["P0D59"]),
        ("(active: false)", ["U0100"]),
        ("(held: false)", ["U0100"]),
        ("(active: true, held: false)", []),
        ("(active: null)", ["P0D59", "U0100"]),
    ],
)
def test_trouble_codes_are_chosen_by_what_they_are_now(world: World, arguments: str, codes: list[str]) -> None:
    found = of(world, f"diagnostics {{ troubleCodes{arguments} {{ code }} }}")["diagnostics"]["troubleCodes"]
    assert [code["code"] for code in found] == codes


def test_each_bit_of_a_status_byte_has_its_own_name() -> None:
    car = Car()
    for bit in range(8):
        car.code(T0 + bit, f"P000{bit}", status=1 << bit)
    found = of(memory_world(car), f"diagnostics {{ troubleCodes {{ status {{ {' '.join(STATUS_BITS)} }} }} }}")
    for bit, code in enumerate(found["diagnostics"]["troubleCodes"]):
        assert code["status"] == {name: place == bit for place, name in enumerate(STATUS_BITS)}


def test_diagnostics_tells_warnings_charging_and_quality(world: World) -> None:
    diagnostics = of(
        world,
        """diagnostics { odometer { value unit } fuelLevel { value unit } ignition { value }
        lowVoltageSystemState { value }
        isCharging { value } outsideTemperature { value unit }
        warnings(raised: true) { warning path unit value limit raised } none: warnings(raised: false) { warning }
        chargingSessions(first: 1) { edges { node {
        startedAt endedAt foundCharging startPercent endPercent energyAddedKwh } } }
        telemetryQuality { gaps missingBatches lateSamples clockCorrections } }""",
    )["diagnostics"]
    assert diagnostics == {
        "odometer": {"value": 26_998_000.0, "unit": "m"},
        "fuelLevel": {"value": 83.0, "unit": "percent"},
        "ignition": {"value": True},
        "lowVoltageSystemState": {"value": "ON"},
        "isCharging": {"value": False},
        "outsideTemperature": {"value": 25.0, "unit": "Celsius"},
        "warnings": [
            {
                "warning": "FUEL_LEVEL_LOW",
                "path": paths.FUEL_LEVEL,
                "unit": "percent",
                "value": 9.0,
                "limit": 10.0,
                "raised": True,
            }
        ],
        "none": [],
        "chargingSessions": {
            "edges": [
                {
                    "node": {
                        "startedAt": "2026-02-02T05:00:01.000000Z",
                        "endedAt": "2026-02-02T05:20:01.000000Z",
                        "foundCharging": False,
                        "startPercent": 40.0,
                        "endPercent": 80.0,
                        "energyAddedKwh": 22.5,
                    }
                }
            ]
        },
        "telemetryQuality": {"gaps": 1, "missingBatches": 3, "lateSamples": 0, "clockCorrections": 0},
    }


@pytest.mark.parametrize(
    ("state", "on"),
    [("LOCK", False), ("OFF", False), ("ACC", False), ("ON", True), ("START", True), ("UNDEFINED", None)],
)
def test_the_ignition_is_on_in_on_and_start(state: str, on: bool | None) -> None:
    car = Car()
    car.sample(T0, {paths.LOW_VOLTAGE_SYSTEM_STATE: state})
    ignition = of(memory_world(car), "diagnostics { ignition { value status } }")["diagnostics"]["ignition"]
    assert ignition == {"value": on, "status": "INVALID" if on is None else "OK"}


def test_a_vehicle_that_told_nothing_has_empty_models(world: World) -> None:
    vehicle = of(
        world,
        """lastSeenAt signals { path } media { playHistory(first: 20) { edges { cursor } } }
        navigation { currentTrip { id } trips(first: 20) { edges { cursor } } destination { status state }
        location { status reason } }
        diagnostics { troubleCodes { code } warnings { warning } telemetryQuality { gaps }
        chargingSessions(first: 20) { edges { cursor } } }""",
        99,
    )
    assert vehicle == {
        "lastSeenAt": None,
        "signals": [],
        "media": {"playHistory": {"edges": []}},
        "navigation": {
            "currentTrip": None,
            "trips": {"edges": []},
            "destination": {"status": "NEVER_RECEIVED", "state": None},
            "location": {"status": "NEVER_RECEIVED", "reason": "this vehicle has never sent it"},
        },
        "diagnostics": {
            "troubleCodes": [],
            "warnings": [],
            "telemetryQuality": {"gaps": 0},
            "chargingSessions": {"edges": []},
        },
    }


def test_signals_come_by_path_by_branch_and_all(world: World) -> None:
    vehicle = of(
        world,
        """one: signal(path: "Vehicle.Speed") { value unit }
        other: signal(path: "Vehicle.Powertrain.Range") { status unit }
        some: signals(paths: ["Vehicle.LowVoltageSystemState", "Vehicle.Speed", "Vehicle.Powertrain.Range"]) {
        path value }
        branch: signals(prefix: "Vehicle.Powertrain") { path } dotted: signals(prefix: "Vehicle.Powertrain.") { path }
        leaf: signals(prefix: "Vehicle.Speed") { path } half: signals(prefix: "Vehicle.Power") { path }
        every: signals { path }""",
    )
    assert vehicle["one"] == {"value": 50.5, "unit": "km/h"}
    assert vehicle["other"] == {"status": "NEVER_RECEIVED", "unit": "m"}
    assert [signal["value"] for signal in vehicle["some"]] == ["ON", 50.5, None]
    assert [signal["path"] for signal in vehicle["branch"]] == [paths.FUEL_LEVEL, paths.IS_CHARGING]
    assert vehicle["dotted"] == vehicle["branch"]
    assert vehicle["leaf"] == [{"path": "Vehicle.Speed"}]
    assert vehicle["half"] == []
    told = {path for event in full_car(1).events if isinstance(event, e.SignalsSampled) for path in event.path}
    others = {paths.ODOMETER, paths.LATITUDE, paths.LONGITUDE, paths.MEDIA_TITLE}
    others |= {paths.DESTINATION_LATITUDE, paths.DESTINATION_LONGITUDE}
    assert {signal["path"] for signal in vehicle["every"]} == told | others
    assert [signal["path"] for signal in vehicle["every"]] == sorted(told | others)


def test_a_signal_that_the_catalogue_does_not_have_is_shown_where_the_vehicle_sent_it() -> None:
    car = Car()
    car.sample(T0, {"Vehicle.Private.Thing": 7})
    vehicle = of(memory_world(car), 'signal(path: "Vehicle.Private.Thing") { value unit status } signals { path }')
    assert vehicle["signal"] == {"value": 7, "unit": None, "status": "OK"}
    assert vehicle["signals"] == [{"path": "Vehicle.Private.Thing"}]


def test_events_are_told_as_the_log_keeps_them(world: World) -> None:
    events = of(
        world,
        """events(first: 2, types: ["vehicle.trip_ended.v1"]) { edges { cursor node {
        id type version position capturedAt receivedAt recordedAt data } } pageInfo { hasNextPage } }""",
    )["events"]
    assert events["pageInfo"]["hasNextPage"] is True
    event = nodes(events)[0]
    car = full_car(1)
    ended = next(each for each in car.events if isinstance(each, e.TripEnded))
    assert event.pop("recordedAt").endswith("Z")
    assert event == {
        "id": event_id_of(car.id, ended.originator_version),
        "type": "vehicle.trip_ended.v1",
        "version": ended.originator_version,
        "position": ended.originator_version,
        "capturedAt": "2026-02-02T02:50:01.000000Z",
        "receivedAt": "2026-02-02T02:50:02.000000Z",
        "data": {
            "stream_id": "drive",
            "sequence": ended.sequence,
            "clock_offset_us": 0,
            "trip_id": str(ended.trip_id),
            "started_at": ended.started_at,
            "ended_at": ended.ended_at,
            "distance_m": 1000.0,
            "duration_s": 600.0,
            "energy_kwh": None,
            "reason": "ignition off",
        },
    }


def test_events_begin_with_the_oldest_unless_asked_otherwise(world: World) -> None:
    vehicle = of(
        world,
        """oldest: events(first: 2) { edges { node { version } } }
        newest: events(first: 2, order: NEWEST_FIRST) { edges { node { version } } }""",
    )
    count = len(full_car(1).events)
    assert [node["version"] for node in nodes(vehicle["oldest"])] == [1, 2]
    assert [node["version"] for node in nodes(vehicle["newest"])] == [count, count - 1]


def test_the_status_tells_how_far_each_read_model_is(world: World) -> None:
    status = world.ask("{ status { logPosition projections { name version position lag parked } } }")["status"]
    position = status["logPosition"]
    assert [each["name"] for each in status["projections"]] == ["navigation", "media", "diagnostics"]
    assert all(each["position"] == position and each["lag"] == 0 for each in status["projections"])


def test_a_read_model_that_is_behind_says_by_how_much() -> None:
    world = memory_world(Car())
    appended = world.append(full_car(2))
    status = world.ask("{ status { logPosition projections { lag } } }")["status"]
    assert status["logPosition"] == appended + 1
    assert [each["lag"] for each in status["projections"]] == [appended] * 3


def test_several_operations_are_told_apart_by_name(world: World) -> None:
    document = "query A { status { logPosition } } query B { __typename }"
    assert world.api.execute(document, operation_name="B") == {"data": {"__typename": "Query"}}


def test_fragments_variables_and_aliases_find_the_same_signals(world: World) -> None:
    asked = """query ($paths: [String!], $path: String = "Vehicle.Speed") {
        vehicles(first: 2) { edges { node { ...f ... on Vehicle {
        s: signal(path: $path) { value } } } } } } fragment f on Vehicle { signals(paths: $paths) { path value } }"""
    found = nodes(world.ask(asked, paths=["Vehicle.TraveledDistance"])["vehicles"])
    for vehicle in found:
        if vehicle["s"]["value"] is not None:
            assert vehicle["s"] == {"value": 50.5}
            assert vehicle["signals"] == [{"path": "Vehicle.TraveledDistance", "value": 26_998_000.0}]


def test_a_vehicle_says_whether_it_has_left_the_fleet() -> None:
    gone, here = full_car(1), full_car(2)
    gone.tell(e.VehicleDecommissioned, T0 + 9 * HOUR, reason="sold")
    document = "{ vehicles(first: 9) { edges { node { vin decommissionedAt } } } }"
    nodes = [edge["node"] for edge in memory_world(gone, here).ask(document)["vehicles"]["edges"]]
    assert {node["vin"]: node["decommissionedAt"] for node in nodes} == {
        gone.vin: "2026-02-02T11:40:00.000000Z",
        here.vin: None,
    }


@pytest.mark.parametrize("past", ["", ', asOf: "2026-02-03T00:00:00Z"'])
def test_a_hundred_vins_are_one_page(past: str) -> None:
    page_of_vins = f"vehicles(first: 100, filter: {{ vins: $vins }}{past})"
    fields = "edges { node { vin } } pageInfo { hasNextPage }"
    asked = f"query ($vins: [String!]) {{ {page_of_vins} {{ {fields} }} }}"
    cars = [Car(number) for number in range(1, 102)]
    vins = [car.vin for car in cars[:100]]
    page = memory_world(*cars).ask(asked, vins=vins)["vehicles"]
    assert sorted(edge["node"]["vin"] for edge in page["edges"]) == vins
    assert not page["pageInfo"]["hasNextPage"]
