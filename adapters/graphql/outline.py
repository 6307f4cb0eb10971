"""What has to be known of a document before it is checked: its kind of operation, and how new the answer must be.

It is parsed and not validated; that takes long enough for a thread, not for the loop that all others wait for.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
    parse,
    value_from_ast_untyped,
)

from adapters.graphql.scalars import parse_whole_number

DOCUMENT_TOKENS_MAX: Final = 10_000
_AT_LEAST: Final = "atLeast"
_WORDS: Final = (OperationType.SUBSCRIPTION.value, OperationType.MUTATION.value, _AT_LEAST)


class Outline(NamedTuple):
    """The kind of what is to be executed of a document, and the position that the read models are to have reached."""

    kind: OperationType = OperationType.QUERY
    at_least: int = 0  # any


PLAIN: Final = Outline()


def is_plain(document: str) -> bool:
    """Whether a document is outlined as `PLAIN` without a look at it."""
    return not any(word in document for word in _WORDS)


def outline(document: str, operation_name: str | None, variables: Mapping[str, Any] | None = None) -> Outline:
    """Return what is known of a document; of one that cannot be executed that it is `PLAIN`: why is told later."""
    try:
        parsed = parse(document, max_tokens=DOCUMENT_TOKENS_MAX, no_location=True)
    except (GraphQLError, RecursionError):
        return PLAIN
    operation = get_operation_ast(parsed, operation_name)
    if operation is None:
        return PLAIN
    return Outline(operation.operation, _at_least(parsed, operation, variables or {}))


def _at_least(document: DocumentNode, operation: OperationDefinitionNode, given: Mapping[str, Any]) -> int:
    defaults = {
        each.variable.name.value: value_from_ast_untyped(each.default_value)
        for each in operation.variable_definitions or ()
        if each.default_value
    }
    variables = defaults | dict(given)
    return max(
        (
            _position(value_from_ast_untyped(argument.value, variables))
            for field in _roots(document, operation)
            for argument in field.arguments or ()
            if argument.name.value == _AT_LEAST
        ),
        default=0,
    )


def _roots(document: DocumentNode, operation: OperationDefinitionNode) -> Iterator[FieldNode]:
    """Yield the fields at the root of an operation, those of its fragments too."""
    left = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    waiting = [operation.selection_set]
    while waiting:
        for each in waiting.pop().selections:
            if isinstance(each, FieldNode):
                yield each
            elif isinstance(each, InlineFragmentNode):
                waiting.append(each.selection_set)
            elif isinstance(each, FragmentSpreadNode) and (fragment := left.pop(each.name.value, None)):
                waiting.append(fragment.selection_set)


def _position(value: Any) -> int:
    """Return a position; 0 for what is none, as is told when the argument is read."""
    try:
        return max(0, parse_whole_number(value))
    except ValueError:
        return 0
