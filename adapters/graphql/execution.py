"""Executes GraphQL documents.

GraphQL-core's own three steps, each seen by itself: so an error says which step refused the document, and a small query
costs a third of what it does through Strawberry's extensions.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

from graphql import (
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    StringValueNode,
    Visitor,
    execute_sync,
    parse,
    validate,
    visit,
)

from adapters.access import OPERATOR, Access, Shown
from adapters.graphql.cohort import Context
from adapters.graphql.errors import ErrorCode, Step, error_body, formatted
from adapters.graphql.permits import Permits
from adapters.graphql.port import Catalogue, Decode, JsonObject, Twins
from adapters.graphql.schema import CORE_SCHEMA, FIELD_PATHS
from domain.errors import StoreError

_log: Final = logging.getLogger(__name__)

DOCUMENT_TOKENS_MAX: Final = 10_000
DOCUMENTS_KEPT: Final = 128  # parsed and validated
_UNSPEAKABLE: Final = re.compile("[\0\ud800-\udfff]")
KEPT_CHARACTERS_MAX: Final = 8_192  # of a document that is kept: longer ones are rare, and each would take megabytes


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
        self,
        document: str,
        variables: dict[str, Any] | None = None,
        operation_name: str | None = None,
        *,
        access: Access,
        request_id: UUID | None = None,
    ) -> Answer:
        """Execute a document for somebody; every failure is in the answer's errors.

        What is shown of personal data is on record before it is returned, under the id of the request.
        """
        parsed = _prepared(document, variables, operation_name)
        if isinstance(parsed, Answer):
            return parsed
        with self.twins.reading(access.brands) as read:
            permits = Permits(access)
            context = Context(read, self.catalogue, self.decode, parsed, FIELD_PATHS, permits)
            result = execute_sync(
                CORE_SCHEMA,
                parsed,
                context_value=context,
                variable_values=variables,
                operation_name=operation_name,
            )
            if permits.shown:
                shown = Shown(request_id or uuid4(), access.client, access.subject, permits.shown)
                try:
                    read.put_on_record(shown)
                except StoreError:
                    _log.exception("request %s is not answered", shown.request_id)
                    remedy = "try again in some seconds"
                    told = error_body(ErrorCode.SERVICE_UNAVAILABLE, "the access cannot be put on record", remedy)
                    return Answer({"errors": [told], "data": None}, executed=True)
        if result.data is None and all(not error.path for error in result.errors or ()):
            return _refused(Step.COERCE, result.errors or ())
        body: JsonObject = (
            {"errors": [formatted(error, Step.EXECUTE) for error in result.errors]} if result.errors else {}
        )
        body["data"] = result.data
        if permits.withheld:
            body["extensions"] = {"withheld": permits.withheld}
        return Answer(body, executed=True)

    def execute(
        self, document: str, variables: dict[str, Any] | None = None, operation_name: str | None = None
    ) -> JsonObject:
        """Return the response of a document for the operator: data, and errors if there are any."""
        return self.answer(document, variables, operation_name, access=OPERATOR).body


def _prepared(document: str, variables: dict[str, Any] | None, operation_name: str | None) -> DocumentNode | Answer:
    """Return a document that can be executed, or the answer to one that cannot."""
    try:
        parsed, texts, invalid = (_checked_and_kept if len(document) <= KEPT_CHARACTERS_MAX else _checked)(document)
    except GraphQLError as error:
        return _refused(Step.PARSE, [error])
    if invalid:
        return _refused(Step.VALIDATE, invalid)
    for where, held in (("document", texts), ("variables", variables)):
        if _is_unspeakable(held):
            what = f"{where}: a text holds NUL or half of a surrogate pair, which no text here can have"
            told = error_body(ErrorCode.BAD_USER_INPUT, what, "leave the character out")
            return Answer({"errors": [told]}, executed=False)
    if (reason := _no_operation(parsed, operation_name)) is not None:
        told = error_body(ErrorCode.OPERATION_RESOLUTION_FAILURE, reason)
        return Answer({"errors": [told]}, executed=False)
    return parsed


def _checked(document: str) -> tuple[DocumentNode, list[str], Sequence[GraphQLError]]:
    """Return a document, the texts that are written in it, and what is wrong with it."""
    parsed = parse(document, max_tokens=DOCUMENT_TOKENS_MAX)
    invalid = validate(CORE_SCHEMA, parsed)
    return parsed, [] if invalid else _texts(parsed), invalid


_checked_and_kept = lru_cache(DOCUMENTS_KEPT)(_checked)


def _texts(document: DocumentNode) -> list[str]:
    """Return the texts that are written in a document."""
    found: list[str] = []

    class Texts(Visitor):
        def enter_string_value(self, node: StringValueNode, *_: Any) -> None:
            found.append(node.value)

    visit(document, Texts())
    return found


def _is_unspeakable(held: Any) -> bool:
    """Whether a value holds a text that is no UTF-8, or that PostgreSQL cannot keep."""
    waiting = [held]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if _UNSPEAKABLE.search(value):
                return True
        elif isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
    return False


def _no_operation(document: DocumentNode, name: str | None) -> str | None:
    """Return why there is no operation to execute, None if there is one."""
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    named = [each for each in operations if name is None or (each.name and each.name.value == name)]
    if not named:
        return f"there is no operation {name!r}" if name else "there is no operation"
    if len(named) > 1:
        return "there are several operations: name one with operationName"
    return None if named[0].operation is OperationType.QUERY else "only queries are executed here"


def _refused(step: Step, errors: Sequence[GraphQLError]) -> Answer:
    return Answer({"errors": [formatted(error, step) for error in errors]}, executed=False)
