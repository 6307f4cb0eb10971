"""Frames to samples and trouble code reports: every source that a mapping names, read a block at a time."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapters.can.dbc import Dbc, SignalRef
from adapters.can.decode import DecodedColumn, Decoder
from adapters.can.diagnostics import DiagnosticBlock, DiagnosticListener
from adapters.can.frames import FrameBlock
from adapters.sampling import SampleColumn
from adapters.signals.apply import to_samples
from adapters.signals.preference import SourcePreference
from adapters.signals.rules import (
    ByteField,
    DbcSource,
    ObdSource,
    SignalMapping,
    SignalRule,
    SourceColumn,
    UdsSource,
    UdsTextSource,
)
from domain.errors import BadInputError
from domain.signals import TroubleCodeReport


class _Plan(NamedTuple):
    """One rule read from one message of one DBC file."""

    rule: SignalRule
    ref: SignalRef
    others: Mapping[str, SignalRef]
    labels: Mapping[int, str]
    other_labels: Mapping[str, Mapping[int, str]]


PIDS_IN_A_BITMAP: Final = 0x20  # every 32nd parameter says which of the next are supported (SAE J1979, appendix A)
Ranked = tuple[int, SampleColumn]  # samples of one source of a path, with the source's rank


@dataclass(slots=True)
class DbcReader:
    """Reads the rules of a mapping that name DBC signals.

    `frames` counts the frames of the messages that are read, `too_short` frames too short for a signal,
    by message and signal.
    """

    frames: int = 0
    too_short: Counter[str] = field(default_factory=Counter)
    _decoders: list[tuple[Decoder, list[_Plan]]] = field(default_factory=list)

    @classmethod
    def of(cls, mapping: SignalMapping, dbcs: Sequence[Dbc]) -> "DbcReader":
        """Return the reader of a mapping; raises BadInputError where no DBC file has a signal that it names."""
        reader = cls()
        plans: defaultdict[tuple[int, int | None], list[_Plan]] = defaultdict(list)
        for rule in mapping.of(DbcSource):
            assert isinstance(rule.source, DbcSource)
            found = list(_plans(rule, rule.source, dbcs))
            if not found:
                raise _missing(mapping, rule.source, rule.path, dbcs)
            for number, plan in found:
                plans[number, rule.source.bus].append(plan)
        for (number, bus), of_dbc in plans.items():
            refs = [ref for plan in of_dbc for ref in (plan.ref, *plan.others.values())]
            reader._decoders.append((Decoder(dbcs[number], refs, bus=bus), of_dbc))
        return reader

    @property
    def messages(self) -> frozenset[str]:
        """The names of the messages that are read."""
        return frozenset(plan.ref.message for _, plans in self._decoders for plan in plans)

    def read(self, block: FrameBlock) -> Iterable[Ranked]:
        """Yield the samples of one block, a column for every source that was heard."""
        for decoder, plans in self._decoders:
            decoded = decoder.decode(block)
            self.frames += decoded.frames
            for ref, count in decoded.too_short.items():
                self.too_short[f"{ref.message}.{ref.signal}"] += count
            columns = {SignalRef(column.message, column.signal): column for column in decoded.columns}
            for plan in plans:
                column = _samples(plan, columns, block.captured_at)
                if column is not None:
                    yield plan.rule.rank, column


def _plans(rule: SignalRule, source: DbcSource, dbcs: Sequence[Dbc]) -> Iterable[tuple[int, _Plan]]:
    for number, dbc in enumerate(dbcs):
        for ref in dbc.refs(source.signal, source.message):
            others = {name: SignalRef(ref.message, name) for name in rule.others}
            if any(not dbc.refs(other.signal, other.message) for other in others.values()):
                continue
            labels = {name: dbc.labels(other) for name, other in others.items()}
            yield number, _Plan(rule, ref, others, dbc.labels(ref), labels)


def _missing(mapping: SignalMapping, source: DbcSource, path: str, dbcs: Sequence[Dbc]) -> BadInputError:
    name = source.signal if source.message is None else f"{source.message}.{source.signal}"
    files = ", ".join(dbc.path.name for dbc in dbcs) or "no DBC file"
    remedy = "give the DBC file that the mapping was made for with --dbc"
    return BadInputError(f"{path} comes from {name}, which {files} does not have", where=mapping.name, remedy=remedy)


def _samples(
    plan: _Plan, columns: Mapping[SignalRef, DecodedColumn], captured_at: NDArray[np.int64]
) -> SampleColumn | None:
    own = columns.get(plan.ref)
    others = {name: columns.get(ref) for name, ref in plan.others.items()}
    if own is None or any(other is None for other in others.values()):
        return None
    rows = own.rows
    for other in others.values():
        if other is not None and not np.array_equal(other.rows, rows):
            rows = np.intersect1d(rows, other.rows, assume_unique=True)
    source = _source(own, rows, plan.labels)
    beside = {
        name: _source(other, rows, plan.other_labels[name]) for name, other in others.items() if other is not None
    }
    return to_samples(plan.rule, captured_at[rows], source, beside)


def _source(column: DecodedColumn, rows: NDArray[np.int64], labels: Mapping[int, str]) -> SourceColumn:
    if len(rows) == len(column.rows):
        return SourceColumn(column.raw, column.values, labels or None)
    kept = np.searchsorted(column.rows, rows)
    return SourceColumn(column.raw[kept], column.values[kept], labels or None)


class Translation(NamedTuple):
    """What one block says: one column a path, and what control units report of their trouble codes."""

    columns: list[SampleColumn]
    trouble_codes: list[TroubleCodeReport]


class CanTranslator:
    """Reads one stream with a mapping. `dbc` and `diagnostics` count what they read."""

    def __init__(self, mapping: SignalMapping, dbcs: Sequence[Dbc]) -> None:
        self.dbc = DbcReader.of(mapping, dbcs)
        self.diagnostics = DiagnosticListener()
        self.unmapped: Counter[str] = Counter()  # answers that no rule reads, by parameter or data identifier
        self.samples = 0
        self._obd = [(rule, rule.source) for rule in mapping.rules if isinstance(rule.source, ObdSource)]
        self._uds = [
            (rule, rule.source) for rule in mapping.rules if isinstance(rule.source, UdsSource | UdsTextSource)
        ]
        self._pids = {source.pid for _, source in self._obd}
        self._dids = {source.did for _, source in self._uds}
        self._preference = SourcePreference()

    def translate(self, block: FrameBlock) -> Translation:
        """Return what one block says; blocks are given in the order heard."""
        heard = self.diagnostics.feed(block)
        for column in heard.pids:
            if column.pid not in self._pids and column.pid % PIDS_IN_A_BITMAP:
                self.unmapped[f"OBD PID {column.pid:02X}"] += len(column.rows)
        self.unmapped.update(f"UDS DID {answer.did:04X}" for answer in heard.dids if answer.did not in self._dids)
        ranked = [*self.dbc.read(block), *self._parameters(heard), *self._data(heard)]
        self.samples += sum(len(column.captured_at) for _, column in ranked)
        return Translation(self._preference.merged(ranked), heard.trouble_codes)

    def close(self) -> None:
        """Count what the end of the recording cut off."""
        self.diagnostics.close()

    def _parameters(self, heard: DiagnosticBlock) -> Iterable[Ranked]:
        """Yield the samples of OBD-II answers."""
        for rule, source in self._obd:
            for column in heard.pids:
                if column.pid == source.pid and source.ecu in (None, column.can_id):
                    raw = _field(column.data, source.bytes)
                    if raw is not None:
                        yield rule.rank, to_samples(rule, column.captured_at, SourceColumn(raw, raw))

    def _data(self, heard: DiagnosticBlock) -> Iterable[Ranked]:
        """Yield the samples of UDS answers."""
        for rule, source in self._uds:
            answers = [
                (answer.captured_at, answer.data)
                for answer in heard.dids
                if answer.did == source.did and source.response_id in (None, answer.can_id)
            ]
            column = _texts(source, answers) if isinstance(source, UdsTextSource) else _whole_numbers(source, answers)
            if column is not None:
                times, raw = column
                yield rule.rank, to_samples(rule, times, SourceColumn(raw, raw))


Answers = list[tuple[int, bytes]]  # when, data
HeardColumn = tuple[NDArray[np.int64], NDArray[Any]]  # captured_at, values


def _whole_numbers(source: UdsSource, answers: Answers) -> HeardColumn | None:
    """Return the numbers in answers, None if there is none; answers that are too short have none."""
    read = [(at, value) for at, data in answers if (value := source.bytes.read(data)) is not None]
    if not read:
        return None
    return np.array([at for at, _ in read], np.int64), np.array([value for _, value in read], np.int64)


def _texts(source: UdsTextSource, answers: Answers) -> HeardColumn | None:
    """Return the texts in answers, object[k] (str, or None where the bytes are no text); None if there is no answer."""
    if not answers:
        return None
    texts = np.empty(len(answers), dtype=object)
    texts[:] = [source.read(data) for _, data in answers]
    return np.array([at for at, _ in answers], np.int64), texts


_WORD_BYTES: Final = 8


def _field(data: NDArray[np.uint8], field: ByteField) -> NDArray[np.int64] | None:
    """Return a big-endian number of each row of uint8[k, n], or None where the rows are too short for it."""
    end = field.first + field.size
    if data.shape[1] < end or field.size > _WORD_BYTES:
        return None
    value = np.zeros(len(data), np.int64)
    for place in range(field.first, end):
        value = value << 8 | data[:, place]
    if field.signed:
        sign = np.int64(1) << (8 * field.size - 1)
        value = (value ^ sign) - sign
    return value
