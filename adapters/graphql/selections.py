"""What a validated operation selects of an object, with its fragments and directives (GraphQL, section 6.3.2)."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLAbstractType,
    GraphQLIncludeDirective,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSkipDirective,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    is_abstract_type,
)
from graphql.execution.values import VariableValues, get_directive_values

TYPENAME: Final = "__typename"


class Selections(NamedTuple):
    """The operation that is executed, and what its variables are."""

    schema: GraphQLSchema
    document: DocumentNode
    variables: VariableValues

    def of(
        self, kind: GraphQLObjectType, nodes: Sequence[FieldNode | OperationDefinitionNode]
    ) -> dict[str, list[FieldNode]]:
        """Return the fields that are selected in any of the nodes, by the names that they have in the answer."""
        found: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        for node in nodes:
            if node.selection_set is not None:
                for each in self._selected(kind, node.selection_set, spread):
                    found.setdefault((each.alias or each.name).value, []).append(each)
        return found

    def _selected(self, kind: GraphQLObjectType, selections: SelectionSetNode, spread: set[str]) -> Iterator[FieldNode]:
        for each in selections.selections:
            if not self._included(each):
                continue
            if isinstance(each, FieldNode):
                yield each
                continue
            if isinstance(each, FragmentSpreadNode):
                if each.name.value in spread:
                    continue
                spread.add(each.name.value)
            fragment = self._fragment(each)
            if fragment.type_condition is None or self._fits(kind, fragment.type_condition.name.value):
                yield from self._selected(kind, fragment.selection_set, spread)

    def _included(self, node: Any) -> bool:
        skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
        include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
        return not (skip and skip["if"]) and (include is None or bool(include["if"]))

    def _fragment(self, node: Any) -> InlineFragmentNode | FragmentDefinitionNode:
        if isinstance(node, InlineFragmentNode):
            return node
        fragments = (each for each in self.document.definitions if isinstance(each, FragmentDefinitionNode))
        return next(each for each in fragments if each.name.value == node.name.value)

    def _fits(self, kind: GraphQLObjectType, name: str) -> bool:
        condition = self.schema.get_type(name)
        if is_abstract_type(condition):
            abstract: GraphQLAbstractType = condition
            return self.schema.is_sub_type(abstract, kind)
        return condition is kind


def variables_of(nodes: Sequence[Node], leave_out: Sequence[Node]) -> set[str]:
    """Return the names of the variables that are used in some nodes, without those in the nodes that are left out."""
    left_out = {id(node) for node in leave_out}
    found: set[str] = set()
    waiting: list[Any] = [*nodes]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list | tuple):
            waiting += each
        elif isinstance(each, VariableNode):
            found.add(each.name.value)
        elif isinstance(each, Node) and id(each) not in left_out:
            waiting += [getattr(each, key, None) for key in each.keys if key != "loc"]
    return found
