"""graphql-sse with distinct connections, and what the subscriptions deliver."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import httpx
import pytest

from adapters.access import OPERATOR, Access, Scope
from adapters.clock import now
from adapters.documents import Documents, sha256_of
from adapters.event_log import OriginFrom, ProgressChange
from adapters.graphql import app as app_module
from adapters.graphql import caller, lines, streams, waiting_room
from adapters.graphql.app import NO_LIMITS, AsgiApp, Limits, Live, build_app
from adapters.graphql.budgets import Budgets
from adapters.graphql.ending import EndedError, Ending
from adapters.graphql.errors import ErrorCode
from adapters.graphql.execution import Answer, Api, Subscribed
from adapters.graphql.ids import cursor_of
from adapters.graphql.outline import outline
from adapters.graphql.socket import TIMES, SocketTimes
from adapters.graphql.streams import Patience, Stream, StreamEndedError
from adapters.graphql.subscription import Change, Delivered, ReadModel
from adapters.graphql.trusted import TrustedDocuments
from adapters.memory.twin_reader import MemoryTwinReader
from domain.errors import StoreError
from domain.events import IgnitionTurnedOn
from domain.paths import SPEED
from domain.signals import Origin
from domain.streams import StreamProgress
from tests.support.asgi import HOST, Events, initiated, streaming, talking
from tests.support.twins import CATALOGUE, CODEC, REGISTRY, SECOND, T0, Car, World, full_car, memory_world

EVENTS = "subscription { events { cursor node { type position } } }"
CHANGES = "vehicleChanged%s { cursor position changes { model events position vehicle { vin } } }"


class Porter:
    """Lets everybody in as the same."""

    required = True

    def __init__(self, access: Access) -> None:
        self.access = access

    def remembered(self, _: str) -> Access | None:
        return self.access

    def verify(self, _: str) -> Access:
        return self.access


def app_of(
    world: World,
    times: SocketTimes = TIMES,
    limits: Limits = NO_LIMITS,
    access: Access = OPERATOR,
    twins: Any = None,
    doorkeeper: Porter | None = None,
) -> AsgiApp:
    return build_app(
        twins or world.twins,
        CATALOGUE,
        CODEC.decode,
        REGISTRY,
        limits=limits._replace(live=Live(world.log.wait, times)),
        doorkeeper=doorkeeper or Porter(access),
    )


def positions(cars: int = 1) -> int:
    return len(full_car(1).events) * cars


async def told(events: Events, count: int) -> list[int]:
    return [(await events.next())["events"]["node"]["position"] for _ in range(count)]


def test_a_delivered_event_tells_its_batch() -> None:
    async def run() -> None:
        car = Car(1)
        car.code(T0)
        world, stream = memory_world(car), StreamProgress("drive")
        origin = OriginFrom(1, Origin("a decoder", "a mapping"))
        world.log.append([], [ProgressChange(car.id, stream, stream.taken(2, final=False), (origin,))])
        query = "subscription { events { node { batch { sequence origin { decoder } } } } }"
        async with streaming(app_of(world), query) as events:
            found = [(await events.next())["events"]["node"]["batch"] for _ in car.events]
        assert found == [None, {"sequence": 2, "origin": {"decoder": "a decoder"}}]

    asyncio.run(run())


def test_the_past_comes_and_then_the_live() -> None:
    async def run() -> None:
        world = memory_world(car := full_car(1))
        async with streaming(app_of(world), EVENTS) as events:
            assert await told(events, positions()) == list(range(1, positions() + 1))
            for number in range(3):
                car.play(T0 + 100 * 3600 * SECOND + number, "live")
                world.write(car)
                assert await told(events, 1) == [positions() + 1 + number]

    asyncio.run(run())


def test_every_event_has_its_cursor_as_id_and_after_that_another_stream_goes_on() -> None:
    async def run() -> None:
        app = app_of(memory_world(full_car(1)))
        cursor = ""
        async with streaming(app, EVENTS) as events:
            for _ in range(5):
                kind, cursor, body = await events.heard()
                assert (kind, cursor) == ("next", body["data"]["events"]["cursor"])
        async with streaming(app, f'subscription {{ events(after: "{cursor}") {{ node {{ position }} }} }}') as events:
            assert await told(events, 3) == [6, 7, 8]
        async with streaming(app, EVENTS, headers={"last-event-id": cursor}) as events:
            assert await told(events, 3) == [6, 7, 8]

    asyncio.run(run())


def test_from_the_cursor_of_the_status_there_is_only_what_comes_from_now_on() -> None:
    async def run() -> None:
        world = memory_world(car := full_car(1))
        status = world.ask("{ status { cursor reachedPosition } }")["status"]
        assert status["reachedPosition"] == positions()
        query = f'subscription {{ events(after: "{status["cursor"]}") {{ node {{ position }} }} }}'
        async with streaming(app_of(world), query) as events:
            car.play(T0 + 100 * 3600 * SECOND, "live")
            world.write(car)
            assert await told(events, 1) == [positions() + 1]

    asyncio.run(run())


def answer_of(query: str, app: AsgiApp, **headers: str) -> Any:
    """Return what a stream tells that has an end."""

    async def run() -> Any:
        async with streaming(app, query, headers=headers) as events:
            kind, _, body = await events.heard()
            assert kind == "next"
            assert (await events.heard())[0] == "complete"
            return body

    return asyncio.run(run())


def code_of(body: Any) -> str:
    (error,) = body["errors"]
    assert error["extensions"]["remedy"]
    return str(error["extensions"]["code"])


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { a: events { cursor } b: events { cursor } }", "GRAPHQL_VALIDATION_FAILED"),
        ('subscription { events(after: "x") { cursor } }', "BAD_USER_INPUT"),
        ('subscription { events(after: "bAAAAAAA____") { cursor } }', "BAD_USER_INPUT"),  # beyond the end of the log
        ("subscription ($a: String!) { events(after: $a) { cursor } }", "BAD_USER_INPUT"),
        ('subscription { events(filter: { vehicles: ["WVWZZZE1ZMP999999"] }) { cursor } }', "BAD_USER_INPUT"),
        ('subscription { events(filter: { types: ["nothing"] }) { cursor } }', "BAD_USER_INPUT"),
        ("subscription { vehicleChanged(perSecond: 0) { cursor } }", "BAD_USER_INPUT"),
        ("subscription { vehicleChanged(perSecond: 11) { cursor } }", "BAD_USER_INPUT"),
        ("subscription {", "GRAPHQL_PARSE_FAILED"),
        ("query { nothing }", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
def test_what_cannot_be_delivered_is_said_in_the_stream(query: str, code: str) -> None:
    assert code_of(answer_of(query, app_of(memory_world(full_car(1))))) == code


def test_too_many_vehicles_of_a_filter_are_refused() -> None:
    vins = json.dumps([Car(number).vin for number in range(101)])
    query = f"subscription {{ events(filter: {{ vehicles: {vins} }}) {{ cursor }} }}"
    assert "filter.vehicles" in answer_of(query, app_of(memory_world()))["errors"][0]["message"]


def test_a_query_is_answered_in_the_stream_of_who_accepts_nothing_else() -> None:
    assert answer_of("{ status { logPosition } }", app_of(memory_world())) == {"data": {"status": {"logPosition": 0}}}


def test_who_accepts_json_too_gets_a_query_as_json_and_a_subscription_as_events() -> None:
    """As urql asks for everything."""
    accept = "application/graphql-response+json, application/json, text/event-stream, multipart/mixed"
    app = app_of(memory_world(full_car(1)))
    response = _post(app, "{ status { logPosition } }", accept)
    assert response.headers["content-type"].startswith("application/graphql-response+json")

    async def run() -> None:
        async with streaming(app, EVENTS, headers={"accept": accept}) as events:
            assert await told(events, 1) == [1]

    asyncio.run(run())


def test_who_does_not_accept_events_is_told_how_to_subscribe() -> None:
    body = _post(app_of(memory_world()), EVENTS, "application/json").json()
    assert code_of(body) == "OPERATION_RESOLUTION_FAILURE"
    assert "text/event-stream" in body["errors"][0]["message"]


def _post(app: AsgiApp, query: str, accept: str) -> httpx.Response:
    async def sent() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{HOST}") as client:
            return await client.post(
                "/graphql", json={"query": query}, headers={"accept": accept, "authorization": "Bearer x"}
            )

    return asyncio.run(sent())


# --- who may see what -------------------------------------------------------------------------------------------------


def partner(*scopes: Scope, brand: str = "Audi", **fields: Any) -> Access:
    return Access("app", "app", frozenset({brand}), frozenset(scopes), **fields)


def test_a_brand_is_told_of_its_own_vehicles_only_and_what_it_saw_is_on_record() -> None:
    async def run() -> None:
        cars = [full_car(1, brand="Audi"), full_car(2, brand="Skoda"), full_car(3, brand="Audi")]
        world = memory_world(*cars)
        app = app_of(world, access=partner(*Scope, brand="Skoda"))
        query = "subscription { events { node { type position data withheld vehicleId vehicle { vin brand } } } }"
        async with streaming(app, query) as events:
            found = [(await events.next())["events"]["node"] for _ in range(positions())]
            assert {each["vehicle"]["vin"] for each in found} == {cars[1].vin}
            assert [each["position"] for each in found] == list(range(positions() + 1, 2 * positions() + 1))
            assert not any(each["withheld"] for each in found)
            cars[2].play(T0 + 100 * 3600 * SECOND, "of another")
            cars[1].play(T0 + 100 * 3600 * SECOND, "own")
            world.write(cars[2], cars[1])
            assert (await events.next())["events"]["node"]["position"] == 3 * positions() + 2
        assert isinstance(world.twins, MemoryTwinReader)
        assert {vehicle_id for shown in world.twins.records for vehicle_id in shown.fields} == {cars[1].id}

    asyncio.run(run())


def test_what_is_withheld_is_told_of_each_event_anew() -> None:
    world = memory_world(full_car(1, brand="Audi"))
    query = """subscription {
      vehicleChanged { changes { vehicle { navigation { trips(first: 1) { edges { cursor } } } } } }
    }"""
    found = world.api.subscribed(query, access=partner(Scope.DIAGNOSTICS_READ))
    assert isinstance(found, Subscribed)
    with world.twins.reading() as read:
        (logged,) = read.log_page(0, None, 1, found.asked.chosen).events
        some = [Change(logged, ReadModel.DIAGNOSTICS, 1)]
        roots = [Delivered(number, None, changes) for number, changes in enumerate([some, [], some], 1)]
        told = [body.get("extensions", {}).get("withheld", []) for body in found.delivered(read, roots, Ending())]
    assert [[each["field"] for each in withheld] for withheld in told] == [
        ["Navigation.trips"],
        [],
        ["Navigation.trips"],
    ]


def test_a_stream_has_one_id_that_is_in_its_header_and_on_record() -> None:
    async def run() -> None:
        world = memory_world(full_car(1, brand="Audi"))
        async with streaming(
            app_of(world, access=partner(*Scope)), "subscription { events { node { data } } }"
        ) as events:
            headers = dict((await events.read())["headers"])
            for _ in range(positions()):
                await events.next()
        assert isinstance(world.twins, MemoryTwinReader)
        assert {str(each.request_id) for each in world.twins.records} == {headers[b"x-request-id"].decode()}

    asyncio.run(run())


def test_data_need_the_scopes_of_what_they_tell_and_the_stream_needs_its_own() -> None:
    async def run() -> None:
        world = memory_world(full_car(1, brand="Audi"))
        app = app_of(world, access=partner(Scope.EVENTS_READ))
        async with streaming(app, "subscription { events { node { type data withheld } } }") as events:
            found = [(await events.next())["events"]["node"] for _ in range(positions())]
        withheld = {each["type"] for each in found if each["withheld"]}
        assert {"vehicle.trip_started.v1", "vehicle.signals_sampled.v1"} <= withheld
        assert "vehicle.registered.v1" not in withheld

    asyncio.run(run())
    world = memory_world(full_car(1, brand="Audi"))
    assert code_of(answer_of(EVENTS, app_of(world, access=partner(Scope.MEDIA_READ)))) == "FORBIDDEN"
    changes = f"subscription {{ {CHANGES % ''} }}"
    assert code_of(answer_of(changes, app_of(world, access=partner(Scope.EVENTS_READ)))) == "FORBIDDEN"


def test_another_brands_vehicle_and_none_answer_alike() -> None:
    world = memory_world(full_car(1, brand="Audi"), full_car(2, brand="Skoda"))
    app = app_of(world, access=partner(*Scope))

    def refused(vin: str) -> Any:
        query = f'subscription {{ events(filter: {{ vehicles: ["{vin}"] }}) {{ cursor }} }}'
        return json.dumps(answer_of(query, app)).replace(vin, "VIN")

    assert refused(Car(2).vin) == refused(Car(777).vin)


def test_a_filter_chooses_vehicles_brands_models_and_types() -> None:
    async def first_of(world: World, chosen: str) -> Any:
        query = f"subscription {{ events(filter: {{ {chosen} }}) {{ node {{ position vehicleId }} }} }}"
        async with streaming(app_of(world), query) as events:
            return (await events.next())["events"]["node"]["position"]

    world = memory_world(full_car(1), full_car(2, brand="Skoda", model="Enyaq"))
    second = positions() + 1
    for chosen in (f'vehicles: ["{Car(2).vin}"]', 'brands: ["Skoda"]', 'models: ["Enyaq"]'):
        assert asyncio.run(first_of(world, chosen)) == second
    assert asyncio.run(first_of(world, 'types: ["vehicle.signals_sampled.v1"]')) == 2


def test_only_trusted_documents_are_subscribed_to_where_nothing_else_is() -> None:
    class Known(Documents):
        def find(self, sha256: str) -> str | None:
            return EVENTS if sha256 == sha256_of(EVENTS) else None

    app = app_of(memory_world(full_car(1)), limits=Limits(None, TrustedDocuments(Known(), only=True)))
    assert code_of(answer_of("subscription { events { cursor } }", app)) == "QUERY_NOT_IN_SAFELIST"

    async def run() -> None:
        async with streaming(app, EVENTS) as events:
            assert await told(events, 1) == [1]

    asyncio.run(run())


# --- what it costs ----------------------------------------------------------------------------------------------------


def test_events_cost_points_and_a_client_without_any_gets_them_later() -> None:
    async def run() -> None:
        clock = [0.0]
        budgets = Budgets(maximum=10, restored_a_second=1, now_s=lambda: clock[0])
        limits = Limits(budgets, NO_LIMITS.trusted)
        app = app_of(memory_world(full_car(1)), limits=limits, access=OPERATOR._replace(metered=True))
        async with streaming(app, "subscription { events { node { position } } }") as events:  # 2 points each
            assert await told(events, 5) == [1, 2, 3, 4, 5]
            clock[0] += 10
            assert await told(events, 5) == [6, 7, 8, 9, 10]
        assert budgets.spend((OPERATOR.client, None), 1)[0] is False

    asyncio.run(run())
    app = app_of(
        memory_world(full_car(1)),
        limits=Limits(Budgets(1, 1), NO_LIMITS.trusted),
        access=OPERATOR._replace(metered=True),
    )
    assert code_of(answer_of(EVENTS, app)) == "MAX_COST_EXCEEDED"


def test_a_client_that_has_few_points_left_gets_as_many_events_as_these_pay_for() -> None:
    async def run() -> None:
        budgets = Budgets(maximum=10, restored_a_second=1, now_s=lambda: 0.0)
        access = OPERATOR._replace(metered=True)
        budgets.spend((access.client, access.brands), 5)
        app = app_of(memory_world(full_car(1)), limits=Limits(budgets, NO_LIMITS.trusted), access=access)
        async with streaming(app, "subscription { events { node { position } } }") as events:  # 2 points each
            assert await told(events, 2) == [1, 2]

    asyncio.run(run())


def test_there_are_never_more_streams_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STREAMS_OF_CLIENT_MAX", 2)

    async def run() -> None:
        app = app_of(memory_world(full_car(1)))
        async with streaming(app, EVENTS) as first, streaming(app, EVENTS) as second:
            await told(first, 1)
            await told(second, 1)
            async with streaming(app, EVENTS) as third:
                assert code_of((await third.heard())[2]) == "SERVICE_UNAVAILABLE"
        async with streaming(app, EVENTS) as fourth:
            assert await told(fourth, 1) == [1]

    asyncio.run(run())


def test_streams_and_sockets_of_a_client_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINES_OF_CLIENT_MAX", 1)

    async def run() -> None:
        porter = Porter(OPERATOR._replace(metered=True))
        app = app_of(memory_world(full_car(1)), doorkeeper=porter)
        token = {"authorization": "Bearer good"}
        async with initiated(app, headers=token), streaming(app, EVENTS) as events:
            assert code_of((await events.heard())[2]) == "SERVICE_UNAVAILABLE"
        async with streaming(app, EVENTS) as events:
            assert await told(events, 1) == [1]

    asyncio.run(run())


def test_streams_take_the_places_of_sockets_of_nobody_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINES_MAX", 1)

    async def run() -> None:
        app = app_of(memory_world(full_car(1)))
        async with talking(app) as socket, streaming(app, EVENTS) as events:
            await told(events, 1)
            await socket.read()
            assert await socket.heard() == 1013
            async with streaming(app, EVENTS) as late:
                assert code_of((await late.heard())[2]) == "SERVICE_UNAVAILABLE"

    asyncio.run(run())


def test_a_server_process_never_has_more_streams_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STREAMS_MAX", 2)

    async def run() -> None:
        porter = Porter(OPERATOR)
        app = app_of(memory_world(full_car(1)), doorkeeper=porter)
        async with streaming(app, EVENTS) as first:
            await told(first, 1)
            porter.access = OPERATOR._replace(client="second")
            async with streaming(app, EVENTS) as second:
                await told(second, 1)
                porter.access = OPERATOR._replace(client="third")
                async with streaming(app, EVENTS) as third:
                    assert code_of((await third.heard())[2]) == "SERVICE_UNAVAILABLE"
            async with streaming(app, EVENTS) as fourth:
                assert await told(fourth, 1) == [1]

    asyncio.run(run())


@pytest.mark.parametrize("name", ["types", "brands", "models"])
def test_a_filter_takes_a_thousand_values_and_no_more(name: str) -> None:
    query = "subscription ($filter: EventFilter) { events(filter: $filter) { cursor } }"
    api, value = memory_world().api, "vehicle.trip_started.v1"
    found = api.subscribed(query, {"filter": {name: [value] * 1_000}}, access=OPERATOR)
    assert isinstance(found, Subscribed)
    refused = api.subscribed(query, {"filter": {name: [value] * 1_001}}, access=OPERATOR)
    assert isinstance(refused, Answer)
    assert code_of(refused.body) == "BAD_USER_INPUT"
    assert f"filter.{name}" in refused.body["errors"][0]["message"]


def test_the_streams_of_one_brand_leave_those_of_another_with_the_same_client_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "STREAMS_OF_CLIENT_MAX", 1)

    async def run() -> None:
        porter = Porter(OPERATOR)
        world = memory_world(full_car(1, brand="Audi"), full_car(2, brand="Skoda"))
        app = app_of(world, doorkeeper=porter)
        async with AsyncExitStack() as opened:
            for brand in ("Audi", "Skoda"):
                porter.access = OPERATOR._replace(brands=frozenset({brand}))
                events = await opened.enter_async_context(streaming(app, EVENTS))
                assert await events.next()

    asyncio.run(run())


# --- how it ends ------------------------------------------------------------------------------------------------------


async def end_of(events: Events) -> tuple[int, Any]:
    """Return how many things were delivered before the error that ends a stream, and that error."""
    count = 0
    while "errors" not in (body := (await events.heard())[2]):
        count += 1
    assert (await events.heard())[0] == "complete"
    (error,) = body["errors"]
    return count, error


def test_an_expired_token_ends_the_stream_with_the_cursor_to_go_on_after() -> None:
    async def run(query: str) -> tuple[int, Any]:
        access = OPERATOR._replace(expires_at=now() + 300_000)  # type: ignore[arg-type]
        async with streaming(app_of(WORLD, access=access), query) as events:
            return await end_of(events)

    count, error = asyncio.run(run(EVENTS))
    assert (count <= positions(), error["extensions"]["code"]) == (True, "UNAUTHENTICATED")
    assert error["extensions"]["cursor"] == cursor_of("the log", count)  # however many came in that time
    assert asyncio.run(run("subscription { vehicleChanged { cursor } }"))[1]["extensions"]["code"] == "UNAUTHENTICATED"


WORLD = memory_world(full_car(1))


def test_a_server_that_goes_down_ends_every_stream_and_begins_none() -> None:
    async def run() -> None:
        app = app_of(WORLD)
        async with streaming(app, EVENTS) as events:
            await told(events, positions())
            await app.drain()
            count, error = await end_of(events)
            assert (count, error["extensions"]["code"]) == (0, "SERVICE_UNAVAILABLE")
            assert error["extensions"]["cursor"] == WORLD.ask("{ status { cursor } }")["status"]["cursor"]
        async with streaming(app, EVENTS) as events:
            assert code_of((await events.heard())[2]) == "SERVICE_UNAVAILABLE"

    asyncio.run(run())


def test_who_takes_nothing_for_too_long_is_told_where_to_go_on() -> None:
    async def run() -> None:
        app = app_of(WORLD, SocketTimes(patience=Patience(stalled_s=0.05, cut_s=60.0)))
        async with streaming(app, EVENTS, 1) as events:
            await told(events, 1)
            await events.blocked.wait()
            await asyncio.sleep(0.1)  # longer than it may take
            count, error = await end_of(events)
        assert error["extensions"]["code"] == "READER_TOO_SLOW"
        assert 0 < count < positions() - 1
        async with streaming(app, EVENTS, headers={"last-event-id": error["extensions"]["cursor"]}) as events:
            assert await told(events, 1) == [count + 2]

    asyncio.run(run())


def test_one_who_leaves_a_stream_that_began_slowly_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = threading.Event()
    gone = caller.Caller.gone

    def watch(each: caller.Caller) -> Any:
        watched.set()
        return gone(each)

    def look_slowly(*asked: Any) -> Any:
        assert watched.wait(60)
        return outline(*asked)

    monkeypatch.setattr(caller, "WATCHED_AFTER_S", 0.0)
    monkeypatch.setattr(caller.Caller, "gone", watch)
    monkeypatch.setattr(app_module, "outline", look_slowly)

    async def run() -> None:
        async with streaming(app_of(WORLD), EVENTS) as events:
            await told(events, positions())

    asyncio.run(run())


def test_who_never_reads_is_cut_off_and_slows_nobody() -> None:
    async def run() -> None:
        app = app_of(WORLD, SocketTimes(patience=Patience(stalled_s=0.1, cut_s=0.1)))
        async with streaming(app, EVENTS, 1) as stuck:
            await stuck.blocked.wait()
            async with streaming(app, EVENTS) as events:
                assert await told(events, positions()) == list(range(1, positions() + 1))
            await asyncio.wait_for(stuck.over.wait(), 60)

    asyncio.run(run())


class FailingTwins:
    """Twins whose store is away for some questions."""

    def __init__(self, world: World, failures: int) -> None:
        self.world = world
        self.failures = failures
        self.armed = False

    @contextmanager
    def reading(self, brands: Any = None) -> Iterator[Any]:
        if self.armed and self.failures:
            self.failures -= 1
            raise StoreError("away")
        self.armed = True  # the opening has been answered
        with self.world.twins.reading(brands) as read:
            yield read


def test_a_store_that_is_away_for_a_moment_costs_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STORE_RETRY_S", 0.01)

    async def run() -> None:
        async with streaming(app_of(WORLD, twins=FailingTwins(WORLD, 3)), EVENTS) as events:
            assert await told(events, positions()) == list(range(1, positions() + 1))

    asyncio.run(run())


def away_once(monkeypatch: pytest.MonkeyPatch, of: type, name: str) -> list[bool]:
    """Let the store be away when a method is called for the first time; return whether it was."""
    method = getattr(of, name)
    failed: list[bool] = []

    def once_away(self: Any, *asked: Any) -> Any:
        if not failed:
            failed.append(True)
            raise StoreError("away")
        return method(self, *asked)

    monkeypatch.setattr(of, name, once_away)
    return failed


def test_an_event_is_told_whole_or_not_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the store goes away between the log and what is asked of an event's vehicle, both are asked again."""
    monkeypatch.setattr(streams, "STORE_RETRY_S", 0.01)
    failed = away_once(monkeypatch, MemoryTwinReader, "signals")
    document = "subscription { events { node { position vehicle { navigation { speed { value } } } } } }"

    async def run() -> None:
        async with streaming(app_of(WORLD), document) as events:
            for position in range(1, positions() + 1):
                node = (await events.next())["events"]["node"]
                assert (node["position"], node["vehicle"]["navigation"]) == (position, {"speed": {"value": 50.5}})

    asyncio.run(run())
    assert failed


