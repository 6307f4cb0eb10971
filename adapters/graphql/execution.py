"""Executes GraphQL documents."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from adapters.graphql.cohort import Context
from adapters.graphql.errors import ErrorCode, error_body, formatted
from adapters.graphql.port import Catalogue, Decode, JsonObject, Twins
from adapters.graphql.schema import FIELD_PATHS, SCHEMA

_QUERIES: Final = (OperationType.QUERY,)


class Answer(NamedTuple):
    """A response (GraphQL, section 7.1), and whether the execution had begun: if not, the request was at fault."""

    body: JsonObject
    executed: bool


@dataclass(frozen=True, slots=True)
class Api:
    """The twins, asked in GraphQL."""

    twins: Twins
    catalogue: Catalogue
    decode: Decode

    def answer(
        self, document: str, variables: dict[str, Any] | None = None, operation_name: str | None = None
    ) -> Answer:
        """Execute a document; every failure is in the answer's errors."""
        with self.twins.reading() as read:
            context = Context(read, self.catalogue, self.decode, FIELD_PATHS)
            try:
                result = SCHEMA.execute_sync(
                    document, variables, context, operation_name=operation_name, allowed_operation_types=_QUERIES
                )
            except CannotGetOperationTypeError as error:
                return _refused(error.as_http_error_reason())
            except InvalidOperationTypeError:
                return _refused("there are only queries: no mutation, no subscription")
        executed = context.document is not None and not _before_first_field(result.data, result.errors)
        body: JsonObject = {}
        if result.errors:
            valid = context.document is not None
            body["errors"] = [formatted(error, executing=valid) for error in result.errors]
        if executed:
            body["data"] = result.data
        return Answer(body, executed)

    def execute(
        self, document: str, variables: dict[str, Any] | None = None, operation_name: str | None = None
    ) -> JsonObject:
        """Return the response of a document: data, and errors if there are any."""
        return self.answer(document, variables, operation_name).body


def _before_first_field(data: Any, errors: Any) -> bool:
    return data is None and all(not error.path for error in errors or ())


def _refused(reason: str) -> Answer:
    return Answer({"errors": [error_body(ErrorCode.OPERATION_RESOLUTION_FAILURE, reason)]}, executed=False)
