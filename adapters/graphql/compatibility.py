"""What a change of the schema takes from clients: a break, but for what was deprecated until a day that has passed."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, Final

from graphql import (
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    find_breaking_changes,
    is_object_type,
    is_required_argument,
    is_required_input_field,
)

_REASON: Final = re.compile(r".+\. Removed after (20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))\.")


def removal_day(reason: str) -> date | None:
    """Return the last day of what is deprecated for this reason, or None where it names none.

    A reason says what to use instead, and then `Removed after 2027-06-30.`
    """
    found = _REASON.fullmatch(reason)
    return date.fromisoformat(found[1]) if found else None


def breaking_changes(released: str, now: str, today: date) -> list[str]:
    """Return what of a released schema clients may rely on and no longer find.

    On what the release deprecated they may rely until its day, which is over where it is before `today`.
    """
    before, after = build_schema(released), build_schema(now)
    if _forget_outdated(before, today):
        before = _reachable(before)
    return [change.description for change in find_breaking_changes(before, after)] + _now_required(before, after)


def _forget_outdated(schema: GraphQLSchema, today: date) -> bool:
    """Take out of a schema what nobody may rely on any more; return whether there was anything."""
    found = False
    for members in _members(schema):
        for name, each in list(members.items()):
            last = removal_day(each.deprecation_reason) if each.deprecation_reason else None
            if last is not None and last < today:
                del members[name]
                found = True
    return found


def _members(schema: GraphQLSchema) -> Iterator[dict[str, Any]]:
    """Give the fields, the arguments of each field, and the values, of each type."""
    for kind in schema.type_map.values():
        fields: dict[str, Any] = getattr(kind, "fields", {})
        yield from (each.args for each in fields.values() if hasattr(each, "args"))
        yield fields
        yield getattr(kind, "values", {})


def _reachable(schema: GraphQLSchema) -> GraphQLSchema:
    """Return a schema without the types that nothing leads to any more; those of an interface stay."""
    whole = schema.to_kwargs()
    whole["types"] = tuple(each for each in whole["types"] or () if is_object_type(each) and each.interfaces)
    return GraphQLSchema(**whole)


def _now_required(before: GraphQLSchema, after: GraphQLSchema) -> list[str]:
    """Return what could be left out, and cannot any more: to the library a default that is lost does no harm."""
    now = _given(after)
    return [f"{place} must be given now" for place, needed in _given(before).items() if not needed and now.get(place)]


def _given(schema: GraphQLSchema) -> dict[str, bool]:
    """Return every argument and every field of an input, and whether it must be given."""
    found: dict[str, bool] = {}
    for name, kind in schema.type_map.items():
        if isinstance(kind, GraphQLInputObjectType):
            found |= {f"{name}.{field}": is_required_input_field(each) for field, each in kind.fields.items()}
        elif isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for field, each in kind.fields.items():
                found |= {f"{name}.{field}({of}:)": is_required_argument(given) for of, given in each.args.items()}
    return found
