"""How far a stream of batches was taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import RejectedCommandError
from domain.streams import MISSING_RANGES_MAX, StreamProgress


@given(st.lists(st.integers(1, 30), max_size=40))
def test_progress_is_the_set_of_batches_taken(sequences: list[int]) -> None:
    progress, taken = StreamProgress("a"), set[int]()
    for sequence in sequences:
        assert progress.has(sequence) == (sequence in taken)
        if sequence not in taken:
            progress = progress.taken(sequence, final=False)
            taken.add(sequence)
        missing = {n for first, last in progress.missing for n in range(first, last + 1)}

        assert progress.last_sequence == max(taken)
        assert missing == set(range(1, max(taken) + 1)) - taken
        assert list(progress.missing) == sorted(progress.missing)
        assert all(
            after - before > 1 for (_, before), (after, _) in zip(progress.missing, progress.missing[1:], strict=False)
        )


def test_what_was_not_taken_yet_is_not_there() -> None:
    assert not StreamProgress("a").has(1)


def test_the_end_of_a_stream_stays_known() -> None:
    progress = StreamProgress("a").taken(2, final=True).taken(1, final=False)

    assert progress.final


def test_more_holes_than_a_stream_may_have_are_refused() -> None:
    progress = StreamProgress("a")
    for n in range(1, MISSING_RANGES_MAX + 1):
        progress = progress.taken(2 * n, final=False)

    with pytest.raises(RejectedCommandError, match="stream a has 1000 holes already: batch 2002 is refused; send"):
        progress.taken(2 * MISSING_RANGES_MAX + 2, final=False)
    assert len(progress.taken(1, final=False).missing) == MISSING_RANGES_MAX - 1


def test_a_batch_that_would_part_a_hole_is_refused_like_any_other() -> None:
    progress = StreamProgress("a")
    for n in range(1, MISSING_RANGES_MAX):
        progress = progress.taken(2 * n, final=False)
    progress = progress.taken(progress.last_sequence + 4, final=False)

    with pytest.raises(RejectedCommandError):
        progress.taken(progress.last_sequence - 2, final=False)
    assert progress.taken(progress.last_sequence - 1, final=False).missing[-1] == (1_999, 2_000)
