"""GraphQL over HTTP: what a request asks, how it is answered (graphql-over-http, draft of the GraphQL Foundation)."""

import json
import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

from adapters.graphql.errors import ErrorCode, error_body
from adapters.graphql.execution import Answer

JSON: Final = "application/json"
GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
NDJSON: Final = "application/x-ndjson"
HTML: Final = "text/html"

BODY: Final = 'send {"query": "…"}'  # what to do about a body that is something else
BODY_BYTES_MAX: Final = 262_144
_PARAMETERS: Final = ("query", "operationName", "variables", "extensions", "documentId")
_SHA256: Final = re.compile("[0-9a-f]{64}")


class Request(NamedTuple):
    """An HTTP request; names of headers in small letters."""

    method: str
    path: str
    query_string: bytes
    headers: Mapping[str, str]
    body: bytes = b""


class Response(NamedTuple):
    """An HTTP response."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    rest: AsyncGenerator[bytes] | None = None  # what follows the body, as long as it may be


class Call(NamedTuple):
    """What a request wants executed, and the media type of its answer."""

    document: str | None
    sha256: str | None  # of a trusted document; where both are given, of this one
    variables: dict[str, Any] | None
    operation_name: str | None
    media_type: str


def json_response(status: int, body: object, media_type: str = JSON) -> Response:
    """Return a response of JSON."""
    return json_bytes_response(status, json_bytes(body), media_type)


def json_bytes_response(status: int, body: bytes, media_type: str = JSON) -> Response:
    """Return a response of JSON that is written already."""
    return Response(status, f"{media_type}; charset=utf-8", body, (("vary", "accept"),))


def json_bytes(value: object) -> bytes:
    """Return JSON, without a space that need not be there."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def refusal(status: int, message: str, remedy: str, media_type: str = JSON) -> Response:
    """Return the response to a request that cannot be executed."""
    return json_response(status, {"errors": [error_body(ErrorCode.BAD_REQUEST, message, remedy)]}, media_type)


def too_large() -> Response:
    """Return the response to a request whose body is larger than `BODY_BYTES_MAX`."""
    return refusal(413, f"the body has more than {BODY_BYTES_MAX} bytes", "send less, or several requests")


def wants_page(request: Request) -> bool:
    """Whether a browser asks for a page to look at rather than for data."""
    weights = _accepted(request)
    page = weights.get(HTML, 0.0)
    return (
        request.method in ("GET", "HEAD")
        and page > 0
        and page >= max(_weight(weights, each) for each in (JSON, GRAPHQL_RESPONSE))
    )


def read_call(request: Request) -> Call | Response:
    """Return what a request to the GraphQL endpoint wants executed, or why it cannot be."""
    weights = _accepted(request)
    media_type = GRAPHQL_RESPONSE if weights.get(GRAPHQL_RESPONSE, 0.0) > _weight(weights, JSON) else JSON
    if weights.get(GRAPHQL_RESPONSE, 0.0) == weights.get(JSON, -1.0):
        media_type = next(name for name in weights if name in (GRAPHQL_RESPONSE, JSON))  # the one named first
    if weights.get(NDJSON, 0.0) > max(weights.get(JSON, 0.0), weights.get(GRAPHQL_RESPONSE, 0.0)):
        media_type = NDJSON
    if not _weight(weights, media_type):
        return refusal(
            406, "no media type that is accepted can be given", f"accept {JSON}, {GRAPHQL_RESPONSE} or {NDJSON}"
        )
    try:
        parameters = _from_url(request) if request.method == "GET" else _from_body(request)
        return _call(parameters, media_type)
    except _RefusedError as error:
        return refusal(error.status, str(error), error.remedy, media_type)


def respond(answer: Answer, media_type: str) -> Response:
    """Return the response that tells an answer.

    An `application/json` client of old expects 200 for whatever was a GraphQL request; the newer media type has the
    status tell the truth.
    """
    if answer.retry_after_s is not None:
        response = json_response(429, answer.body, media_type)  # RFC 6585, section 4
        return response._replace(headers=(*response.headers, ("retry-after", str(answer.retry_after_s))))
    status = 200 if answer.executed or media_type == JSON else 400
    return json_response(status, answer.body, media_type)


