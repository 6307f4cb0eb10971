"""Batches of telemetry as bytes, by the schema `SignalBatch`."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final
from uuid import UUID

from adapters.avro.external_ids import ExternalIds
from adapters.avro.registry import SchemaRegistry
from adapters.avro.wire import RecordReaders, RecordWriter, UnreadableError
from domain.clocks import SHOWN_MAX, SHOWN_MIN
from domain.signals import (
    Origin,
    Quality,
    Sample,
    SignalBatch,
    TroubleCodeReport,
    TroubleCodeStatus,
    recordable,
)
from domain.streams import SEQUENCE_MAX

TOPIC: Final = "telemetry.signal_batch.v1"  # of the schema, and the type of its CloudEvents

NAME_CHARACTERS_MAX: Final = 200  # of what names a stream, a signal, a control unit or a code: all of them are keys
ORIGIN_CHARACTERS_MAX: Final = 2_000  # of what tells a decoder or a mapping

_QUALITIES: Final = {int(quality): quality for quality in Quality}
_SAMPLE: Final = ("sample_path", "sample_captured_at", "sample_value", "sample_quality")
_REPORT: Final = ("report_ecu", "report_captured_at", "report_service", "report_complete", "report_codes")
_CODE: Final = ("code", "code_failure_type", "code_status", "code_active")
_NAMES: Final = ("sample_path", "report_ecu", "report_service", "code")
_TIMES: Final = ("sample_captured_at", "report_captured_at")
_ORIGIN: Final = ("origin_decoder", "origin_mapping")
_BYTES: Final = ("code_failure_type", "code_status")


class TelemetryCodec:
    """Encodes batches with the newest schema, decodes those of every version; with `ids` by those of a registry."""

    def __init__(self, registry: SchemaRegistry, ids: ExternalIds | None = None) -> None:
        self._ids = ids
        self._writer = RecordWriter(registry.by_topic[TOPIC][-1])
        self._readers = RecordReaders(registry, [TOPIC])

    def encode(self, batch: SignalBatch) -> bytes:
        """Return the bytes of a batch; its vehicle is not among them. Samples are made recordable first."""
        samples = [recordable(sample) for sample in batch.samples]
        reports = batch.trouble_codes
        codes = [code for report in reports for code in report.codes]
        fields = {
            "received_at": batch.received_at,
            "stream_id": batch.stream_id,
            "sequence": batch.sequence,
            "final": batch.final,
            "reference_at": batch.reference_at,
            "sample_path": [sample.path for sample in samples],
            "sample_captured_at": [sample.captured_at for sample in samples],
            "sample_value": [sample.value for sample in samples],
            "sample_quality": [int(sample.quality) for sample in samples],
            "report_captured_at": [report.captured_at for report in reports],
            "report_ecu": [report.ecu for report in reports],
            "report_service": [report.service for report in reports],
            "report_complete": [report.complete for report in reports],
            "report_codes": [len(report.codes) for report in reports],
            "code": [code.code for code in codes],
            "code_failure_type": [code.failure_type for code in codes],
            "code_status": [code.status for code in codes],
            "code_active": [code.active for code in codes],
            "origin_decoder": batch.origin and batch.origin.decoder,
            "origin_mapping": batch.origin and batch.origin.mapping,
        }
        data = self._writer.write(fields, "SignalBatch")
        return self._ids.to_external(data) if self._ids else data

    def decode(self, data: bytes, vehicle_id: UUID) -> SignalBatch:
        """Return the batch that `data` holds. Raises `UnreadableError` for bytes that are none, or contradict it."""
        if self._ids:
            data = self._ids.to_local(data)
        fields = self._readers.find(TOPIC, data).read(data)
        for columns in (_SAMPLE, _REPORT, _CODE):
            if len({len(fields[name]) for name in columns}) > 1:
                raise UnreadableError(f"its columns {columns[0]} to {columns[-1]} are of unequal length")
        if not 1 <= fields["sequence"] <= SEQUENCE_MAX:
            raise UnreadableError(f"its sequence is {fields['sequence']}, and counts from 1 to {SEQUENCE_MAX:,}")
        _refuse_the_impossible(fields)
        return SignalBatch(
            vehicle_id,
            fields["stream_id"],
            fields["sequence"],
            fields["received_at"],
            tuple(_samples(fields)),
            tuple(_reports(fields)),
            fields["final"],
            fields["reference_at"],
            None if fields["origin_decoder"] is None else Origin(fields["origin_decoder"], fields["origin_mapping"]),
        )


def _refuse_the_impossible(fields: dict[str, Any]) -> None:
    """Raise UnreadableError for names and times that nobody has, which neither events nor tables could hold.

    A value that no car has is no reason: it is invalid, and the batch tells more than that.
    """
    for name, names in [("stream_id", [fields["stream_id"]]), *((name, fields[name]) for name in _NAMES)]:
        if "\0" in "".join(names):
            raise UnreadableError(f"its {name} has a character NUL")
        if max(map(len, names), default=0) > NAME_CHARACTERS_MAX:
            raise UnreadableError(f"its {name} has more than {NAME_CHARACTERS_MAX} characters")
    decoder, mapping = origin = [fields[name] for name in _ORIGIN]
    if (decoder is None) != (mapping is None):
        raise UnreadableError(f"it has one of {' and '.join(_ORIGIN)} without the other")
    if decoder is not None and ("\0" in decoder + mapping or max(map(len, origin)) > ORIGIN_CHARACTERS_MAX):
        raise UnreadableError(f"its origin has a character NUL, or more than {ORIGIN_CHARACTERS_MAX} characters")
    received_at, reference_at = fields["received_at"], fields["reference_at"]
    whole = [("received_at", [received_at]), ("reference_at", [] if reference_at is None else [reference_at])]
    for name, times in [*whole, *((name, fields[name]) for name in _TIMES)]:
        if times and not (min(times) >= SHOWN_MIN and max(times) <= SHOWN_MAX):
            raise UnreadableError(f"its {name} is before 1900 or after 2199, which no clock shows")
    for name in _BYTES:
        if any(byte and byte >> 8 for byte in fields[name]):
            raise UnreadableError(f"its {name} is no byte")


def _samples(fields: dict[str, Any]) -> Iterator[Sample]:
    try:
        qualities = [_QUALITIES[quality] for quality in fields["sample_quality"]]
    except KeyError as error:
        raise UnreadableError(f"{error} is no quality of a sample") from error
    columns = (fields["sample_path"], fields["sample_captured_at"], fields["sample_value"], qualities)
    return map(Sample, *columns)


def _reports(fields: dict[str, Any]) -> Iterator[TroubleCodeReport]:
    counts = fields["report_codes"]
    if any(count < 0 for count in counts) or sum(counts) != len(fields["code"]):
        raise UnreadableError("its reports have other numbers of trouble codes than there are")
    codes = map(TroubleCodeStatus, *(fields[name] for name in _CODE))
    for ecu, captured_at, service, complete, count in zip(*(fields[name] for name in _REPORT), strict=True):
        yield TroubleCodeReport(ecu, captured_at, service, complete, tuple(islice(codes, count)))
