"""GraphQL over HTTP: what a request asks, how it is answered (graphql-over-http, draft of the GraphQL Foundation)."""

import json
import re
from asyncio import Future
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

from adapters.graphql.errors import ErrorCode, error_body
from adapters.graphql.execution import Answer

JSON: Final = "application/json"
GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
NDJSON: Final = "application/x-ndjson"
EVENT_STREAM: Final = "text/event-stream"
HTML: Final = "text/html"

BODY: Final = 'send {"query": "…"}'  # what to do about a body that is something else
BODY_BYTES_MAX: Final = 262_144
RETRY_AFTER_S: Final = 5  # where a client is asked to come again
_PASSING: Final = frozenset({ErrorCode.SERVICE_UNAVAILABLE, ErrorCode.TIMEOUT})
_PARAMETERS: Final = ("query", "operationName", "variables", "extensions", "documentId")
_SHA256: Final = re.compile("[0-9a-f]{64}")


Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Conversation = Callable[[Future[Any], Send], Awaitable[None]]  # until the one who asked is gone


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
    conversation: Conversation | None = None  # what answers instead


class Call(NamedTuple):
    """What a request wants executed, and the media type of its answer."""

    document: str | None
    sha256: str | None  # of a trusted document; where both are given, of this one
    variables: dict[str, Any] | None
    operation_name: str | None
    media_type: str
    takes_events: bool = False  # whether a subscription may be answered
    after: str | None = None  # the cursor after which it goes on, whatever it says itself
    may_change: bool = False  # whether a mutation may be executed


def json_response(status: int, body: object, media_type: str = JSON) -> Response:
    """Return a response of JSON."""
    return json_bytes_response(status, json_bytes(body), media_type)


def json_bytes_response(status: int, body: bytes, media_type: str = JSON) -> Response:
    """Return a response of JSON that is written already."""
    return Response(status, f"{media_type}; charset=utf-8", body, (("vary", "accept"),))


def json_bytes(value: object) -> bytes:
    """Return JSON, without a space that need not be there."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


COMPLETE: Final = b"event: complete\ndata:\n\n"  # of graphql-sse


def next_event(body: object, cursor: str | None = None) -> bytes:
    """Return a response of an execution as an event of graphql-sse."""
    told = b"" if cursor is None else b"id: " + cursor.encode() + b"\n"
    return b"event: next\n" + told + b"data: " + json_bytes(body) + b"\n\n"


def refusal(status: int, message: str, remedy: str, media_type: str = JSON) -> Response:
    """Return the response to a request that cannot be executed."""
    return json_response(status, {"errors": [error_body(ErrorCode.BAD_REQUEST, message, remedy)]}, media_type)


def too_large() -> Response:
    """Return the response to a request whose body is larger than `BODY_BYTES_MAX`."""
    return refusal(413, f"the body has more than {BODY_BYTES_MAX} bytes", "send less, or several requests")


def too_slow() -> Response:
    """Return the response to a request whose body does not come; nothing after it is taken for a request."""
    response = refusal(408, "the body was not there in time", "send it in one go")
    return response._replace(headers=(*response.headers, ("connection", "close")))


def address_of(scope: Mapping[str, Any]) -> str | None:
    """Return the address that a connection comes from; None: nobody knows."""
    client = scope.get("client")
    return client[0] if client else None


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
    takes_events = _weight(weights, EVENT_STREAM) > 0
    if takes_events and not _weight(weights, media_type):
        media_type = EVENT_STREAM
    if not _weight(weights, media_type):
        return refusal(
            406,
            "no media type that is accepted can be given",
            f"accept {JSON}, {GRAPHQL_RESPONSE}, {NDJSON} or {EVENT_STREAM}",
        )
    try:
        parameters = _from_url(request) if request.method == "GET" else _from_body(request)
        return call_of(parameters, media_type)._replace(
            takes_events=takes_events,
            after=request.headers.get("last-event-id") or None,
            may_change=request.method == "POST" and media_type != NDJSON,
        )
    except RefusedError as error:
        return refusal(error.status, str(error), error.remedy, JSON if media_type == EVENT_STREAM else media_type)


def respond(answer: Answer, media_type: str) -> Response:
    """Return the response that tells an answer.

    An `application/json` client of old expects 200 for whatever was a GraphQL request; the newer media type has the
    status tell the truth. A stream of events is there before it is known what it will tell.
    """
    if media_type == EVENT_STREAM:
        return Response(200, EVENT_STREAM, next_event(answer.body) + COMPLETE, (("vary", "accept"),))
    if answer.retry_after_s is not None:
        return later(json_response(429, answer.body, media_type), answer.retry_after_s)  # RFC 6585, section 4
    if any(error["extensions"]["code"] in _PASSING for error in answer.body.get("errors", ())):
        data = answer.body.get("data") or {}
        nothing = all(value is None for value in data.values())
        return later(json_response(503 if nothing else 200, answer.body, media_type))
    status = 200 if answer.executed or media_type == JSON else 400
    return json_response(status, answer.body, media_type)


def later(response: Response, after_s: int = RETRY_AFTER_S) -> Response:
    """Return a response that says after how many seconds the same may be asked again."""
    return response._replace(headers=(*response.headers, ("retry-after", str(after_s))))


class RefusedError(Exception):
    """A request that cannot be executed."""

    def __init__(self, message: str, remedy: str, status: int = 400) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.status = status


def _from_url(request: Request) -> dict[str, Any]:
    try:
        pairs = parse_qs(request.query_string.decode("ascii"), errors="strict", max_num_fields=len(_PARAMETERS) * 4)
    except ValueError as error:
        raise RefusedError("the query of the URL is not percent-encoded UTF-8", "encode it so, or use POST") from error
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
        raise RefusedError(f"the content type is {shown}", f"send {JSON} in UTF-8", 415)
    given = _json(request.body, "the body", BODY)
    if isinstance(given, list):
        raise RefusedError("the body is a batch", "send each operation as a request of its own")
    if not isinstance(given, dict):
        raise RefusedError("the body is no JSON object", BODY)
    return given


def _json(text: bytes, name: str, remedy: str) -> Any:
    try:
        return json.loads(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise RefusedError(f"{name}: not UTF-8 at byte {error.start}", remedy) from error
    except RecursionError as error:
        raise RefusedError(f"{name}: JSON that is nested too deeply", remedy) from error
    except ValueError as error:
        raise RefusedError(f"{name}: not JSON ({error})", remedy) from error


def call_of(given: Mapping[str, Any], media_type: str) -> Call:
    """Return what the parameters of a request want executed. Raises RefusedError."""
    document, variables = given.get("query"), given.get("variables")
    operation_name, extensions = given.get("operationName"), given.get("extensions")
    if not isinstance(extensions, dict | None):
        raise RefusedError("extensions is no JSON object", "leave it out")
    sha256 = _document_id(given.get("documentId"), extensions or {})
    if document is None and sha256 is None:
        raise RefusedError("query is no text", "give the GraphQL document as query")
    if document is not None and (not isinstance(document, str) or not document.strip()):
        raise RefusedError("query is no text", "give the GraphQL document as query")
    if not isinstance(operation_name, str | None):
        raise RefusedError("operationName is no text", "give the name of an operation of the document, or leave it out")
    if not isinstance(variables, dict | None):
        raise RefusedError("variables is no JSON object", 'give {"name": value}, or leave it out')
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
        raise RefusedError(f"{where} is no hash", "give the SHA-256 of the document in 64 hexadecimal digits")
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
