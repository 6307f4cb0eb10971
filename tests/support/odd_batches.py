"""Batches of telemetry that any producer can encode, and that no car would send."""

import json
from collections.abc import Sequence
from io import BytesIO
from typing import Any, Final

from fastavro import schemaless_writer
from hypothesis import strategies as st

from adapters.avro.telemetry import TOPIC
from adapters.avro.wire import PREFIX
from domain import paths
from domain.streams import SEQUENCE_MAX
from tests.support.batches import DOOR, T0
from tests.support.events import registry

_SCHEMA: Final = registry().by_topic[TOPIC][-1]
_DEFINITION: Final = json.loads(_SCHEMA.text)
_PATHS: Final = [
    *(paths.SPEED, paths.LATITUDE, paths.LONGITUDE, paths.ODOMETER, paths.BATTERY_ENERGY, paths.IS_CHARGING),
    *(paths.DESTINATION_LATITUDE, paths.DESTINATION_LONGITUDE, paths.HEADING, paths.MEDIA_TITLE, DOOR),
    *(paths.MEDIA_VOLUME, paths.LOW_VOLTAGE_SYSTEM_STATE),
]
_ODD_TEXTS: Final = st.sampled_from(["\0", "a\0b"]) | st.sampled_from(["", "ä", "x" * 200, "x" * 300, "x" * 100_000])
_ODD_TIMES: Final = st.one_of(
    st.sampled_from([-(2**63), 2**63 - 1]),
    st.sampled_from([-(2**62), 2**62, -1, 0, 946_684_800_000_000, T0, 7_000_000_000_000_000, -2_000_000_000_000_000]),
)
_ODD_VALUES: Final = st.one_of(
    st.sampled_from([1e308, -1e308]),
    st.sampled_from([1e19, 1e18, 5e-324, float("nan"), float("inf"), 2**63 - 1, -(2**63), None, "", "\0", "a\0b"]),
    st.sampled_from([89.9, 90.0, 90.1, 91.0, 135.0, 180.0, -180.0, 181.0, 1e9]),
)
_ODD: Final = ("sequence", "stream", "receipt", "reference", "times", "values", "paths")
_ODD_OF_REPORTS: Final = ("reports", "report times", "codes", "bytes")


def bytes_of(fields: dict[str, Any]) -> bytes:
    """Return the record that has these fields, whatever they say."""
    stream = BytesIO()
    schemaless_writer(stream, _DEFINITION, fields)
    return PREFIX.pack(0, _SCHEMA.id) + stream.getvalue()


@st.composite
def odd_batches(draw: st.DrawFn) -> bytes:
    """Draw the bytes of a batch that is odd in one or two ways."""
    ways = draw(st.sets(st.sampled_from(_ODD + _ODD_OF_REPORTS), min_size=1, max_size=2))

    def either(usual: st.SearchStrategy[Any], way: str, odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return odd if way in ways else usual

    def mixed(usual: st.SearchStrategy[Any], way: str, odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return usual | odd if way in ways else usual

    texts = mixed(st.sampled_from(["7E8", "OBD 03", "P0301"]), "reports", _ODD_TEXTS)
    codes = mixed(st.just("P0301"), "codes", _ODD_TEXTS)
    usual = st.integers(0, 30).map(lambda second: T0 + second * 1_000_000)
    times, told_at = mixed(usual, "times", _ODD_TIMES), mixed(usual, "report times", _ODD_TIMES)
    values = mixed(st.sampled_from([36.0, 48.0, 0.0, -7, True, False, "ON", "OFF"]), "values", _ODD_VALUES)
    heard = mixed(st.sampled_from(_PATHS), "paths", _ODD_TEXTS)
    byte = mixed(st.sampled_from([None, 9]), "bytes", st.sampled_from([0, 255, 256, -1, 2**31 - 1, -(2**31)]))
    fields: dict[str, Any] = {
        "received_at": draw(either(st.just(T0 + 30_000_000), "receipt", _ODD_TIMES)),
        "stream_id": draw(either(st.just("odd"), "stream", _ODD_TEXTS)),
        "sequence": draw(
            either(st.integers(1, 4), "sequence", st.sampled_from([0, -1, SEQUENCE_MAX, 2**63 - 2, 2**63 - 1]))
        ),
        "final": draw(st.booleans()),
        "reference_at": draw(either(st.none(), "reference", _ODD_TIMES)),
    }
    qualities = st.sampled_from([0, 0, 0, 0, 1, 2])
    samples = draw(st.lists(st.tuples(_few(draw, heard), times, _few(draw, values), qualities), max_size=8))
    _set(fields, ("sample_path", "sample_captured_at", "sample_value", "sample_quality"), samples)
    reported = 1 if ways.intersection(_ODD_OF_REPORTS) else 0
    reports = draw(st.lists(st.tuples(texts, told_at, texts, st.booleans(), st.just(1)), min_size=reported, max_size=2))
    _set(fields, ("report_ecu", "report_captured_at", "report_service", "report_complete", "report_codes"), reports)
    held = st.tuples(codes, byte, byte, st.booleans())
    names = ("code", "code_failure_type", "code_status", "code_active")
    _set(fields, names, draw(st.lists(held, min_size=len(reports), max_size=len(reports))))
    return bytes_of(fields)


def _few(draw: st.DrawFn, of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw one or two, of which what follows is drawn: rules are about what comes again."""
    return st.sampled_from(draw(st.lists(of, min_size=1, max_size=2)))


def _set(fields: dict[str, Any], names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    for place, name in enumerate(names):
        fields[name] = [row[place] for row in rows]
