"""What a document asks for, seen before it is executed: so that one statement can fetch it for all its fields."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from graphql import DocumentNode, FieldNode, ListValueNode, Node, StringValueNode, ValueNode, VariableNode

DOCUMENTS_KEPT: Final = 128  # parsed and validated, and their summaries
KEPT_CHARACTERS_MAX: Final = 8_192  # of a document that is kept: longer ones are rare, and each would take megabytes
_SIGNAL_FIELDS: Final = frozenset({"signal", "signals"})
_SIGNAL_ARGUMENTS: Final = frozenset({"path", "paths"})


class Summary(NamedTuple):
    """What a document mentions in any operation or fragment: at times more than an execution asks for, never less."""

    names: frozenset[str]  # of fields
    paths: frozenset[str]  # given as literals to signal and signals
    variables: frozenset[str]  # given to them

    def signal_paths(self, variable_values: Mapping[str, Any]) -> set[str]:
        """Return the paths that signal and signals are given in an execution with these variables."""
        paths = set(self.paths)
        for name in self.variables:
            value = variable_values.get(name)
            paths.update([value] if isinstance(value, str) else value or ())
        return paths


def summary(document: DocumentNode) -> Summary:
    """Return what a document mentions."""
    is_kept = document.loc is not None and document.loc.end <= KEPT_CHARACTERS_MAX
    return (kept_summary if is_kept else _summary)(document)


def _summary(document: DocumentNode) -> Summary:
    names, paths, variables = set(), set(), set()
    for field in _fields(document):
        names.add(field.name.value)
        if field.name.value not in _SIGNAL_FIELDS:
            continue
        for argument in field.arguments or ():
            if argument.name.value in _SIGNAL_ARGUMENTS:
                for value in _leaves(argument.value):
                    if isinstance(value, StringValueNode):
                        paths.add(value.value)
                    elif isinstance(value, VariableNode):
                        variables.add(value.name.value)
    return Summary(frozenset(names), frozenset(paths), frozenset(variables))


kept_summary: Final = lru_cache(DOCUMENTS_KEPT)(_summary)


def _fields(node: Node) -> Iterator[FieldNode]:
    stack: list[Any] = [*getattr(node, "definitions", ())]
    while stack:
        each = stack.pop()
        if isinstance(each, FieldNode):
            yield each
        selections = getattr(each, "selection_set", None)
        if selections:
            stack += selections.selections


def _leaves(value: ValueNode) -> Iterator[ValueNode]:
    if isinstance(value, ListValueNode):
        yield from value.values
    else:
        yield value
