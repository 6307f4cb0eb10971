"""Executes operations that are asked again and again, by what was made of them when they were asked the second time.

Of a document that asks for vehicles, and of each only what a few rows tell, is made: what to read, in one statement
for each field of the root, and a function that writes the answer from what was read. Whatever is unusual about a
document, its variables or what was read is left to ordinary execution, and so is every error: who is told None has it
executed there.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLField,
    OperationDefinitionNode,
    get_argument_values,
    get_named_type,
    get_operation_ast,
    get_variable_values,
    is_object_type,
)
from graphql.execution.values import VariableValues

from adapters.access import Access
from adapters.graphql.budgets import Budgets, Throttle
from adapters.graphql.checking import CHECKED
from adapters.graphql.cohort import Context
from adapters.graphql.cost import price, too_complex
from adapters.graphql.execution import (
    POINTS_MIN,
    Api,
    cost_told,
    is_unspeakable,
    why_no_operation,
)
from adapters.graphql.ids import cursor_of
from adapters.graphql.json_text import UnwrittenError, dumped
from adapters.graphql.lookahead import DOCUMENTS_KEPT, KEPT_CHARACTERS_MAX
from adapters.graphql.paging import Order, connection, page_of
from adapters.graphql.permits import Permits
from adapters.graphql.query import vehicle_key
from adapters.graphql.schema import CORE_SCHEMA, FIELD_PATHS
from adapters.graphql.selections import TYPENAME, Selections, variables_of
from adapters.graphql.whole import vehicle_of
from adapters.graphql.writers import UncompiledError, Write, Writers, Writing
from adapters.whole_reads import Asked, Asker, By, Wanted, WholeReads, WholeVehicle
from domain.errors import FleettwinError, StoreError
from domain.vin import Vin

_log: Final = logging.getLogger(__name__)

VARIANTS_MAX: Final = 64  # of one document: by the scopes of who asks, and by what is given for some variables
VARIANT_CHARACTERS_MAX: Final = 1_000  # of the values that it depends on: each variant keeps them
PRICES_MAX: Final = 128  # of one variant: by how many vehicles are asked for
_NOTHING: Final = object()  # is given for a variable
_OF_VEHICLE: Final = frozenset({"vin", "id"})
_OF_VEHICLES: Final = frozenset({"first", "after"})

Given = Mapping[str, Any]  # the arguments of a field of the root
Reads = Callable[[Given], Asked]
Tells = Callable[[Given, Sequence[WholeVehicle], Context], Any]


class _Root(NamedTuple):
    """A field of the root: what is read for its arguments, and how what was read is told and written."""

    of: GraphQLField
    node: FieldNode
    wanted: Wanted
    reads: Reads
    tells: Tells
    write: Write


class _Variant(NamedTuple):
    """What was made of a document for who has some scopes, and for some values of variables."""

    fields: Sequence[tuple[str, _Root | str]]  # by name in the answer; a text is the same in every answer
    prices: dict[tuple[object, ...], float]

    @property
    def roots(self) -> list[_Root]:
        """The fields that something is read for."""
        return [each for _, each in self.fields if isinstance(each, _Root)]


@dataclass(slots=True)
class _Known:
    """A document that was asked more than once; of a variant that is None ordinary execution is left everything."""

    document: DocumentNode
    operation: OperationDefinitionNode
    firsts: tuple[str, ...]  # variables that say how many vehicles are asked for
    nested: tuple[str, ...]  # variables elsewhere than in the arguments of fields of the root
    variants: dict[object, _Variant | None] = field(default_factory=dict)

    def variant_key(self, given: Mapping[str, Any], access: Access) -> object:
        """Return what a variant depends on; None: on so much that none is made."""
        values = tuple(repr(given.get(name, _NOTHING)) for name in self.nested) if self.nested else ()
        if sum(map(len, values)) > VARIANT_CHARACTERS_MAX:
            return None
        return (access.scopes, access.audited, values)


class CompiledDocuments:
    """The documents of one server. `learn` may be called by any thread."""

    def __init__(self, api: Api, reads: WholeReads) -> None:
        self._api = api
        self._reads = reads
        self._known: OrderedDict[tuple[str, str | None], _Known | None] = OrderedDict()  # None: was asked once
        self._lock = threading.Lock()

    async def close(self) -> None:
        """Read no more."""
        await self._reads.close()

    async def answer(
        self,
        document: str,
        variables: dict[str, Any] | None,
        operation_name: str | None,
        *,
        access: Access,
        request_id: UUID,
    ) -> bytes | None:
        """Return the JSON of an answer without errors; None: it is left to ordinary execution, nothing was spent."""
        given = variables or {}
        known = self._find(document, operation_name)
        variant = known.variants.get(known.variant_key(given, access)) if known else None
        if known is None or variant is None:
            return None
        try:
            arguments, asked = _bound(known, variant, given)
        except (FleettwinError, GraphQLError, UnwrittenError):
            return None
        bill = _Bill(self._api.budgets if access.metered else None, access, _price(known, variant, given))
        if not bill.paid():
            return None
        permits = Permits(access)
        unread: Any = None  # what is to be read is read here
        context = Context(unread, self._api.catalogue, self._api.decode, known.document, FIELD_PATHS, permits)
        writing = Writing(context)
        try:
            found = await self._reads.read(asked, Asker(request_id, access.client, access.subject, access.brands))
            of_roots = iter(zip(arguments, found, strict=True))
            parts = []
            for key, each in variant.fields:
                text = each if isinstance(each, str) else each.write(each.tells(*next(of_roots), context), writing)
                parts.append(f'"{key}":{text}')
            _check_record(permits, variant)
        except Exception as error:  # noqa: BLE001  # ordinary execution is there, and tells what is wrong
            bill.give_back(bill.points)
            if isinstance(error, StoreError):
                _log.warning("request %s is executed in the ordinary way: %s", request_id, error)
            elif not isinstance(error, FleettwinError | GraphQLError | UnwrittenError):
                _log.exception("request %s is executed in the ordinary way", request_id)
            return None
        extensions: dict[str, Any] = {"withheld": permits.withheld} if permits.withheld else {}
        extensions |= bill.told(writing.objects)
        end = f',"extensions":{dumped(extensions)}' if extensions else ""
        return f'{{"data":{{{",".join(parts)}}}{end}}}'.encode()

    def learn(
        self, document: str, variables: dict[str, Any] | None, operation_name: str | None, *, access: Access
    ) -> None:
        """Make what answers a document the next time, of one that is asked the second time."""
        if len(document) + len(operation_name or "") > KEPT_CHARACTERS_MAX:
            return
        key, given = (document, operation_name), variables or {}
        with self._lock:
            if key not in self._known:
                self._known[key] = None
                if len(self._known) > DOCUMENTS_KEPT:
                    self._known.popitem(last=False)
                return
            known = self._known[key]
        if known is None:
            try:
                known = _looked_at(document, operation_name)
            except (UncompiledError, GraphQLError):  # as ordinary execution has told
                return
            with self._lock:
                self._known[key] = known
        variant_key = known.variant_key(given, access)
        if variant_key is not None and variant_key not in known.variants and len(known.variants) < VARIANTS_MAX:
            known.variants[variant_key] = _compiled(known, given, access)

    def _find(self, document: str, operation_name: str | None) -> _Known | None:
        key = (document, operation_name)
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
        return known


class _Bill:
    """What an answer costs a client."""

    def __init__(self, budgets: Budgets | None, access: Access, points: float) -> None:
        self.points = points
        self._budgets = budgets
        self._client = (access.client, access.brands)
        self._throttle: Throttle | None = None

    def paid(self) -> bool:
        """Take the points, unless the client has too few."""
        if self._budgets is None:
            return True
        allowed, self._throttle = self._budgets.spend(self._client, self.points)
        return allowed

    def give_back(self, points: float) -> None:
        """Return points that were not needed."""
        if self._budgets is not None:
            _, self._throttle = self._budgets.spend(self._client, -points)

    def told(self, objects: int) -> dict[str, Any]:
        """Return what an answer with so many objects says of its cost."""
        if self._budgets is None:
            return {}
        actual = min(self.points, max(POINTS_MIN, objects))
        self.give_back(self.points - actual)
        assert self._throttle is not None
        extensions: dict[str, Any] = cost_told(self.points, actual, self._throttle)["extensions"]
        return extensions


def _looked_at(document: str, operation_name: str | None) -> _Known:
    """Return what is known of a document; it was executed, or refused, before."""
    parsed, texts, _ = CHECKED.check(document)
    if parsed is None:
        raise UncompiledError
    operation = get_operation_ast(parsed, operation_name)
    if is_unspeakable(texts) or why_no_operation(parsed, operation_name) or operation is None:
        raise UncompiledError
    if too_complex(price(CORE_SCHEMA, parsed, operation, {})):  # which no variable changes
        raise UncompiledError
    roots = [each for each in operation.selection_set.selections if isinstance(each, FieldNode)]
    of_roots = [argument for root in roots for argument in root.arguments or ()]
    fragments = [
        each for each in parsed.definitions if each is not operation and not isinstance(each, OperationDefinitionNode)
    ]
    nested = variables_of([operation.selection_set, *fragments], leave_out=of_roots)
    firsts = variables_of([each for each in of_roots if each.name.value == "first"], leave_out=())
    return _Known(parsed, operation, tuple(sorted(firsts)), tuple(sorted(nested)))


def _coerced(known: _Known, given: Mapping[str, Any]) -> VariableValues:
    """Return the values of variables. Raises UnwrittenError for what cannot be one."""
    values = get_variable_values(CORE_SCHEMA, known.operation.variable_definitions or (), dict(given))
    if isinstance(values, list):
        raise UnwrittenError
    return values


def _bound(known: _Known, variant: _Variant, given: Mapping[str, Any]) -> tuple[list[Given], list[Asked]]:
    """Return the arguments of the fields of the root, and what is read for them.

    Raises FleettwinError, GraphQLError or UnwrittenError for what ordinary execution has to answer.
    """
    if is_unspeakable(dict(given)) or any(type(given.get(name, 0)) is not int for name in known.firsts):
        raise UnwrittenError
    values = _coerced(known, given)
    arguments: list[Given] = [get_argument_values(root.of, root.node, values) for root in variant.roots]
    return arguments, [root.reads(each) for root, each in zip(variant.roots, arguments, strict=True)]


def _price(known: _Known, variant: _Variant, given: Mapping[str, Any]) -> float:
    """Return the points that an answer may cost."""
    key = tuple(given.get(name, _NOTHING) for name in known.firsts)
    points = variant.prices.get(key)
    if points is None:
        points = max(POINTS_MIN, price(CORE_SCHEMA, known.document, known.operation, given).points)
        if len(variant.prices) < PRICES_MAX:
            variant.prices[key] = points
    return points


def _check_record(permits: Permits, variant: _Variant) -> None:
    """Raise UnwrittenError where something personal was shown that is not on record."""
    on_record = {name for root in variant.roots for name in root.wanted.on_record}
    if any(not fields <= on_record for fields in permits.shown.values()):
        raise UnwrittenError


# --- making of a variant ----------------------------------------------------------------------------------------------


def _compiled(known: _Known, given: Mapping[str, Any], access: Access) -> _Variant | None:
    """Return what was made of a document; None: it is left to ordinary execution."""
    try:
        query = CORE_SCHEMA.query_type
        assert query is not None
        selections = Selections(CORE_SCHEMA, known.document, _coerced(known, given))
        fields: list[tuple[str, _Root | str]] = []
        for key, nodes in selections.of(query, [known.operation]).items():
            name = nodes[0].name.value
            if name == TYPENAME:
                fields.append((key, dumped(query.name)))
            elif name in _MAKERS:
                fields.append((key, _root(query.fields[name], nodes, Writers(selections, access))))
            else:
                return None
    except (UncompiledError, UnwrittenError, GraphQLError):
        return None
    variant = _Variant(fields, {})
    recorded = [root for root in variant.roots if root.wanted.on_record]
    return variant if variant.roots and len(recorded) <= 1 else None  # one record holds all of a request


def _root(of: GraphQLField, nodes: Sequence[FieldNode], writers: Writers) -> _Root:
    kind = get_named_type(of.type)
    assert is_object_type(kind)
    write = writers.of_object(kind, nodes)
    reads, tells = _MAKERS[nodes[0].name.value]
    needs = writers.needs
    wanted = Wanted(
        By.PAGE,
        tuple(sorted(needs.paths)),
        needs.provenance,
        needs.last_seen,
        tuple(needs.rows),
        tuple(sorted(needs.on_record)),
    )

    def write_or_null(source: Any, writing: Writing) -> str:
        return "null" if source is None else write(source, writing)

    by = {each: wanted._replace(by=each) for each in By}
    return _Root(of, nodes[0], wanted, lambda given: reads(by, given), tells, write_or_null)


def _check_nothing_but(names: frozenset[str], given: Given) -> None:
    """Leave what is asked for with any other argument to ordinary execution: the past, filters, orders."""
    if any(value is not None and name not in names for name, value in given.items()):
        raise UnwrittenError


def _reads_vehicle(by: Mapping[By, Wanted], given: Given) -> Asked:
    _check_nothing_but(_OF_VEHICLE, given)
    vin, vehicle_id = given.get("vin"), given.get("id")
    if (vin is None) == (vehicle_id is None):
        raise UnwrittenError
    if vin is not None:
        return Asked(by[By.VIN], Vin.parse(vin).text)
    return Asked(by[By.ID], vehicle_key(str(vehicle_id), where="id"))


def _tells_vehicle(_: Given, found: Sequence[WholeVehicle], context: Context) -> Any:
    return vehicle_of(context, found[0]) if found else None


def _reads_vehicles(by: Mapping[By, Wanted], given: Given) -> Asked:
    _check_nothing_but(_OF_VEHICLES, given)
    page = page_of("vehicles", given["first"], given.get("after"), Order.OLDEST_FIRST)
    return Asked(by[By.PAGE], page.after[0] if page.after else None, page.limit, given["first"])


def _tells_vehicles(given: Given, found: Sequence[WholeVehicle], context: Context) -> Any:
    return connection(
        found,
        page_of("vehicles", given["first"], given.get("after"), Order.OLDEST_FIRST),
        lambda whole: cursor_of("vehicles", whole.entry.vehicle_id),
        lambda whole: vehicle_of(context, whole),
    )


_MAKERS: Final[Mapping[str, tuple[Callable[[Mapping[By, Wanted], Given], Asked], Tells]]] = {
    "vehicle": (_reads_vehicle, _tells_vehicle),
    "vehicles": (_reads_vehicles, _tells_vehicles),
}
