"""What an error of the API says.

`extensions.code` is one of `ErrorCode`; `extensions.remedy` says what to do. What went wrong inside
is never shown: the caller gets an id, and the log has the rest under that id.
"""

import logging
from collections.abc import Sequence
from enum import Enum, StrEnum
from typing import Any, Final, TypeGuard
from uuid import uuid4

from graphql import GraphQLError

from domain.errors import BadInputError, StoreError, UnknownEventError, UnknownSignalError

_log: Final = logging.getLogger(__name__)


class ErrorCode(StrEnum):
    """Every code that an error can have; a name that Apollo Server uses too means the same there."""

    GRAPHQL_PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
    GRAPHQL_VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
    OPERATION_RESOLUTION_FAILURE = "OPERATION_RESOLUTION_FAILURE"
    BAD_REQUEST = "BAD_REQUEST"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    QUERY_NOT_IN_SAFELIST = "QUERY_NOT_IN_SAFELIST"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    UNKNOWN_SIGNAL = "UNKNOWN_SIGNAL"
    MAX_COST_EXCEEDED = "MAX_COST_EXCEEDED"
    THROTTLED = "THROTTLED"
    TIMEOUT = "TIMEOUT"
    POSITION_NOT_REACHED = "POSITION_NOT_REACHED"
    READER_TOO_SLOW = "READER_TOO_SLOW"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"


MEANINGS: Final = {
    ErrorCode.GRAPHQL_PARSE_FAILED: "the document is not GraphQL",
    ErrorCode.GRAPHQL_VALIDATION_FAILED: "the document does not fit the schema",
    ErrorCode.OPERATION_RESOLUTION_FAILURE: "the document has no operation of this name, or several and none is named",
    ErrorCode.BAD_REQUEST: "the HTTP request is not one of GraphQL over HTTP",
    ErrorCode.PERSISTED_QUERY_NOT_FOUND: "no document with this hash is registered",
    ErrorCode.QUERY_NOT_IN_SAFELIST: "only documents that the operator has registered are executed here",
    ErrorCode.UNAUTHENTICATED: "there is no token, or one that is not taken",
    ErrorCode.FORBIDDEN: "the token lacks a scope for it",
    ErrorCode.BAD_USER_INPUT: "an argument or variable has a value that cannot be",
    ErrorCode.UNKNOWN_SIGNAL: "a VSS path that no catalogue has",
    ErrorCode.MAX_COST_EXCEEDED: "the query costs more than a client may spend at once",
    ErrorCode.THROTTLED: "the client has spent its points: `Retry-After` says when it has enough",
    ErrorCode.TIMEOUT: "the request took longer than one may",
    ErrorCode.POSITION_NOT_REACHED: "the read models have not come to `atLeast` in time; the message says how far",
    ErrorCode.READER_TOO_SLOW: "the reader of a subscription has taken nothing for too long; `extensions.cursor` says"
    " after what to go on",
    ErrorCode.SERVICE_UNAVAILABLE: "the store does not answer; try again later",
    ErrorCode.INTERNAL_SERVER_ERROR: "a fault of ours; `extensions.id` names it in our log",
}


REMEDIES: Final = {  # where nothing more to the point is known
    ErrorCode.GRAPHQL_PARSE_FAILED: "correct it at the place that locations names",
    ErrorCode.GRAPHQL_VALIDATION_FAILED: "correct the field or argument that the message names",
    ErrorCode.OPERATION_RESOLUTION_FAILURE: "give the name of one operation of the document as operationName",
    ErrorCode.BAD_USER_INPUT: "correct the value that the message names",
    ErrorCode.TIMEOUT: "ask for smaller pages, or for less; if that was small, try again in some seconds",
}


ERRORS_MAX: Final = 20  # told in one answer
MESSAGE_CHARACTERS_MAX: Final = 500  # a message repeats what the client has given, which may be of any length


