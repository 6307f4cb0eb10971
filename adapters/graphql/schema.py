"""The schema, put together."""

from typing import Final

import strawberry
from graphql import GraphQLSchema
from strawberry.schema.config import StrawberryConfig

from adapters.graphql.diagnostics import Diagnostics
from adapters.graphql.events import Event
from adapters.graphql.federation import REPRESENTATION, Representation
from adapters.graphql.fields import paths_by_field
from adapters.graphql.media import Media
from adapters.graphql.mutation import Mutation
from adapters.graphql.navigation import Navigation, Trip
from adapters.graphql.query import Query
from adapters.graphql.scalars import SCALARS
from adapters.graphql.subscription import Subscription

SCHEMA: Final = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[Trip, Event],
    config=StrawberryConfig(scalar_map={**SCALARS, Representation: REPRESENTATION}),
)
CORE_SCHEMA: Final[GraphQLSchema] = SCHEMA._schema  # noqa: SLF001  # what GraphQL-core executes; Strawberry has no public name for it

FIELD_PATHS: Final = paths_by_field(Navigation, Media, Diagnostics)
