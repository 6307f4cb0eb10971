"""The whole application, asked over ASGI."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.access import OPERATOR, Access, TokenRefusedError
from adapters.graphql import app as app_module
from adapters.graphql import caller
from adapters.graphql.app import AsgiApp, build_app
from adapters.graphql.http import BODY_BYTES_MAX, GRAPHQL_RESPONSE, JSON
from domain.errors import StoreError
from tests.support.twins import CATALOGUE, CODEC, REGISTRY, BrokenTwins, full_car, memory_world

STATIC = files("adapters.graphql") / "static"


def application(twins: Any = None, **settings: Any) -> AsgiApp:
    return build_app(twins or memory_world(full_car(1)).twins, CATALOGUE, CODEC.decode, REGISTRY, **settings)


APP = application()


def send(
    method: str,
    url: str,
    *,
    app: AsgiApp = APP,
    headers: Mapping[str, str] | None = None,
    host: str = "localhost:8000",
    **request: Any,
) -> httpx.Response:
    async def sent() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return await client.request(method, url, headers=headers, **request)

    return asyncio.run(sent())


def post(body: object, accept: str = JSON, content_type: str = JSON) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return send("POST", "/graphql", content=content, headers={"accept": accept, "content-type": content_type})


# --- GraphQL over HTTP ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (JSON, JSON),
        (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
        ("*/*", JSON),
        ("application/*", JSON),
        (f"{GRAPHQL_RESPONSE}, {JSON};q=0.9", GRAPHQL_RESPONSE),
        (f"{JSON}, {GRAPHQL_RESPONSE};q=0.9", JSON),
        (f"{GRAPHQL_RESPONSE}, {JSON}", GRAPHQL_RESPONSE),
        (f"{JSON}, {GRAPHQL_RESPONSE}", JSON),
        (f"{GRAPHQL_RESPONSE};q=0, */*", JSON),
        ("text/event-stream, application/json", JSON),
        ("multipart/mixed, application/json", JSON),
        ("APPLICATION/JSON; charset=utf-8", JSON),
    ],
)
def test_the_answer_has_a_media_type_that_the_caller_accepts(accept: str, media_type: str) -> None:
    response = post({"query": "{ __typename }"}, accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert response.json() == {"data": {"__typename": "Query"}}


def test_without_an_accept_header_the_answer_is_json() -> None:
    response = send(
        "POST", "/graphql", content=b'{"query":"{__typename}"}', headers={"content-type": JSON, "accept": ""}
    )
    assert response.headers["content-type"] == f"{JSON}; charset=utf-8"


@pytest.mark.parametrize("accept", ["text/plain", f"{JSON};q=0", "image/*", "application/json;q=x"])
def test_a_caller_that_accepts_none_of_our_media_types_is_told_which_there_are(accept: str) -> None:
    response = post({"query": "{ __typename }"}, accept)
    assert response.status_code == 406
    assert GRAPHQL_RESPONSE in response.text


@pytest.mark.parametrize(
    ("body", "old", "new"),
    [
        ({"query": "{ __typename }"}, 200, 200),
        ({"query": "{"}, 200, 400),
        ({"query": "{ nothing }"}, 200, 400),
        ({"query": "query ($first: Int!) { vehicles(first: $first) { edges { cursor } } }"}, 200, 400),
        ({"query": "query A { __typename } query B { __typename }"}, 200, 400),
        ({"query": '{ node(id: "") { id } }'}, 200, 200),
    ],
)
def test_the_status_tells_the_truth_to_those_who_accept_it(body: object, old: int, new: int) -> None:
    """graphql-over-http, section 6.4: a request that could not be executed is 400, but 200 for an old client."""
    assert (post(body, JSON).status_code, post(body, GRAPHQL_RESPONSE).status_code) == (old, new)
    assert ("data" in post(body, GRAPHQL_RESPONSE).json()) == (new == 200)


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"null", "no JSON object"),
        (b'"text"', "no JSON object"),
        (b"12", "no JSON object"),
        (b"[]", "a batch"),
        (b'[{"query": "{__typename}"}]', "a batch"),
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"query": ' + b"[" * 100_000, "nested too deeply"),
        (b"{}", "query is no text"),
        (b'{"query": 1}', "query is no text"),
        (b'{"query": " "}', "query is no text"),
        (b'{"query": "{__typename}", "variables": []}', "variables is no JSON object"),
        (b'{"query": "{__typename}", "variables": "{}"}', "variables is no JSON object"),
        (b'{"query": "{__typename}", "operationName": 1}', "operationName is no text"),
        (b'{"query": "{__typename}", "extensions": 1}', "extensions is no JSON object"),
    ],
)
def test_a_body_that_is_no_request_is_400(body: bytes, message: str, accept: str) -> None:
    response = post(body, accept)
    assert response.status_code == 400
    assert response.headers["content-type"] == f"{accept}; charset=utf-8"
    (error,) = response.json()["errors"]
    assert message in error["message"]
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert error["extensions"]["remedy"]


@given(st.binary(max_size=200) | st.from_type(str).map(lambda text: json.dumps({"query": text}).encode()))
def test_no_body_is_a_fault_of_ours(body: bytes) -> None:
    assert post(body, GRAPHQL_RESPONSE).status_code in (200, 400)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "", "application/x-www-form-urlencoded", f"{JSON}; charset=utf-16"]
)
def test_a_body_of_another_content_type_is_415(content_type: str) -> None:
    """A page of another site can send the first and the third without asking: they must not be executed."""
    assert post({"query": "{ __typename }"}, content_type=content_type).status_code == 415


def test_a_body_in_utf_8_may_say_so() -> None:
    assert post({"query": "{ __typename }"}, content_type=f'{JSON}; charset="UTF-8"').status_code == 200


def test_a_body_that_is_too_large_is_413() -> None:
    response = post(b" " * (BODY_BYTES_MAX + 1))
    assert response.status_code == 413
    assert str(BODY_BYTES_MAX) in response.text
    assert post(b'{"query":"{__typename}"}'.ljust(BODY_BYTES_MAX)).status_code == 200


def test_a_query_may_be_asked_by_url() -> None:
    parameters = {
        "query": "query A($n: Int!) { vehicles(first: $n) { edges { node { brand } } } } query B { __typename }",
        "variables": '{"n": 1}',
        "operationName": "A",
        "extensions": "{}",
        "other": "x",
    }
    response = send("GET", "/graphql", params=parameters)
    assert response.json() == {"data": {"vehicles": {"edges": [{"node": {"brand": "Volkswagen"}}]}}}


@pytest.mark.parametrize(
    "query",
    ["", "query=", "query=%FF", "query={__typename}&variables={", "query={__typename}&variables=[]", "query=%E9"],
)
def test_a_url_that_is_no_request_is_400(query: str) -> None:
    assert send("GET", f"/graphql?{query}", headers={"accept": JSON}).status_code == 400


def test_nothing_is_cached_on_the_way() -> None:
    response = post({"query": "{ __typename }"})
    assert (response.headers["cache-control"], response.headers["vary"]) == ("no-store", "accept")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("PUT", "/graphql", "GET, POST"), ("OPTIONS", "/graphql", "GET, POST"), ("POST", "/health", "GET")],
)
def test_another_method_is_405(method: str, path: str, allow: str) -> None:
    response = send(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allow)


# --- who may call -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "127.0.0.2", "[::1]:8000", "[::1]"])
def test_the_server_answers_to_localhost_and_to_addresses(host: str) -> None:
    assert send("GET", "/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example", "", "127.0.0.1.evil"])
def test_the_server_does_not_answer_to_other_names(host: str) -> None:
    """A page of another site whose name is made to mean 127.0.0.1 must not read anything (DNS rebinding)."""
    for path in ("/graphql?query={__typename}", "/health", "/subjects"):
        assert send("GET", path, headers={"host": host}).status_code == 421


def test_the_names_can_be_set_free() -> None:
    assert send("GET", "/health", app=application(hosts=None), headers={"host": "twins.example"}).status_code == 200


# --- GraphiQL ---------------------------------------------------------------------------------------------------------

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "/graphql?query={__typename}"])
def test_a_browser_gets_graphiql(path: str) -> None:
    response = send("GET", path, headers={"accept": BROWSER})
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "GraphiQL" in response.text


@pytest.mark.parametrize("accept", ["*/*", JSON, f"{JSON}, text/html;q=0.5"])
def test_anything_else_gets_data(accept: str) -> None:
    response = send("GET", "/graphql?query={__typename}", headers={"accept": accept})
    assert response.json() == {"data": {"__typename": "Query"}}


def test_graphiql_takes_every_file_from_this_server() -> None:
    page = send("GET", "/graphql", headers={"accept": BROWSER}).text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(addresses) == 7
    for address in addresses:
        if address != "data:,":
            response = send("GET", address)
            assert response.status_code == 200
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.content == (STATIC / address.rsplit("/", 1)[1]).read_bytes()


def test_graphiql_may_load_and_ask_nothing_but_this_server() -> None:
    policy = send("GET", "/graphql", headers={"accept": BROWSER}).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "http" not in policy
    assert "unsafe" not in policy


def test_the_vendored_files_are_those_that_are_written_down() -> None:
    table = (STATIC / "VENDORED.md").read_text(encoding="utf-8")
    hashes = dict(re.findall(r"^\| ([\w.-]+) \|.*\| ([0-9a-f]{64}) \|$", table, re.MULTILINE))
    ours = {"index.html", "start.css", "start.js", "VENDORED.md"}
    there = {file.name for file in STATIC.iterdir()} - ours - {"LICENSE-graphiql.txt", "LICENSE-react.txt"}
    assert there == set(hashes)
    for name, expected in hashes.items():
        content = (STATIC / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == expected
        assert len(content) < 1_000_000


def test_the_queries_that_graphiql_begins_with_are_answered() -> None:
    script = (STATIC / "start.js").read_text(encoding="utf-8")
    queries = script.split("`")[1::2]
    assert len(queries) == 3
    for query in queries:
        assert "errors" not in post({"query": query}).json()


def test_no_path_leads_out_of_the_static_files() -> None:
    assert Path(str(STATIC)).exists()
    for path in (
        "/graphql/static/",
        "/graphql/static/../app.py",
        "/graphql/static/%2e%2e/app.py",
        "/graphql/static/x.js",
    ):
        assert send("GET", path).status_code == 404


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_the_schema_registry_reads_as_confluents_does() -> None:
    subjects = send("GET", "/subjects").json()
    assert len(subjects) == len(REGISTRY.by_topic)
    subject = "fleettwin.vehicle.TripStarted"
    assert subject in subjects
    assert send("GET", f"/subjects/{subject}/versions").json() == [1]
    version = send("GET", f"/subjects/{subject}/versions/latest").json()
    assert version == send("GET", f"/subjects/{subject}/versions/1").json()
    assert (version["subject"], version["version"]) == (subject, 1)
    response = send("GET", f"/schemas/ids/{version['id']}")
    assert response.headers["content-type"] == "application/vnd.schemaregistry.v1+json; charset=utf-8"
    assert response.json() == {"schema": version["schema"]}
    assert json.loads(version["schema"])["name"] == "TripStarted"


def test_the_schema_registry_answers_what_clients_ask_besides() -> None:
    schema = REGISTRY.by_topic["vehicle.trip_started.v1"][0]
    definition = json.loads(schema.text)
    for path, answer in {
        f"/schemas/ids/{schema.id}?subject=vehicle-events-value": {"schema": schema.text},
        f"/schemas/ids/{schema.id}/schema": definition,
        f"/schemas/ids/{schema.id}/subjects": [schema.subject],
        f"/schemas/ids/{schema.id}/versions": [{"subject": schema.subject, "version": 1}],
        f"/subjects/{schema.subject}/versions/1/schema": definition,
        "/config": {"compatibilityLevel": "FULL_TRANSITIVE"},
        f"/config/{schema.subject}": {"compatibilityLevel": "FULL_TRANSITIVE"},
        "/mode": {"mode": "READONLY"},
    }.items():
        assert send("GET", path).json() == answer
    assert send("GET", f"/subjects/{schema.subject}/versions/-1").json()["id"] == schema.id


def test_subjects_are_listed_by_what_they_begin_with() -> None:
    every = send("GET", "/subjects").json()
    media = [each for each in every if each.startswith("fleettwin.vehicle.T")]
    assert 0 < len(media) < len(every)
    for asked, answer in {
        "subjectPrefix=fleettwin.vehicle.T": media,
        "subject=fleettwin.vehicle.T": media,  # as Confluent's client for Python asks
        "subjectPrefix=:.:fleettwin.vehicle.T": media,
        "subjectPrefix=:*:": every,
        "subjectPrefix=": every,
        "subjectPrefix=:.elsewhere:": [],
        "subjectPrefix=nothing": [],
        "offset=1&limit=2": every[1:3],
        "offset=0&limit=-1": every,
        "subjectPrefix=fleettwin.vehicle.T&limit=0": [],
        "deletedOnly=true": [],
        "deleted=true": every,
        "&".join(f"x{number}=1" for number in range(99)): every,
    }.items():
        assert send("GET", f"/subjects?{asked}").json() == answer, asked


def test_a_schema_is_looked_for_under_the_subject_that_is_named() -> None:
    schema, other = (REGISTRY.by_topic[topic][0] for topic in ("vehicle.trip_started.v1", "vehicle.trip_ended.v1"))
    for part in ("", "/schema", "/subjects", "/versions"):
        path = f"/schemas/ids/{schema.id}{part}"
        whole = send("GET", path).json()
        for subject in ("", schema.subject, f":.:{schema.subject}", "vehicle-events-value"):
            assert send("GET", f"{path}?subject={subject}").json() == whole
        for subject in (other.subject, f":.elsewhere:{schema.subject}"):
            answer = send("GET", f"{path}?subject={subject}")
            assert (answer.status_code, answer.json()["error_code"]) == (404, 40403)


def test_a_schema_is_looked_up_whatever_its_layout_and_registering_it_changes_nothing() -> None:
    schema = REGISTRY.by_topic["vehicle.trip_started.v1"][0]
    laid_out = json.dumps(json.loads(schema.text), indent=2, sort_keys=True)
    found = send("POST", f"/subjects/{schema.subject}?normalize=false", json={"schema": laid_out}).json()
    assert found == send("GET", f"/subjects/{schema.subject}/versions/1").json()
    registered = send(
        "POST", f"/subjects/{schema.subject}/versions", json={"schema": schema.text, "schemaType": "AVRO"}
    )
    assert (registered.status_code, registered.json()) == (200, {"id": schema.id})


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/subjects/nothing", b'{"schema": "1"}', 40401),
        ("/subjects/fleettwin.vehicle.TripStarted", b'{"schema": "1"}', 40403),
        ("/subjects/fleettwin.vehicle.TripStarted/versions", b'{"schema": "1"}', 42205),
        ("/subjects/nothing/versions", b'{"schema": "1"}', 42205),
        *[
            ("/subjects/fleettwin.vehicle.TripStarted", body, 42201)
            for body in (b"", b"[]", b"{}", b'{"schema": 1}', b'{"schema": "{"}', b"\xff", b"[" * 100_000)
        ],
    ],
)
def test_what_cannot_be_looked_up_or_registered_has_confluents_code(path: str, body: bytes, code: int) -> None:
    response = send("POST", path, content=body)
    assert (response.status_code, response.json()["error_code"]) == (code // 100, code)


def test_a_schema_to_look_up_has_a_limit_and_elsewhere_nothing_is_posted() -> None:
    large = json.dumps({"schema": " " * BODY_BYTES_MAX}).encode()
    assert send("POST", "/subjects/fleettwin.vehicle.TripStarted", content=large).status_code == 413
    for path in ("/subjects", "/config", "/schemas/ids/1", "/subjects/x/versions/1"):
        assert send("POST", path, content=b"{}").status_code == 405


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/associations/resources/-/vehicle-events", 404),
        ("/schemas", 404),
        ("/schemas/ids/1/nothing", 404),
        ("/schemas/ids/" + "9" * 5_000, 40403),
        ("/schemas/guids/00000000-0000-0000-0000-000000000000", 40403),
        ("/subjects/nothing/versions/1", 40401),
        ("/subjects/nothing/versions", 40401),
        ("/subjects/fleettwin.vehicle.TripStarted/versions/9", 40402),
        ("/subjects/fleettwin.vehicle.TripStarted/versions/x", 40402),
        ("/schemas/ids/999999", 40403),
        ("/schemas/ids/x", 40403),
        ("/schemas/ids/²", 40403),
    ],
)
def test_what_the_registry_does_not_have_has_confluents_code(path: str, code: int) -> None:
    response = send("GET", path)
    assert response.status_code == 404
    assert response.json()["error_code"] == code


def test_health_says_that_the_process_lives_and_ready_that_the_store_answers() -> None:
    broken = application(BrokenTwins(StoreError("no connection")))
    assert send("GET", "/health", app=broken).status_code == 200
    assert send("GET", "/ready").json() == {"status": "ready", "logPosition": len(full_car(1).events)}
    response = send("GET", "/ready", app=broken)
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "reason": "no connection"}


def test_head_is_get_without_a_body() -> None:
    response = send("HEAD", "/health")
    assert (response.status_code, response.content, response.headers["content-length"]) == (200, b"", "15")


def test_an_unknown_path_is_404() -> None:
    assert send("GET", "/nothing").json()["errors"][0]["extensions"]["remedy"] == "look at /graphql"


def test_a_fault_of_ours_is_told_without_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def reading(self, _: Any = None) -> Any:
            raise RuntimeError("the password is 1234")

    app = application(Broken())
    body = {"query": "{ status { logPosition } }"}
    response = send("POST", "/graphql", app=app, json=body)
    assert response.status_code == 500
    assert "1234" not in response.text
    assert "1234" in caplog.text


def test_more_requests_than_can_wait_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "REQUESTS_MAX", 0)
    response = post({"query": "{ __typename }"})
    assert response.status_code == 503
    assert response.json()["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "BODY_S", 0.01)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    response = send("POST", "/graphql", content=slowly(), headers={"content-type": JSON})
    assert (response.status_code, response.headers["connection"]) == (408, "close")
    assert response.json()["errors"][0]["extensions"] == {"code": "BAD_REQUEST", "remedy": "send it in one go"}


@pytest.mark.parametrize(
    ("document", "status"), [("{ status { logPosition } }", 503), ("{ __typename status { logPosition } }", 503)]
)
def test_who_may_ask_again_is_told_when(document: str, status: int) -> None:
    response = send("POST", "/graphql", app=application(BrokenTwins(StoreError("away"))), json={"query": document})
    assert (response.status_code, response.headers["retry-after"]) == (status, "5")
    assert response.json()["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"


def test_the_application_lives_and_ends_with_its_server() -> None:
    async def life() -> list[str]:
        told = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        said: list[str] = []

        async def receive() -> dict[str, Any]:
            return told.pop(0)

        async def answer(message: Any) -> None:
            said.append(message["type"])

        await application()({"type": "lifespan"}, receive, answer)
        return said

    assert asyncio.run(life()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


# --- tokens -----------------------------------------------------------------------------------------------------------


class Keeper:
    """Knows one token, and remembers it once it has verified it."""

    def __init__(self, *, required: bool = True, error: Exception | None = None) -> None:
        self.required = required
        self.error = error
        self.verified = 0
        self._known: set[str] = set()

    def remembered(self, token: str) -> Access | None:
        return OPERATOR if token in self._known else None

    def verify(self, token: str) -> Access:
        self.verified += 1
        if self.error:
            raise self.error
        if token != "good":
            raise TokenRefusedError("the token has expired")
        self._known.add(token)
        return OPERATOR


def ask(keeper: Keeper, authorization: str | None, **headers: str) -> httpx.Response:
    given = {"content-type": JSON, **headers} | ({} if authorization is None else {"authorization": authorization})
    content = b'{"query": "{ __typename }"}'
    return send("POST", "/graphql", app=application(doorkeeper=keeper), content=content, headers=given)


@pytest.mark.parametrize("authorization", ["Bearer good", "bearer good", "BEARER  good "])
def test_who_bears_a_good_token_is_let_in(authorization: str) -> None:
    assert ask(Keeper(), authorization).json() == {"data": {"__typename": "Query"}}


def test_a_token_that_was_verified_is_not_verified_again() -> None:
    keeper = Keeper()
    assert [ask(keeper, "Bearer good").status_code for _ in range(3)] == [200, 200, 200]
    assert keeper.verified == 1


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic Z29vZDpnb29k", "good", "Bearergood"])
def test_who_has_no_token_is_told_that_one_is_needed(authorization: str | None) -> None:
    response = ask(Keeper(), authorization)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="fleettwin"'
    (error,) = response.json()["errors"]
    assert (error["message"], error["extensions"]["code"]) == ("a token is needed", "UNAUTHENTICATED")


@pytest.mark.parametrize("required", [True, False])
def test_a_token_that_is_not_taken_has_its_reason_also_where_none_is_needed(*, required: bool) -> None:
    response = ask(Keeper(required=required), "Bearer bad", accept=GRAPHQL_RESPONSE)
    assert response.status_code == 401
    challenge = 'Bearer realm="fleettwin", error="invalid_token", error_description="the token has expired"'
    assert response.headers["www-authenticate"] == challenge
    assert response.json()["errors"][0]["message"] == "the token has expired"
    assert "bad" not in response.text


def test_where_no_token_is_needed_who_has_none_is_let_in_and_other_credentials_are_not_taken_for_none() -> None:
    assert ask(Keeper(required=False), None).status_code == 200
    assert ask(Keeper(required=False), "Basic Z29vZDpnb29k").status_code == 401


def test_where_tokens_cannot_be_verified_that_is_no_fault_of_the_caller() -> None:
    response = ask(Keeper(error=StoreError("no keys")), "Bearer good")
    assert response.status_code == 503
    assert response.json()["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
    assert "no keys" not in response.text


def test_a_token_in_the_url_or_the_body_is_none() -> None:
    app = application(doorkeeper=Keeper())
    assert send("GET", "/graphql?query={__typename}&access_token=good", app=app).status_code == 401
    content = b'{"query": "{ __typename }", "access_token": "good"}'
    assert send("POST", "/graphql", app=app, content=content, headers={"content-type": JSON}).status_code == 401


@pytest.mark.parametrize(
    ("path", "status"),
    [("/metrics", 401), ("/health", 200), ("/ready", 200), ("/subjects", 200), ("/schemas/types", 200)],
)
def test_what_tells_nothing_of_vehicles_needs_no_token_but_the_metrics_do(path: str, status: int) -> None:
    app = application(
        doorkeeper=Keeper(),
        operation=lambda path, _: (200, "text/plain", b"") if path in ("/metrics", "/health") else None,
    )
    assert send("GET", path, app=app).status_code == status
    assert send("GET", path, app=app, headers={"authorization": "Bearer good"}).status_code == 200


def test_the_page_needs_no_token() -> None:
    assert send("GET", "/graphql", app=application(doorkeeper=Keeper()), headers={"accept": "text/html"}).is_success
