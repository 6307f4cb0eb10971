"""What is encoded is decoded again, and the bytes are those of cantools."""

import contextlib
import random
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cantools.database.can import Message, Signal
from cantools.database.conversion import BaseConversion
from cantools.errors import Error as CantoolsError
from hypothesis import given
from hypothesis import strategies as st

from adapters.can.bitfield import BitField
from adapters.can.dbc import Dbc, SignalRef, load_dbc, opendbc_path
from adapters.can.decode import Decoder
from adapters.can.encode import Encoder
from domain.errors import BadInputError
from tests.support.frame_blocks import Heard, block_of

FILES = ("vw_meb", "vw_mqb", "fleettwin")
COMPARED = {"vw_meb": 80, "vw_mqb": 80, "fleettwin": 9}  # messages that cantools encodes, at least
ROWS = 24
FD_LENGTHS = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64)


def loaded(name: str) -> Dbc:
    if name == "fleettwin":
        return load_dbc(Path(__file__).parents[2] / "schemas/dbc/fleettwin.dbc")
    try:
        return load_dbc(opendbc_path(name))
    except BadInputError as absent:
        pytest.skip(str(absent))


def decoded(message: Message, payloads: list[bytes], *, raw: bool = False) -> dict[str, tuple[list[int], list[Any]]]:
    decoder = Decoder(
        Dbc.of(Path("one.dbc"), [message]), [SignalRef(message.name, signal.name) for signal in message.signals]
    )
    can_id = message.frame_id | (0x8000_0000 if message.is_extended_frame else 0)
    columns = decoder.decode(block_of(Heard(can_id, payload) for payload in payloads)).columns
    return {
        column.signal: (column.rows.tolist(), (column.raw if raw else column.values).tolist()) for column in columns
    }


def bits_of(signal: Signal) -> int:
    """The bits of a payload that a signal takes."""
    data = np.zeros((1, 64), np.uint8)
    field = replace(BitField.of(signal), signed=False, is_float=False)
    field.write(np.array([field.range[1]], dtype=object), data)
    return int.from_bytes(data.tobytes(), "big")


def overlapping(message: Message) -> set[str]:
    """The signals that share bits with another."""
    bits = {signal.name: bits_of(signal) for signal in message.signals}
    pairs = combinations(bits, 2)
    return {name for pair in pairs if bits[pair[0]] & bits[pair[1]] for name in pair}


@pytest.mark.parametrize("name", FILES)
def test_every_message_comes_back(name: str) -> None:
    rng = random.Random(name)
    written = 0
    for message in loaded(name).messages.values():
        plain = [
            signal for signal in message.signals if signal.multiplexer_ids is None and not signal.conversion.is_float
        ]
        clear = {signal.name for signal in plain} - overlapping(message)
        payloads = [rng.randbytes(message.length) for _ in range(ROWS)]
        heard = {signal: values for signal, (_, values) in decoded(message, payloads).items() if signal in clear}

        data = Encoder(message).encode(heard, ROWS)

        again = decoded(message, [row.tobytes() for row in data])
        assert {signal: again[signal][1] for signal in heard} == heard, message.name
        raws = {signal: raw for signal, (_, raw) in decoded(message, payloads, raw=True).items() if signal in clear}
        assert Encoder(message).encode(raws, ROWS, scaled=False).tobytes() == data.tobytes()
        written += len(heard)
    assert written >= (1000 if name != "fleettwin" else 30)


@pytest.mark.parametrize("name", FILES)
def test_the_bytes_are_those_of_cantools(name: str) -> None:
    rng = random.Random(name)
    compared = 0
    for message in loaded(name).messages.values():
        payloads = [rng.randbytes(message.length) for _ in range(ROWS)]
        rows: list[tuple[dict[str, Any], bytes]] = []
        with contextlib.suppress(CantoolsError):  # overlapping signals, or a multiplexer value without signals
            for payload in payloads:
                values: Any = message.decode(payload, decode_choices=False)
                rows.append((values, message.encode(values, scaling=True, strict=False)))
        for values, expected in rows:
            assert Encoder(message).encode(values, 1).tobytes() == expected, (message.name, values)
        compared += bool(rows)
    assert compared >= COMPARED[name]


@st.composite
def single_signals(draw: st.DrawFn) -> tuple[int, Signal]:
    """A payload length, and a signal anywhere in it."""
    length = draw(st.sampled_from(FD_LENGTHS))
    size = draw(st.integers(1, min(80, 8 * length)))
    is_float = size in (16, 32, 64) and draw(st.booleans())
    first = draw(st.integers(0, 8 * length - size))
    big_endian = draw(st.booleans())
    scale = draw(st.sampled_from((1, 2, -3, 0.1, 0.0625, -0.5, 1.28, 1e-7, 10**6, 2**40)))
    offset = draw(st.sampled_from((0, 1, -40, 0.5, -273.15, -100.0)))
    conversion = BaseConversion.factory(1 if is_float else scale, 0 if is_float else offset, None, is_float)
    start = 8 * (first // 8) + 7 - first % 8 if big_endian else first
    order: Any = "big_endian" if big_endian else "little_endian"
    return length, Signal("S", start, size, order, not is_float and draw(st.booleans()), conversion=conversion)


@given(st.data(), single_signals())
def test_any_signal_anywhere_comes_back_and_touches_no_other_bit(
    data: st.DataObject, shape: tuple[int, Signal]
) -> None:
    length, signal = shape
    message = Message(0x123, "M", length, [signal])
    if signal.conversion.is_float:
        raws: list[Any] = data.draw(
            st.lists(st.floats(width=signal.length, allow_nan=False), min_size=1, max_size=5)  # type: ignore[arg-type]
        )
    else:
        low = -(1 << (signal.length - 1)) if signal.is_signed else 0
        whole = st.integers(low, low + (1 << signal.length) - 1)
        raws = data.draw(st.lists(whole, min_size=1, max_size=5))
    dtype = object if signal.length > 63 and not signal.conversion.is_float else None
    column = np.array(raws, dtype=dtype)

    payloads = [row.tobytes() for row in Encoder(message).encode({"S": column}, len(raws), scaled=False)]

    assert decoded(message, payloads, raw=True)["S"] == (list(range(len(raws))), raws)
    for raw, payload in zip(raws, payloads, strict=True):
        assert payload == message.encode({"S": raw}, scaling=False, strict=False)
    if signal.length <= 48 or signal.conversion.is_float:
        values = decoded(message, payloads)["S"][1]
        again = Encoder(message).encode({"S": values}, len(raws))
        assert [row.tobytes() for row in again] == payloads
