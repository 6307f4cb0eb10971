"""OBD-II answers: parameters as columns, trouble codes with and without a count, the VIN."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.can.bitfield import BitField
from adapters.can.dbc import load_dbc
from adapters.can.iso_tp import IsoTpReassembler
from adapters.can.obd import (
    CURRENT_DATA,
    PID_BYTES,
    PidColumn,
    current_data,
    is_obd_answer,
    parameters,
    trouble_codes,
)
from tests.support.frame_blocks import Heard, block_of
from tests.support.recordings import recording

ENGINE = 0x7E8


def columns(payloads: list[bytes], can_id: int = ENGINE) -> list[PidColumn]:
    block = block_of([Heard(can_id, bytes([len(p)]) + p, 10 * place) for place, p in enumerate(payloads)])
    singles, _ = IsoTpReassembler().feed(block)
    return current_data(block, singles)


def test_each_parameter_of_each_control_unit_is_a_column() -> None:
    block = block_of(
        [
            Heard(0x7E8, b"\x03\x41\x0d\x32\xaa\xaa\xaa\xaa", 10),
            Heard(0x7E9, b"\x03\x41\x0d\x33", 20),
            Heard(0x7E8, b"\x04\x41\x0c\x1a\xf8", 30),
            Heard(0x7E8, b"\x03\x41\x0d\x34", 40),
        ]
    )
    singles, _ = IsoTpReassembler().feed(block)

    found = {
        (c.can_id, c.pid): (c.rows.tolist(), c.captured_at.tolist(), c.data.tolist())
        for c in current_data(block, singles)
    }

    assert found == {
        (0x7E8, 0x0D): ([0, 3], [10, 40], [[0x32], [0x34]]),
        (0x7E9, 0x0D): ([1], [20], [[0x33]]),
        (0x7E8, 0x0C): ([2], [30], [[0x1A, 0xF8]]),
    }


def test_one_answer_may_hold_several_parameters() -> None:
    (speed, engine_speed) = sorted(columns([b"\x41\x0c\x1a\xf8\x0d\x32"]), key=lambda column: -column.pid)

    assert (speed.pid, speed.data.tolist()) == (0x0D, [[0x32]])
    assert (engine_speed.pid, engine_speed.data.tolist()) == (0x0C, [[0x1A, 0xF8]])


def test_what_is_supported_is_no_measurement() -> None:
    assert columns([b"\x41\x00\xbe\x3f\xa8\x13", b"\x41\x20\x80\x00\x00\x00"]) == []
    assert list(parameters(b"\x41\x00\xbe\x3f\xa8\x13\x0d\x32")) == [(0x0D, b"\x32")]


def test_an_answer_that_does_not_divide_is_one_parameter() -> None:
    (column,) = columns([b"\x41\xc8\x01\x02\x03"])

    assert (column.pid, column.data.tolist()) == (0xC8, [[1, 2, 3]])


def test_an_answer_without_data_says_nothing() -> None:
    assert columns([b"\x41", b"\x41\x0d"]) == []
    assert list(parameters(b"\x41")) == list(parameters(b"\x41\x0d")) == []


pids = st.sampled_from([*sorted(PID_BYTES), 0xC8, 0xFF])


@given(
    st.lists(
        st.one_of(st.binary(max_size=6), st.tuples(pids, st.binary(max_size=5)).map(lambda p: bytes([p[0]]) + p[1])),
        max_size=8,
    )
)
@example([b"\x0d\x01\x0d\x02\x0d\x03"])
def test_columns_say_what_the_answers_say_one_by_one(bodies: list[bytes]) -> None:
    payloads = [bytes([CURRENT_DATA]) + body for body in bodies]
    one_by_one = [(row, *found) for row, payload in enumerate(payloads) for found in parameters(payload)]

    as_columns = [
        (row, column.pid, data.tobytes())
        for column in columns(payloads)
        for row, data in zip(column.rows.tolist(), column.data, strict=True)
    ]

    assert sorted(as_columns) == sorted(one_by_one)


def test_answers_come_from_the_identifiers_that_iso_15765_4_gives_them() -> None:
    ids = np.array([0x7E7, 0x7E8, 0x7EF, 0x7F0, 0x98DAF110, 0x98DAF1FF, 0x98DA10F1, 0x98DBF110], dtype=np.uint32)

    assert is_obd_answer(ids).tolist() == [False, True, True, False, True, True, False, False]


@pytest.mark.parametrize(
    ("answer", "codes"),
    [
        ("43 00", []),
        ("43", []),
        ("43 01 01 33", ["P0133"]),
        ("43 02 c1 00 81 23", ["U0100", "B0123"]),
        ("47 01 45 67", ["C0567"]),
        ("43 01 33 00 00 00 00", ["P0133"]),  # without a count, filled up to three codes
        ("43 02 01 33 00 00", ["P0133"]),
        ("4a 01 0d 59", ["P0D59"]),
    ],
)
def test_trouble_codes_are_read_with_and_without_their_count(answer: str, codes: list[str]) -> None:
    found = trouble_codes(bytes.fromhex(answer))

    assert [code.code for code in found] == codes
    assert all(code.active and code.status is None and code.failure_type is None for code in found)


@pytest.mark.recordings
def test_sizes_agree_with_the_signals_of_a_maker_of_loggers() -> None:
    message = load_dbc(recording("seat-obd2-gps-mf4", "OBD-v4.4.dbc")).messages[ENGINE]
    ends: dict[int, int] = {}
    for signal in message.signals:
        if signal.name.startswith("S01PID") and signal.multiplexer_ids:
            pid = signal.multiplexer_ids[0]
            ends[pid] = max(ends.get(pid, 0), BitField.of(signal).needed_bytes - 3)

    known_in_part = {0x50, 0x65, 0x66, 0x67}
    assert len(ends.keys() & PID_BYTES.keys()) > 80
    assert {pid for pid, size in ends.items() if PID_BYTES.get(pid, size) != size} == known_in_part