class _RefusedError(Exception):
    def __init__(self, message: str, remedy: str, status: int = 400) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.status = status


def _from_url(request: Request) -> dict[str, Any]:
    try:
        pairs = parse_qs(request.query_string.decode("ascii"), errors="strict", max_num_fields=len(_PARAMETERS) * 4)
    except ValueError as error:
        raise _RefusedError("the query of the URL is not percent-encoded UTF-8", "encode it so, or use POST") from error
    given: dict[str, Any] = {name: pairs[name][-1] for name in _PARAMETERS if name in pairs}
    for name in ("variables", "extensions"):
        if given.get(name):
            given[name] = _json(given[name].encode(), name, "give it as a JSON object")
    return given


def _from_body(request: Request) -> dict[str, Any]:
    content_type = request.headers.get("content-type", "")
    media_type, *settings = (part.strip().lower() for part in content_type.split(";"))
    charset = next((each.partition("=")[2].strip('"') for each in settings if each.startswith("charset=")), "utf-8")
    if media_type != JSON or charset not in ("utf-8", "utf8"):
        shown = content_type or "none"
        raise _RefusedError(f"the content type is {shown}", f"send {JSON} in UTF-8", 415)
    given = _json(request.body, "the body", BODY)
    if isinstance(given, list):
        raise _RefusedError("the body is a batch", "send each operation as a request of its own")
    if not isinstance(given, dict):
        raise _RefusedError("the body is no JSON object", BODY)
    return given


def _json(text: bytes, name: str, remedy: str) -> Any:
    try:
        return json.loads(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _RefusedError(f"{name}: not UTF-8 at byte {error.start}", remedy) from error
    except RecursionError as error:
        raise _RefusedError(f"{name}: JSON that is nested too deeply", remedy) from error
    except ValueError as error:
        raise _RefusedError(f"{name}: not JSON ({error})", remedy) from error


def _call(given: Mapping[str, Any], media_type: str) -> Call:
    document, variables = given.get("query"), given.get("variables")
    operation_name, extensions = given.get("operationName"), given.get("extensions")
    if not isinstance(extensions, dict | None):
        raise _RefusedError("extensions is no JSON object", "leave it out")
    sha256 = _document_id(given.get("documentId"), extensions or {})
    if document is None and sha256 is None:
        raise _RefusedError("query is no text", "give the GraphQL document as query")
    if document is not None and (not isinstance(document, str) or not document.strip()):
        raise _RefusedError("query is no text", "give the GraphQL document as query")
    if not isinstance(operation_name, str | None):
        raise _RefusedError(
            "operationName is no text", "give the name of an operation of the document, or leave it out"
        )
    if not isinstance(variables, dict | None):
        raise _RefusedError("variables is no JSON object", 'give {"name": value}, or leave it out')
    return Call(document, sha256, variables, operation_name or None, media_type)


def _document_id(document_id: Any, extensions: Mapping[str, Any]) -> str | None:
    """Return the hash of the document that is asked for, as documentId or as Apollo does; None: none is."""
    found, where = document_id, "documentId"
    if found is None and isinstance(persisted := extensions.get("persistedQuery"), dict):
        found, where = persisted.get("sha256Hash"), "extensions.persistedQuery.sha256Hash"
    if found is None:
        return None
    sha256 = found.removeprefix("sha256:") if isinstance(found, str) else ""
    if not _SHA256.fullmatch(sha256):
        raise _RefusedError(f"{where} is no hash", "give the SHA-256 of the document in 64 hexadecimal digits")
    return sha256


def _accepted(request: Request) -> dict[str, float]:
    """Return the weight of each media range of the Accept header (RFC 9110, section 12.5.1); without one, of any."""
    weights: dict[str, float] = {}
    for part in request.headers.get("accept", "").split(","):
        media_range, *settings = (each.strip().lower() for each in part.split(";"))
        if media_range:
            weight = next((each[2:] for each in settings if each.startswith("q=")), "1")
            try:
                weights[media_range] = min(1.0, max(0.0, float(weight)))
            except ValueError:
                weights[media_range] = 0.0
    return weights or {"*/*": 1.0}


def _weight(weights: Mapping[str, float], media_type: str) -> float:
    for media_range in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        if media_range in weights:
            return weights[media_range]
    return 0.0
