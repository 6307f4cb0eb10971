import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadInputError
from domain.trouble_codes import TroubleCodeText, explain, parse_code


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("0000", "P0000"),
        ("0D59", "P0D59"),
        ("3FFF", "P3FFF"),
        ("5812", "C1812"),
        ("9603", "B1603"),
        ("56B6", "C16B6"),
        ("C100", "U0100"),
        ("FFFF", "U3FFF"),
    ],
)
def test_two_bytes_are_a_code(code: str, text: str) -> None:
    assert parse_code(bytes.fromhex(code)) == text


@given(st.binary(min_size=2, max_size=2))
def test_every_two_bytes_are_a_code_that_is_explained(code: bytes) -> None:
    said = explain(parse_code(code), code[0])
    assert said.system
    assert said.group is None or said.origin == "generic"


def test_all_codes_are_told_apart() -> None:
    assert len({parse_code(value.to_bytes(2, "big")) for value in range(2**16)}) == 2**16


def test_a_generic_code_says_system_group_and_failure_type() -> None:
    assert explain("P0D59", 0x13) == TroubleCodeText(
        "powertrain", "generic", "hybrid or electric drive", "electrical fault", "open circuit"
    )


def test_a_code_without_a_failure_type_says_none() -> None:
    assert explain("U0100") == TroubleCodeText("network", "generic", "a control unit is not heard", None, None)


@pytest.mark.parametrize(
    ("code", "origin"),
    [
        ("P0301", "generic"),
        ("P1602", "manufacturer"),
        ("P2BAC", "generic"),
        ("P3000", "manufacturer"),
        ("P3399", "manufacturer"),
        ("P3400", "generic"),
        ("P39FF", "generic"),
        ("P3A00", "reserved"),
        ("C0040", "generic"),
        ("C1812", "manufacturer"),
        ("C2000", "manufacturer"),
        ("C3000", "reserved"),
        ("B1603", "manufacturer"),
        ("B3000", "reserved"),
        ("U0146", "generic"),
        ("U1128", "manufacturer"),
        ("U2000", "manufacturer"),
        ("U3000", "generic"),
        ("U3100", "reserved"),
    ],
)
def test_the_second_character_says_who_defined_a_code(code: str, origin: str) -> None:
    assert explain(code).origin == origin


def test_a_group_is_said_of_generic_codes_only() -> None:
    assert explain("P0301").group == "ignition or misfire"
    assert explain("P1301").group is None


@pytest.mark.parametrize(
    ("failure_type", "category", "words"),
    [
        (0x00, "not told apart", None),
        (0x11, "electrical fault", "short circuit to ground"),
        (0x29, "signal fault", "signal not valid"),
        (0x87, "bus or message fault", "message missing"),
        (0x98, "component fault", "component too hot"),
        (0x9F, "component fault", None),
        (0xA0, None, None),
        (0xF1, "defined by the manufacturer", None),
    ],
)
def test_the_failure_type_byte_is_a_category_and_a_subtype(failure_type: int, category: str, words: str) -> None:
    said = explain("B1238", failure_type)
    assert (said.category, said.failure_type) == (category, words)


@pytest.mark.parametrize("text", ["", "P030", "P03011", "X0301", "P4301", "p0301", "P03G1", "P0301\n"])
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="no trouble code"):
        explain(text)
