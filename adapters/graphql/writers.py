"""Functions that write the objects of an answer as JSON text, made once for what a document selects of each.

They call the functions that the schema's fields declare, as ordinary execution does. Only the newest value of a signal,
of which there are many, is written from its sample straight away, where nothing about it is unusual.
"""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    get_argument_values,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from strawberry.types.field import StrawberryField

from adapters.access import Access
from adapters.graphql import scopes
from adapters.graphql.cohort import Context
from adapters.graphql.envelope import (
    STALE_AFTER_US,
    BooleanValue,
    FloatValue,
    StringValue,
    forbidden,
    measured,
)
from adapters.graphql.fields import ComputedField, ShownSignal
from adapters.graphql.ids import event_id_of
from adapters.graphql.json_text import UnwrittenError, dumped, quoted, time, writer_of
from adapters.graphql.navigation import LOCATION_PATH
from adapters.graphql.scalars import whole_number
from adapters.graphql.scopes import Scopes
from adapters.graphql.selections import TYPENAME, Selections
from adapters.graphql.vehicle import Vehicle
from adapters.graphql.whole import WholeCohort
from adapters.whole_reads import PROVENANCE, SAMPLE, Sample
from domain import paths as domain_paths
from domain.signals import Quality
from projections.diagnostics.model import QualityRow, TroubleCodeRow, WarningRow
from projections.navigation.model import DestinationRow, TripRow
from projections.projection import Row


class UncompiledError(Exception):
    """A document that is executed the ordinary way."""


_ROWS: Final[Mapping[str, type[Row]]] = {
    "Navigation.destination": DestinationRow,
    "Navigation.currentTrip": TripRow,
    "Diagnostics.telemetryQuality": QualityRow,
    "Diagnostics.troubleCodes": TroubleCodeRow,
    "Diagnostics.warnings": WarningRow,
}
_BY_METHOD: Final = frozenset({"Diagnostics.troubleCodes", "Diagnostics.warnings", "Vehicle.signal"})
# They read more, or put on record what depends on the rows.
_ORDINARY: Final = frozenset({"Vehicle.decommissionedAt", "TroubleCode.freezeFrame"})
# What a vehicle always has, and is made of the vehicle alone: written as a part of it.
_MODELS: Final = frozenset({"Vehicle.navigation", "Vehicle.media", "Vehicle.diagnostics"})
_SIGNALS: Final = {"Diagnostics.ignition": ShownSignal(BooleanValue, domain_paths.LOW_VOLTAGE_SYSTEM_STATE, None)}
_OF_AGE: Final = frozenset({"status", "reason"})
_PROVENANCE: Final = frozenset({"receivedAt", "eventId", "position"})
_ENVELOPES: Final = frozenset({"FloatValue", "StringValue", "BooleanValue", "LocationValue", "Signal"})  # of samples
NO_VEHICLE: Final = UUID(int=0)
_OK: Final = int(Quality.OK)
(_, _KIND, _NUMBER, _TEXT, _FLAG, _QUALITY, _CAPTURED_AT, _RECEIVED_AT, _EVENT_VERSION, _POSITION) = range(
    len(SAMPLE) + len(PROVENANCE)
)


@dataclass(slots=True)
class Writing:
    """What the functions that write one answer share."""

    context: Context
    objects: int = 0  # that were written
    vehicle_id: UUID = NO_VEHICLE  # of the vehicle that is being written; so are the two that follow
    samples: Mapping[str, Sample] = field(default_factory=dict)
    fresh_from: float = -math.inf  # the oldest time of a sample that is not stale


Get = Callable[[Any], Any]
Write = Callable[[Any, Writing], str]
OfSample = Callable[[Sample, Writing], str]


@dataclass(slots=True)
class Needs:
    """What is to be read for what was compiled, and what of it is personal."""

    paths: set[str] = field(default_factory=set)
    rows: dict[type[Row], None] = field(default_factory=dict)
    last_seen: bool = False
    provenance: bool = False
    on_record: set[str] = field(default_factory=set)


class _Part(NamedTuple):
    """A piece of an object: a template, what writes the rest of it, and the objects that it counts for."""

    template: str
    writes: Sequence[Write] = ()
    objects: int = 0


def _constant(value: object, objects: int = 0) -> _Part:
    return _Part(_escaped(dumped(value)), objects=objects)


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


