"""Batches as bytes: what was sent is read, and what is no batch is refused with its reason."""

import json
from dataclasses import replace
from io import BytesIO
from typing import Any, Final

import pytest
from fastavro import schemaless_reader, schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from adapters.avro.telemetry import NAME_CHARACTERS_MAX, ORIGIN_CHARACTERS_MAX, TOPIC, TelemetryCodec
from adapters.avro.wire import PREFIX, UnreadableError
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
from domain.units import Micros
from tests.support.events import DOUBLES, VEHICLE_ID, registry
from tests.support.odd_batches import bytes_of

CODEC: Final = TelemetryCodec(registry())
SCHEMA: Final = registry().by_topic[TOPIC][-1]
TIMES: Final = st.integers(SHOWN_MIN, SHOWN_MAX).map(Micros)
NAMES: Final = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=NAME_CHARACTERS_MAX)
BYTES: Final = st.none() | st.integers(0, 255)
VALUES: Final = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), DOUBLES, st.text(st.characters(), max_size=20)
)
SAMPLES: Final = st.builds(Sample, NAMES, TIMES, VALUES, st.sampled_from(Quality))
CODES: Final = st.builds(TroubleCodeStatus, NAMES, BYTES, BYTES, st.booleans())
REPORTS: Final = st.builds(
    TroubleCodeReport, NAMES, TIMES, NAMES, st.booleans(), st.lists(CODES, max_size=4).map(tuple)
)
TEXTS: Final = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=ORIGIN_CHARACTERS_MAX)
BATCHES: Final = st.builds(
    SignalBatch,
    st.uuids(),
    NAMES,
    st.integers(1, SEQUENCE_MAX),
    TIMES,
    st.lists(SAMPLES, max_size=8).map(tuple),
    st.lists(REPORTS, max_size=3).map(tuple),
    st.booleans(),
    st.none() | TIMES,
    st.none() | st.builds(Origin, TEXTS, TEXTS),
)
OLD_SCHEMA: Final = registry().by_topic[TOPIC][0]


def fields_of(data: bytes) -> dict[str, Any]:
    """Return the fields as a stranger reads them: with the published schema, by fastavro alone."""
    found = schemaless_reader(BytesIO(data[PREFIX.size :]), json.loads(SCHEMA.text))
    assert isinstance(found, dict)
    return found


def batch() -> SignalBatch:
    codes = (TroubleCodeStatus("P0420", None, None, active=True), TroubleCodeStatus("U0121", 135, 40, active=False))
    report = TroubleCodeReport("7E8", Micros(5), "UDS 19", True, codes)
    sample = Sample("Vehicle.Speed", Micros(4), 50.5)
    return SignalBatch(VEHICLE_ID, "drive", 3, Micros(9), (sample, sample), (report,))


@given(BATCHES)
def test_what_was_sent_is_read_as_the_vehicle_would_record_it(sent: SignalBatch) -> None:
    read = CODEC.decode(CODEC.encode(sent), sent.vehicle_id)

    expected = tuple(map(recordable, sent.samples))
    assert read.samples == expected
    assert [type(sample.value) for sample in read.samples] == [type(sample.value) for sample in expected]
    assert (read.vehicle_id, read.stream_id, read.sequence) == (sent.vehicle_id, sent.stream_id, sent.sequence)
    assert (read.received_at, read.final, read.reference_at) == (sent.received_at, sent.final, sent.reference_at)
    assert read.trouble_codes == sent.trouble_codes
    assert read.origin == sent.origin


@given(BATCHES)
def test_a_batch_of_the_first_schema_is_read_and_tells_no_origin(sent: SignalBatch) -> None:
    fields = fields_of(CODEC.encode(sent))
    old = {field["name"]: fields[field["name"]] for field in OLD_SCHEMA.definition["fields"]}
    stream = BytesIO()
    schemaless_writer(stream, json.loads(OLD_SCHEMA.text), old)
    data = PREFIX.pack(0, OLD_SCHEMA.id) + stream.getvalue()
    read = CODEC.decode(data, sent.vehicle_id)
    assert read == replace(CODEC.decode(CODEC.encode(sent), sent.vehicle_id), origin=None)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda body: PREFIX.pack(0, SCHEMA.id) + body))
