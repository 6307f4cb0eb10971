"""The schema, put together."""

from collections.abc import Iterator
from typing import Any, Final

import strawberry
from graphql import GraphQLError
from strawberry.extensions import ParserCache, SchemaExtension, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from adapters.graphql.diagnostics import Diagnostics
from adapters.graphql.events import Event
from adapters.graphql.fields import paths_by_field
from adapters.graphql.media import Media
from adapters.graphql.navigation import Navigation, Trip
from adapters.graphql.query import Query
from adapters.graphql.scalars import SCALARS

DOCUMENT_TOKENS_MAX: Final = 10_000

FIELD_PATHS: Final = paths_by_field(Navigation, Media, Diagnostics)


class _Valid(SchemaExtension):
    """Tells the resolvers the document once it is valid."""

    def on_execute(self) -> Iterator[None]:
        self.execution_context.context.document = self.execution_context.graphql_document
        yield


class _Tokens(SchemaExtension):
    """Bounds the size of a document."""

    def on_operation(self) -> Iterator[None]:
        self.execution_context.parse_options["max_tokens"] = DOCUMENT_TOKENS_MAX
        yield


class _Schema(strawberry.Schema):
    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Do nothing: errors are told, and logged, where the response is made."""


def make_schema() -> strawberry.Schema:
    """Return the schema."""
    extensions: list[Any] = [_Tokens, ParserCache, ValidationCache, _Valid]
    return _Schema(query=Query, types=[Trip, Event], config=StrawberryConfig(scalar_map=SCALARS), extensions=extensions)


SCHEMA: Final = make_schema()
