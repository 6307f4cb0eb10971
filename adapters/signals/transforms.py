"""The `transform` of a mapping's entry: KUKSA's `math` and `mapping`, or a unit that is converted."""

from collections.abc import Callable
from typing import Any, Final

from adapters.signals.apply import OWN_NAME
from adapters.signals.blocks import BlockReader, is_number
from adapters.signals.catalogue import INTEGER_LIMITS, VssFact
from adapters.signals.documents import Block
from adapters.signals.expressions import FormulaError, compiled
from adapters.signals.rules import TableEntry, Transform
from adapters.signals.units import conversion, convertible_to


def read_transform(at: BlockReader, fact: VssFact, holder: Block, own: Block, inputs: dict[str, str]) -> Transform:
    """Return what makes VSS values of source values; `holder` has the transform, `own` the unit of the source."""
    block = at.block(holder, "transform", ("math", "mapping")) or Block()
    if "transform" in holder and not block:
        at.refuse("`transform` is empty", "give `math` or `mapping`")
    table = tuple(_table_entry(at, fact, entry) for entry in at.items(block, "mapping"))
    if "math" in block:
        if "unit" in own:
            at.refuse("has both `math` and `unit`", "let `math` give the VSS unit, and leave `unit` out")
        formula = str(block["math"])
    elif "unit" in own:
        formula = _unit_formula(at, fact, str(own["unit"]))
    else:
        return Transform(table=table)
    try:
        return Transform(formula, compiled(formula, (OWN_NAME, *inputs)), table)
    except FormulaError as error:
        at.refuse(str(error), "correct `math`")


def _unit_formula(at: BlockReader, fact: VssFact, unit: str) -> str:
    if (known := conversion(unit, fact.unit)) is None:
        remedy = f"give `math`, or one of {', '.join(convertible_to(fact.unit)) or 'no unit'}"
        at.refuse(f"{unit} cannot be converted to {fact.unit}", remedy)
    return known.formula


def _table_entry(at: BlockReader, fact: VssFact, entry: Any) -> TableEntry:
    if not isinstance(entry, dict) or set(entry) != {"from", "to"} or not isinstance(entry["from"], int | float | str):
        at.refuse(
            "an entry of `mapping` is not a pair of `from` and `to`", "give both, each a number, a truth or a text"
        )
    value = entry["to"]
    fits: Callable[[Any], bool] = _FITS.get(fact.datatype, is_number)
    if not fits(value):
        quoted = "; quote it" if isinstance(value, bool) else ""
        at.refuse(f"`to: {value}` is no {fact.datatype}", f"give a value of that type{quoted}")
    if fact.allowed and value not in fact.allowed:
        at.refuse(f"`to: {value}` is not allowed by VSS", f"give one of {', '.join(fact.allowed)}")
    return TableEntry(entry["from"], value)


_FITS: Final[dict[str, Callable[[Any], bool]]] = {
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    **dict.fromkeys(INTEGER_LIMITS, lambda value: is_number(value) and isinstance(value, int)),
}
