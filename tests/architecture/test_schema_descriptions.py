"""What the schema says of itself: every field what it is, every quantity its unit, every signal its VSS path."""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_introspection_type,
    is_specified_scalar_type,
)

from adapters.graphql.compatibility import removal_day
from adapters.graphql.schema import CORE_SCHEMA
from adapters.signals.catalogue import load_catalogue

ORDINALS: Final = frozenset(  # which, not how many
    {"position", "logPosition", "reachedPosition", "seenPosition", "version", "eventVersion", "sequence"}
)
QUANTITIES: Final = frozenset({"Float", "Int", "Int64"})
ENVELOPES: Final = frozenset({"FloatValue", "StringValue", "BooleanValue", "LocationValue", "DestinationValue"})
OF_NO_SIGNAL: Final = {  # measured, and no signal of VSS
    "Around.distanceM": "of the one who asks",
    "PercentRange.least": "of whatever field takes the range",
    "PercentRange.most": "of whatever field takes the range",
    "Stage.oldestWaitsS": "a difference of times",
    "Trip.durationS": "a difference of times",
    "DeliveredSignal.medianIntervalS": "a difference of times",
}
WHERE_IT_SAYS: Final = ("Unit: as `unit` says", "VSS: as `path` says")
UNITS: Final = frozenset({"none", "degrees", "m", "km/h", "percent", "kWh", "s", "V", "l", "rpm", "Celsius"})
PATHS: Final = load_catalogue()


def described(schema: GraphQLSchema) -> Iterator[tuple[str, str | None, str]]:
    """Give every name of a schema with its description and the name of its type."""
    for name, kind in schema.type_map.items():
        if is_introspection_type(kind) or is_specified_scalar_type(kind):
            continue
        yield name, kind.description, name
        if isinstance(kind, GraphQLEnumType):
            yield from ((f"{name}.{each}", value.description, name) for each, value in kind.values.items())
        fields: dict[str, Any] = getattr(kind, "fields", {})
        for each, field in fields.items():
            yield f"{name}.{each}", field.description, get_named_type(field.type).name
            for argument, given in getattr(field, "args", {}).items():
                yield f"{name}.{each}({argument}:)", given.description, ""


def faults(schema: GraphQLSchema) -> list[str]:
    """Return what a schema does not say."""
    found = []
    for place, text, kind in described(schema):
        if not text:
            found.append(f"{place}: no description")
            continue
        unit = re.search(r"Unit: ([^\s.]+)", text)
        ordinal = place.rpartition(".")[2] in ORDINALS
        quantity = "." in place and not ordinal and (kind in QUANTITIES or kind in ENVELOPES)
        if quantity and not (unit and unit[1] in UNITS) and WHERE_IT_SAYS[0] not in text and "`unit` names" not in text:
            found.append(f"{place}: no unit")
        of_signal = "." in place and (kind == "Float" or kind in ENVELOPES) and place not in OF_NO_SIGNAL
        paths = re.findall(r"Vehicle(?:\.[A-Z]\w+)+", text)
        if of_signal and not (paths and "VSS" in text) and WHERE_IT_SAYS[1] not in text:
            found.append(f"{place}: no VSS path")
        if "VSS" in text:
            found += [f"{place}: {path} is no signal or branch" for path in paths if not _is_known(path)]
    return found


def _is_known(path: str) -> bool:
    return any(known == path or known.startswith(f"{path}.") for known in PATHS.facts)


def undated(schema: GraphQLSchema) -> list[str]:
    """Return what is deprecated without saying what to use instead and on which day it goes."""
    found = []
    for name, kind in schema.type_map.items():
        for each, item in [*getattr(kind, "fields", {}).items(), *getattr(kind, "values", {}).items()]:
            parts = [(f"{name}.{each}", item)]
            parts += [(f"{name}.{each}({argument}:)", of) for argument, of in getattr(item, "args", {}).items()]
            found += [place for place, of in parts if of.deprecation_reason is not None and not _dated(of)]
    return found


def _dated(of: Any) -> bool:
    return removal_day(of.deprecation_reason) is not None


def test_everything_is_described_every_quantity_with_its_unit_and_every_signal_with_its_path() -> None:
    assert faults(CORE_SCHEMA) == []


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        ("speed: Float", "no description"),
        ('"Speed. VSS: Vehicle.Speed" speed: Float', "no unit"),
        ('"Speed. Unit: knots. VSS: Vehicle.Speed" speed: Float', "no unit"),
        ('"Speed. Unit: km/h." speed: Float', "no VSS path"),
        ('"Speed. Unit: km/h. VSS: Vehicle.Sped" speed: Float', "Vehicle.Sped is no signal or branch"),
        ('"How many." count: Int!', "no unit"),
        ('"Speed. Unit: km/h. VSS: Vehicle.Speed" speed: FloatValue', None),
        ('"Speed. Unit: km/h." speed: FloatValue', "no VSS path"),
        ('"Speed. Unit: km/h. VSS: Vehicle.Speed" speed(n: Int): Float', "no description"),
    ],
)
def test_a_fault_is_found(field: str, fault: str | None) -> None:
    envelope = '"A number." type FloatValue { "The number. Unit: as `unit` says. VSS: as `path` says." value: Float }'
    found = faults(build_schema(f'{envelope} "All." type Query {{ {field} }}'))
    assert len(found) == (fault is not None)
    assert fault is None or found[0].endswith(fault)


def test_what_is_deprecated_says_when_it_goes() -> None:
    assert undated(CORE_SCHEMA) == []


@pytest.mark.parametrize(
    ("reason", "good"),
    [
        ("Use speed. Removed after 2027-06-30.", True),
        ("Use speed.", False),
        ("Removed after 2027-06-30.", False),
        ("Use speed. Removed after 2027-13-30.", False),
        ("Use speed. Removed after summer.", False),
    ],
)
def test_a_deprecation_without_a_date_is_found(reason: str, *, good: bool) -> None:
    sdl = f"""type Query {{ a: Int @deprecated(reason: "{reason}") b(c: Int @deprecated(reason: "{reason}")): E }}
        enum E {{ F @deprecated(reason: "{reason}") }}"""
    assert undated(build_schema(sdl)) == ([] if good else ["Query.a", "Query.b(c:)", "E.F"])


def test_without_a_reason_it_is_found() -> None:
    assert undated(build_schema("type Query { a: Int @deprecated }")) == ["Query.a"]
