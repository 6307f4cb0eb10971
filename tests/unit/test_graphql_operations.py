"""What whoever operates the platform sees and has done through the API."""

import logging
from typing import Any
from uuid import UUID

import pytest

from adapters.access import Access, Scope
from adapters.graphql.ids import vehicle_id_of
from domain import events as e
from tests.support.operated import REASON, Operated
from tests.support.twins import SECOND, T0, Car, full_car, memory_world

PARKED = """{ operations { parked(first: 100) { edges { node {
    projection version vehicleId type eventVersion position error attempts parkedAt leftOut vehicle { vin } } }
    pageInfo { hasNextPage endCursor } } } }"""
RETRY = """mutation ($projection: String!, $version: Int!, $id: ID!) {
    retryParked(projection: $projection, version: $version, vehicleId: $id) { outcome parked { error attempts } } }"""
READ, WRITE = Scope.OPERATIONS_READ, Scope.OPERATIONS_WRITE
AUDI, SKODA = full_car(1, brand="Audi"), full_car(2, brand="Skoda")


def cars() -> list[Car]:
    return [full_car(1, brand="Audi"), full_car(2, brand="Skoda"), full_car(3, brand="Audi")]


@pytest.fixture
def operated() -> Operated:
    """Give three cars, of which the first two are parked at their second event."""
    made = Operated(memory_world())
    made.write(*cars(), spoilt=[(AUDI.id, 2), (SKODA.id, 2)])
    return made


def access(*held: Scope, brand: str = "Audi") -> Access:
    return Access("a client", "somebody", frozenset({brand}), frozenset(held))


def asked(operated: Operated, document: str, who: Access, **variables: Any) -> dict[str, Any]:
    return operated.api.answer(document, variables, access=who, may_change=True).body


def parked(operated: Operated, who: Access) -> list[dict[str, Any]]:
    body = asked(operated, PARKED, who)
    assert "errors" not in body, body["errors"]
    return [edge["node"] for edge in body["data"]["operations"]["parked"]["edges"]]


def retried(operated: Operated, who: Access, vehicle_id: UUID = AUDI.id, projection: str = "media") -> dict[str, Any]:
    return asked(operated, RETRY, who, projection=projection, version=1, id=vehicle_id_of(vehicle_id))


# --- parked events ----------------------------------------------------------------------------------------------------


def test_a_parked_event_is_told_with_its_error_its_vehicle_its_place_and_its_type(operated: Operated) -> None:
    found = parked(operated, access(READ))
    assert [(each["projection"], each["version"]) for each in found] == [
        ("navigation", 1),
        ("media", 1),
        ("diagnostics", 1),
    ]
    assert {each["vehicleId"] for each in found} == {vehicle_id_of(AUDI.id)}
    first = found[0]
    assert REASON in first["error"]
    assert first["type"] == e.SignalsSampled.TOPIC
    assert (first["eventVersion"], first["position"], first["attempts"]) == (2, 2, 1)
    assert first["leftOut"] == len(AUDI.events) - 1
    assert first["vehicle"] == {"vin": AUDI.vin}


