"""Which columns a decoder gives for a block."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
from cantools.database.can import Message, Signal
from cantools.database.conversion import BaseConversion

from adapters.can.dbc import Dbc, SignalRef
from adapters.can.decode import Decoder
from tests.support.frame_blocks import Heard, block_of

SPEED = SignalRef("Motion", "speed")
BRAKE = SignalRef("Motion", "brake")
EARLY, LATE = SignalRef("M", "early"), SignalRef("M", "late")
DBC = Dbc.of(
    Path("car.dbc"),
    [
        Message(
            0x100,
            "Motion",
            8,
            [
                Signal("speed", 0, 16, conversion=BaseConversion.factory(0.01, 0)),
                Signal("brake", 48, 1, conversion=BaseConversion.factory(1, 0, OrderedDict({0: "free", 1: "pressed"}))),
            ],
        ),
        Message(0x12345, "Motion", 8, [Signal("speed", 0, 16)], is_extended_frame=True),
        Message(0x101, "Other", 8, [Signal("speed", 0, 8)]),
    ],
)


def test_only_selected_signals_are_decoded_with_the_rows_they_were_heard_in() -> None:
    block = block_of(
        [Heard(0x101, b"\1"), Heard(0x100, b"\x10\x27" + bytes(6)), Heard(0x7FF, b""), Heard(0x100, bytes(8))]
    )

    (column,) = Decoder(DBC, [SPEED]).decode(block).columns

    assert (column.message, column.signal) == SPEED
    assert column.rows.tolist() == [1, 3]
    assert column.raw.tolist() == [10_000, 0]
    assert column.values.tolist() == [100.0, 0.0]
    assert column.values.dtype == np.float64


def test_a_label_is_found_by_the_raw_value() -> None:
    block = block_of([Heard(0x100, b"\0\0\0\0\0\0\1\0")])

    (column,) = Decoder(DBC, [BRAKE]).decode(block).columns

    assert [DBC.labels(BRAKE)[raw] for raw in column.raw.tolist()] == ["pressed"]


def test_a_frame_too_short_for_a_signal_is_counted_and_keeps_its_other_signals() -> None:
    block = block_of([Heard(0x100, b"\1\0"), Heard(0x100, bytes(8)), Heard(0x100, b"\1")])

    result = Decoder(DBC, [SPEED, BRAKE]).decode(block)

    assert {column.signal: column.rows.tolist() for column in result.columns} == {"speed": [0, 1], "brake": [1]}
    assert result.too_short == {SPEED: 1, BRAKE: 2}
    assert result.frames == 3


def test_a_signal_that_no_frame_is_long_enough_for_has_no_column() -> None:
    result = Decoder(DBC, [BRAKE]).decode(block_of([Heard(0x100, b"\1")]))

    assert (result.columns, result.too_short) == ([], {BRAKE: 1})


def test_frames_of_another_variant_are_not_too_short() -> None:
    signals = [
        Signal("variant", 8, 8, is_multiplexer=True),
        Signal("early", 0, 8, multiplexer_ids=[1], multiplexer_signal="variant"),
        Signal("late", 16, 8, multiplexer_ids=[2], multiplexer_signal="variant"),
    ]
    decoder = Decoder(Dbc.of(Path("car.dbc"), [Message(0x100, "M", 3, signals)]), [EARLY, LATE])
    variants = [b"\7\1", b"\7\2\7", b"\7\2", b"\7"]

    result = decoder.decode(block_of([Heard(0x100, data) for data in variants]))

    assert {column.signal: column.rows.tolist() for column in result.columns} == {"early": [0], "late": [1]}
    assert result.too_short == {EARLY: 1, LATE: 2}


def test_an_identifier_of_29_bits_is_not_the_one_of_11_bits() -> None:
    message = Message(0x12345, "Long", 8, [Signal("speed", 0, 16)], is_extended_frame=True)
    dbc = Dbc.of(Path("car.dbc"), [message])

    result = Decoder(dbc, [SignalRef("Long", "speed")]).decode(
        block_of([Heard(0x345, bytes(8)), Heard(0x8001_2345, bytes(8))])
    )

    assert [column.rows.tolist() for column in result.columns] == [[1]]


def test_a_decoder_of_one_bus_does_not_hear_the_others() -> None:
    block = block_of([Heard(0x100, bytes(8), bus=0), Heard(0x100, bytes(8), bus=1), Heard(0x100, bytes(8), bus=1)])

    assert [column.rows.tolist() for column in Decoder(DBC, [SPEED], bus=1).decode(block).columns] == [[1, 2]]
    assert [column.rows.tolist() for column in Decoder(DBC, [SPEED]).decode(block).columns] == [[0, 1, 2]]
    assert Decoder(DBC, [SPEED], bus=7).decode(block).columns == []


def test_a_message_name_of_two_identifiers_gives_one_column_in_the_order_heard() -> None:
    frames = [Heard(0x100, b"\x64" + bytes(7)), Heard(0x8001_2345, b"\2" + bytes(7)), Heard(0x100, b"\xc8" + bytes(7))]

    (column,) = Decoder(DBC, [SPEED]).decode(block_of(frames)).columns

    assert column.rows.tolist() == [0, 1, 2]
    assert column.raw.tolist() == [100, 2, 200]
    assert column.values.tolist() == [1.0, 2.0, 2.0]


def test_a_block_that_is_part_of_a_larger_one_needs_no_copy() -> None:
    whole = block_of([Heard(0x100, bytes([n, *range(7)])) for n in range(10)])
    part = type(whole)(whole.captured_at[2:5], whole.can_id[2:5], whole.bus[2:5], whole.length[2:5], whole.data[2:5])

    (column,) = Decoder(DBC, [SPEED]).decode(part).columns

    assert (column.raw & 0xFF).tolist() == [2, 3, 4]


def test_an_empty_block_and_an_empty_selection_give_nothing() -> None:
    assert Decoder(DBC, [SPEED]).decode(block_of([])).columns == []
    assert Decoder(DBC, []).decode(block_of([Heard(0x100, bytes(8))])).columns == []
