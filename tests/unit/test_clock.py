"""Times at the edges of the calendar."""

from datetime import UTC, datetime

import pytest

from adapters.clock import TIME_MAX, TIME_MIN, iso_time, micros_of
from domain.units import Micros


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_time_that_has_no_year_in_utc_is_told_as_the_nearest_that_has(text: str) -> None:
    at = micros_of(datetime.fromisoformat(text))
    assert not TIME_MIN <= at <= TIME_MAX
    assert iso_time(at) == iso_time(Micros(TIME_MAX if at > 0 else TIME_MIN))


def test_other_times_are_told_as_they_are() -> None:
    moment = datetime(2026, 6, 1, 7, 20, tzinfo=UTC)
    assert datetime.fromisoformat(iso_time(micros_of(moment))) == moment
