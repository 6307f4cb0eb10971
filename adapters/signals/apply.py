"""From the values of a source to samples of a VSS signal: formula, value table, data type, valid range, markers."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from adapters.sampling import SampleColumn
from adapters.signals.catalogue import INTEGER_LIMITS
from adapters.signals.rules import SignalRule, SourceColumn, TableEntry
from domain.signals import Quality

Mask = NDArray[np.bool_]
_Cast = tuple[NDArray[Any], Mask]  # values, and where they are values at all

OWN_NAME: Final = "x"  # what a formula calls the source's own value (KUKSA's convention)

_INT64_END: Final = 2.0**63

_OK: Final = np.uint8(Quality.OK)
_INVALID: Final = np.uint8(Quality.INVALID)
_NOT_AVAILABLE: Final = np.uint8(Quality.NOT_AVAILABLE)
_NO_OTHERS: Final[Mapping[str, SourceColumn]] = {}
_NEUTRAL: Final[dict[str, Any]] = {"boolean": False, "string": ""}  # what stands where there is no value


def to_samples(
    rule: SignalRule,
    captured_at: NDArray[np.int64],
    source: SourceColumn,
    others: Mapping[str, SourceColumn] = _NO_OTHERS,
) -> SampleColumn:
    """Return the samples that a rule makes of n source values heard at `captured_at` (int64[n], microseconds).

    `others` holds a column of n rows for every name in `rule.others`. Rows of another multiplexer variant are left out;
    every other row becomes a sample, with a quality that says why there is no value: outside the valid range, no
    number, a text that VSS does not know and a raw value that no line of the value table names are INVALID.
    """
    if rule.only_when:
        kept = _all_equal(rule.only_when, others)
        if not kept.all():
            captured_at = captured_at[kept]
            source = _selected(source, kept)
            others = {name: _selected(column, kept) for name, column in others.items()}
    heard = _formula(rule, source, others)
    values, known = _cast(rule, heard, source)
    quality = np.where(known, _OK, _INVALID)
    # From the weakest sign to the strongest: the last that speaks is right.
    if rule.valid_when:
        quality[~_all_equal(rule.valid_when, others)] = _INVALID
    if rule.available_when:
        quality[~_all_equal(rule.available_when, others)] = _NOT_AVAILABLE
    if rule.not_available:
        quality[_marked(rule.not_available, source)] = _NOT_AVAILABLE
    if rule.invalid:
        quality[_marked(rule.invalid, source)] = _INVALID
    if quality.any():
        values = np.where(quality == _OK, values, _NEUTRAL.get(rule.datatype, 0)).astype(values.dtype, copy=False)
    return SampleColumn(rule.path, captured_at, values, quality)


def _selected(column: SourceColumn, kept: Mask) -> SourceColumn:
    raw = column.raw[kept]
    return SourceColumn(raw, raw if column.scaled is column.raw else column.scaled[kept], column.choices)


def _all_equal(wanted: Mapping[str, int], others: Mapping[str, SourceColumn]) -> Mask:
    met: Mask = np.logical_and.reduce([others[name].raw == value for name, value in wanted.items()])
    return met


def _formula(rule: SignalRule, source: SourceColumn, others: Mapping[str, SourceColumn]) -> NDArray[Any] | None:
    """Return what the rule's formula makes of the source, or None if it has none."""
    if rule.transform.formula is None:
        return None
    variables = {name: _numbers(others[signal].scaled) for name, signal in rule.inputs.items()}
    variables[OWN_NAME] = _numbers(source.scaled)
    with np.errstate(all="ignore"):
        result = rule.transform.formula(variables)
    return np.broadcast_to(np.asarray(result), source.raw.shape)


def _numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return values as float64; a text that is no number becomes not-a-number."""
    if values.dtype != object:
        return values.astype(np.float64)
    return np.fromiter((_number(value) for value in values.tolist()), np.float64, len(values))


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return np.nan


def _cast(rule: SignalRule, heard: NDArray[Any] | None, source: SourceColumn) -> _Cast:
    """Return the values in the rule's data type, and where they are values at all."""
    known: Mask | None = None
    if rule.transform.table:
        heard, known = _looked_up(rule.transform.table, heard, source)
    cast = _CASTS.get(rule.datatype, _as_number)
    values, good = cast(rule, heard, source)
    return values, good if known is None else good & known


