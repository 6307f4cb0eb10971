"""UDS and KWP 2000 answers: which codes a control unit holds, and whether these are all."""

import pytest

from adapters.can.uds import data_values, kwp_trouble_codes, trouble_codes
from domain.signals import TroubleCodeStatus

BY_MASK_FF = bytes.fromhex("19 02 ff")


def test_a_code_keeps_its_failure_type_and_status() -> None:
    answer = bytes.fromhex("59 02 ff 58 12 87 28 c1 23 00 09")

    assert trouble_codes(answer, BY_MASK_FF) == (
        (TroubleCodeStatus("C1812", 0x87, 0x28, active=True), TroubleCodeStatus("U0123", 0x00, 0x09, active=True)),
        True,
    )


@pytest.mark.parametrize(
    ("status", "held", "active"),
    [
        (0x01, True, True),  # test failed
        (0x04, True, True),  # pending
        (0x08, True, True),  # confirmed
        (0x20, True, False),  # failed since the codes were cleared
        (0x02, True, False),
        (0x80, True, False),
        (0x50, False, False),  # only not tested
        (0x40, False, False),
        (0x00, False, False),
    ],
)
def test_a_code_is_active_when_its_test_failed_or_it_is_pending_or_confirmed(
    status: int, held: bool, active: bool
) -> None:
    read = trouble_codes(bytes.fromhex("59 0a ff 12 34 56") + bytes([status]), None)

    assert read is not None
    assert [code.active for code in read[0]] == ([active] if held else [])


@pytest.mark.parametrize(
    ("request_", "answer", "complete"),
    [
        ("19 02 ff", "59 02 ff", True),
        ("19 02 af", "59 02 ff", True),
        ("19 82 ff", "59 02 ff", True),  # "no answer if positive", answered all the same
        ("19 02 08", "59 02 ff", False),  # confirmed ones only
        ("19 02 08", "59 02 08", True),  # the control unit knows of no others
        ("19 02 09", "59 02 7f", False),
        ("19 02 ff", "59 02 50", False),  # nothing that would make a code active is known
        (None, "59 02 ff", False),
        ("19 0a", "59 02 ff", False),
        ("22 f1 90", "59 02 ff", False),
        (None, "59 0a ff", True),  # all that are supported
        ("19 13 ff", "59 13 ff", False),  # those of emissions only
        ("19 0f ff", "59 0f ff", False),  # those of the mirror memory
    ],
)
def test_a_list_is_complete_only_if_every_active_code_would_be_in_it(
    request_: str | None, answer: str, complete: bool
) -> None:
    request = None if request_ is None else bytes.fromhex(request_)

    assert trouble_codes(bytes.fromhex(answer), request) == ((), complete)


@pytest.mark.parametrize(
    "answer", ["59", "59 02", "59 02 ff 12", "59 02 ff 12 34 56", "59 06 12 34 56 09 01", "59 42 33 ff"]
)
def test_an_answer_of_another_form_or_cut_off_is_not_read(answer: str) -> None:
    assert trouble_codes(bytes.fromhex(answer), BY_MASK_FF) is None


@pytest.mark.parametrize(
    ("answer", "codes"),
    [
        ("58 00", []),
        ("58 02 1a 78 60 c1 29 20", [("P1A78", True), ("U0129", True)]),
        ("58 01 0d 59 10", [("P0D59", False)]),
    ],
)
def test_kwp_codes_are_active_when_stored_or_present(answer: str, codes: list[tuple[str, bool]]) -> None:
    read = kwp_trouble_codes(bytes.fromhex(answer), None)

    assert read is not None
    assert [(code.code, code.active) for code in read[0]] == codes
    assert all(code.status is None and code.failure_type is None for code in read[0])


@pytest.mark.parametrize(
    ("request_", "complete"),
    [("18 00 ff 00", True), ("18 02 ff 00", True), ("18 00 40 00", False), ("18 20 ff 00", False), (None, False)],
)
def test_a_kwp_list_is_complete_if_all_groups_were_asked_for(request_: str | None, complete: bool) -> None:
    request = None if request_ is None else bytes.fromhex(request_)

    assert kwp_trouble_codes(b"\x58\x00", request) == ((), complete)


@pytest.mark.parametrize("answer", ["58", "58 01", "58 01 12 34", "58 00 12 34 60"])
def test_a_kwp_answer_whose_count_and_length_disagree_is_not_read(answer: str) -> None:
    assert kwp_trouble_codes(bytes.fromhex(answer), None) is None


@pytest.mark.parametrize(
    ("answer", "request_", "values"),
    [
        ("62 1e 3b 1d 5a", None, [(0x1E3B, "1d 5a")]),
        ("62 1e 3b 1d 5a", "22 1e 3b", [(0x1E3B, "1d 5a")]),
        ("62 10 01 aa bb 10 02 cc", "22 10 01 10 02", [(0x1001, "aa bb"), (0x1002, "cc")]),
        ("62 10 01 aa 10 02 10 02 cc", "22 10 01 10 02", None),  # the identifier could begin at two places
        ("62 10 01 10 02 10 02 cc", "22 10 01 10 02", [(0x1001, "10 02"), (0x1002, "cc")]),  # no value is empty
        ("62 10 01 aa", "22 10 01 10 02", None),
        ("62 20 00 aa", "22 10 01 10 02", [(0x2000, "aa")]),  # not the answer to that request
        ("62 10", None, None),
        ("62 10 01", None, None),
    ],
)
def test_values_are_told_apart_by_what_was_asked(
    answer: str, request_: str | None, values: list[tuple[int, str]] | None
) -> None:
    found = data_values(bytes.fromhex(answer), None if request_ is None else bytes.fromhex(request_))

    assert found == (None if values is None else [(did, bytes.fromhex(data)) for did, data in values])