def test_a_look_that_took_too_long_has_cost_all_that_it_might_have() -> None:
    budgets = Budgets(100, 1, lambda: 0.0)
    access = OPERATOR._replace(metered=True)
    found = Api(WORLD.twins, CATALOGUE, CODEC.decode, budgets).subscribed(EVENTS, access=access)
    assert isinstance(found, Subscribed)

    async def looked(look: Callable[[Ending], Any]) -> None:
        ending = Ending()
        ending.end()
        with pytest.raises(EndedError):
            look(ending)

    async def run() -> None:
        tide: Any = None
        with pytest.raises(StreamEndedError) as raised:
            await anext(Stream(found, looked, tide, asyncio.Event()).deliveries())
        assert raised.value.code is ErrorCode.TIMEOUT

    asyncio.run(run())
    _, throttle = budgets.spend((access.client, access.brands), 0)
    assert throttle.available == 100 - 2 * positions()


def test_a_store_that_stays_away_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STORE_RETRY_S", 0.01)
    monkeypatch.setattr(streams, "STORE_AWAY_S_MAX", 0.02)

    async def run() -> None:
        async with streaming(app_of(WORLD, twins=FailingTwins(WORLD, 10**9)), EVENTS) as events:
            count, error = await end_of(events)
            assert (count, error["extensions"]["code"]) == (0, "SERVICE_UNAVAILABLE")
            assert error["extensions"]["cursor"]

    asyncio.run(run())