def test_parked_events_come_in_pages(operated: Operated) -> None:
    document = """query ($after: String) { operations { parked(first: 2, after: $after) {
        edges { cursor node { projection vehicleId } } pageInfo { hasNextPage endCursor } } } }"""
    who = Access("a client", "somebody", frozenset({"Audi", "Skoda"}), frozenset({READ}))
    seen, after = [], None
    while True:
        page = asked(operated, document, who, after=after)["data"]["operations"]["parked"]
        seen += [(each["node"]["projection"], each["node"]["vehicleId"]) for each in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    ids = [vehicle_id_of(each) for each in sorted([AUDI.id, SKODA.id])]
    assert seen == [(name, id_) for name in ("navigation", "media", "diagnostics") for id_ in ids]


def test_without_its_scope_nothing_of_the_operation_is_told(operated: Operated) -> None:
    body = asked(operated, PARKED, access(*set(Scope) - {READ}))
    assert body["data"] == {"operations": None}
    (withheld,) = body["extensions"]["withheld"]
    assert withheld == {
        "field": "Query.operations",
        "code": "FORBIDDEN",
        "scopes": ["operations:read"],
        "reason": "the token lacks the scope operations:read",
    }


# --- retrying ---------------------------------------------------------------------------------------------------------


def test_what_is_mended_is_taken_up_again_by_a_retry(operated: Operated) -> None:
    operated.mend()
    body = retried(operated, access(READ, WRITE))
    assert body["data"]["retryParked"] == {"outcome": "TAKEN_UP", "parked": None}
    assert [each["projection"] for each in parked(operated, access(READ))] == ["navigation", "diagnostics"]
    whole = memory_world(*cars())
    document = f'{{ vehicle(vin: "{AUDI.vin}") {{ media {{ title {{ value }} artist {{ value }} }} }} }}'
    assert operated.api.execute(document) == whole.api.execute(document)


def test_what_is_not_mended_stays_parked_and_the_retry_says_so(operated: Operated) -> None:
    found = retried(operated, access(READ, WRITE))["data"]["retryParked"]
    assert found["outcome"] == "STILL_PARKED"
    assert REASON in found["parked"]["error"]
    assert found["parked"]["attempts"] == 2
    assert [each["attempts"] for each in parked(operated, access(READ))] == [1, 2, 1]


def test_a_vehicle_of_another_brand_is_as_one_that_is_not_parked(operated: Operated) -> None:
    operated.mend()
    nothing = {"outcome": "NOT_PARKED", "parked": None}
    for vehicle_id in (SKODA.id, cars()[2].id, UUID(int=7)):
        assert retried(operated, access(READ, WRITE), vehicle_id)["data"]["retryParked"] == nothing
    assert retried(operated, access(READ, WRITE), projection="nothing")["data"]["retryParked"] == nothing
    assert len(parked(operated, access(READ, brand="Skoda"))) == 3


@pytest.mark.parametrize("held", [(), (READ,), (WRITE,), tuple(set(Scope) - {WRITE})])
def test_without_its_scopes_nothing_is_taken_up(operated: Operated, held: tuple[Scope, ...]) -> None:
    operated.mend()
    body = retried(operated, access(*held))
    (error,) = body["errors"]
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert body["data"] == {"retryParked": None}
    assert len(parked(operated, access(READ))) == 3


def test_the_log_says_who_had_a_vehicle_taken_up(operated: Operated, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "adapters.graphql.mutation"):
        retried(operated, access(READ, WRITE))
    (entry,) = [each for each in caplog.records if each.name == "adapters.graphql.mutation"]
    assert "client a client, subject somebody" in entry.getMessage()
    assert entry.getMessage().endswith(f"vehicle {AUDI.id} in media v1 is taken up again: STILL_PARKED")
    assert AUDI.vin not in entry.getMessage()


def test_nobody_changes_anything_unless_it_was_sent_by_post(operated: Operated) -> None:
    operated.mend()
    variables = {"projection": "media", "version": 1, "id": vehicle_id_of(AUDI.id)}
    body = operated.api.answer(RETRY, variables, access=access(READ, WRITE)).body
    assert body["errors"][0]["extensions"]["code"] == "OPERATION_RESOLUTION_FAILURE"
    assert len(parked(operated, access(READ))) == 3


# --- stages -----------------------------------------------------------------------------------------------------------


def test_every_stage_is_told_with_what_waits_for_it_and_since_when(operated: Operated) -> None:
    car = Car(9, at=T0 - 60 * SECOND)
    events, entries = car.unwritten()
    operated.world.log.append(events, (), entries)
    operated.watch.once()
    document = "{ operations { problem observedAt setAside stages { kind name waiting oldestWaitsS } } }"
    found = asked(operated, document, access(READ))["data"]["operations"]
    assert (found["problem"], found["setAside"]) == (None, 0)
    assert [(each["kind"], each["name"], each["waiting"]) for each in found["stages"]] == [
        ("PROJECTION", f"{name} v1", 1) for name in ("navigation", "media", "diagnostics")
    ]
