"""What a query may cost, told before anything of it is executed.

A point is an object of the answer: of every page as many as it may have (`first`), of every other list as many as it
usually has. What is asked of the past costs more, for it is folded. A field that @include or @skip leaves out counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from graphql import (
    DocumentNode,
    EnumValueNode,
    ExecutableDefinitionNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    Node,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)

from adapters.fleet_counts import GROUPS_MAX
from adapters.vehicle_order import OF_TELEMETRY

DEPTH_MAX: Final = 20  # fields within fields; what GraphiQL asks of a schema has 15
ALIASES_MAX: Final = 50
FIELDS_MAX: Final = 5_000  # fragments written out
ORDER_POINTS: Final = 10  # for an order that is asked for: every vehicle that fits is looked at
PAST_ORDER_POINTS: Final = 5_000  # for one by telemetry of the past: that of every vehicle that fits is folded
FLEET_POINTS: Final = 100  # beside the groups: every vehicle is looked at
DELIVERED_POINTS: Final = 250  # beside the signals: hundreds of events are decoded
WHOLE_TABLE_POINTS: Final = 5_000  # tables are read for some seconds
PAST_POINTS: Final = 10  # for each vehicle, beside what is shown of it
LIST_POINTS: Final = 5  # items of a list without pages
POINTS_A_TRACK_POINT: Final = 0.1  # five small numbers
SIGNAL_POINTS: Final = 50  # signals that a car usually tells
ITEMS_MAX: Final = 10_000  # of what a page or a track may have
DIGITS_MAX: Final = 10
REPEATED_MAX: Final = 100  # fields that a selection has already: each is compared with each before anything is priced
FRAGMENTS_MAX: Final = 100  # of a document: each is compared with each, too
OPERATIONS_MAX: Final = 100  # of a document: what their fragments hold is gone through for each
WRITTEN_FIELDS_MAX: Final = 100  # of an object in a document: each error repeats it all
INTROSPECTION_POINTS: Final = 0.1  # for an object of the schema: nothing is fetched
_OF_TELEMETRY: Final = frozenset(each.value for each in OF_TELEMETRY)
_POINTS: Final = {
    "Fleet": FLEET_POINTS,
    "DeliveredSignals": DELIVERED_POINTS,
    "VersionDigest": WHOLE_TABLE_POINTS,
    "ComparisonConnection": WHOLE_TABLE_POINTS,
}  # of types, beside what is in them
_NAMED_ITEMS: Final = {  # of lists whose items an argument names; and how many there are where it does not
    "signals": ("paths", SIGNAL_POINTS),
    "_entities": ("representations", 1),
}
_PAST: Final = frozenset({"asOf", "knownAt", "position"})


class Price(NamedTuple):
    """What an operation costs and how it is built."""

    points: float = 0.0
    depth: int = 0
    aliases: int = 0
    fields: int = 0

    def beside(self, other: "Price") -> "Price":
        """Return the price of both."""
        return Price(
            self.points + other.points,
            max(self.depth, other.depth),
            self.aliases + other.aliases,
            self.fields + other.fields,
        )


def price(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> Price:
    """Return the price of an operation of a document that was validated; each fragment is looked at once."""
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    defaults = {
        each.variable.name.value: each.default_value
        for each in operation.variable_definitions or ()
        if each.default_value
    }
    root = schema.get_root_type(operation.operation)
    assert root is not None
    return _Pricing(schema, fragments, {**defaults, **variables}).selections(operation.selection_set, root)


def too_complex(found: Price) -> str | None:
    """Return why an operation is built in a way that is not executed; None: it may be."""
    for what, number, most in (
        ("is nested", found.depth, DEPTH_MAX),
        ("has aliases", found.aliases, ALIASES_MAX),
        ("has fields, with its fragments written out", found.fields, FIELDS_MAX),
    ):
        if number > most:
            return f"the operation {what}: {number:,} of them, and {most:,} are allowed"
    return None


def too_repetitive(document: DocumentNode) -> str | None:
    """Return why a document is not even validated, which takes time with the square of what it repeats; None: it is."""
    fragments = sum(isinstance(each, FragmentDefinitionNode) for each in document.definitions)
    if fragments > FRAGMENTS_MAX:
        return f"the document has {fragments:,} fragments, and {FRAGMENTS_MAX:,} are allowed"
    operations = sum(isinstance(each, OperationDefinitionNode) for each in document.definitions)
    if operations > OPERATIONS_MAX:
        return f"the document has {operations:,} operations, and {OPERATIONS_MAX:,} are allowed"
    if (repeated := _repeated(document)) > REPEATED_MAX:
        return f"the document repeats {repeated:,} fields beside themselves, and {REPEATED_MAX:,} are allowed"
    widest = max((len(each.fields) for each in _objects(document)), default=0)
    if widest > WRITTEN_FIELDS_MAX:
        return f"an object in the document has {widest:,} fields, and {WRITTEN_FIELDS_MAX:,} are allowed"
    return None


def _repeated(document: DocumentNode) -> int:
    """Return how many fields stand beside one of the same name."""
    repeated = 0
    waiting = [each.selection_set for each in document.definitions if isinstance(each, ExecutableDefinitionNode)]
    while waiting:
        names: set[str] = set()
        beside = [waiting.pop()]
        while beside:
            for each in beside.pop().selections:
                if isinstance(each, InlineFragmentNode):
                    beside.append(each.selection_set)
                elif isinstance(each, FieldNode):
                    name = (each.alias or each.name).value
                    repeated += name in names
                    names.add(name)
                    if each.selection_set:
                        waiting.append(each.selection_set)
    return repeated


def _objects(document: DocumentNode) -> Iterator[ObjectValueNode]:
    """Yield the input objects that are written in a document."""
    waiting: list[Node] = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ObjectValueNode):
            yield node
        for key in node.keys:
            held = getattr(node, key, None)
            if isinstance(held, Node):
                waiting.append(held)
            elif isinstance(held, Sequence) and not isinstance(held, str):
                waiting += held


def points_of(data: Any) -> int:
    """Return the objects of an answer."""
    count, waiting = 0, [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            count += 1
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return max(0, count - 1)  # the root is none


@dataclass(slots=True)
class _Pricing:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]
    _known: dict[tuple[str, float], Price] = field(default_factory=dict)  # of fragments, by how many items a page has

    def selections(self, selections: SelectionSetNode, parent: GraphQLCompositeType, items: float = 1) -> Price:
        """Return the price of what is selected of one object; of a page or a track, one of so many `items`."""
        found = Price()
        for each in selections.selections:
            match each:
                case FieldNode():
                    found = found.beside(self._field(each, parent, items))
                case InlineFragmentNode():
                    type_ = self._type(each.type_condition.name.value) if each.type_condition else parent
                    found = found.beside(self.selections(each.selection_set, type_, items))
                case FragmentSpreadNode():
                    found = found.beside(self._fragment(each.name.value, items))
        return found

    def _fragment(self, name: str, items: float) -> Price:
        if (name, items) not in self._known:  # validated: it is no part of itself
            fragment = self.fragments[name]
            type_ = self._type(fragment.type_condition.name.value)
            self._known[name, items] = self.selections(fragment.selection_set, type_, items)
        return self._known[name, items]

    def _type(self, name: str) -> GraphQLCompositeType:
        found = self.schema.get_type(name)
        assert is_composite_type(found)
        return found

    def _field(self, node: FieldNode, parent: GraphQLCompositeType, items: float) -> Price:
        aliases = 1 if node.alias else 0
        of = self.schema.get_field(parent, node.name.value)
        if node.selection_set is None or of is None:
            return Price(0.0, 1, aliases, 1)
        type_ = get_named_type(of.type)
        assert is_composite_type(type_)
        given = [each for each in node.arguments or () if not self._is_absent(each.value)]
        arguments = {each.name.value: self._value(each.value) for each in given}
        of_page = self._number(arguments, of, "first") or self._number(arguments, of, "maxPoints")
        below = self.selections(node.selection_set, type_, of_page or 1)
        beside: float = PAST_POINTS * (of_page or 1) if any(arguments.get(name) is not None for name in _PAST) else 0
        beside += self._order(arguments.get("orderBy"), past=bool(beside))
        beside += _POINTS.get(type_.name, 0)
        points = beside + self._times(node.name.value, of, arguments, items) * (1 + below.points)
        if type_.name.startswith("__") and not parent.name.startswith("__"):
            points *= INTROSPECTION_POINTS
        return Price(points, below.depth + 1, aliases + below.aliases, 1 + below.fields)

    def _order(self, order: Any, *, past: bool) -> int:
        """Return what is paid for an order beside the page, given as a literal or as the value of a variable."""
        if order is None:
            return 0
        by = order.get("field") if isinstance(order, dict) else None
        if isinstance(order, ObjectValueNode):
            given = {each.name.value: each.value for each in order.fields}.get("field")
            named = self._value(given) if given else None
            by = named.value if isinstance(named, EnumValueNode) else named
        # A value that is no name is refused when it is executed.
        return PAST_ORDER_POINTS if past and isinstance(by, str) and by in _OF_TELEMETRY else ORDER_POINTS

    def _times(self, name: str, of: GraphQLField, arguments: Mapping[str, Any], items: float) -> float:
        """Return how many objects a field of one object may have."""
        if not is_list_type(get_nullable_type(of.type)):
            return 1
        if name == "edges":
            return items
        if name == "points":
            return items * POINTS_A_TRACK_POINT
        if name == "groups":
            return GROUPS_MAX
        if name in _NAMED_ITEMS:
            argument, unnamed = _NAMED_ITEMS[name]
            named = arguments.get(argument)
            return len(named) if isinstance(named, list) else unnamed
        return LIST_POINTS

    def _number(self, arguments: Mapping[str, Any], of: GraphQLField, name: str) -> float | None:
        """Return how many items a page may have, as it was asked for; None: it is no page."""
        if name not in of.args:
            return None
        value = arguments[name] if name in arguments else of.args[name].default_value
        is_number = isinstance(value, int | float) and not isinstance(value, bool)  # JSON may write 100 as 1e2
        usable = is_number and 0 <= value <= ITEMS_MAX
        return float(value) if usable else 0.0  # what is no number, or too many, is refused when it is executed

    def _is_absent(self, node: ValueNode) -> bool:
        """Whether an argument is as if it were not written: then it has its default value."""
        return isinstance(node, VariableNode) and node.name.value not in self.variables

    def _value(self, node: ValueNode) -> Any:
        """Return what a value tells of how much is asked for."""
        match node:
            case VariableNode():
                value = self.variables.get(node.name.value)
                return self._value(value) if isinstance(value, ValueNode) else value
            case IntValueNode():
                return int(node.value) if len(node.value) <= DIGITS_MAX else None
            case NullValueNode():
                return None
            case ListValueNode():
                return [*node.values]
        return node
