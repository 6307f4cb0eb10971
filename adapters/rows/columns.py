"""Rows become columns of samples: by vehicle and signal, through the mapping or straight by VSS path."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapters.rows.formats import Row
from adapters.rows.times import EPOCH_RULE, captured_at_us
from adapters.sampling import SampleColumn
from adapters.signals.apply import to_samples
from adapters.signals.catalogue import Catalogue
from adapters.signals.preference import SourcePreference
from adapters.signals.rules import RowSource, SignalMapping, SignalRule, SourceColumn
from adapters.signals.units import conversion
from domain.errors import BadInputError
from domain.signals import Quality

TEXT_AND_TRUTH = ("string", "boolean")


@dataclass(slots=True)
class RowStatistics:
    """What one reading has found so far; an unreadable value becomes an INVALID sample."""

    rows: int = 0
    unknown_signals: Counter[str] = field(
        default_factory=Counter
    )  # rows by a name that neither mapping nor catalogue has
    unreadable_values: Counter[str] = field(default_factory=Counter)  # rows by path
    first_unreadable: str | None = None  # the place and value of the first of these
    foreign_units: Counter[str] = field(default_factory=Counter)  # values in a unit that cannot be converted: INVALID


class _Heard(NamedTuple):
    """The rows of one signal of one vehicle in a block."""

    captured_at: list[int]
    values: list[Any]
    places: list[int]
    units: list[str | None]


class RowTranslator:
    """Translates the blocks of one file; `where` names the file in messages."""

    def __init__(self, mapping: SignalMapping, catalogue: Catalogue, statistics: RowStatistics, where: str) -> None:
        self._mapping = mapping
        self._catalogue = catalogue
        self._statistics = statistics
        self._where = where
        self._rules: dict[str, tuple[SignalRule, ...]] = {}
        self._preference: defaultdict[str | None, SourcePreference] = defaultdict(SourcePreference)

    def translate(self, rows: Iterable[Row]) -> dict[str | None, list[SampleColumn]]:
        """Return the columns of one block by vehicle; raises BadInputError for a time that is none."""
        heard: defaultdict[str | None, dict[str, _Heard]] = defaultdict(dict)
        for place, vehicle, captured_at, signal, value, unit in rows:
            signals = heard[vehicle]
            if signal not in signals:
                signals[signal] = _Heard([], [], [], [])
            times, values, places, units = signals[signal]
            try:
                times.append(captured_at_us(captured_at))
            except ValueError as error:
                raise BadInputError(
                    f"captured_at: {error}", where=f"{self._where}:{place}", remedy=EPOCH_RULE
                ) from error
            values.append(value)
            places.append(place)
            units.append(unit)
        return {vehicle: self._columns(vehicle, signals) for vehicle, signals in heard.items()}

    def _columns(self, vehicle: str | None, signals: dict[str, _Heard]) -> list[SampleColumn]:
        ranked: list[tuple[int, SampleColumn]] = []
        for signal, heard in signals.items():
            self._statistics.rows += len(heard.values)
            rules = self._rules_of(signal)
            if not rules:
                self._statistics.unknown_signals[signal] += len(heard.values)
            ranked += [(rule.rank, self._samples(rule, heard)) for rule in rules]
        return self._preference[vehicle].merged(ranked)

    def _rules_of(self, signal: str) -> tuple[SignalRule, ...]:
        if signal not in self._rules:
            rules = self._mapping.rows.get(signal, ())
            if not rules and signal in self._catalogue:
                fact = self._catalogue.fact(signal, where=self._where)
                low, high = fact.limits
                rule = SignalRule(
                    signal, fact.datatype, RowSource(signal), low=low, high=high, allowed=fact.allowed, unit=fact.unit
                )
                rules = (rule,)
            self._rules[signal] = rules
        return self._rules[signal]

    def _samples(self, rule: SignalRule, heard: _Heard) -> SampleColumn:
        absent = np.fromiter((value is None or value == "" for value in heard.values), np.bool_, len(heard.values))
        source = self._source(rule, heard, absent)
        column = to_samples(rule, np.array(heard.captured_at, dtype=np.int64), source)
        quality = np.where(absent, np.uint8(Quality.NOT_AVAILABLE), column.quality)
        return replace(column, quality=quality)

    def _source(self, rule: SignalRule, heard: _Heard, absent: NDArray[np.bool_]) -> SourceColumn:
        """Return texts and truths as they are, and what is to be a number as a number."""
        if rule.transform.formula is None and (rule.datatype in TEXT_AND_TRUTH or rule.transform.table):
            numeric = any(not isinstance(entry.heard, str) for entry in rule.transform.table)
            values = np.empty(len(heard.values), dtype=object)
            values[:] = [_spoken(value, numeric=numeric) for value in heard.values]
            return SourceColumn(values, values)
        numbers = np.full(len(heard.values), np.nan)
        for index in np.flatnonzero(~absent).tolist():
            try:
                numbers[index] = float(heard.values[index])
            except (TypeError, ValueError):
                self._unreadable(rule, heard, index)
        self._convert(rule, heard, numbers, absent)
        return SourceColumn(numbers, numbers)

    def _convert(
        self, rule: SignalRule, heard: _Heard, numbers: NDArray[np.float64], absent: NDArray[np.bool_]
    ) -> None:
        """Bring numbers that are said to be in another unit than the rule's to that unit, or make them no numbers."""
        for unit in set(heard.units):
            if unit in (None, rule.unit, rule.row_unit) or rule.unit is None:
                continue
            rows = np.fromiter((each == unit for each in heard.units), np.bool_, len(numbers)) & ~absent
            known = conversion(str(unit), rule.unit)
            if known is None:
                numbers[rows] = np.nan
                name = rule.source.name if isinstance(rule.source, RowSource) else rule.path
                self._statistics.foreign_units[f"{name} in {unit}, not {rule.unit}"] += int(np.count_nonzero(rows))
            else:
                numbers[rows] = (numbers[rows] + known.plus) * known.times / known.over

    def _unreadable(self, rule: SignalRule, heard: _Heard, index: int) -> None:
        self._statistics.unreadable_values[rule.path] += 1
        if self._statistics.first_unreadable is None:
            value, place = heard.values[index], heard.places[index]
            self._statistics.first_unreadable = f"{self._where}:{place}: {value!r} is no {rule.datatype} ({rule.path})"


def _spoken(value: Any, *, numeric: bool) -> Any:
    """Return a value as a value table or a text compares it: a number as a number where the table has numbers."""
    if value is None or isinstance(value, bool):
        return "" if value is None else value
    try:
        return float(value) if numeric else str(value)
    except ValueError:
        return str(value)
