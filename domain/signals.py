"""What a car says: samples of COVESA VSS signals, and what its ECUs report of their trouble codes."""

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple
from uuid import UUID

from domain import paths
from domain.units import Micros

SignalValue = bool | int | float | str
# What no text may have that PostgreSQL keeps (NUL) or UTF-8 writes (half a surrogate pair).
UNRECORDABLE: Final = re.compile("[\0\ud800-\udfff]")
INTEGER_MAX: Final = 2**63 - 1  # of a long of Avro and a bigint of PostgreSQL

_NUMBERS: Final = (-INTEGER_MAX - 1, INTEGER_MAX)  # floats too: what is added up and multiplied of these stays finite
_DEGREES: Final = {
    **dict.fromkeys((paths.LATITUDE, paths.DESTINATION_LATITUDE), (-90, 90)),
    **dict.fromkeys((paths.LONGITUDE, paths.DESTINATION_LONGITUDE), (-180, 180)),
}


class Quality(IntEnum):
    """How far a sample can be believed."""

    OK = 0
    INVALID = 1  # the car itself marks it as wrong, or it lies outside the signal's valid range
    NOT_AVAILABLE = 2  # the car says that it has no value


class Sample(NamedTuple):
    """One value of one signal, as the vehicle's clock dates it.

    `value` is None unless `quality` is OK.
    """

    path: str  # VSS path, e.g. "Vehicle.Speed"; its unit is fixed by the catalogue
    captured_at: Micros  # vehicle clock, raw
    value: SignalValue | None
    quality: Quality = Quality.OK


def recordable_text(text: str) -> str:
    """Return a text without what PostgreSQL (NUL) or UTF-8 (half a surrogate pair) has no place for."""
    return text.replace("\0", "").encode(errors="replace").decode()


def recordable(sample: Sample) -> Sample:
    """Return a sample as events and tables can hold it.

    A number that no column holds is invalid, as are degrees that no place has and a good value that is none; a text
    loses what it cannot have (see `recordable_text`); a value that is not good is none.
    """
    value, quality = sample.value, sample.quality
    if quality != Quality.OK:
        return sample if value is None else sample._replace(value=None)
    if isinstance(value, str):
        if value.isascii() and "\0" not in value:
            return sample
        return sample._replace(value=recordable_text(value))
    low, high = _DEGREES.get(sample.path, _NUMBERS)
    if value is None or not low <= value <= high:
        return sample._replace(value=None, quality=Quality.INVALID)
    return sample


class TroubleCodeStatus(NamedTuple):
    """One trouble code as an ECU reports it."""

    code: str  # SAE J2012 text, e.g. "P0D59"
    failure_type: int | None  # SAE J2012-DA failure type byte; None where the protocol has none (OBD-II 03, 07, 0A)
    status: int | None  # ISO 14229-1 D.2 statusOfDTC byte; None where the protocol has none
    active: bool  # test failed, pending or confirmed now


class TroubleCodeReport(NamedTuple):
    """The answer of one ECU to "which trouble codes do you hold?"."""

    ecu: str  # response identifier as hex, e.g. "7E8"; what the bus knows of the ECU
    captured_at: Micros
    service: str  # "OBD 03", "OBD 07", "OBD 0A", "UDS 19", "KWP 18": what was asked
    complete: bool  # True: a code that is not in the list is not held
    codes: tuple[TroubleCodeStatus, ...]


class Origin(NamedTuple):
    """What turned what a car sent into the samples of a stream: names and hashes that tell it from any other."""

    decoder: str  # e.g. "fleettwin 0.1.0, candump: fleettwin.dbc sha256:0123456789ab, OBD-II and UDS answers"
    mapping: str  # e.g. "vw_meb sha256:0123456789ab"; "none": the rows name VSS paths themselves


@dataclass(frozen=True, slots=True)
class SignalBatch:
    """What one vehicle sent in one piece.

    `sequence` counts 1, 2, 3 … up to `streams.SEQUENCE_MAX` without a hole; `final` marks a stream's last batch.
    `reference_at` is the best known true time of what has the newest time, for a recording whose clock cannot be
    trusted (None: `received_at`). `origin` is told by the first batch of a stream, and where it changes; None: as
    before.
    """

    vehicle_id: UUID
    stream_id: str
    sequence: int
    received_at: Micros
    samples: tuple[Sample, ...]  # in the order heard
    trouble_codes: tuple[TroubleCodeReport, ...] = ()
    final: bool = False
    reference_at: Micros | None = None
    origin: Origin | None = None
