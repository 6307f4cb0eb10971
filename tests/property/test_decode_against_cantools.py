"""Every value equals the one of cantools, bit for bit."""

import copy
import math
import random
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from cantools.database.can import Message, Signal
from cantools.database.conversion import BaseConversion
from cantools.database.errors import DecodeError
from hypothesis import assume, given
from hypothesis import strategies as st

from adapters.can.dbc import Dbc, SignalRef, load_dbc, opendbc_path
from adapters.can.decode import Decoder
from domain.errors import BadInputError
from tests.support.frame_blocks import Heard, block_of

VW_FILES = ("vw_meb", "vw_mqb", "vw_mqbevo", "vw_mlb", "vw_pq")
VW_SIGNALS = {"vw_meb": 1838, "vw_mqb": 1348, "vw_mqbevo": 1198, "vw_mlb": 1442, "vw_pq": 1331}
PAYLOADS_PER_MESSAGE = 24
FD_LENGTHS = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64)


def bits(value: Any) -> tuple[type, Any]:
    """What must be equal: the type, and every bit of a float (all not-a-numbers are one)."""
    if isinstance(value, float):
        return float, "nan" if math.isnan(value) else struct.pack(">d", value)
    return type(value), value


def decoded(dbc: Dbc, message: Message, payloads: Sequence[bytes], *, raw: bool = False) -> list[dict[str, Any]]:
    """What our decoder finds in each payload of one message."""
    can_id = next(can_id for can_id, known in dbc.messages.items() if known is message)
    decoder = Decoder(dbc, [SignalRef(message.name, signal.name) for signal in message.signals])
    found: list[dict[str, Any]] = [{} for _ in payloads]
    for column in decoder.decode(block_of(Heard(can_id, payload) for payload in payloads)).columns:
        for row, value in zip(column.rows.tolist(), (column.raw if raw else column.values).tolist(), strict=True):
            found[row][column.signal] = bits(value)
    return found


def alone(signal: Signal, length: int) -> Message:
    """The signal as the only one of its message: cantools can decode no message whose signals overlap."""
    single = copy.copy(signal)
    single.is_multiplexer, single.multiplexer_ids, single.multiplexer_signal = False, None, None
    return Message(1, "Alone", length, [single], strict=False)


def value_of(message: Message, payload: bytes, signal: str, *, scaling: bool = True) -> Any:
    """What cantools decodes, without value tables."""
    found: Any = message.decode(payload, decode_choices=False, scaling=scaling)
    return found[signal]


def is_sent(message: Message, signal: Signal, payload: bytes) -> bool:
    """Whether the multiplexers, read by cantools, say that the signal is in the payload."""
    if signal.multiplexer_signal is None or signal.multiplexer_ids is None:
        return True
    multiplexer = message.get_signal_by_name(signal.multiplexer_signal)
    raw = value_of(alone(multiplexer, len(payload)), payload, multiplexer.name, scaling=False)
    return raw in signal.multiplexer_ids and is_sent(message, multiplexer, payload)


