"""GraphQL documents made from the schema itself: whatever it has, they ask for."""

from collections.abc import Iterator
from typing import Any, Final

from graphql import GraphQLInterfaceType, GraphQLObjectType, get_named_type

from adapters.graphql.schema import CORE_SCHEMA

DEPTH_MAX: Final = 8
# What a field with arguments that must be given is asked for; those of fields that are asked several times.
ARGUMENTS: Final = {
    "Vehicle.signal": '(path: "Vehicle.Speed")',
}
PAGE: Final = "(first: 100)"


def everything_of(type_name: str, depth: int = DEPTH_MAX) -> str:
    """Return a selection of every field of a type and of what is in them."""
    kind: Any = CORE_SCHEMA.type_map[type_name]
    parts = ["__typename"]
    for name, field in kind.fields.items():
        inner: Any = get_named_type(field.type)
        arguments = ARGUMENTS.get(f"{type_name}.{name}", PAGE if "first" in field.args else "")
        if not isinstance(inner, GraphQLObjectType | GraphQLInterfaceType):
            parts.append(name + arguments)
        elif depth > 1:
            parts.append(f"{name}{arguments} {{ {everything_of(inner.name, depth - 1)} }}")
    return " ".join(parts)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Give every value of an answer that is none of null, with the names of the fields on the way to it."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from leaves(each, (*path, name))
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each, path)
    elif value is not None:
        yield path, value
