"""The schema as a subgraph of Apollo Federation 2: a router joins it with others' by a vehicle's id or VIN.

What clients build on, `schemas/graphql/schema.graphql`, has no directive of a router in it. What a router composes is
the same text with them, and without the fields that only a router asks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any, Final, NamedTuple, NewType
from uuid import UUID

import strawberry
from graphql import DefinitionNode, ObjectTypeDefinitionNode, TypeDefinitionNode, parse, print_ast
from strawberry import Info
from strawberry.schema.base import BaseSchema
from strawberry.types.scalar import ScalarDefinition

from adapters.event_log import DirectoryEntry
from adapters.graphql.cohort import Cohort, Context, Seen
from adapters.graphql.ids import read_id
from adapters.graphql.vehicle import Vehicle
from domain.errors import BadInputError
from domain.vin import Vin

ENTITIES_MAX: Final = 1_000  # that one request of a router may name
LINK: Final = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable"])'
_DIRECTIVES: Final = {
    "Vehicle": ('@key(fields: "id")', '@key(fields: "vin")'),
    "PageInfo": ("@shareable",),  # every subgraph with connections has the same
}
_FIELDS: Final = frozenset({"_service", "_entities"})
_TYPES: Final = frozenset({"_Service", "_Any", "_Entity"})

Representation = NewType("Representation", object)
REPRESENTATION: Final[ScalarDefinition] = strawberry.scalar(
    name="_Any",
    description='What a router knows of an entity: {"__typename": "Vehicle"} with its id or its vin.',
)
Entity = Annotated[Vehicle, strawberry.union("_Entity", description="What a router can ask for by its key.")]


@strawberry.type(name="_Service", description="This subgraph, as a router composes it.")
class Service:
    """What a router composes."""

    sdl: str = strawberry.field(description="The schema with the directives of Apollo Federation 2.")


def service(info: Info[Context, None]) -> Service:
    """Return the subgraph that this schema is."""
    return Service(sdl=_subgraph(info.schema))


@lru_cache(maxsize=1)
def _subgraph(schema: BaseSchema) -> str:
    return subgraph_sdl(schema.as_str())


def subgraph_sdl(sdl: str) -> str:
    """Return what a router composes of a schema."""
    shown = [_in_subgraph(each) for each in parse(sdl).definitions if _name(each) not in _TYPES]
    return "\n\n".join([LINK, *map(print_ast, shown)]) + "\n"


def _in_subgraph(definition: DefinitionNode) -> DefinitionNode:
    if not isinstance(definition, ObjectTypeDefinitionNode):
        return definition
    (given,) = parse(f"type T {' '.join(_DIRECTIVES.get(definition.name.value, ()))} {{ f: Int }}").definitions
    assert isinstance(given, ObjectTypeDefinitionNode)
    fields = tuple(each for each in definition.fields or () if each.name.value not in _FIELDS)
    return replace(definition, fields=fields, directives=given.directives)


def _name(definition: DefinitionNode) -> str | None:
    return definition.name.value if isinstance(definition, TypeDefinitionNode) else None


class _Key(NamedTuple):
    """What a representation names a vehicle by: one of them."""

    vehicle_id: UUID | None
    vin: str | None

    def names(self, entry: DirectoryEntry) -> bool:
        return self.vehicle_id in (None, entry.vehicle_id) and self.vin in (None, entry.vin)


def entities(info: Info[Context, None], representations: Sequence[Representation]) -> list[Any]:
    """Return the entities that a router knows the keys of: all vehicles by one statement, read together after that.

    In the place of one that is wrongly told is the error that says so.
    """
    if len(representations) > ENTITIES_MAX:
        what, remedy = f"{len(representations)} are too many", f"give at most {ENTITIES_MAX}"
        raise BadInputError(what, where="representations", remedy=remedy)
    keys = [_key_or_error(each, f"representations[{place}]") for place, each in enumerate(representations)]
    named = [key for key in keys if isinstance(key, _Key)]
    ids = {key.vehicle_id for key in named if key.vehicle_id}
    vins = {key.vin for key in named if key.vin and not key.vehicle_id}
    read = info.context.read
    found = read.vehicles_named(sorted(ids), sorted(vins)) if named else []
    twins = Cohort(info.context, found, info.variable_values, Seen(read)).twins()
    by_key: Mapping[object, Vehicle] = {key: Vehicle(twin=twin) for twin in twins for key in (twin.id, twin.entry.vin)}

    def entity(key: _Key | BadInputError) -> Vehicle | BadInputError | None:
        if isinstance(key, BadInputError):
            return key
        vehicle = by_key.get(key.vehicle_id or key.vin)
        return vehicle if vehicle and key.names(vehicle.twin.entry) else None

    return [entity(key) for key in keys]


def _key_or_error(told: object, where: str) -> _Key | BadInputError:
    try:
        return _key(told, where)
    except BadInputError as error:
        return error


def _key(told: object, where: str) -> _Key:
    """Return the vehicle that a representation names. Raises BadInputError."""
    remedy = 'give {"__typename": "Vehicle"} with the id or the vin of a vehicle'
    if not isinstance(told, Mapping) or told.get("__typename") != "Vehicle":
        raise BadInputError("this is no representation of a Vehicle", where=where, remedy=remedy)
    vehicle_id, vin = told.get("id"), told.get("vin")
    if not all(each is None or isinstance(each, str) for each in (vehicle_id, vin)) or vehicle_id is vin is None:
        raise BadInputError("this has no key of a Vehicle", where=where, remedy=remedy)
    key = None if vehicle_id is None else read_id(vehicle_id, where=where)
    if key is not None and key.kind != "vehicle":
        raise BadInputError(
            f"this is the id of no vehicle but of another kind ({key.kind})", where=where, remedy=remedy
        )
    return _Key(key and key.vehicle_id, None if vin is None else Vin.parse(vin).text)