def payloads_of(message: Message, rng: random.Random) -> Iterator[bytes]:
    """Zeros, ones, random bytes, and random bytes with every value of every multiplexer; none is too short."""
    length = max(message.length, *(signal.start // 8 + 1 for signal in message.signals), 1)
    yield bytes(length)
    yield b"\xff" * length
    for _ in range(PAYLOADS_PER_MESSAGE):
        yield rng.randbytes(length)
    for multiplexer in {signal.multiplexer_signal for signal in message.signals if signal.multiplexer_signal}:
        signal = message.get_signal_by_name(multiplexer)
        for value in range(2 ** min(signal.length, 8)):
            switch = alone(signal, length).encode({multiplexer: value}, scaling=False, strict=False)
            free = alone(signal, length).encode({multiplexer: 2**signal.length - 1}, scaling=False, strict=False)
            yield bytes(
                (byte & ~mask) | set_to for byte, mask, set_to in zip(rng.randbytes(length), free, switch, strict=True)
            )


@pytest.mark.parametrize("name", VW_FILES)
def test_every_signal_of_the_vw_files_equals_cantools(name: str) -> None:
    try:
        path = opendbc_path(name)
    except BadInputError as absent:
        pytest.skip(str(absent))
    dbc = load_dbc(path)
    rng = random.Random(name)
    compared = 0
    for message in dbc.messages.values():
        payloads = list(payloads_of(message, rng))
        ours = decoded(dbc, message, payloads)
        for signal in message.signals:
            oracle = alone(signal, len(payloads[0]))
            for payload, found in zip(payloads, ours, strict=True):
                expected = bits(value_of(oracle, payload, signal.name)) if is_sent(message, signal, payload) else None
                assert found.get(signal.name) == expected, (message.name, signal.name, payload)
            compared += 1
        for payload, found in zip(payloads, ours, strict=True):
            try:
                whole: Any = message.decode(payload, decode_choices=False)
            except DecodeError:  # overlapping signals, or a multiplexer value without signals
                continue
            assert {signal: found[signal] for signal in whole} == {s: bits(value) for s, value in whole.items()}
    assert compared == VW_SIGNALS[name]


SCALES = st.sampled_from((1, 2, -3, 0.1, 0.0625, -0.5, 1.28, 1e-7, 2.0, 10**6, 2**40, -(2**63)))
OFFSETS = st.sampled_from((0, 1, -40, 0.5, -273.15, 1e9, -100.0, 2**62))


@st.composite
def single_signals(draw: st.DrawFn) -> tuple[int, Signal]:
    """A payload length, and a signal anywhere in it."""
    length = draw(st.sampled_from(FD_LENGTHS))
    is_float = draw(st.booleans())
    sizes = [size for size in ((16, 32, 64) if is_float else range(1, 81)) if size <= 8 * length]
    if not sizes:
        is_float, sizes = False, list(range(1, 8 * length + 1))
    size = draw(st.sampled_from(sizes))
    first = draw(st.integers(0, 8 * length - size))
    big_endian = draw(st.booleans())
    conversion = BaseConversion.factory(draw(SCALES), draw(OFFSETS), None, is_float)
    start = 8 * (first // 8) + 7 - first % 8 if big_endian else first
    order: Any = "big_endian" if big_endian else "little_endian"
    return length, Signal("S", start, size, order, not is_float and draw(st.booleans()), conversion=conversion)


@given(st.data(), single_signals())
def test_any_signal_anywhere_equals_cantools(data: st.DataObject, shape: tuple[int, Signal]) -> None:
    length, signal = shape
    message = Message(0x123, "M", length, [signal])
    payloads = data.draw(st.lists(st.binary(min_size=length, max_size=length), min_size=1, max_size=5))

    ours = decoded(Dbc.of(Path("generated.dbc"), [message]), message, payloads)

    assert ours == [{"S": bits(value_of(message, payload, "S"))} for payload in payloads]


def fields(draw: st.DrawFn, first_bit: int, bit_count: int, prefix: str, **multiplexing: Any) -> list[Signal]:
    """Draw signals side by side, with gaps, in whole bytes that are all little-endian or all big-endian."""
    assert first_bit % 8 == bit_count % 8 == 0
    big_endian = draw(st.booleans())
    signals: list[Signal] = []
    place, end = first_bit, first_bit + bit_count
    while place < end and len(signals) < 4:
        place += draw(st.integers(0, 9))
        size = draw(st.integers(1, 64))
        if place + size > end:
            break
        start = 8 * (place // 8) + 7 - place % 8 if big_endian else place
        signals.append(
            Signal(
                f"{prefix}_{len(signals)}",
                start,
                size,
                "big_endian" if big_endian else "little_endian",
                is_signed=draw(st.booleans()),
                **multiplexing,
            )
        )
        place += size
    return signals


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """A message with plain fields, fields behind a multiplexer, and fields behind one that is itself multiplexed."""
    length = draw(st.sampled_from((8, 16, 64)))
    plain = fields(draw, 16, 16, "plain")
    outer = Signal("outer", 0, 4, is_multiplexer=True)
    inner = Signal("inner", 8, 8, is_multiplexer=True, multiplexer_ids=[1, 3], multiplexer_signal="outer")
    rest = 8 * length - 32
    behind_outer = fields(draw, 32, rest, "behind_outer", multiplexer_ids=[2, 5, 6], multiplexer_signal="outer")
    behind_inner = fields(draw, 32, rest, "behind_inner", multiplexer_ids=[7, 200, 201], multiplexer_signal="inner")
    signals = [outer, inner, *plain, *behind_outer, *behind_inner]
    return Message(0x1ABCDE, "M", length, signals, is_extended_frame=True, strict=True)


@pytest.mark.parametrize(
    ("raw", "scale", "offset", "value_type"),
    [
        (2**53 + 1, 3, 0.5, float),  # the product is rounded once, when the offset is added
        (2**64 - 1, 0.1, 0, float),
        (2**64 - 1, 2, -1, int),  # beyond 64 bits
        (2**63 - 1, 1, 1, int),
        (2**62, 1, 0, int),
        (0, -0.5, 0, float),  # plus zero, not minus zero
        (7, 2.0, -14.0, int),
    ],
)
def test_whole_scales_stay_exact_and_others_are_doubles(
    raw: int, scale: float, offset: float, value_type: type
) -> None:
    message = Message(1, "M", 8, [Signal("S", 0, 64, conversion=BaseConversion.factory(scale, offset))])
    payload = raw.to_bytes(8, "little")

    (found,) = decoded(Dbc.of(Path("generated.dbc"), [message]), message, [payload])

    assert found == {"S": bits(value_of(message, payload, "S"))}
    assert found["S"][0] is value_type


@given(st.data(), messages())
def test_what_cantools_encodes_is_decoded_to_the_same_bits_and_back(data: st.DataObject, message: Message) -> None:
    outer, inner = data.draw(st.sampled_from((1, 2, 3, 5, 6))), data.draw(st.sampled_from((7, 200, 201)))
    raw = {"outer": outer, "inner": inner}
    for signal in message.signals:
        low = -(2 ** (signal.length - 1)) if signal.is_signed else 0
        raw.setdefault(signal.name, data.draw(st.integers(low, low + 2**signal.length - 1)))
    behind = {1: "inner", 3: "inner"}.get(outer, "behind_outer")
    sent = [name for name in raw if name.startswith(("outer", "plain", behind, f"behind_{behind}"))]
    raw = {name: raw[name] for name in sent}
    # cantools encodes no value of a multiplexer that no signal is behind.
    assume(any(name.startswith("behind") for name in sent))
    encoded = message.encode(raw, scaling=False, strict=False)
    every_bit = {signal.name: -1 if signal.is_signed else 2**signal.length - 1 for signal in message.signals}
    used = message.encode(
        {name: value if name in ("outer", "inner") else every_bit[name] for name, value in raw.items()},
        scaling=False,
        strict=False,
    )
    # What is in the bits that no sent signal uses must not matter, even if it looks like a multiplexer's value.
    noise = bytearray(data.draw(st.binary(min_size=message.length, max_size=message.length)))
    noise[0], noise[1] = 0, 0 if "inner" in raw else inner
    payload = bytes((n & ~u) | e for n, u, e in zip(noise, used, encoded, strict=True))

    (found,) = decoded(Dbc.of(Path("generated.dbc"), [message]), message, [payload], raw=True)

    assert found == {name: bits(value) for name, value in raw.items()}
    assert message.encode({name: value for name, (_, value) in found.items()}, scaling=False, strict=False) == encoded


SMALL = Dbc.of(
    Path("generated.dbc"),
    [
        Message(0x100, "Small", 3, [Signal("a", 0, 5), Signal("b", 15, 12, "big_endian", is_signed=True)]),
        Message(0x100, "Extended", 8, [Signal("c", 4, 33), Signal("d", 40, 20)], is_extended_frame=True),
        Message(
            0x2FF,
            "Switched",
            8,
            [
                Signal("zero", 0, 8, multiplexer_ids=[0], multiplexer_signal="switch"),
                Signal("other", 8, 16, multiplexer_ids=[1, 2, 3], multiplexer_signal="switch"),
                Signal("switch", 38, 2, is_multiplexer=True),
            ],
        ),
        Message(0x300, "Long", 64, [Signal("end", 480, 32), Signal("odd", 99, 61), Signal("begin", 0, 64)], is_fd=True),
        Message(
            0x301,
            "LongSwitched",
            64,
            [
                Signal("near", 0, 8, multiplexer_ids=[0, 1], multiplexer_signal="far"),
                Signal("far", 500, 1, is_multiplexer=True),
            ],
            is_fd=True,
        ),
    ],
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from((*SMALL.messages, 0x101, 0x80000101, 0x7FF, 0)),
            st.one_of(st.binary(max_size=8), st.binary(min_size=64, max_size=64)),
        ),
        max_size=30,
    ).map(lambda frames: 4 * frames)  # long enough for numpy to sort it in earnest
)
def test_a_block_of_any_frames_gives_what_cantools_gives_frame_by_frame(frames: list[tuple[int, bytes]]) -> None:
    refs = [SignalRef(message.name, signal.name) for message in SMALL.messages.values() for signal in message.signals]
    result = Decoder(SMALL, refs).decode(block_of(Heard(can_id, data) for can_id, data in frames))

    expected = {
        (row, message.name, signal): bits(value)
        for row, (can_id, data) in enumerate(frames)
        if (message := SMALL.messages.get(can_id))
        for signal, value in cast("dict[str, Any]", message.decode(data, allow_truncated=True)).items()
    }
    found = {
        (row, column.message, column.signal): bits(value)
        for column in result.columns
        for row, value in zip(column.rows.tolist(), column.values.tolist(), strict=True)
    }
    assert found == expected
    assert all((column.rows[1:] > column.rows[:-1]).all() for column in result.columns)
    assert result.frames == sum(can_id in SMALL.messages for can_id, _ in frames)
