"""Documents that are known by their hash, and a server that executes no others."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.documents import read_documents, sha256_of, trusted
from adapters.graphql.app import Limits, build_app
from adapters.graphql.execution import why_refused
from adapters.graphql.http import GRAPHQL_RESPONSE
from adapters.graphql.trusted import DOCUMENTS_REMEMBERED_MAX, REMEMBERED_S, TrustedDocuments
from domain.errors import BadInputError, StoreError
from domain.units import Micros
from tests.support.twins import CATALOGUE, CODEC, REGISTRY, full_car, memory_world
from tests.unit.test_graphql_http import send

KNOWN = "query Known { status { logPosition } }"
OTHER = "{ status { logPosition } }"
HASH = sha256_of(KNOWN)
TWINS = memory_world(full_car(1)).twins


class Kept(dict[str, str]):
    """Documents in memory; counts how often it is asked."""

    asked = 0
    broken = False

    def find(self, sha256: str) -> str | None:
        self.asked += 1
        if self.broken:
            raise StoreError("away")
        return self.get(sha256)


def ask(body: dict[str, Any], *, only: bool = False, kept: Kept | None = None) -> tuple[int, Any]:
    documents = Kept({HASH: KNOWN}) if kept is None else kept
    limits = Limits(None, TrustedDocuments(documents, only=only))
    app = build_app(TWINS, CATALOGUE, CODEC.decode, REGISTRY, limits=limits)
    headers = {"accept": GRAPHQL_RESPONSE, "content-type": "application/json"}
    response = send("POST", "/graphql", app=app, content=json.dumps(body).encode(), headers=headers)
    return response.status_code, response.json()


def by_apollo(sha256: str) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256}}}


@pytest.mark.parametrize("only", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        {"documentId": HASH},
        {"documentId": f"sha256:{HASH}"},
        by_apollo(HASH),
        {"query": KNOWN},
        {"query": KNOWN, **by_apollo(HASH)},
        {"documentId": HASH, "operationName": "Known", "query": None},
    ],
)
def test_a_document_that_is_registered_is_executed_however_it_is_asked_for(body: dict[str, Any], only: bool) -> None:
    status, answer = ask(body, only=only)
    assert (status, "errors" in answer) == (200, False)
    assert answer["data"]["status"]["logPosition"] > 0


@pytest.mark.parametrize("only", [False, True])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"documentId": "0" * 64}, "PERSISTED_QUERY_NOT_FOUND"),
        (by_apollo("0" * 64), "PERSISTED_QUERY_NOT_FOUND"),
        ({"documentId": HASH.upper()}, "BAD_REQUEST"),
        ({"documentId": "md5:abc"}, "BAD_REQUEST"),
        ({"documentId": 7}, "BAD_REQUEST"),
        (by_apollo("short"), "BAD_REQUEST"),
        ({"query": OTHER, "documentId": HASH}, "BAD_REQUEST"),
        ({"documentId": HASH, "query": ""}, "BAD_REQUEST"),
        ({"extensions": {"persistedQuery": 7}}, "BAD_REQUEST"),
        ({"extensions": {}}, "BAD_REQUEST"),
    ],
)
def test_what_is_no_hash_of_a_registered_document_is_refused(body: dict[str, Any], code: str, only: bool) -> None:
    status, answer = ask(body, only=only)
    assert status == 400
    assert [error["extensions"]["code"] for error in answer["errors"]] == [code]
    assert answer["errors"][0]["extensions"]["remedy"]


def test_others_are_executed_unless_only_registered_ones_are() -> None:
    assert ask({"query": OTHER})[0] == ask({"query": OTHER, **by_apollo(sha256_of(OTHER))})[0] == 200
    status, answer = ask({"query": OTHER}, only=True)
    assert (status, answer["errors"][0]["extensions"]["code"]) == (400, "QUERY_NOT_IN_SAFELIST")
    _, answer = ask({"query": OTHER, **by_apollo(sha256_of(OTHER))}, only=True)
    assert answer["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"


def test_a_store_that_is_away_is_told_and_text_goes_on() -> None:
    kept = Kept()
    kept.broken = True
    status, answer = ask({"documentId": HASH}, kept=kept)
    assert (status, answer["errors"][0]["extensions"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert ask({"query": OTHER}, kept=kept)[0] == 200
    assert ask({"query": KNOWN}, kept=kept, only=True)[0] == 503


def test_a_document_is_remembered_for_a_minute_and_no_longer() -> None:
    kept, now_s = Kept({HASH: KNOWN}), [0.0]
    documents = TrustedDocuments(kept, now_s=lambda: now_s[0])
    for now_s[0] in (0.0, REMEMBERED_S - 1):
        assert documents.resolve(None, HASH) == KNOWN
    assert kept.asked == 1
    kept.clear()
    now_s[0] = REMEMBERED_S
    assert documents.resolve(OTHER, None) == OTHER
    with pytest.raises(Exception, match="PersistedQueryNotFound"):
        documents.resolve(None, HASH)
    kept.update({sha256_of(str(number)): str(number) for number in range(DOCUMENTS_REMEMBERED_MAX + 5)})
    for sha256 in [*kept]:
        documents.resolve(None, sha256)
    assert len(documents._remembered) == DOCUMENTS_REMEMBERED_MAX


# --- files ------------------------------------------------------------------------------------------------------------


def write(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def test_documents_come_as_graphql_or_as_the_json_of_clients_tools(tmp_path: Path) -> None:
    apollo = {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{"id": HASH, "name": "Known", "type": "query", "body": KNOWN}],
    }
    assert read_documents(write(tmp_path, "a.graphql", KNOWN.encode())) == [KNOWN]
    assert read_documents(write(tmp_path, "relay.json", {HASH: KNOWN})) == [KNOWN]
    assert read_documents(write(tmp_path, "apollo.json", apollo)) == [KNOWN]
    assert [each.sha256 for each in trusted([KNOWN, OTHER, KNOWN], Micros(5))] == [HASH, sha256_of(OTHER)]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", {"abc": KNOWN}, "is not the SHA-256 of its document"),
        ("a.json", [KNOWN], "is neither JSON of relay-compiler"),
        ("a.json", {HASH: 7}, "is neither JSON of relay-compiler"),
        ("a.json", {"format": "apollo-persisted-query-manifest"}, "is neither JSON of relay-compiler"),
        ("a.json", b"{", "is neither JSON of relay-compiler"),
        ("a.graphql", b"\xff", "is not UTF-8 at byte 0"),
    ],
)
def test_a_file_that_is_none_of_these_is_refused(tmp_path: Path, name: str, content: object, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        read_documents(write(tmp_path, name, content))


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("query {", "Syntax Error"),
        ("{ nothing }", "Cannot query field"),
        ("fragment f on Status { logPosition }", "never used"),
        ("{" + "".join(f" a{n}: status {{ __typename }}" for n in range(51)) + " }", "has aliases"),
    ],
)
def test_a_document_that_nobody_would_execute_is_not_registered(document: str, said: str) -> None:
    assert said in (why_refused(document) or "")
    assert why_refused(KNOWN) is None
