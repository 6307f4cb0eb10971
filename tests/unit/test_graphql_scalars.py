import json
from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.graphql.scalars import format_time, parse_time, parse_whole_number, plain, signal_value, whole_number
from domain.units import Micros

YEAR_10000 = 253_402_300_800_000_000


@given(st.integers(-62_135_596_800_000_000, YEAR_10000 - 1))
def test_a_time_is_read_as_it_is_written_to_the_microsecond(at: int) -> None:
    text = format_time(Micros(at))
    assert parse_time(text) == at
    assert len(text) == len("2026-02-03T04:05:06.000007Z")


def test_a_time_is_utc_with_microseconds() -> None:
    assert format_time(Micros(1_770_000_000_000_007)) == "2026-02-02T02:40:00.000007Z"


def test_a_time_with_an_offset_is_that_moment() -> None:
    assert parse_time("2026-02-02T03:40:00+01:00") == 1_770_000_000_000_000


@pytest.mark.parametrize("wrong", ["2026-02-02T03:40:00", "2026-02-02", "yesterday", "", 5, None, True])
def test_a_time_without_an_offset_or_no_time_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"DateTime|isoformat"):
        parse_time(wrong)


@pytest.mark.parametrize(
    ("parse", "wrong", "said"),
    [
        (parse_time, "yesterday", "RFC 3339"),
        (parse_time, "2026-13-01T00:00:00Z", "RFC 3339"),
        (parse_whole_number, "abc", "an Int64 is a whole number"),
        (parse_whole_number, "1.5", "an Int64 is a whole number"),
    ],
)
def test_what_is_no_time_or_no_number_is_told_in_our_words(
    parse: Callable[[object], object], wrong: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        parse(wrong)
    assert not any(word in str(refused.value) for word in ("isoformat", "int()", "month", "literal"))


def test_a_time_that_no_calendar_has_is_told_as_the_nearest_that_it_has() -> None:
    assert format_time(Micros(YEAR_10000)) == "9999-12-31T23:59:59.999999Z"
    assert format_time(Micros(-(2**63))) == "0001-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("value", "told"),
    [(2**53 - 1, 2**53 - 1), (2**53, "9007199254740992"), (-(2**53), "-9007199254740992"), (0, 0)],
)
def test_a_whole_number_that_javascript_cannot_hold_is_told_in_digits(value: int, told: object) -> None:
    assert whole_number(value) == told
    assert signal_value(value) == told


def test_a_boolean_is_no_number() -> None:
    assert signal_value(True) is True
    assert plain(False) is False


def test_an_event_is_told_in_what_json_has() -> None:
    fields = {
        "id": UUID(int=1),
        "numbers": [1.5, float("nan"), float("inf"), -float("inf"), 2**60],
        "frame": {"a": None, "b": (True, "x")},
    }
    told = plain(fields)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told == {
        "id": "00000000-0000-0000-0000-000000000001",
        "numbers": [1.5, "nan", "inf", "-inf", "1152921504606846976"],
        "frame": {"a": None, "b": [True, "x"]},
    }
