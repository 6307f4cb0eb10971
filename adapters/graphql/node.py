"""What has an id (Relay, Object Identification)."""

import strawberry
from strawberry import ID


@strawberry.interface(description="Something with an id that node(id:) finds again.")
class Node:
    """Something with an id."""

    id: ID
