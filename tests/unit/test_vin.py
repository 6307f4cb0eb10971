"""Vehicle identification numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidVinError
from domain.vin import Vin

VIN = "WVWZZZE1ZMP000001"
VINS = st.text("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", min_size=17, max_size=17)


def test_a_vin_is_read_in_any_case() -> None:
    assert Vin.parse(f" {VIN.lower()}\n").text == VIN


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("WVW", "a VIN has 17 characters, this one has 3"),
        ("", "this one has 0"),
        (VIN + "X", "this one has 18"),
        ("WVWZZZE1ZMPO00001", "character 12 of a VIN cannot be 'O'"),
        ("IVWZZZE1ZMP000001", "character 1 of a VIN cannot be 'I'"),
        ("WVWZZZE1ZMP00000Q", "character 17 of a VIN cannot be 'Q'"),
        ("WVWZZZE1ZMP00000\u0661", "character 17 of a VIN cannot be"),  # a digit, but not of ours
    ],
)
def test_a_wrong_vin_is_refused_with_the_place_and_the_remedy(text: str, what: str) -> None:
    with pytest.raises(InvalidVinError, match="registration document") as error:
        Vin.parse(text)

    assert what in str(error.value)
    assert repr(text) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_vehicle_id_is_permanent() -> None:
    assert str(Vin.parse(VIN).vehicle_id(b"key")) == "3d6c1f58-b2ce-8671-9a58-92ea355d7a00"


@given(VINS, VINS)
def test_a_vehicle_id_is_that_of_one_vin_and_one_key(one: str, other: str) -> None:
    first, second = Vin.parse(one), Vin.parse(other)

    assert (first.vehicle_id(b"key") == second.vehicle_id(b"key")) == (one == other)
    assert first.vehicle_id(b"key") != first.vehicle_id(b"other key")
    assert first.vehicle_id(b"key").version == 8


@pytest.mark.parametrize(
    ("one", "other", "may_be"),
    [
        ("WVWZZZE1ZTP000042", "WVWZZZE1ZTP000042", True),
        ("WVWZZZE1ZTP000042", "WVWZZZE1ZTP000000", True),  # blanked
        ("WVWZZZE1ZTP000042", "WVWZZZE1ZTP000043", False),
        ("WVWZZZE1ZTP000042", "WVWZZZE1ZSP000000", False),
    ],
)
def test_a_blanked_serial_number_may_be_any(one: str, other: str, *, may_be: bool) -> None:
    assert Vin.parse(one).may_be(Vin.parse(other)) is may_be
    assert Vin.parse(other).may_be(Vin.parse(one)) is may_be
