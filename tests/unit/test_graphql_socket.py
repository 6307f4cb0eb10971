"""graphql-transport-ws, message by message."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from adapters import http_connections, socket_connections
from adapters.access import OPERATOR, Access, TokenRefusedError
from adapters.clock import now
from adapters.documents import Documents, sha256_of
from adapters.graphql import app as app_module
from adapters.graphql import bulk, lines, waiting_room
from adapters.graphql.app import NO_LIMITS, AsgiApp, Limits, Live, build_app
from adapters.graphql.socket import OPERATIONS_MAX, SocketTimes
from adapters.graphql.streams import Patience
from adapters.graphql.trusted import TrustedDocuments
from domain.errors import StoreError
from tests.support.asgi import Socket, initiated, talking
from tests.support.twins import CATALOGUE, CODEC, REGISTRY, World, full_car, memory_world

QUERY = "{ status { logPosition } }"
EVENTS = "subscription { events { cursor node { position } } }"


def app_of(world: World, times: SocketTimes | None = None, limits: Limits = NO_LIMITS, **settings: Any) -> AsgiApp:
    live = Live(world.log.wait, times or SocketTimes())
    return build_app(world.twins, CATALOGUE, CODEC.decode, REGISTRY, limits=limits._replace(live=live), **settings)


WORLD = memory_world(full_car(1))


def talk(conversation: Callable[[Socket], Awaitable[None]], app: AsgiApp | None = None, **headers: str) -> None:
    """Have a conversation on a socket on which operations can begin."""

    async def run() -> None:
        async with initiated(app or app_of(WORLD), headers=headers) as socket:
            await conversation(socket)

    asyncio.run(run())


def test_a_query_has_an_answer_and_is_complete() -> None:
    async def conversation(socket: Socket) -> None:
        socket.subscribe(QUERY)
        assert await socket.next() == {"status": {"logPosition": WORLD.log.last_position()}}
        assert await socket.heard() == {"type": "complete", "id": "1"}
        socket.subscribe(QUERY)  # its id may be used again
        await socket.next()

    talk(conversation)


def test_what_cannot_be_executed_is_an_error_and_the_socket_goes_on() -> None:
    async def conversation(socket: Socket) -> None:
        for query, code in [
            ("{", "GRAPHQL_PARSE_FAILED"),
            ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
            ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
            ("subscription { events(after: 1) { cursor } }", "GRAPHQL_VALIDATION_FAILED"),
        ]:
            socket.subscribe(query)
            message = await socket.heard()
            assert (message["type"], message["id"]) == ("error", "1")
            assert message["payload"][0]["extensions"]["code"] == code
        socket.subscribe('subscription { events(after: "x") { cursor } }')
        message = await socket.heard()
        assert message["payload"]["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert (await socket.heard())["type"] == "complete"

    talk(conversation)


def test_operations_run_beside_each_other_and_end_when_the_client_says_so() -> None:
    async def conversation(socket: Socket) -> None:
        socket.subscribe(EVENTS, "a")
        assert (await socket.heard())["id"] == "a"
        socket.subscribe(QUERY, "b")
        while (message := await socket.heard())["id"] == "a":
            pass
        assert message["type"] == "next"
        socket.say({"type": "complete", "id": "a"})
        socket.say({"type": "complete", "id": "unknown"})  # it may have been complete already
        socket.say({"type": "ping", "payload": {"any": 1}})
        while (message := await socket.heard())["type"] != "pong":
            pass
        socket.subscribe(QUERY, "a")
        assert await socket.next() == {"status": {"logPosition": WORLD.log.last_position()}}

    talk(conversation)


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([{"type": "connection_init"}], 4429),
        (["{"], 4400),
        (["[]"], 4400),
        (["[" * 100_000], 4400),
        ([{"id": "1"}], 4400),
        ([{"type": 1}], 4400),
        ([{"type": "start"}], 4400),
        ([{"type": "complete"}], 4400),
        ([{"type": "complete", "id": 1}], 4400),
        ([{"type": "next", "id": "1"}], 4400),
        ([{"type": "subscribe", "payload": {"query": QUERY}}], 4400),
        ([{"type": "subscribe", "id": "", "payload": {"query": QUERY}}], 4400),
        ([{"type": "subscribe", "id": "x" * 129, "payload": {"query": QUERY}}], 4400),
        ([{"type": "subscribe", "id": "1"}], 4400),
        ([{"type": "subscribe", "id": "1", "payload": []}], 4400),
        ([{"type": "subscribe", "id": "1", "payload": {}}], 4400),
        ([{"type": "subscribe", "id": "1", "payload": {"query": QUERY, "variables": []}}], 4400),
        ([{"type": "subscribe", "id": "1", "payload": {"query": EVENTS}}] * 2, 4409),
        ([{"type": "subscribe", "id": "1\ud800", "payload": {"query": EVENTS}}] * 2, 4409),
        ([{"type": "subscribe", "id": str(n), "payload": {"query": EVENTS}} for n in range(OPERATIONS_MAX + 1)], 4400),
    ],
)
def test_what_the_protocol_does_not_know_closes_the_socket(messages: list[Any], code: int) -> None:
    async def conversation(socket: Socket) -> None:
        for message in messages:
            socket.say(message)
        while isinstance(found := await socket.heard(), dict):
            assert found["type"] == "next"
        assert found == code

    talk(conversation)


def test_bytes_are_no_message() -> None:
    async def conversation(socket: Socket) -> None:
        socket.tell({"type": "websocket.receive", "bytes": b"{}"})
        assert await socket.heard() == 4400

    talk(conversation)


def ends(app: AsgiApp, *said: Any, **settings: Any) -> int:
    """Return the code that a socket is closed with on which nothing but this is said."""

    async def run() -> int:
        async with talking(app, **settings) as socket:
            for message in said:
                socket.say(message)
            first = await socket.read()
            if first["type"] == "websocket.close":
                return int(first["code"])
            code = await socket.heard()
            assert isinstance(code, int), code
            return code

    return asyncio.run(run())


def test_nothing_is_executed_before_connection_init_and_that_must_come_soon() -> None:
    assert ends(app_of(WORLD), {"type": "subscribe", "id": "1", "payload": {"query": QUERY}}) == 4401
    assert ends(app_of(WORLD, SocketTimes(init_s=0.01))) == 4408
    assert ends(app_of(WORLD), {"type": "connection_init", "payload": "text"}) == 4400


def test_who_speaks_another_protocol_is_told_which_is_spoken() -> None:
    assert ends(app_of(WORLD), subprotocols=()) == 4406
    assert ends(app_of(WORLD), subprotocols=("graphql-ws",)) == 4406


def test_a_socket_without_an_operation_is_closed_after_a_while() -> None:
    async def conversation(socket: Socket) -> None:
        assert await socket.heard() == 1000

    talk(conversation, app_of(WORLD, SocketTimes(idle_s=0.01)))


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "elsewhere.example"},
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"origin": "file://null"},
        {"origin": "http://["},
        {"origin": ""},
    ],
)
def test_a_page_of_elsewhere_is_not_let_in_where_no_token_is_needed(headers: dict[str, str]) -> None:
    assert ends(app_of(WORLD), headers=headers) == 1008


def test_the_own_page_is_let_in_and_other_paths_are_not() -> None:
    async def conversation(_: Socket) -> None:
        pass

    talk(conversation, origin="http://localhost:8000")
    assert ends(app_of(WORLD), path="/other") == 1008


# --- how many there may be --------------------------------------------------------------------------------------------


async def refused(app: AsgiApp, **settings: Any) -> Any:
    """Return the code that a socket is closed with that says who it is."""
    async with talking(app, **settings) as socket:
        assert (await socket.read())["type"] == "websocket.accept"
        socket.say({"type": "connection_init"})
        return await socket.heard()


def test_of_too_many_sockets_those_go_first_that_have_not_said_whose_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINES_MAX", 3)

    async def run() -> None:
        app = app_of(WORLD)
        async with initiated(app) as known, talking(app) as oldest, talking(app) as old, initiated(app) as new:
            assert (await oldest.read(), (await oldest.heard())) == (await old.read(), 1013)
            async with initiated(app):
                assert await old.heard() == 1013
                assert await refused(app) == 1013  # all are of somebody
            for socket in (known, new):
                socket.subscribe(QUERY)
                await socket.next()
        async with initiated(app), initiated(app), initiated(app):
            pass

    asyncio.run(run())


def test_of_one_address_so_many_sockets_stay_of_which_nobody_knows_whose_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "NEW_OF_ADDRESS_MAX", 2)

    async def run() -> None:
        app = app_of(WORLD)
        async with (
            talking(app, address="192.0.2.1") as other,
            talking(app, address="192.0.2.2") as oldest,
            talking(app, address="192.0.2.2") as old,
            talking(app, address="192.0.2.2") as new,
        ):
            await oldest.read()
            assert await oldest.heard() == 1013
            for socket in (other, old, new):
                await socket.read()
                socket.say({"type": "connection_init"})
                assert await socket.heard() == {"type": "connection_ack"}

    asyncio.run(run())


def test_a_client_has_so_many_sockets_and_others_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINES_OF_CLIENT_MAX", 2)

    class Many(Porter):
        def verify(self, token: str) -> Access:
            return OPERATOR._replace(client=token, metered=True)

    async def run() -> None:
        app = app_of(WORLD, doorkeeper=Many(), hosts=None)
        one, other = ({"authorization": f"Bearer {name}"} for name in ("one", "other"))
        async with initiated(app, headers=one), initiated(app, headers=one):
            assert await refused(app, headers=one, address="192.0.2.2") == 1013
            assert await refused(app, headers=other) == {"type": "connection_ack"}
        assert await refused(app, headers=one) == {"type": "connection_ack"}

    asyncio.run(run())


def test_where_nobody_needs_a_token_an_address_has_so_many_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINES_OF_CLIENT_MAX", 1)

    async def run() -> None:
        app = app_of(WORLD)
        async with initiated(app):
            assert await refused(app) == 1013
            assert await refused(app, address="192.0.2.2") == {"type": "connection_ack"}

    asyncio.run(run())


def test_however_many_connections_stay_open_there_are_some_for_those_who_ask() -> None:
    answered = app_module.REQUESTS_MAX + waiting_room.WAITING_MAX + bulk.STREAMS_MAX
    assert lines.LINES_MAX + answered < http_connections.CONNECTIONS_MAX


def test_only_trusted_documents_are_executed_on_a_socket_where_nothing_else_is() -> None:
    class Known(Documents):
        def find(self, sha256: str) -> str | None:
            return EVENTS if sha256 == sha256_of(EVENTS) else None

    async def conversation(socket: Socket) -> None:
        for document in (QUERY, "subscription { events { cursor } }", "subscription { vehicleChanged { cursor } }"):
            socket.subscribe(document)
            message = await socket.heard()
            assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "QUERY_NOT_IN_SAFELIST")
        socket.subscribe(EVENTS)
        assert (await socket.next())["events"]["node"]["position"] == 1

    talk(conversation, app_of(WORLD, limits=Limits(None, TrustedDocuments(Known(), only=True))))


class Porter:
    """Lets in who says "good", for a while or for ever."""

    required = True

    def __init__(self, valid_us: int | None = None) -> None:
        self.until = None if valid_us is None else now() + valid_us

    def remembered(self, _: str) -> Access | None:
        return None

    def verify(self, token: str) -> Access:
        if token == "away":
            raise StoreError("no keys")
        if token != "good":
            raise TokenRefusedError("the token is forged")
        return OPERATOR._replace(expires_at=self.until)  # type: ignore[arg-type]


def test_a_token_comes_in_the_header_or_in_the_payload() -> None:
    app = app_of(WORLD, doorkeeper=Porter(), hosts=None)

    async def acknowledged(payload: object, **headers: str) -> Any:
        async with talking(app, headers=headers) as socket:
            await socket.read()
            socket.say({"type": "connection_init", "payload": payload})
            return await socket.heard()

    ack = {"type": "connection_ack"}
    assert asyncio.run(acknowledged(None, authorization="Bearer good")) == ack
    assert asyncio.run(acknowledged({"Authorization": "Bearer good"})) == ack
    assert asyncio.run(acknowledged({"authorization": "bearer good"}, authorization="Bearer bad")) == ack
    assert asyncio.run(acknowledged({"headers": {"Authorization": "Bearer good"}})) == ack
    assert asyncio.run(acknowledged(None)) == 4403
    assert asyncio.run(acknowledged({"Authorization": "Bearer bad"})) == 4403
    assert asyncio.run(acknowledged({"Authorization": 1})) == 4403
    assert asyncio.run(acknowledged({"Authorization": "Bearer away"})) == 1013


def test_an_expired_token_ends_a_live_socket_whatever_runs_on_it() -> None:
    async def run(query: str | None) -> None:
        app = app_of(WORLD, doorkeeper=Porter(300_000), hosts=None)
        async with initiated(app, headers={"authorization": "Bearer good"}) as socket:
            if query:
                socket.subscribe(query)
            while isinstance(found := await socket.heard(), dict):
                assert found["type"] == "next"
            assert found == 4403

    asyncio.run(run(None))
    asyncio.run(run(EVENTS))
    asyncio.run(run("subscription { vehicleChanged { cursor } }"))


@pytest.mark.parametrize("said", [{"type": "pong"}, {"type": "subscribe", "id": "1", "payload": {"query": QUERY}}])
@pytest.mark.parametrize(
    ("valid_us", "times", "code"), [(0, SocketTimes(), 4403), (None, SocketTimes(idle_s=0.0), 1000)]
)
def test_a_message_that_is_there_already_is_not_taken_after_the_end(
    said: Any, valid_us: int | None, times: SocketTimes, code: int
) -> None:
    async def run() -> None:
        app = app_of(WORLD, times, doorkeeper=Porter(valid_us), hosts=None)
        async with talking(app, headers={"authorization": "Bearer good"}) as socket:
            for message in ({"type": "connection_init"}, *[said] * 3, {"type": "nothing"}):
                socket.say(message)  # so that there is always another one
            await socket.read()
            assert await socket.heard() == {"type": "connection_ack"}
            assert await socket.heard() == code

    asyncio.run(run())


def test_who_says_anything_but_connection_init_for_too_long_is_closed() -> None:
    said = [{"type": "pong"}] * 3 + [{"type": "nothing"}]
    assert ends(app_of(WORLD, SocketTimes(init_s=0.0)), *said) == 4408


def test_who_takes_nothing_for_too_long_is_told_where_to_go_on() -> None:
    async def run() -> None:
        app = app_of(WORLD, SocketTimes(patience=Patience(stalled_s=0.05, cut_s=60.0)))
        async with initiated(app, 1) as socket:
            socket.subscribe(EVENTS)
            first = await socket.next()
            await socket.blocked.wait()
            await asyncio.sleep(0.1)  # longer than it may take
            seen = [first["events"]["node"]["position"]]
            while (message := await socket.heard())["type"] == "next":
                seen.append(message["payload"]["data"]["events"]["node"]["position"])
            (error,) = message["payload"]
            assert error["extensions"]["code"] == "READER_TOO_SLOW"
            assert seen == list(range(1, len(seen) + 1))
            assert len(seen) < WORLD.log.last_position()
            socket.subscribe(
                "subscription ($after: String) { events(after: $after) { node { position } } }",
                after=error["extensions"]["cursor"],
            )
            assert await socket.next() == {"events": {"node": {"position": len(seen) + 1}}}

    asyncio.run(run())


def test_a_ping_may_be_unanswered_as_long_as_a_reader_may_take_nothing() -> None:
    assert sum(SocketTimes().patience) <= socket_connections.PONG_S


def test_who_never_reads_is_cut_off() -> None:
    async def run() -> None:
        app = app_of(WORLD, SocketTimes(patience=Patience(stalled_s=0.02, cut_s=0.02)))
        async with initiated(app, 1) as socket:
            socket.subscribe(EVENTS)
            await asyncio.wait_for(socket.over.wait(), 60)

    asyncio.run(run())


def test_a_server_that_goes_down_says_so() -> None:
    async def run() -> None:
        app = app_of(WORLD)
        async with initiated(app) as socket:
            socket.subscribe(EVENTS)
            for _ in full_car(1).events:
                await socket.next()  # so that it is open, and has nothing more to tell
            await app.drain()
            assert await socket.heard() == 1012

    asyncio.run(run())