def told(errors: Sequence[GraphQLError], step: "Step") -> list[dict[str, Any]]:
    """Return errors as the response tells them: of very many the first, and that there are more."""
    shown = [formatted(error, step) for error in errors[:ERRORS_MAX]]
    if len(errors) > ERRORS_MAX:
        code = shown[-1]["extensions"]["code"]
        more = {"code": code, "remedy": "correct the others first"}
        shown.append({"message": "there are more errors", "extensions": more})
    return shown


def error_body(code: ErrorCode, message: str, remedy: str | None = None) -> dict[str, Any]:
    """Return an error that has no place in a document."""
    return {"message": shortened(message), "extensions": _extensions(code, remedy)}


def shortened(message: str) -> str:
    """Return a message, of a long one its two ends: what is quoted stands between them."""
    if len(message) <= MESSAGE_CHARACTERS_MAX:
        return message
    end = MESSAGE_CHARACTERS_MAX // 2
    return f"{message[:end]}…{message[-end:]}"


def _extensions(code: ErrorCode, remedy: str | None = None) -> dict[str, Any]:
    return {"code": code, "remedy": remedy or REMEDIES[code]}


class NotReachedError(BadInputError):
    """The read models have not come to a position."""

    def __init__(self, asked: int, reached: int, log_position: int) -> None:
        what = f"the read models are at position {reached}, not at {asked}; the log is at {log_position}"
        super().__init__(what, where="atLeast", remedy="ask again in some seconds")


class ForbiddenError(BadInputError):
    """Something is asked that the token may not ask."""


class Step(Enum):
    """What was being done to a document when an error came up, and the code of what the caller did wrong then."""

    PARSE = ErrorCode.GRAPHQL_PARSE_FAILED
    VALIDATE = ErrorCode.GRAPHQL_VALIDATION_FAILED
    COERCE = ErrorCode.BAD_USER_INPUT  # the values of variables
    EXECUTE = None  # then the caller is not at fault, unless a field says so


def formatted(error: GraphQLError, step: Step) -> dict[str, Any]:
    """Return an error as the response tells it."""
    message, extensions = _told(error, step)
    return {**error.formatted, "message": shortened(message), "extensions": extensions}


def _told(error: GraphQLError, step: Step) -> tuple[str, dict[str, Any]]:
    cause = error.original_error
    if isinstance(cause, BadInputError):
        codes = {
            UnknownSignalError: ErrorCode.UNKNOWN_SIGNAL,
            ForbiddenError: ErrorCode.FORBIDDEN,
            NotReachedError: ErrorCode.POSITION_NOT_REACHED,
        }
        code = codes.get(type(cause), ErrorCode.BAD_USER_INPUT)
        return f"{cause.where}: {cause.what}", {"code": code, "remedy": cause.remedy}
    if step.value is not None:
        aborted = error.message.endswith("Validation aborted.")
        return error.message, _extensions(step.value, "correct the errors before it first" if aborted else None)
    if isinstance(cause, GraphQLError) and cause.nodes:  # an argument's value, which has a place in the document
        return error.message, _extensions(ErrorCode.BAD_USER_INPUT)
    return _masked(cause or error, ".".join(map(str, error.path or ())) or "the operation")


def fault(cause: BaseException, place: str) -> dict[str, Any]:
    """Return what is told of something that went wrong inside, at no place of a document; the log has the rest."""
    message, extensions = _masked(cause, place)
    return {"message": message, "extensions": extensions}


def is_of_store(cause: BaseException | None) -> TypeGuard[StoreError]:
    """Whether the store did not answer: it may do so when it is asked again."""
    return isinstance(cause, StoreError) and not isinstance(cause, UnknownEventError)


def _masked(cause: BaseException, place: str) -> tuple[str, dict[str, Any]]:
    error_id = str(uuid4())
    _log.error("error %s at %s", error_id, place, exc_info=cause)
    if is_of_store(cause):
        remedy = "try again in some seconds; if it goes on, tell the operator the id"
        return "the store does not answer", {"code": ErrorCode.SERVICE_UNAVAILABLE, "id": error_id, "remedy": remedy}
    remedy = "tell the operator the id: the log has the cause under it"
    return "something went wrong here", {"code": ErrorCode.INTERNAL_SERVER_ERROR, "id": error_id, "remedy": remedy}
