"""Fields whose value is a plain function of the object: Strawberry's fast path, without its `Info` and arguments."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, ParamSpec, Self, TypeVar, cast

import strawberry
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info
from strawberry.utils.str_converters import to_camel_case

P = ParamSpec("P")
T = TypeVar("T")


class ComputedField(StrawberryField):
    """A field without arguments that a function of the object gives; no parameter of the class's constructor.

    `paths` are the signals that it shows.
    """

    def __init__(
        self, compute: Callable[[Any], Any] | None = None, paths: frozenset[str] = frozenset(), **settings: Any
    ) -> None:
        super().__init__(**settings)
        self.init = False
        self.compute = compute
        self.paths = paths

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied.compute, copied.paths = self.compute, self.paths
        return copied

    def get_result(
        self,
        source: Any,
        info: Info[Any, Any] | None,  # noqa: ARG002  # as the library calls it
        args: list[Any],  # noqa: ARG002
        kwargs: Mapping[str, Any],  # noqa: ARG002
    ) -> Any:
        """Return the value of the field."""
        assert self.compute is not None
        return self.compute(source)


def computed(compute: Callable[[Any], Any], description: str | None = None, *, shows: Collection[str] = ()) -> Any:
    """Declare a field whose value `compute` gives for the object; `shows` are the paths of the signals in it."""
    return ComputedField(compute, frozenset(shows), description=description)


def resolved(description: str, *, name: str | None = None) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Declare a field with arguments that the decorated method gives; its name in the schema, if not the method's."""
    return cast("Callable[[Callable[P, T]], Callable[P, T]]", strawberry.field(description=description, name=name))


def paths_by_field(*types: type) -> dict[str, frozenset[str]]:
    """Return the signals that the fields of these types show, by the name that a field has in a document."""
    paths: dict[str, frozenset[str]] = {}
    for each in types:
        definition: StrawberryObjectDefinition = each.__strawberry_definition__  # type: ignore[attr-defined]  # a Strawberry type
        for field in definition.fields:
            if isinstance(field, ComputedField) and field.paths:
                name = to_camel_case(field.python_name)
                paths[name] = paths.get(name, frozenset()) | field.paths
    return paths