def _looked_up(table: tuple[TableEntry, ...], heard: NDArray[Any] | None, source: SourceColumn) -> _Cast:
    """Return what the value table makes of each row, and which rows it names.

    A text names a raw value through the DBC value table, or is the row's own text. A number is compared with the
    formula's result if there is one, with the raw value where the value table names that, and else with the scaled
    value (as KUKSA's CAN provider does).
    """
    results = np.empty(len(table), dtype=object)
    results[:] = [entry.value for entry in table]
    found = np.full(source.raw.shape, -1)
    plain = source.scaled if heard is None else heard
    if heard is None and source.choices and source.scaled is not source.raw:
        plain = np.where(np.isin(source.raw, list(source.choices)), source.raw, source.scaled)
    for index, entry in reversed(list(enumerate(table))):  # the first line that fits counts
        found[_is(entry.heard, plain, source)] = index
    return results[found], found >= 0


def _is(wanted: float | str, plain: NDArray[Any], source: SourceColumn) -> Mask:
    if isinstance(wanted, str) and source.raw.dtype != object:
        raws = [raw for raw, text in (source.choices or {}).items() if text == wanted]
        return np.isin(source.raw, raws)
    return np.asarray(plain == wanted, dtype=np.bool_)


def _marked(markers: tuple[float | str, ...], source: SourceColumn) -> Mask:
    marked = np.zeros(source.raw.shape, np.bool_)
    for marker in markers:
        marked |= _is(marker, source.raw, source)
    return marked


def _as_number(rule: SignalRule, heard: NDArray[Any] | None, source: SourceColumn) -> _Cast:
    given = source.scaled if heard is None else heard
    whole = rule.datatype in INTEGER_LIMITS
    if whole and given.dtype.kind in "iu":
        numbers: NDArray[Any] = given
        good = given <= np.iinfo(np.int64).max
    else:
        numbers = _numbers(given)
        good = np.isfinite(numbers)
        if whole:
            numbers = np.rint(numbers)
            good &= np.abs(numbers) < _INT64_END
    with np.errstate(invalid="ignore"):
        if rule.low is not None:
            good &= numbers >= rule.low
        if rule.high is not None:
            good &= numbers <= rule.high
    if whole:
        return np.where(good, numbers, 0).astype(np.int64), good
    return numbers, good


def _as_boolean(_: SignalRule, heard: NDArray[Any] | None, source: SourceColumn) -> _Cast:
    given = source.scaled if heard is None else heard
    if given.dtype != object:
        return given != 0, np.isfinite(given) if given.dtype.kind == "f" else np.ones(given.shape, np.bool_)
    truths = [_TRUTHS.get(str(value).strip().lower()) for value in given]
    return (
        np.fromiter((bool(truth) for truth in truths), np.bool_, len(truths)),
        np.fromiter((truth is not None for truth in truths), np.bool_, len(truths)),
    )


_TRUTHS: Final = {"true": True, "1": True, "1.0": True, "on": True, "yes": True} | {
    "false": False, "0": False, "0.0": False, "off": False, "no": False,
}  # fmt: skip


def _as_text(rule: SignalRule, heard: NDArray[Any] | None, source: SourceColumn) -> _Cast:
    if heard is None and source.raw.dtype != object:
        texts = np.empty(source.raw.shape, dtype=object)
        texts[:] = ""
        known = np.zeros(source.raw.shape, np.bool_)
        for raw, text in (source.choices or {}).items():
            there = source.raw == raw
            texts[there] = text
            known |= there
    else:
        given = source.scaled if heard is None else heard
        texts = np.empty(given.shape, dtype=object)
        texts[:] = [value if isinstance(value, str) else "" for value in given]
        known = np.fromiter((isinstance(value, str) for value in given), np.bool_, len(given))
    if rule.allowed:
        known &= np.isin(texts.astype(str), rule.allowed)
    return texts, known


_CASTS: Final[dict[str, Callable[[SignalRule, NDArray[Any] | None, SourceColumn], _Cast]]] = {
    "boolean": _as_boolean,
    "string": _as_text,
}
