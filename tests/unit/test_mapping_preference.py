from typing import Any

import numpy as np

from adapters.sampling import SampleColumn
from adapters.signals.preference import HOLD_US, SourcePreference

SECOND = 1_000_000


def column(times: list[float], values: list[float], quality: list[int] | None = None) -> SampleColumn:
    at = np.array([round(time * SECOND) for time in times], np.int64)
    return SampleColumn("Vehicle.Speed", at, np.array(values), np.array(quality or [0] * len(times), np.uint8))


def merged(preference: SourcePreference, *ranked: tuple[int, SampleColumn]) -> list[Any]:
    return [value for found in preference.merged(ranked) for value in found.values.tolist()]


def test_one_source_alone_is_passed_on_as_it_is() -> None:
    given = column([0, 1, 2], [1, 2, 3], [0, 1, 0])
    assert SourcePreference().merged([(0, given)]) == [given]
    assert SourcePreference().merged([(3, given)]) == [given]


def test_the_preferred_source_silences_the_other_even_at_the_same_moment() -> None:
    preference = SourcePreference()
    assert merged(preference, (1, column([0, 1, 2], [10, 11, 12])), (0, column([0, 1, 2], [20, 21, 22]))) == [
        20,
        21,
        22,
    ]
    assert preference.outranked == 3


def test_the_other_source_speaks_before_the_preferred_one_is_heard_and_after_it_fell_silent() -> None:
    preference = SourcePreference()
    silent = HOLD_US / SECOND + 6
    second = column([0, 4, 6, silent], [10, 11, 12, 13])
    assert merged(preference, (0, column([5], [20])), (1, second)) == [10, 11, 20, 13]


def test_silence_is_remembered_from_block_to_block() -> None:
    preference = SourcePreference()
    assert merged(preference, (0, column([5], [20]))) == [20]
    assert merged(preference, (1, column([6, 20], [10, 11]))) == [11]


def test_any_value_is_better_than_none() -> None:
    preference = SourcePreference()
    invalid = column([0, 2, 4], [0, 0, 0], [1, 1, 1])
    assert merged(preference, (0, invalid), (1, column([1, 3], [10, 11]))) == [0, 10, 11]


def test_a_source_that_turns_invalid_says_so_itself() -> None:
    preference = SourcePreference()
    assert merged(preference, (0, column([0, 1], [20, 0], [0, 1])), (1, column([0.5], [10], [2]))) == [20, 0]


def test_sources_of_the_same_rank_are_merged_in_time() -> None:
    preference = SourcePreference()
    assert merged(preference, (0, column([0, 2], [1, 3])), (0, column([1], [2]))) == [1, 2, 3]


def test_a_clock_that_was_set_back_does_not_silence_the_other_source() -> None:
    preference = SourcePreference()
    merged(preference, (0, column([1_000_000], [20])))
    assert merged(preference, (1, column([5], [10]))) == [10]
