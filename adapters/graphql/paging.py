"""Lists by pages (Relay, Cursor Connections): forward only, by the key of the last row, never by counting."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Annotated, Any, Final, Generic, TypeVar

import strawberry

from adapters.graphql.ids import List, read_cursor
from adapters.twins import PageOf
from domain.errors import BadInputError

PAGE_MAX: Final = 100

First = Annotated[int, strawberry.argument(description=f"1 to {PAGE_MAX}.")]

T = TypeVar("T")
Row = TypeVar("Row")


@strawberry.enum(description="By which end a list begins.")
class Order(Enum):
    """By which end a list begins."""

    NEWEST_FIRST = "NEWEST_FIRST"
    OLDEST_FIRST = "OLDEST_FIRST"


@strawberry.type
class PageInfo:
    """Where a page lies in its list."""

    has_next_page: bool
    has_previous_page: bool = strawberry.field(description="Whether the page was asked for with a cursor.")
    start_cursor: str | None
    end_cursor: str | None = strawberry.field(description="Give it as `after` for the next page.")


@strawberry.type
class Edge(Generic[T]):
    """One item of a list and its place."""

    cursor: str
    node: T


@strawberry.type
class Connection(Generic[T]):
    """A page of a list."""

    edges: list[Edge[T]]
    page_info: PageInfo


def page_of(kind: List, first: int, after: str | None, order: Order = Order.NEWEST_FIRST) -> PageOf:
    """Return the page that a caller asks for, one row longer to see whether another follows. Raises `BadInputError`."""
    if not 1 <= first <= PAGE_MAX:
        remedy = f"give a number from 1 to {PAGE_MAX} and go on with after: endCursor"
        raise BadInputError(f"a page of {first} {kind} cannot be", where="first", remedy=remedy)
    key = None if after is None else read_cursor(kind, after)
    return PageOf(first + 1, key, order is Order.NEWEST_FIRST)


def connection(
    rows: Sequence[Row], page: PageOf, cursor: Callable[[Row], str], node: Callable[[Row], T]
) -> Connection[T]:
    """Return a page of the rows that a reader gave for it."""
    shown = rows[: page.limit - 1]
    edges: list[Any] = [Edge(cursor=cursor(row), node=node(row)) for row in shown]
    return Connection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=len(rows) >= page.limit,
            has_previous_page=page.after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )
