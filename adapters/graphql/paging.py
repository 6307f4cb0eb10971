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
After = Annotated[
    str | None,
    strawberry.argument(description="Only what follows this: a cursor, or endCursor, of the same list. Left out: all."),
]

T = TypeVar("T")
Row = TypeVar("Row")


@strawberry.enum(description="By which end a list begins.")
class Order(Enum):
    """By which end a list begins."""

    NEWEST_FIRST = strawberry.enum_value("NEWEST_FIRST", description="What came last comes first.")
    OLDEST_FIRST = strawberry.enum_value("OLDEST_FIRST", description="In the order in which it came.")


Ordered = Annotated[Order, strawberry.argument(description="By which end the list begins.")]


@strawberry.type(description="Where a page lies in its list (Relay, Cursor Connections).")
class PageInfo:
    """Where a page lies in its list."""

    has_next_page: bool = strawberry.field(description="Whether another page follows.")
    has_previous_page: bool = strawberry.field(description="Whether the page was asked for with a cursor.")
    start_cursor: str | None = strawberry.field(description="Of the first item. Null: the page is empty.")
    end_cursor: str | None = strawberry.field(description="Give it as `after` for the next page.")


@strawberry.type(description="One item of a list and its place in it (Relay, Cursor Connections).")
class Edge(Generic[T]):
    """One item of a list and its place."""

    cursor: str = strawberry.field(description="Its place: give it as `after` for what follows.")
    node: T = strawberry.field(description="The item itself.")


@strawberry.type(description="A page of a list (Relay, Cursor Connections).")
class Connection(Generic[T]):
    """A page of a list."""

    edges: list[Edge[T]] = strawberry.field(description="The items in the order of the list.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")


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
