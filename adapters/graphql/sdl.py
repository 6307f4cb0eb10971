"""Writes the schema to `schemas/graphql/schema.graphql`, or checks it: `python -m adapters.graphql.sdl [--check]`.

The file is what clients build on: a change that can break them is refused unless `--breaking` is given too.
"""

import argparse
import sys
from pathlib import Path
from typing import Final

from graphql import (
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    find_breaking_changes,
    is_required_argument,
    is_required_input_field,
)

import schemas
from adapters.graphql.schema import SCHEMA

SDL: Final = Path(schemas.__file__).parent / "graphql" / "schema.graphql"
COMMAND: Final = "python -m adapters.graphql.sdl"


def text() -> str:
    """Return the schema as text."""
    return SCHEMA.as_str() + "\n"


def breaking_changes(released: str, now: str) -> list[str]:
    """Return what of a released schema clients may rely on and no longer find."""
    before, after = build_schema(released), build_schema(now)
    return [change.description for change in find_breaking_changes(before, after)] + _now_required(before, after)


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


def main(arguments: list[str], path: Path = SDL) -> int:
    """Write or check the file; return the exit status."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write the GraphQL schema to its file.")
    parser.add_argument("--check", action="store_true", help="write nothing: fail if the file is not the schema")
    parser.add_argument("--breaking", action="store_true", help="write even what breaks clients")
    options = parser.parse_args(arguments)
    released = path.read_text(encoding="utf-8") if path.exists() else ""
    if released == text():
        return 0
    breaking = breaking_changes(released, text()) if released else []
    for change in breaking:
        _say(f"{path.name}: breaks clients: {change}")
    if options.check:
        _say(f"{path.name} is not the schema of the code; run {COMMAND}{' --breaking' if breaking else ''}")
        return 1
    if breaking and not options.breaking:
        _say("nothing is written; give --breaking if no client can be there yet, else deprecate and add")
        return 1
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(), encoding="utf-8")
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