class Writers:
    """Makes functions that write what somebody may see."""

    def __init__(self, selections: Selections, access: Access) -> None:
        self._selections = selections
        self._access = access
        self.needs = Needs()

    def of_object(self, kind: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Write:
        """Return what writes objects of a type. Raises UncompiledError."""
        template, writes, objects = self._part(kind, nodes, lambda source: source)

        def write(source: Any, writing: Writing) -> str:
            writing.objects += objects
            return template % tuple([each(source, writing) for each in writes])

        if kind.name != "Vehicle":
            return write

        def write_vehicle(source: Vehicle, writing: Writing) -> str:
            cohort = source.twin.cohort
            assert isinstance(cohort, WholeCohort)
            writing.vehicle_id, writing.samples = source.twin.id, cohort.whole.samples
            last_seen = cohort.whole.last_seen
            writing.fresh_from = -math.inf if last_seen is None else last_seen - STALE_AFTER_US
            return write(source, writing)

        return write_vehicle

    def _part(self, kind: GraphQLObjectType, nodes: Sequence[FieldNode], get: Get) -> _Part:
        """Return the piece for an object that `get` gives of the source."""
        pieces: list[str] = []
        writes: list[Write] = []
        objects = 1
        for key, of_key in self._selections.of(kind, nodes).items():
            part = self._field(kind, of_key, get)
            objects += part.objects
            pieces.append(f'"{key}":{part.template}')
            writes += part.writes
        return _Part("{" + ",".join(pieces) + "}", writes, objects)

    def _field(self, kind: GraphQLObjectType, nodes: Sequence[FieldNode], get: Get) -> _Part:
        name = nodes[0].name.value
        if name == TYPENAME:
            return _constant(kind.name)
        of = kind.fields[name]
        declared = of.extensions.get("strawberry-definition")
        where = f"{kind.name}.{name}"
        if not isinstance(declared, StrawberryField) or where in _ORDINARY:
            raise UncompiledError(where)
        value = self._getter(where, declared, of, nodes[0])
        signal = _SIGNALS.get(where) or (declared.signal if isinstance(declared, ComputedField) else None)
        if signal is not None:
            return self._signal(where, signal, of, nodes, lambda source: value(get(source)))
        self._note(kind, where, declared)
        if where in _MODELS:
            model = get_named_type(of.type)
            assert is_object_type(model)
            return self._part(model, nodes, lambda source: value(get(source)))
        return _Part("%s", [self._value(of.type, nodes, lambda source: value(get(source)))])

    def _getter(self, where: str, declared: StrawberryField, of: GraphQLField, node: FieldNode) -> Get:
        """Return what gives the value of a field."""
        if isinstance(declared, ComputedField):
            assert declared.compute is not None
            return declared.compute
        if declared.base_resolver is None and not of.args:
            name = declared.python_name
            return lambda source: getattr(source, name)
        if where not in _BY_METHOD or declared.base_resolver is None:
            raise UncompiledError(where)
        given = get_argument_values(of, node, self._selections.variables)
        method: Any = declared.base_resolver.wrapped_func
        if where == "Vehicle.signal":
            self._show_path(given["path"])
        return lambda source: method(source, **given)

    def _note(self, kind: GraphQLObjectType, where: str, declared: StrawberryField) -> None:
        """Note what is to be read for a field that is no signal, and whether that is personal."""
        needs = self.needs
        if where == "Vehicle.lastSeenAt":
            needs.last_seen = True
        if kind.name in _ENVELOPES:
            name = where.partition(".")[2]
            needs.last_seen |= name in _OF_AGE
            needs.provenance |= name in _PROVENANCE
        if where in scopes.FIELDS:
            row_type = _ROWS.get(where)
            if row_type is None:
                raise UncompiledError(where)
            if self._shown(where, scopes.of_field(where)):
                needs.rows[row_type] = None
        elif isinstance(declared, ComputedField) and declared.paths:
            path = LOCATION_PATH if where == "Navigation.location" else next(iter(declared.paths))
            if self._shown(path, scopes.of_path(path, past=False)):
                needs.paths |= declared.paths

    def _show_path(self, path: str) -> bool:
        if not self._shown(path, scopes.of_path(path, past=False)):
            return False
        self.needs.paths.add(path)
        return True

    def _shown(self, name: str, needed: Scopes) -> bool:
        """Return whether something is shown; what is personal then goes on record."""
        if not needed <= self._access.scopes:
            return False
        if self._access.audited and not needed.isdisjoint(scopes.PERSONAL):
            self.needs.on_record.add(name)
        return True

    def _value(self, kind: GraphQLOutputType, nodes: Sequence[FieldNode], get: Get) -> Write:
        """Return what writes the value of a field."""
        write = self._of_type(get_nullable_type(kind), nodes)
        if is_non_null_type(kind):

            def write_value(source: Any, writing: Writing) -> str:
                value = get(source)
                if value is None:
                    raise UnwrittenError
                return write(value, writing)

            return write_value

        def write_or_null(source: Any, writing: Writing) -> str:
            value = get(source)
            return "null" if value is None else write(value, writing)

        return write_or_null

    def _of_type(self, kind: Any, nodes: Sequence[FieldNode]) -> Write:
        """Return what writes a value that is there."""
        if is_list_type(kind):
            write_item = self._value(kind.of_type, nodes, lambda item: item)
            return lambda items, writing: f"[{','.join([write_item(item, writing) for item in items])}]"
        if is_leaf_type(kind):
            text = writer_of(kind)
            return lambda value, _: text(value)
        if not is_object_type(kind):
            raise UncompiledError(kind.name)
        return self.of_object(kind, nodes)

    # --- signals ------------------------------------------------------------------------------------------------------

    def _signal(self, where: str, shown: ShownSignal, of: GraphQLField, nodes: Sequence[FieldNode], get: Get) -> _Part:
        """Return what writes the newest value of a signal in its envelope; `get` gives the envelope."""
        envelope = get_named_type(of.type)
        assert is_object_type(envelope)
        kind, path, unit = shown
        needed = scopes.of_path(path, past=False)
        if not self._show_path(path):
            refused = forbidden(kind, path, unit, scopes.lacking(needed - self._access.scopes))
            nothing_read = Writers(self._selections, self._access)
            return _Part(_escaped(nothing_read._written(envelope, nodes, refused)), objects=1)  # one of us
        odd = self.of_object(envelope, nodes)
        never = self._written(envelope, nodes, measured(kind, path, unit, None, None))
        is_usual, value = _USUAL[where if where in _USUAL else kind]
        template, writes = self._template(shown, envelope, nodes, value)
        first, second = writes if len(writes) == 2 else (None, None)  # noqa: PLR2004  # as most ask

        def write(source: Any, writing: Writing) -> str:
            sample = writing.samples.get(path)
            if sample is None:
                return never
            if sample[_QUALITY] == _OK and sample[_CAPTURED_AT] >= writing.fresh_from and is_usual(sample):
                if first is not None and second is not None:
                    return template % (first(sample, writing), second(sample, writing))
                return template % tuple([each(sample, writing) for each in writes])
            writing.objects -= 1  # which is counted here
            return odd(get(source), writing)

        return _Part("%s", [write], objects=1)

    def _written(self, envelope: GraphQLObjectType, nodes: Sequence[FieldNode], value: object) -> str:
        """Return the text of an envelope without a row."""
        nobody: Any = None
        return self.of_object(envelope, nodes)(value, Writing(nobody))

    def _template(
        self, shown: ShownSignal, envelope: GraphQLObjectType, nodes: Sequence[FieldNode], value: OfSample
    ) -> tuple[str, list[OfSample]]:
        """Return the text of the envelope of a sample that is nothing unusual, and what writes the rest of it."""
        always = {TYPENAME: envelope.name, "path": shown.path, "unit": shown.unit, "status": "OK", "reason": None}
        pieces, writes = [], []
        for key, (node, *_) in self._selections.of(envelope, nodes).items():
            name = node.name.value
            if name in always:
                pieces.append(f'"{key}":{_constant(always[name]).template}')
            else:
                pieces.append(f'"{key}":%s')
                writes.append(value if name == "value" else _OF_SAMPLE[name])
        return "{" + ",".join(pieces) + "}", writes


# Which samples of a field are nothing unusual, and how their value is written.
_USUAL: Final[Mapping[object, tuple[Callable[[Sample], bool], OfSample]]] = {
    FloatValue: (
        lambda sample: sample[_KIND] == "number" and -sys.float_info.max <= sample[_NUMBER] <= sys.float_info.max,
        lambda sample, _: repr(sample[_NUMBER]),
    ),
    StringValue: (lambda sample: sample[_KIND] == "string", lambda sample, _: quoted(sample[_TEXT])),
    BooleanValue: (lambda sample: sample[_KIND] == "boolean", lambda sample, _: "true" if sample[_FLAG] else "false"),
    "Diagnostics.ignition": (
        lambda sample: sample[_KIND] == "string" and sample[_TEXT] != "UNDEFINED",
        lambda sample, _: "true" if sample[_TEXT] in domain_paths.IGNITION_ON_STATES else "false",
    ),
}
_OF_SAMPLE: Final[Mapping[str, OfSample]] = {
    "capturedAt": lambda sample, _: time(sample[_CAPTURED_AT]),
    "receivedAt": lambda sample, _: time(sample[_RECEIVED_AT]),
    "eventId": lambda sample, writing: f'"{event_id_of(writing.vehicle_id, sample[_EVENT_VERSION])}"',
    "position": lambda sample, _: dumped(whole_number(sample[_POSITION])),
}
