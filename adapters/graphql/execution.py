"""Executes GraphQL documents.

GraphQL-core's own three steps, each seen by itself: so an error says which step refused the document, and a small query
costs a third of what it does through Strawberry's extensions.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

from graphql import (
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    execute_sync,
    get_operation_ast,
)

from adapters.access import OPERATOR, Access, Shown
from adapters.graphql.budgets import Budgets, Throttle
from adapters.graphql.checking import CHECKED, check
from adapters.graphql.cohort import Context, Operating
from adapters.graphql.cost import points_of, price, too_complex
from adapters.graphql.delivered import VEHICLES_MAX as DELIVERED_VEHICLES_MAX
from adapters.graphql.ending import Ending
from adapters.graphql.errors import ErrorCode, Step, error_body, is_of_store, told
from adapters.graphql.outline import outline
from adapters.graphql.permits import Permits
from adapters.graphql.port import Catalogue, Decode, JsonObject, Operations, Twins, View
from adapters.graphql.schema import CORE_SCHEMA, FIELD_PATHS
from adapters.graphql.subscription import Asked, Delivered, Opening
from domain.errors import StoreError
from domain.signals import UNRECORDABLE

_log: Final = logging.getLogger(__name__)

MUTATION_BY_POST: Final = "a mutation is executed by a POST of its own, and answered as one JSON"
POINTS_MIN: Final = 1.0  # that a query costs
_QUERY: Final = OperationType.QUERY
_ELSEWHERE: Final = {  # how an operation is executed that is not executed in this way
    OperationType.QUERY: "a query is answered by a GET or a POST that accepts JSON",
    OperationType.MUTATION: MUTATION_BY_POST,
    OperationType.SUBSCRIPTION: "a subscription is answered as text/event-stream, or over a WebSocket",
}
CHARACTERS_A_POINT: Final = 5  # of a document that is checked: each takes some 15 µs at most


class Answer(NamedTuple):
    """A response (GraphQL, section 7.1), and whether the execution had begun: if not, the request was at fault."""

    body: JsonObject
    executed: bool
    retry_after_s: int | None = None  # None: the client has not spent too much


def unavailable(message: str, remedy: str = "try again in some seconds") -> Answer:
    """Return the answer to what cannot be executed now."""
    return Answer({"errors": [error_body(ErrorCode.SERVICE_UNAVAILABLE, message, remedy)]}, executed=False)


TIME_IS_UP: Final = Answer(
    {"errors": [error_body(ErrorCode.TIMEOUT, "the answer took longer than a request may")], "data": None},
    executed=True,
)


@dataclass(frozen=True, slots=True)
class Api:
    """The twins, asked in GraphQL."""

    twins: Twins
    catalogue: Catalogue
    decode: Decode
    budgets: Budgets | None = None  # None: everyone may ask for as much as there is
    operations: Operations | None = None  # None: there is nothing to see or to do but the twins

    def answer(
        self,
        document: str,
        variables: dict[str, Any] | None = None,
        operation_name: str | None = None,
        *,
        access: Access,
        request_id: UUID | None = None,
        ending: Ending | None = None,
        may_change: bool = False,
    ) -> Answer:
        """Execute a document for somebody, until it is ended; every failure is in the answer's errors.

        A mutation is refused unless it `may_change` something. What is shown of personal data is on record before it
        is returned, under the id of the request.
        """
        call = _Call(variables, operation_name, access, request_id or uuid4(), ending or Ending())
        changes = may_change and outline(document, operation_name).kind is OperationType.MUTATION
        ready = self._ready(document, call, OperationType.MUTATION if changes else _QUERY)
        if isinstance(ready, Answer):
            return ready
        parsed, points = ready
        if self.budgets is None or not access.metered:
            return self._executed(parsed, call)
        return self._metered(self.budgets, points, parsed, call)

    def _ready(self, document: str, call: "_Call", kind: OperationType) -> tuple[DocumentNode, float] | Answer:
        """Return a document that can be executed, and what it may cost; or why it is not.

        To check one that was not checked of late has a price, which is given back if it can be executed.
        """
        client, cost = (call.access.client, call.access.brands), {}
        budgets = self.budgets if call.access.metered and CHECKED.find(document) is None else None
        points = min(len(document) / CHARACTERS_A_POINT, budgets.maximum) if budgets else 0.0
        if budgets:
            allowed, throttle = budgets.spend(client, points)
            cost = cost_told(points, points, throttle)
            if not allowed:
                return _throttled(f"to check this document costs {points:,.0f} points", points, throttle)
        try:
            ready = _ready(document, call, kind)
        except _RefusedError as refused:
            return Answer({"errors": refused.errors, **cost}, executed=False)
        if budgets:
            budgets.spend(client, -points)
        return ready

    def _metered(self, budgets: Budgets, requested: float, parsed: DocumentNode, call: "_Call") -> Answer:
        """Execute a document for a client that has points for it, and give back those that it did not take."""
        client = (call.access.client, call.access.brands)
        allowed, throttle = budgets.spend(client, requested)
        if not allowed:
            cost = cost_told(requested, None, throttle)
            what = f"the query may cost {requested:,.0f} points"
            if requested > throttle.maximum:
                why, remedy = f"there are never more than {throttle.maximum:,.0f}", "ask for smaller pages, or for less"
                refused = error_body(ErrorCode.MAX_COST_EXCEEDED, f"{what}, and {why}", remedy)
                return Answer({"errors": [refused], **cost}, executed=False)
            return _throttled(what, requested, throttle)
        answer = self._executed(parsed, call)
        if call.ending.ended:  # it has cost what it may cost
            return answer
        taken = max(POINTS_MIN, points_of(answer.body.get("data")))
        actual = requested if _hides_work(answer) else min(requested, taken)
        _, throttle = budgets.spend(client, actual - requested)
        extensions = answer.body.get("extensions", {}) | cost_told(requested, actual, throttle)["extensions"]
        return answer._replace(body=answer.body | {"extensions": extensions})

    def _executed(self, parsed: DocumentNode, call: "_Call") -> Answer:
        with self.twins.reading(call.access.brands) as read, call.ending.cancelling(read.cancel):
            permits = Permits(call.access)
            operating = Operating(self.operations, call.access, call.request_id) if self.operations else None
            context = Context(read, self.catalogue, self.decode, parsed, FIELD_PATHS, permits, operating, call.ending)
            result = execute_sync(
                CORE_SCHEMA,
                parsed,
                context_value=context,
                variable_values=call.variables,
                operation_name=call.operation_name,
            )
            if call.ending.ended:
                return TIME_IS_UP
            if permits.shown:
                shown = Shown(call.request_id, call.access.client, call.access.subject, permits.shown)
                try:
                    read.put_on_record(shown)
                except StoreError:
                    _log.exception("request %s is not answered", shown.request_id)
                    remedy = "try again in some seconds"
                    refused = error_body(ErrorCode.SERVICE_UNAVAILABLE, "the access cannot be put on record", remedy)
                    return Answer({"errors": [refused], "data": None}, executed=True)
        if result.data is None and all(not error.path for error in result.errors or ()):
            return _refused(Step.COERCE, result.errors or ())
        body: JsonObject = {"errors": told(result.errors, Step.EXECUTE)} if result.errors else {}
        body["data"] = result.data
        if permits.withheld:
            body["extensions"] = {"withheld": permits.withheld}
        return Answer(body, executed=True)

    def subscribed(
        self,
        document: str,
        variables: dict[str, Any] | None = None,
        operation_name: str | None = None,
        *,
        access: Access,
        request_id: UUID | None = None,
        after: str | None = None,
        ending: Ending | None = None,
    ) -> "Subscribed | Answer":
        """Return what a subscription asks for, or why there is nothing that it can be told, until it is ended.

        It begins after the cursor `after`, or where it says itself. Raises StoreError.
        """
        call = _Call(variables, operation_name, access, request_id or uuid4(), ending or Ending())
        ready = self._ready(document, call, OperationType.SUBSCRIPTION)
        if isinstance(ready, Answer):
            return ready
        parsed, points = ready
        if self.budgets is not None and access.metered and points > self.budgets.maximum:
            what = f"one event may cost {points:,.0f} points, and there are never more than {self.budgets.maximum:,}"
            return Answer({"errors": [error_body(ErrorCode.MAX_COST_EXCEEDED, what, "ask for less")]}, executed=False)
        root = Opening(after)
        with self.twins.reading(access.brands) as read, call.ending.cancelling(read.cancel):
            permits = Permits(access)
            result = execute_sync(
                CORE_SCHEMA,
                parsed,
                root_value=root,
                context_value=Context(
                    read, self.catalogue, self.decode, parsed, FIELD_PATHS, permits, ending=call.ending
                ),
                variable_values=call.variables,
                operation_name=call.operation_name,
            )
            if call.ending.ended:
                return TIME_IS_UP
            if root.asked is not None:
                start = read.positions().reached if root.asked.after is None else root.asked.after
                return Subscribed(self, parsed, call, points, root.asked, start)
        if any(error.path for error in result.errors or ()):
            return Answer({"errors": told(result.errors or (), Step.EXECUTE), "data": None}, executed=True)
        return _refused(Step.COERCE, result.errors or ())

    def execute(
        self, document: str, variables: dict[str, Any] | None = None, operation_name: str | None = None
    ) -> JsonObject:
        """Return the response of a document for the operator: data, and errors if there are any."""
        return self.answer(document, variables, operation_name, access=OPERATOR).body


class _Call(NamedTuple):
    """What belongs to a document."""

    variables: dict[str, Any] | None
    operation_name: str | None
    access: Access
    request_id: UUID
    ending: Ending


class Subscribed(NamedTuple):
    """A subscription that can be executed; it costs so many points for each thing that it delivers."""

    api: Api
    parsed: DocumentNode
    call: _Call
    points: float
    asked: Asked
    start: int  # position

    def delivered(self, read: View, roots: Sequence[Delivered], ending: Ending) -> list[JsonObject]:
        """Return what is told of each of these, until it is ended.

        What is shown of personal data is on record by then. Raises StoreError, EndedError: then nothing is to be shown.
        """
        permits = Permits(self.call.access)
        context = Context(read, self.api.catalogue, self.api.decode, self.parsed, FIELD_PATHS, permits, ending=ending)
        events = [each for root in roots for each in (root.event, *(change.logged for change in root.changes)) if each]
        entries = [*{each.entry.vehicle_id: each.entry for each in events}.values()]
        together = DELIVERED_VEHICLES_MAX if "delivered" in context.asked.names else len(entries)
        for begin in range(0, len(entries), together or 1):
            context.know(entries[begin : begin + together], self.call.variables or {})
        bodies: list[JsonObject] = []
        for root in roots:
            permits.withhold_anew()
            result = execute_sync(
                CORE_SCHEMA,
                self.parsed,
                root_value=root,
                context_value=context,
                variable_values=self.call.variables,
                operation_name=self.call.operation_name,
            )
            ending.check()
            for error in result.errors or ():
                if is_of_store(error.original_error):  # what is told is told whole: it is read again
                    raise error.original_error
            body: JsonObject = {"errors": told(result.errors, Step.EXECUTE)} if result.errors else {}
            body["data"] = result.data
            if permits.withheld:
                body["extensions"] = {"withheld": permits.withheld}
            bodies.append(body)
        if permits.shown:
            call = self.call
            read.put_on_record(Shown(call.request_id, call.access.client, call.access.subject, permits.shown))
        return bodies


class _RefusedError(Exception):
    """A document that is not executed, and the errors that say why."""

    def __init__(self, *errors: JsonObject) -> None:
        super().__init__()
        self.errors = list(errors)


def _ready(document: str, call: _Call, kind: OperationType = _QUERY) -> tuple[DocumentNode, float]:
    """Return a document that can be executed, and what it may cost. Raises _RefusedError."""
    parsed, texts, errors = CHECKED.check(document)
    if parsed is None:
        raise _RefusedError(*errors)
    for where, held in (("document", texts), ("variables", call.variables)):
        if is_unspeakable(held):
            what = f"{where}: a text holds NUL or half of a surrogate pair, which no text here can have"
            raise _RefusedError(error_body(ErrorCode.BAD_USER_INPUT, what, "leave the character out"))
    if (reason := why_no_operation(parsed, call.operation_name, kind)) is not None:
        remedy = "ask in that way" if reason in _ELSEWHERE.values() else None
        raise _RefusedError(error_body(ErrorCode.OPERATION_RESOLUTION_FAILURE, reason, remedy))
    operation = get_operation_ast(parsed, call.operation_name)
    assert operation is not None
    found = price(CORE_SCHEMA, parsed, operation, call.variables or {})
    if (reason := too_complex(found)) is not None:
        raise _RefusedError(error_body(ErrorCode.GRAPHQL_VALIDATION_FAILED, reason, "ask in several operations"))
    return parsed, max(POINTS_MIN, found.points)


def why_refused(document: str) -> str | None:
    """Return why no operation of a document would be executed, whatever its variables; None: each would be."""
    parsed, _, errors = check(document)
    if parsed is None:
        return str(errors[0]["message"])
    operations = [each for each in parsed.definitions if isinstance(each, OperationDefinitionNode)]
    for each in operations:
        name = each.name.value if each.name else None
        reason = why_no_operation(parsed, name, each.operation) or too_complex(price(CORE_SCHEMA, parsed, each, {}))
        if reason is not None:
            return reason
    return None if operations else "there is no operation"


def is_unspeakable(held: Any) -> bool:
    """Whether a value holds a text that is no UTF-8, or that PostgreSQL cannot keep."""
    waiting = [held]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if UNRECORDABLE.search(value):
                return True
        elif isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, (list, tuple)):
            waiting += value
    return False


def why_no_operation(document: DocumentNode, name: str | None, kind: OperationType = _QUERY) -> str | None:
    """Return why there is no operation of a kind to execute, None if there is one."""
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    named = [each for each in operations if name is None or (each.name and each.name.value == name)]
    if not named:
        return f"there is no operation {name!r}" if name else "there is no operation"
    if len(named) > 1:
        return "there are several operations: name one with operationName"
    if named[0].operation is kind:
        return None
    return _ELSEWHERE[named[0].operation]


def _hides_work(answer: Answer) -> bool:
    """Whether an error may have taken away what was fetched before it: a caller who meant it would pay for nothing."""
    codes = [error["extensions"]["code"] for error in answer.body.get("errors", ())]
    return answer.executed and any(code != ErrorCode.SERVICE_UNAVAILABLE for code in codes)


def _refused(step: Step, errors: Sequence[GraphQLError]) -> Answer:
    return Answer({"errors": told(errors, step)}, executed=False)


def _throttled(what: str, points: float, throttle: Throttle) -> Answer:
    """Return the answer to a client that has too few points at present."""
    wait_s = throttle.wait_s(points)
    why, remedy = f"{throttle.available:,.0f} are left", f"ask again in {wait_s} s, or for less"
    refused = error_body(ErrorCode.THROTTLED, f"{what}, and {why}", remedy)
    return Answer({"errors": [refused], **cost_told(points, None, throttle)}, executed=False, retry_after_s=wait_s)


def cost_told(requested: float, actual: float | None, throttle: Throttle) -> JsonObject:
    """Return what a query cost, in the form in which Shopify tells it; points are told as whole ones."""
    return {
        "extensions": {
            "cost": {
                "requestedQueryCost": math.ceil(requested),
                "actualQueryCost": None if actual is None else math.ceil(actual),
                "throttleStatus": {
                    "maximumAvailable": math.floor(throttle.maximum),
                    "currentlyAvailable": math.floor(throttle.available),
                    "restoreRate": throttle.restored_a_second,
                },
            }
        }
    }
