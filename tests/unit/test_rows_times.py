from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rows.times import captured_at_us

AT = 1_714_564_800_123_456  # 2024-05-01T12:00:00.123456Z


@pytest.mark.parametrize(
    ("given_time", "expected"),
    [
        ("2024-05-01T12:00:00.123456Z", AT),
        ("2024-05-01T14:00:00.123456+02:00", AT),
        (" 2024-05-01 12:00:00.123456+00:00 ", AT),
        ("20240501T120000Z", AT - 123_456),
        (datetime(2024, 5, 1, 12, 0, 0, 123_456, tzinfo=UTC), AT),
        (datetime(2024, 5, 1, 13, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=1))), AT),
        (1_714_564_800, AT - 123_456),
        ("1714564800.123456", AT),
        (1_714_564_800.5, AT - 123_456 + 500_000),
        (1_714_564_800_123, AT - 456),
        ("1714564800123.456", AT),
        (AT, AT),
        (0, 0),
        ("5", 5_000_000),
        ("1969-12-31T23:59:59Z", -1_000_000),
    ],
)
def test_a_time_is_iso_8601_or_a_number_whose_size_tells_its_unit(given_time: object, expected: int) -> None:
    assert captured_at_us(given_time) == expected


@pytest.mark.parametrize(
    "given_time",
    [
        "2024-05-01T12:00:00",
        "2024-05-01",
        datetime(2024, 5, 1),  # noqa: DTZ001 - a time without an offset is what is refused
        "yesterday",
        "",
        "nan",
        "-5",
        float("inf"),
        None,
        True,
        10**17,
        [1],
    ],
)
def test_a_time_that_could_mean_several_moments_is_refused(given_time: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        captured_at_us(given_time)


@given(st.integers(315_532_800_000_000, 4_102_444_800_000_000))
def test_microseconds_since_1980_are_kept_to_the_last(at: int) -> None:
    assert captured_at_us(at) == captured_at_us(str(at)) == at
    assert captured_at_us(datetime.fromtimestamp(0, UTC) + timedelta(microseconds=at)) == at
