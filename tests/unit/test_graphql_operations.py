"""What whoever operates the platform sees and has done through the API."""

import asyncio
import json
import logging
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest

from adapters.access import Access, Scope
from adapters.graphql import scopes
from adapters.graphql.app import NO_LIMITS, AsgiApp, build_app
from adapters.graphql.budgets import Budgets
from adapters.graphql.cost import WHOLE_TABLE_POINTS
from adapters.graphql.execution import why_refused
from adapters.graphql.http import EVENT_STREAM, GRAPHQL_RESPONSE, JSON, NDJSON
from adapters.graphql.ids import vehicle_id_of
from adapters.operating import RETRIES_AT_ONCE
from domain import events as e
from tests.support.asgi import initiated
from tests.support.operated import REASON, Operated
from tests.support.twins import CATALOGUE, CODEC, REGISTRY, SECOND, T0, Car, full_car, memory_world

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
    operated.world.append(Car(9, at=T0 - 60 * SECOND))
    operated.watch.once()
    document = "{ operations { problem observedAt setAside stages { kind name waiting oldestWaitsS } } }"
    found = asked(operated, document, access(READ))["data"]["operations"]
    assert (found["problem"], found["setAside"]) == (None, 0)
    assert [(each["kind"], each["name"], each["waiting"]) for each in found["stages"]] == [
        ("PROJECTION", f"{name} v1", 1) for name in ("navigation", "media", "diagnostics")
    ]


@pytest.mark.parametrize(
    "asked_for",
    [
        'digest(projection: "media", version: 1) { digest }',
        'comparison(projection: "media", left: 1, right: 1, first: 1) { vehicles }',
    ],
)
def test_what_reads_whole_tables_has_its_price(operated: Operated, asked_for: str) -> None:
    """So few at once for a client that others find a thread."""
    api = replace(operated.api, budgets=Budgets(2 * WHOLE_TABLE_POINTS - 1, 1))
    one, two = f"a: {asked_for}", f"a: {asked_for} b: {asked_for}"
    answer = api.answer(f"{{ operations {{ {one} }} }}", access=access(READ)).body
    assert answer["extensions"]["cost"]["requestedQueryCost"] > WHOLE_TABLE_POINTS
    assert "errors" not in answer
    refused = api.answer(f"{{ operations {{ {two} }} }}", access=access(READ)).body
    assert refused["errors"][0]["extensions"]["code"] == "MAX_COST_EXCEEDED"


# --- over HTTP and WebSocket ------------------------------------------------------------------------------------------


class Unread:
    """Whole reads that nobody is to ask for."""

    async def read(self, *_: Any) -> Any:
        raise AssertionError

    async def close(self) -> None:
        """Do nothing."""


UNREAD: Any = Unread()


def app_of(operated: Operated, reads: Any = None) -> AsgiApp:
    limits = NO_LIMITS._replace(operations=operated.operations, reads=reads)
    return build_app(operated.world.twins, CATALOGUE, CODEC.decode, REGISTRY, limits=limits)


OF_AUDI: dict[str, Any] = {"projection": "media", "version": 1, "id": vehicle_id_of(AUDI.id)}


def sent(app: AsgiApp, method: str = "POST", accept: str = JSON) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
            given = {"query": RETRY, "variables": OF_AUDI}
            url = {"params": {**given, "variables": json.dumps(OF_AUDI)}} if method == "GET" else {"json": given}
            request: dict[str, Any] = url
            return await client.request(method, "/graphql", headers={"accept": accept}, **request)

    return asyncio.run(send())


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE])
def test_a_mutation_is_executed_by_post(operated: Operated, accept: str) -> None:
    operated.mend()
    response = sent(app_of(operated), accept=accept)
    assert response.status_code == 200
    assert response.json()["data"]["retryParked"]["outcome"] == "TAKEN_UP"


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE, EVENT_STREAM])
def test_a_mutation_by_get_is_refused_with_the_method_that_does_it(operated: Operated, accept: str) -> None:
    """graphql-over-http, section 6.2.1."""
    operated.mend()
    response = sent(app_of(operated), "GET", accept)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert "by a POST of its own" in response.text
    assert len(operated.projecting.parked()) == 6


def test_nothing_is_changed_in_bulk(operated: Operated) -> None:
    operated.mend()
    for method in ("GET", "POST"):
        response = sent(app_of(operated), method, NDJSON)
        assert (response.status_code, "data" in response.json()) == (400, False)
    assert len(operated.projecting.parked()) == 6


def test_nothing_is_changed_over_a_websocket(operated: Operated) -> None:
    operated.mend()

    async def talk() -> None:
        async with initiated(app_of(operated)) as socket:
            socket.subscribe(RETRY, **OF_AUDI)
            message = await socket.heard()
            assert (message["type"], message["payload"][0]["extensions"]["code"]) == (
                "error",
                "OPERATION_RESOLUTION_FAILURE",
            )

    asyncio.run(talk())
    assert len(operated.projecting.parked()) == 6


def test_a_mutation_is_never_compiled(operated: Operated) -> None:
    """A document that is asked again and again is executed each time."""
    app = app_of(operated, reads=UNREAD)
    for attempts in range(2, 6):
        found = sent(app).json()["data"]["retryParked"]
        assert (found["outcome"], found["parked"]["attempts"]) == ("STILL_PARKED", attempts)


def test_a_mutation_can_be_a_registered_document() -> None:
    assert why_refused(RETRY) is None


def test_no_more_are_taken_up_at_once_than_may_be(operated: Operated, monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[str] = []
    begun: list[None] = []

    def meanwhile(*_: Any) -> None:
        if len(begun) < RETRIES_AT_ONCE:
            begun.append(None)
            body = retried(operated, access(READ, WRITE), projection="navigation")
            codes.append(body["errors"][0]["extensions"]["code"] if "errors" in body else "done")

    monkeypatch.setattr(type(operated.projecting), "take_up", meanwhile)
    assert "errors" not in retried(operated, access(READ, WRITE))
    assert codes == ["SERVICE_UNAVAILABLE", "done"]
    assert "errors" not in retried(operated, access(READ, WRITE))  # the place is free again


def test_the_values_of_a_difference_need_the_scopes_of_what_they_tell() -> None:
    assert scopes.of_difference("navigation", "trips", ("t",)) == scopes.NAVIGATION_PAST
    assert scopes.of_difference("media", "plays", (1,)) == scopes.MEDIA
    assert scopes.of_difference("diagnostics", "warnings", ("FUEL_LEVEL_LOW",)) == scopes.DIAGNOSTICS
    frames = scopes.of_difference("diagnostics", "trouble_codes", ("7E8",))
    assert frames == scopes.DIAGNOSTICS | scopes.NAVIGATION_PAST
    path = "Vehicle.CurrentLocation.Latitude"
    assert scopes.of_difference("diagnostics", "signals", (path,)) == scopes.DIAGNOSTICS | scopes.NAVIGATION_PAST
    assert scopes.of_difference("another", "rows", ()) == scopes.OF_VEHICLES
