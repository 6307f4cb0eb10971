"""What has an id (Relay, Object Identification)."""

from typing import Final

import strawberry
from strawberry import ID

OWN_ID: Final = "Its id in this API: opaque, and for good."


@strawberry.interface(description="Something with an id that node(id:) finds again.")
class Node:
    """Something with an id."""

    id: ID = strawberry.field(description=OWN_ID)
