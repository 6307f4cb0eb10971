"""How far the log is, and how far the read models have followed it."""

import strawberry

from adapters.graphql.scalars import Int64
from adapters.twins import Positions


@strawberry.type(description="A read model: how far it has followed the log.")
class ProjectionStatus:
    """A read model and its position."""

    name: str = strawberry.field(description="navigation, media or diagnostics.")
    version: int = strawberry.field(description="Of its rows: a new one is built beside the old. Unit: none.")
    position: Int64 = strawberry.field(description="The last position of the log that it has taken.")
    lag: Int64 = strawberry.field(description="Events of the log that it has not taken yet. Unit: none.")
    parked: int = strawberry.field(
        description="Vehicles that it could not take further, because of an event that fails. Unit: none."
    )


@strawberry.type(description="The log and its read models.")
class Status:
    """The log and its read models."""

    log_position: Int64 = strawberry.field(description="The position of the newest event; 0: there is none.")
    projections: list[ProjectionStatus] = strawberry.field(description="Every read model that follows the log.")


def status_of(positions: Positions) -> Status:
    """Return positions as the API tells them."""
    projections = [
        ProjectionStatus(
            name=each.name,
            version=each.version,
            position=Int64(each.position),
            lag=Int64(positions.lag(each)),
            parked=each.parked,
        )
        for each in positions.projections
    ]
    return Status(log_position=Int64(positions.log_position), projections=projections)
