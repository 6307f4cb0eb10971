"""All vehicles in one answer: JSON lines."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any
from uuid import UUID

import pytest

from adapters.access import DEVELOPMENT, Access, Scope
from adapters.clock import now
from adapters.graphql.app import Limits, build_app
from adapters.graphql.budgets import Budgets
from adapters.graphql.bulk import STREAMS_A_CLIENT_MAX, STREAMS_MAX, Bulk
from adapters.graphql.caller import Caller
from adapters.graphql.execution import Api
from adapters.graphql.http import NDJSON, Call
from adapters.graphql.trusted import NoDocuments, TrustedDocuments
from adapters.memory.twin_reader import MemoryTwinReader
from domain.errors import StoreError
from domain.units import Micros
from tests.support.twins import CATALOGUE, CODEC, REGISTRY, full_car, memory_world, vin_of
from tests.unit.test_graphql_http import send

COUNT = 7
TWINS = memory_world(
    *(full_car(number, brand="Audi" if number % 2 else "Skoda") for number in range(1, COUNT + 1))
).twins


class Away:
    """Twins that cannot be read."""

    def reading(self, _: Any = None) -> Any:
        return nullcontext(self)

    def vehicles(self, *_: Any) -> Any:
        raise StoreError("away")

    def cancel(self) -> None:
        pass


class Broken:
    """Twins of which a fault of ours keeps us."""

    def reading(self, _: Any = None) -> Any:
        raise RuntimeError("the password is 1234")


class Going:
    """Twins that are there for the first page only."""

    def __init__(self, then: Any) -> None:
        self._then = then
        self._asked = 0

    def reading(self, brands: Any = None) -> Any:
        self._asked += 1
        return (TWINS if self._asked == 1 else self._then).reading(brands)


FLEET = """query Fleet($after: String, $n: Int = 3, $brands: [String!]) {
  vehicles(first: $n, after: $after, filter: {brands: $brands}) {
    edges { cursor node { vin navigation { speed { value } } } } pageInfo { hasNextPage endCursor }
  }
}"""
BRAND = Access("app", "app", frozenset({"Audi"}), frozenset(Scope))
REQUEST = UUID(int=7)
ENDINGS = ThreadPoolExecutor(1)
ASKED = Call(FLEET, None, None, None, NDJSON)


def ask(document: str = FLEET, *, twins: Any = TWINS, accept: str = NDJSON, **variables: Any) -> Any:
    app = build_app(twins, CATALOGUE, CODEC.decode, REGISTRY)
    body = json.dumps({"query": document, "variables": variables}).encode()
    return send(
        "POST", "/graphql", app=app, content=body, headers={"accept": accept, "content-type": "application/json"}
    )


def lines(text: str) -> list[Any]:
    return [json.loads(each) for each in text.splitlines()]


@pytest.mark.parametrize("first", [1, 3, COUNT, 100])
def test_every_vehicle_is_there_once_and_then_the_end(first: int) -> None:
    response = ask(n=first)
    assert (response.status_code, response.headers["content-type"]) == (200, NDJSON)
    assert "content-length" not in response.headers
    *edges, end = lines(response.text)
    assert end["end"] == {"vehicles": COUNT}
    assert {edge["node"]["vin"] for edge in edges} == {vin_of(number) for number in range(1, COUNT + 1)}
    assert len(edges) == COUNT
    assert edges[0]["node"]["navigation"] == {"speed": {"value": 50.5}}


def test_a_stream_goes_on_after_the_last_cursor_that_came() -> None:
    *edges, _ = lines(ask().text)
    *rest, end = lines(ask(after=edges[3]["cursor"]).text)
    assert rest == edges[4:]
    assert end["end"] == {"vehicles": COUNT - 4}


def test_no_vehicle_is_an_end_as_well() -> None:
    assert [each["end"] for each in lines(ask(brands=["Lada"]).text)] == [{"vehicles": 0}]


@pytest.mark.parametrize(
    "document",
    [
        "{ status { logPosition } }",
        "{ vehicles(first: 3) { edges { node { vin } } pageInfo { hasNextPage endCursor } } }",
        FLEET.replace("after: $after", "after: $after, orderBy: { field: VIN }"),
        FLEET.replace("hasNextPage ", ""),
        FLEET.replace("edges {", "all: edges {"),
        FLEET.replace("pageInfo {", "info: pageInfo {"),
        FLEET.replace("endCursor", "end: endCursor"),
        FLEET.rstrip()[:-1] + " status { logPosition } }",
        "query A { status { logPosition } } " + FLEET,
    ],
)
def test_a_document_that_does_not_tell_where_its_page_ends_is_refused(document: str) -> None:
    response = ask(document)
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert (error["extensions"]["code"], "pages of vehicles" in error["message"]) == ("BAD_REQUEST", True)
    assert ask(error["extensions"]["remedy"].removeprefix("ask like: ")).status_code == 200


@pytest.mark.parametrize(
    ("document", "variables", "status", "code"),
    [
        ("query {", {}, 400, "GRAPHQL_PARSE_FAILED"),
        (FLEET.replace("vin", "wine"), {}, 400, "GRAPHQL_VALIDATION_FAILED"),
        (FLEET, {"n": 1_000}, 200, "BAD_USER_INPUT"),
        (FLEET, {"n": "many"}, 400, "BAD_USER_INPUT"),
    ],
)
def test_what_cannot_be_asked_is_told_as_for_one_page(document: str, variables: Any, status: int, code: str) -> None:
    response = ask(document, **variables)
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (status, code)


def test_a_store_that_is_away_is_told() -> None:
    assert ask(twins=Away()).json()["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"


def test_a_store_that_goes_away_meanwhile_is_told_in_the_last_line() -> None:
    *edges, end = lines(ask(twins=Going(Away())).text)
    assert (len(edges), end["errors"][0]["extensions"]["code"]) == (3, "SERVICE_UNAVAILABLE")
    assert end["after"] == edges[-1]["cursor"]


def test_a_fault_of_ours_is_told_in_the_last_line_with_where_to_go_on(caplog: pytest.LogCaptureFixture) -> None:
    *edges, end = lines(ask(twins=Going(Broken())).text)
    (error,) = end["errors"]
    assert (len(edges), error["extensions"]["code"]) == (3, "INTERNAL_SERVER_ERROR")
    assert "the password is 1234" not in str(end)
    assert "the password is 1234" in caplog.text
    assert error["extensions"]["id"] in caplog.text
    *rest, end = lines(ask(after=end["after"]).text)
    assert (len(rest), end["end"]) == (COUNT - 3, {"vehicles": COUNT - 3})


def test_who_wants_json_is_not_given_lines() -> None:
    assert ask(accept="application/json, application/x-ndjson;q=0.5").json()["data"]["vehicles"]["edges"]


# --- of one that takes its time ---------------------------------------------------------------------------------------


def waiting() -> Caller:
    """Return a client that waits for its answer, however long."""

    async def never() -> Any:
        await asyncio.Event().wait()

    return Caller(never)


def taken(bulk: Bulk, access: Access, document: str = FLEET) -> list[Any]:
    async def all_of_it() -> str:
        response = await bulk.answer(document, ASKED, access, waiting(), REQUEST)
        assert response.rest is not None, response.body
        return (response.body + b"".join([part async for part in response.rest])).decode()

    return lines(asyncio.run(all_of_it()))


def api(budgets: Budgets | None = None) -> Api:
    return Api(TWINS, CATALOGUE, CODEC.decode, budgets)


def test_a_client_waits_for_the_points_of_the_next_page() -> None:
    now_s, waited = [0.0], []

    async def pause(_: Caller, seconds: float) -> None:
        waited.append(seconds)
        now_s[0] += seconds

    every = Access("app", "app", None, frozenset(Scope))
    *edges, end = taken(Bulk(api(Budgets(15, 2, lambda: now_s[0])), ENDINGS, pause), every)  # a page: 14 points
    assert (len(edges), end["end"]) == (COUNT, {"vehicles": COUNT})
    assert waited
    assert sum(waited) >= 10


def test_the_last_line_tells_the_cost_of_all_pages_what_was_withheld_and_the_id_of_the_request() -> None:
    document = FLEET.replace("vin", "vin diagnostics { warnings { __typename } }")
    every = Access("app", "app", None, frozenset({Scope.NAVIGATION_READ}))
    world = memory_world(*(full_car(number) for number in range(1, COUNT + 1)))
    budgets = Budgets(10_000, 1)
    bulk = Bulk(Api(world.twins, CATALOGUE, CODEC.decode, budgets), ENDINGS)
    *edges, end = taken(bulk, every, document=document)
    assert isinstance(world.twins, MemoryTwinReader)
    assert [each.request_id for each in world.twins.records] == [REQUEST] * 3
    one_by_one, after = [], None
    for _ in range(3):
        page = bulk_page(world.twins, document, every, after)
        one_by_one.append(page["extensions"]["cost"])
        after = page["data"]["vehicles"]["pageInfo"]["endCursor"]
    assert (len(edges), end["end"]) == (COUNT, {"vehicles": COUNT})
    told = end["extensions"]
    assert [each["field"] for each in told["withheld"]] == ["Diagnostics.warnings"]
    for name in ("requestedQueryCost", "actualQueryCost"):
        assert told["cost"][name] == sum(each[name] for each in one_by_one)
    assert told["requestId"] == str(REQUEST)


def bulk_page(twins: Any, document: str, access: Access, after: str | None) -> Any:
    api = Api(twins, CATALOGUE, CODEC.decode, Budgets(10_000, 1))
    return api.answer(document, {"after": after}, access=access, request_id=REQUEST).body


def test_the_header_has_the_id_that_the_last_line_has() -> None:
    response = ask()
    assert lines(response.text)[-1]["extensions"]["requestId"] == response.headers["x-request-id"]
    response = ask(twins=Going(Away()))
    assert lines(response.text)[-1]["extensions"]["requestId"] == response.headers["x-request-id"]
    assert ask(twins=Away()).headers["x-request-id"]


@pytest.mark.parametrize("waits", [False, True])
def test_a_server_that_goes_down_says_so_and_where_to_go_on(waits: bool) -> None:
    async def run() -> list[Any]:
        paused = asyncio.Event()

        async def pause(_: Caller, __: float) -> None:
            paused.set()
            await asyncio.Event().wait()  # for points that never come

        bulk = Bulk(api(Budgets(15, 1, lambda: 0.0) if waits else None), ENDINGS, pause)
        every = Access("app", "app", None, frozenset(Scope))
        response = await bulk.answer(FLEET, ASKED, every, waiting(), REQUEST)
        assert response.rest is not None
        rest = asyncio.ensure_future(anext(response.rest)) if waits else None
        if waits:
            await asyncio.wait_for(paused.wait(), 20)
        bulk.drain()
        last = await asyncio.wait_for(rest, 20) if rest else b""
        last += b"".join([part async for part in response.rest])
        refused = await bulk.answer(FLEET, ASKED, every, waiting(), REQUEST)
        assert refused.status == 503
        return lines((response.body + last).decode())

    *edges, end = asyncio.run(run())
    assert (len(edges), end["errors"][0]["extensions"]["code"]) == (3, "SERVICE_UNAVAILABLE")
    *rest, end = lines(ask(after=end["after"]).text)
    assert (len(rest), end["end"]) == (COUNT - 3, {"vehicles": COUNT - 3})


def test_a_server_that_goes_down_ends_the_streams_of_whole_fleets() -> None:
    app = build_app(TWINS, CATALOGUE, CODEC.decode, REGISTRY)
    asyncio.run(app.drain())
    body = json.dumps({"query": FLEET}).encode()
    headers = {"accept": NDJSON, "content-type": "application/json"}
    assert send("POST", "/graphql", app=app, content=body, headers=headers).status_code == 503


def test_a_token_that_has_expired_ends_it_and_says_so() -> None:
    *edges, end = taken(Bulk(api(), ENDINGS), DEVELOPMENT._replace(expires_at=Micros(now() - 1)))
    assert len(edges) == 3
    assert end["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_a_brand_sees_its_own_vehicles_only() -> None:
    *edges, end = taken(Bulk(api(), ENDINGS), BRAND)
    assert {edge["node"]["vin"] for edge in edges} == {vin_of(number) for number in range(1, COUNT + 1, 2)}
    assert end["end"] == {"vehicles": 4}


def test_there_are_only_so_many_at_once_and_one_that_is_left_makes_room() -> None:
    bulk = Bulk(api(), ENDINGS)

    async def many() -> list[int]:
        clients = [DEVELOPMENT._replace(client=str(number % (STREAMS_MAX // 2))) for number in range(STREAMS_MAX + 1)]
        callers = [waiting() for _ in clients]
        asked = [bulk.answer(FLEET, ASKED, *each, REQUEST) for each in zip(clients, callers, strict=True)]
        statuses = [each.status for each in await asyncio.gather(*asked)]  # all before the first has its page
        callers[0].leaving.close()
        again = await bulk.answer(FLEET, ASKED, clients[0], waiting(), REQUEST)
        return [*statuses, again.status]

    assert asyncio.run(many()) == [200] * STREAMS_MAX + [503, 200]


def test_no_client_has_more_than_its_share_of_them() -> None:
    bulk = Bulk(api(), ENDINGS)

    async def many() -> list[int]:
        asked = [bulk.answer(FLEET, ASKED, BRAND, waiting(), REQUEST) for _ in range(STREAMS_A_CLIENT_MAX + 1)]
        statuses = [each.status for each in await asyncio.gather(*asked)]
        return [*statuses, (await bulk.answer(FLEET, ASKED, BRAND._replace(client="other"), waiting(), REQUEST)).status]

    assert asyncio.run(many()) == [200] * STREAMS_A_CLIENT_MAX + [503, 200]


def test_a_client_that_has_gone_ends_it() -> None:
    app = build_app(TWINS, CATALOGUE, CODEC.decode, REGISTRY)
    body = json.dumps({"query": FLEET, "variables": {"n": 1}}).encode()
    sent: list[Any] = []
    came = iter([{"type": "http.request", "body": body}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(came)

    async def take(message: Any) -> None:
        sent.append(message)
        await asyncio.sleep(0)

    headers = [(b"host", b"localhost"), (b"accept", NDJSON.encode()), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/graphql", "headers": headers}
    asyncio.run(app(scope, receive, take))
    assert 0 < sum(len(each.get("body", b"")) > 0 for each in sent) < COUNT
    assert not any(b'"end"' in each.get("body", b"") for each in sent)


def test_a_trusted_document_is_asked_for_in_bulk() -> None:
    class Kept(NoDocuments):
        def find(self, sha256: str) -> str | None:  # noqa: ARG002  # whatever is asked for
            return FLEET

    limits = Limits(None, TrustedDocuments(Kept(), only=True))
    app = build_app(TWINS, CATALOGUE, CODEC.decode, REGISTRY, limits=limits)
    headers = {"accept": NDJSON, "content-type": "application/json"}
    response = send("POST", "/graphql", app=app, content=json.dumps({"documentId": "a" * 64}).encode(), headers=headers)
    assert lines(response.text)[-1]["end"] == {"vehicles": COUNT}
