"""Values of signals to payloads: rounding, what does not fit, what is not given, multiplexers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cantools.database.can import Message, Signal
from cantools.database.conversion import BaseConversion

from adapters.can.dbc import load_dbc
from adapters.can.encode import Encoder

ROOT = Path(__file__).parents[2]


def signal(name: str, start: int, length: int, scale: float = 1, offset: float = 0, **more: Any) -> Signal:
    is_float = more.pop("is_float", False)
    conversion = BaseConversion.factory(scale, offset, None, is_float)
    return Signal(name, start, length, more.pop("order", "little_endian"), conversion=conversion, **more)


def encoder(*signals: Signal, length: int = 8) -> Encoder:
    return Encoder(Message(0x123, "M", length, list(signals), strict=False))


def test_columns_and_single_values_are_written_and_what_is_not_given_is_zero() -> None:
    made = encoder(signal("A", 0, 8), signal("B", 8, 8), signal("C", 16, 8), length=3)

    data = made.encode({"A": np.array([1, 2]), "C": 7}, 2)

    assert data.tolist() == [[1, 0, 7], [2, 0, 7]]
    assert data.dtype == np.uint8


def test_the_nearest_raw_value_is_taken() -> None:
    made = encoder(signal("Speed", 0, 16, 0.01), signal("Cold", 16, 8, 0.5, -50), length=3)

    data = made.encode({"Speed": [0.004, 0.006, 100.001], "Cold": [-50.2, 0.2, 20.24]}, 3)

    assert data.tolist() == [[0, 0, 0], [1, 0, 100], [0x10, 0x27, 140]]


def test_both_byte_orders_and_signs() -> None:
    made = encoder(signal("Big", 3, 12, order="big_endian"), signal("Minus", 16, 4, is_signed=True), length=3)

    assert made.encode({"Big": 0xABC, "Minus": -1}, 1).tobytes().hex() == "0abc0f"


def test_floats_are_written_as_such() -> None:
    made = encoder(signal("Half", 0, 32, is_float=True), signal("Whole", 32, 64, is_float=True), length=12)

    data = made.encode({"Half": 0.5, "Whole": [float("inf"), -0.0]}, 2)

    assert data[:, :4].tobytes() == np.array([0.5, 0.5], "<f4").tobytes()
    assert data[:, 4:].tobytes() == np.array([np.inf, -0.0], "<f8").tobytes()


@pytest.mark.parametrize("value", [255.6, -1.0, float("nan"), float("inf")])
def test_a_value_that_does_not_fit_is_named(value: float) -> None:
    with pytest.raises(ValueError, match=rf"^M\.A: {value} does not fit its 8 bits$"):
        encoder(signal("A", 0, 8)).encode({"A": [1.0, value]}, 2)


@pytest.mark.parametrize("value", [2**64, -1, float("nan"), 1e30])
def test_so_is_one_that_does_not_fit_a_long_field(value: float) -> None:
    with pytest.raises(ValueError, match=r"M\.A: .* does not fit its 64 bits"):
        encoder(signal("A", 0, 64)).encode({"A": np.array([1, value], dtype=object)}, 2)
    with pytest.raises(ValueError, match=r"M\.A: .* does not fit its 64 bits"):
        encoder(signal("A", 0, 64, 0.5, 2**40)).encode({"A": np.array([2**62, -(2**70), value], dtype=object)}, 3)


def test_a_float_that_its_format_cannot_hold_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"M\.A: 1e\+39 does not fit its 32 bits"):
        encoder(signal("A", 0, 32, is_float=True)).encode({"A": 1e39}, 1)


def test_raw_values_are_written_as_they_are() -> None:
    made = encoder(signal("Speed", 0, 16, 0.01), length=2)

    assert made.encode({"Speed": 0xFFFE}, 1, scaled=False).tobytes() == b"\xfe\xff"
    with pytest.raises(ValueError, match=r"M\.Speed: 65536"):
        made.encode({"Speed": 0x1_0000}, 1, scaled=False)
    with pytest.raises(ValueError, match=r"M\.Speed: 0\.5"):
        made.encode({"Speed": 0.5}, 1, scaled=False)


def test_sixty_four_bits_are_exact() -> None:
    made = encoder(signal("A", 0, 64), signal("B", 64, 64, 10, is_signed=True), length=16)

    data = made.encode({"A": np.array([2**64 - 1], np.uint64), "B": np.array([10 * -(2**63)], dtype=object)}, 1)

    assert data.tobytes() == b"\xff" * 8 + bytes(7) + b"\x80"


def test_of_signals_that_share_bits_one_that_varies_is_right_and_else_the_last() -> None:
    made = encoder(signal("A", 0, 8), signal("B", 0, 4), length=1)

    assert made.encode({"A": [0xFF, 0xEE], "B": 1}, 2).tolist() == [[0xFF], [0xEE]]
    assert made.encode({"A": 0xFF, "B": 1}, 1).tolist() == [[0xF1]]
    assert made.encode({"B": 1, "A": 0xFF}, 1).tolist() == [[0xFF]]


def test_a_signal_behind_a_multiplexer_is_written_where_that_selects_it() -> None:
    made = encoder(
        signal("Mux", 0, 4, is_multiplexer=True),
        signal("One", 8, 8, multiplexer_ids=[1], multiplexer_signal="Mux"),
        signal("Two", 8, 8, multiplexer_ids=[2, 3], multiplexer_signal="Mux"),
        length=2,
    )

    data = made.encode({"Mux": [0, 1, 2, 3], "One": 0x11, "Two": [0x20, 0x21, 0x22, 0x23]}, 4)

    assert data.tolist() == [[0, 0], [1, 0x11], [2, 0x22], [3, 0x23]]


def test_an_unknown_signal_and_one_beyond_its_message_are_refused() -> None:
    with pytest.raises(KeyError):
        encoder(signal("A", 0, 8)).encode({"B": 1}, 1)
    with pytest.raises(ValueError, match=r"M\.A: lies beyond the 1 bytes"):
        encoder(signal("A", 4, 8), length=1).encode({"A": 1}, 1)


def test_our_own_messages_can_be_written() -> None:
    dbc = load_dbc(ROOT / "schemas/dbc/fleettwin.dbc")
    (position,) = (message for message in dbc.messages.values() if message.name == "FT_Position")

    data = Encoder(position).encode(
        {"Position_Latitude_deg": 48.7758459, "Position_Longitude_deg": -9.1829321, "Position_Valid": 1}, 1
    )

    decoded: Any = position.decode(data.tobytes())
    assert decoded["Position_Latitude_deg"] == pytest.approx(48.7758459, abs=1e-9)
    assert decoded["Position_Longitude_deg"] == pytest.approx(-9.1829321, abs=1e-9)
    assert decoded["Position_Valid"] == 1