def test_what_cannot_be_put_on_record_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise StoreError("no")

    monkeypatch.setattr(MemoryTwinReader, "put_on_record", refuse)
    monkeypatch.setattr(streams, "STORE_RETRY_S", 0.01)
    monkeypatch.setattr(streams, "STORE_AWAY_S_MAX", 0.02)

    async def run() -> None:
        world = memory_world(full_car(1, brand="Audi"))
        query = "subscription { events { node { data } } }"
        async with streaming(app_of(world, access=partner(*Scope)), query) as events:
            assert (await end_of(events))[0] == 0

    asyncio.run(run())


# --- what has changed -------------------------------------------------------------------------------------------------


def changes(body: Any) -> dict[tuple[str, str], tuple[int, int]]:
    """Return events and position of each read model of each vehicle that has changed."""
    return {
        (each["vehicle"]["vin"], each["model"]): (each["events"], each["position"])
        for each in body["vehicleChanged"]["changes"]
    }


def test_a_screen_is_told_once_of_all_that_has_changed_and_can_ask_for_it_at_once() -> None:
    async def run() -> None:
        one, two = full_car(1), full_car(2)
        world = memory_world(one, two)
        end = world.log.last_position()
        async with streaming(app_of(world), f"subscription {{ {CHANGES % '(perSecond: 10)'} }}") as events:
            app_is_open = asyncio.ensure_future(events.next())
            await asyncio.sleep(0.2)  # nothing has changed: nothing is told
            assert not app_is_open.done()
            for number in range(3):
                one.play(T0 + 100 * 3600 * SECOND + number, "live")
            two.sample(T0 + 100 * 3600 * SECOND, {"Vehicle.Speed": 3.0})
            two.tell(IgnitionTurnedOn, T0 + 101 * 3600 * SECOND, initial=False)  # which no read model keeps
            world.write(one, two)
            body = await app_is_open
            assert changes(body) == {
                (one.vin, "MEDIA"): (3, end + 3),
                (two.vin, "NAVIGATION"): (1, end + 4),
                (two.vin, "DIAGNOSTICS"): (1, end + 4),
            }
            assert body["vehicleChanged"]["position"] == end + 5
            cursor = body["vehicleChanged"]["cursor"]
        one.play(T0 + 102 * 3600 * SECOND, "missed")
        world.write(one)
        resumed = CHANGES % f'(after: "{cursor}")'
        async with streaming(app_of(world), f"subscription {{ {resumed} }}") as events:
            assert changes(await events.next()) == {(one.vin, "MEDIA"): (1, end + 6)}

    asyncio.run(run())


