"""The root of every mutation: what whoever operates the platform may have done.

Each says in the log who had it done, under the id of the request, and what became of it.
"""

import logging
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Final
from uuid import UUID

import strawberry
from strawberry import ID, Info

from adapters.graphql.cohort import Context, Operating
from adapters.graphql.errors import ForbiddenError
from adapters.graphql.fields import resolved
from adapters.graphql.operations import ParkedEvent
from adapters.graphql.query import vehicle_key
from adapters.graphql.scopes import OPERATIONS_CHANGED, lacking
from adapters.parked_events import ParkedEvent as Found
from domain.errors import StoreError

_log: Final = logging.getLogger(__name__)


@strawberry.enum(description="What became of a vehicle that was parked.")
class Retried(Enum):
    """What became of a vehicle that was parked."""

    TAKEN_UP = strawberry.enum_value("TAKEN_UP", description="It is not parked any more: all was folded.")
    STILL_PARKED = strawberry.enum_value("STILL_PARKED", description="An event could not be folded: see parked.")
    NOT_PARKED = strawberry.enum_value(
        "NOT_PARKED", description="It is not parked there, or not for this token; nothing was done."
    )


@strawberry.type(description="What became of a vehicle that was to be taken up again.")
class RetryParkedPayload:
    """What became of a vehicle that was to be taken up again."""

    outcome: Retried = strawberry.field(description="What became of it.")
    parked: ParkedEvent | None = strawberry.field(
        description="The event that could not be folded now. Null: it is not parked."
    )


@strawberry.type(
    description="The root of every mutation: by POST only, each with the scopes operations:read and operations:write,"
    " without which it is the error FORBIDDEN and nothing is done. The log of the server says who had what done."
)
class Mutation:
    """The root of every mutation."""

    @resolved(
        "Fold once more what a version of a projection could not fold of a vehicle: where the cause is mended, the"
        " vehicle goes on as if nothing had been. Null: an error says why nothing is known of what became of it."
    )
    def retry_parked(
        self,
        info: Info[Context, None],
        projection: Annotated[str, strawberry.argument(description="navigation, media or diagnostics.")],
        version: Annotated[
            int, strawberry.argument(description="Of the projection, as ParkedEvent has it. Unit: none.")
        ],
        vehicle_id: Annotated[ID, strawberry.argument(description="The id of the vehicle.")],
    ) -> RetryParkedPayload | None:
        """Take a parked vehicle up again. Raises `BadInputError`, `StoreError`."""
        context, operating = info.context, info.context.operating
        if operating is None:
            raise StoreError("this server moves no projection")
        missing = context.permits.missing(OPERATIONS_CHANGED)
        if missing:
            _say(operating, "retryParked is refused: %s", lacking(missing))
            raise ForbiddenError(lacking(missing), where="retryParked", remedy="ask for a token with this scope")
        return _retried(context, operating, (projection, version), vehicle_key(str(vehicle_id), where="vehicleId"))


def _retried(context: Context, operating: Operating, of: tuple[str, int], vehicle_id: UUID) -> RetryParkedPayload:
    """Take a vehicle up again that is parked as far as this token shows."""
    followed = [each for each in context.read.positions().projections if (each.name, each.version) == of]
    found = context.read.parked(1, None, followed, vehicle_id)
    if not found:
        return RetryParkedPayload(outcome=Retried.NOT_PARKED, parked=None)
    projection, became = f"{of[0]} v{of[1]}", "it failed"
    try:
        now = operating.operations.retry(*of, vehicle_id)
        outcome = Retried.STILL_PARKED if now else Retried.TAKEN_UP
        became = outcome.name
    finally:
        where = {"vehicle_id": vehicle_id, "projection": projection, "position": found[0].parked.position}
        _say(operating, "vehicle %s in %s is taken up again: %s", vehicle_id, projection, became, extra=where)
    if now is None:
        return RetryParkedPayload(outcome=outcome, parked=None)
    told = Found(*of, now, context.read.event(vehicle_id, now.version))
    return RetryParkedPayload(outcome=outcome, parked=ParkedEvent(found=told))


def _say(operating: Operating, said: str, *values: object, extra: Mapping[str, object] | None = None) -> None:
    access = operating.access
    names = (operating.request_id, access.client, access.subject)
    _log.info(f"request %s of client %s, subject %s: {said}", *names, *values, extra=extra)