def test_any_bytes_are_a_batch_or_refused(data: bytes) -> None:
    try:
        read = CODEC.decode(data, VEHICLE_ID)
    except UnreadableError:
        return
    assert CODEC.decode(CODEC.encode(read), VEHICLE_ID) == read


@given(st.data())
def test_a_batch_that_is_cut_or_goes_on_is_refused(data: st.DataObject) -> None:
    whole = CODEC.encode(batch())
    cut = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(UnreadableError):
        CODEC.decode(whole[:cut], VEHICLE_ID)
    with pytest.raises(UnreadableError, match="left over"):
        CODEC.decode(whole + b"\0", VEHICLE_ID)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"sample_path": ["Vehicle.Speed"]}, "its columns sample_path to sample_quality are of unequal length"),
        ({"report_ecu": []}, "its columns report_ecu to report_codes are of unequal length"),
        ({"code_active": [True]}, "its columns code to code_active are of unequal length"),
        ({"report_codes": [1]}, "its reports have other numbers of trouble codes than there are"),
        ({"report_codes": [-1]}, "its reports have other numbers of trouble codes than there are"),
        ({"sample_quality": [0, 7]}, "7 is no quality of a sample"),
        ({"sequence": 0}, "its sequence is 0, and counts from 1 to 1,000,000,000,000"),
        ({"sequence": SEQUENCE_MAX + 1}, "its sequence is 1000000000001, and counts from 1 to 1,000,000,000,000"),
        ({"sequence": 2**63 - 1}, "its sequence is 9223372036854775807, and counts from 1"),
        ({"stream_id": "a\0b"}, "its stream_id has a character NUL"),
        ({"stream_id": "x" * 201}, "its stream_id has more than 200 characters"),
        ({"sample_path": ["Vehicle.Speed", "Vehicle\0"]}, "its sample_path has a character NUL"),
        ({"report_ecu": ["\0"]}, "its report_ecu has a character NUL"),
        ({"code": ["P0420", "x" * 201]}, "its code has more than 200 characters"),
        ({"received_at": SHOWN_MIN - 1}, "its received_at is before 1900 or after 2199, which no clock shows"),
        ({"received_at": SHOWN_MAX + 1}, "its received_at is before 1900 or after 2199"),
        ({"reference_at": -(2**63)}, "its reference_at is before 1900 or after 2199"),
        ({"sample_captured_at": [0, 2**63 - 1]}, "its sample_captured_at is before 1900 or after 2199"),
        ({"report_captured_at": [-(2**62)]}, "its report_captured_at is before 1900 or after 2199"),
        ({"origin_decoder": "car.dbc"}, "it has one of origin_decoder and origin_mapping without the other"),
        ({"origin_mapping": ""}, "it has one of origin_decoder and origin_mapping without the other"),
        ({"origin_decoder": "a\0b", "origin_mapping": ""}, "its origin has a character NUL"),
        ({"origin_decoder": "", "origin_mapping": "x" * 2001}, "or more than 2000 characters"),
        ({"code_status": [None, 256]}, "its code_status is no byte"),
        ({"code_failure_type": [-1, None]}, "its code_failure_type is no byte"),
    ],
)
def test_a_batch_that_contradicts_itself_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        CODEC.decode(bytes_of(fields_of(CODEC.encode(batch())) | change), VEHICLE_ID)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the bytes are not in the Confluent wire format"),
        (b'{"speed": 50}', "the bytes are not in the Confluent wire format"),
        (PREFIX.pack(1, SCHEMA.id), "the bytes are not in the Confluent wire format"),
        (PREFIX.pack(0, 9_999), "no schema has the id 9999"),
        (PREFIX.pack(0, 1), "schema 1 is of "),
    ],
)
def test_bytes_of_something_else_are_refused(data: bytes, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        CODEC.decode(data, VEHICLE_ID)