def test_a_slow_screen_is_told_all_that_it_missed_at_once() -> None:
    async def run() -> None:
        car = full_car(1)
        world = memory_world(car)
        app = app_of(world)
        async with streaming(app, f"subscription {{ {CHANGES % '(perSecond: 10)'} }}", 1) as events:
            await events.blocked.wait()  # it is open
            for number in range(40):
                car.play(T0 + 100 * 3600 * SECOND + number, "live")
                world.write(car)
                await asyncio.sleep(0.01)  # several times longer than the screen is told, all in all
            found = [changes(await events.next())]
            while sum(each[car.vin, "MEDIA"][0] for each in found) < 40:
                found.append(changes(await events.next()))
            assert sum(each[car.vin, "MEDIA"][0] for each in found) == 40
            assert len(found) < 10

    asyncio.run(run())


@pytest.mark.parametrize("metered", [True, False])
def test_no_more_changes_are_told_at_once_than_may_be_and_than_are_paid_for(
    metered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A price is that of five items; here it is 11 points, so 44 pay for 20 changes."""
    monkeypatch.setattr(streams, "CHANGES_MAX", 1_000 if metered else 20)
    monkeypatch.setattr(streams, "THROTTLE_S_MAX", 0.01)
    cars = [Car(number) for number in range(1, 51)]
    for car in cars:
        car.play(T0 + SECOND, "Piece")
    clock = [0.0]
    budgets = Budgets(maximum=44, restored_a_second=1, now_s=lambda: clock[0])
    after = cursor_of("the log", 0)
    document = (
        f'subscription {{ vehicleChanged(after: "{after}", perSecond: 10) {{ changes {{ vehicle {{ vin }} }} }} }}'
    )

    async def run() -> list[list[str]]:
        limits = Limits(budgets, NO_LIMITS.trusted)
        app = app_of(memory_world(*cars), limits=limits, access=OPERATOR._replace(metered=metered))
        found = []
        async with streaming(app, document) as events:
            for count in (20, 20, 10):
                body = await events.next()
                found.append([each["vehicle"]["vin"] for each in body["vehicleChanged"]["changes"]])
                assert len(found[-1]) == count
                clock[0] += 44
        return found

    found = asyncio.run(run())
    assert sorted(vin for each in found for vin in each) == sorted(car.vin for car in cars)


def test_what_many_vehicles_deliver_is_told_a_few_vehicles_at_a_time() -> None:
    """Nobody who subscribes can ask for fewer, as who asks for a page can."""
    cars = [full_car(number) for number in range(1, 24)]
    after = cursor_of("the log", 0)
    document = (
        f'subscription {{ vehicleChanged(after: "{after}") {{'
        " changes { vehicle { vin delivered { signals { path } } } } } }"
    )

    async def run() -> Any:
        async with streaming(app_of(memory_world(*cars)), document) as events:
            return (await events.heard())[2]

    body = asyncio.run(run())
    assert "errors" not in body, body["errors"][0]
    told = [each["vehicle"] for each in body["data"]["vehicleChanged"]["changes"]]
    assert {each["vin"] for each in told} == {car.vin for car in cars}
    assert all(each["delivered"]["signals"] for each in told)


def test_what_was_noted_before_the_store_went_away_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STORE_RETRY_S", 0.01)
    away_once(monkeypatch, Subscribed, "delivered")
    car = Car(1)
    car.play(T0 + SECOND, "Piece")
    asked = CHANGES % f'(after: "{cursor_of("the log", 0)}")'

    async def run() -> None:
        async with streaming(app_of(memory_world(car)), f"subscription {{ {asked} }}") as events:
            assert changes(await events.next()) == {(car.vin, "MEDIA"): (1, 2)}

    asyncio.run(run())


def test_read_models_without_a_scope_are_left_out() -> None:
    async def run() -> None:
        car = full_car(1, brand="Audi")
        world = memory_world(car)
        after = 'after: "bAAAAAAAAAAA"'
        app = app_of(world, access=partner(Scope.MEDIA_READ))
        async with streaming(app, f"subscription {{ {CHANGES % f'({after})'} }}") as events:
            assert {model for _, model in changes(await events.next())} == {"MEDIA"}

    asyncio.run(run())


def test_a_query_waits_until_the_read_models_have_come_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_room, "AT_LEAST_S_MAX", 0.05)
    world = memory_world(car := full_car(1))
    end = world.log.last_position()
    query = f'{{ vehicle(vin: "{car.vin}", atLeast: %d) {{ vin }} vehicles(first: 1, atLeast: 1) {{ __typename }} }}'
    assert _post(app_of(world), query % end, "application/json").json()["data"]["vehicle"] == {"vin": car.vin}
    refused = _post(app_of(world), query % (end + 1), "application/json").json()
    assert code_of(refused) == "POSITION_NOT_REACHED"
    assert f"the read models are at position {end}, not at {end + 1}" in refused["errors"][0]["message"]
    for root in (
        "fleet(atLeast: %d) { vehicles }",
        f'explain(vehicle: "{car.vin}", path: "{SPEED}", atLeast: %d) {{ event {{ id }} }}',
    ):
        assert "errors" not in _post(app_of(world), f"{{ {root % end} }}", "application/json").json()
        refused = _post(app_of(world), f"{{ {root % (end + 1)} }}", "application/json").json()
        assert code_of(refused) == "POSITION_NOT_REACHED"
    monkeypatch.setattr(waiting_room, "AT_LEAST_S_MAX", 60.0)

    async def run() -> Any:
        app = app_of(world)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{HOST}") as client:
            variables = {"position": end + 1}
            document = f'query ($position: Int64) {{ vehicle(vin: "{car.vin}", atLeast: $position) {{ vin }} }}'
            asked = {"query": document, "variables": variables}
            answer = asyncio.ensure_future(client.post("/graphql", json=asked, headers={"authorization": "Bearer x"}))
            await asyncio.wait({answer}, timeout=0.2)
            assert not answer.done()
            car.play(T0 + 100 * 3600 * SECOND, "live")
            world.write(car)
            return (await answer).json()["data"]

    assert asyncio.run(run()) == {"vehicle": {"vin": car.vin}}


async def asked_for(app: AsgiApp, position: int) -> tuple[asyncio.Queue[Any], asyncio.Queue[Any], "asyncio.Task[None]"]:
    """Ask for a position over a connection: what it is told, what it tells, and the task that answers."""
    body = json.dumps({"query": f'{{ vehicle(vin: "{full_car(1).vin}", atLeast: {position}) {{ vin }} }}'}).encode()
    headers = {"host": HOST, "content-type": "application/json", "authorization": "Bearer good"}
    scope = {"type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "client": ("192.0.2.1", 1)}
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    told_it: asyncio.Queue[Any] = asyncio.Queue()
    tells: asyncio.Queue[Any] = asyncio.Queue()
    told_it.put_nowait({"type": "http.request", "body": body})
    task = asyncio.ensure_future(app({**scope, "headers": encoded}, told_it.get, tells.put))
    return told_it, tells, task


def test_who_waits_for_a_position_keeps_nobody_from_asking_and_ends_when_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app_module, "REQUESTS_MAX", 2)
    monkeypatch.setattr(waiting_room, "AT_LEAST_S_MAX", 60.0)
    monkeypatch.setattr(waiting_room, "WAITING_MAX", 4)
    monkeypatch.setattr(waiting_room, "WAITING_OF_CLIENT_MAX", 3)

    async def run() -> None:
        porter = Porter(OPERATOR)
        world = memory_world(full_car(1))
        app = app_of(world, doorkeeper=porter)
        end = world.log.last_position()
        waiting = [await asked_for(app, end + 1) for _ in range(3)]
        _, refused, _ = await asked_for(app, end + 1)  # one more of a client
        assert (await asyncio.wait_for(refused.get(), 20))["status"] == 503
        porter.access = OPERATOR._replace(client="other")
        waiting.append(await asked_for(app, end + 1))
        porter.access = OPERATOR._replace(client="third")
        _, refused, _ = await asked_for(app, end + 1)  # one more of all
        assert (await asyncio.wait_for(refused.get(), 20))["status"] == 503
        _, answered, _ = await asked_for(app, 0)
        assert (await asyncio.wait_for(answered.get(), 20))["status"] == 200
        for told_it, _, _ in waiting:
            told_it.put_nowait({"type": "http.disconnect"})
        done, _ = await asyncio.wait({task for *_, task in waiting}, timeout=20)
        assert len(done) == len(waiting)

    asyncio.run(run())
