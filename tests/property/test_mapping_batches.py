"""The batches of a stream are gapless, bounded, and hold everything that was told in the order heard."""

from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from adapters.sampling import SampleColumn
from adapters.signals import batches as cutting
from adapters.signals.batches import BATCH_SAMPLES_MAX, BATCH_SAMPLES_WANTED, BATCH_SPAN_US, CLOCK_STEP_US, Batcher
from domain.signals import Quality, Sample, SignalBatch, TroubleCodeReport
from domain.units import Micros

CAR = UUID(int=1)
SECOND = 1_000_000
NOW = Micros(7)

Block = list[tuple[str, list[int]]]


def column(path: str, times: list[int], quality: int = 0) -> SampleColumn:
    numbers = np.arange(len(times), dtype=np.float64)
    return SampleColumn(path, np.array(times, np.int64), numbers, np.full(len(times), quality, np.uint8))


def batches(blocks: list[Block], reports: list[TroubleCodeReport] | None = None) -> list[SignalBatch]:
    batcher = Batcher(CAR, "stream")
    made = []
    for block in blocks:
        made += batcher.add([column(path, times) for path, times in block], reports or [], received_at=NOW)
    return [*made, batcher.finish(received_at=NOW)]


def paths(made: list[SignalBatch]) -> list[str]:
    return [sample.path for batch in made for sample in batch.samples]


@st.composite
def streams(draw: st.DrawFn) -> list[Block]:
    """Blocks of a car whose clock goes forward, with some seconds between samples."""
    blocks, time = [], 0
    for _ in range(draw(st.integers(0, 4))):
        block: dict[str, list[int]] = {}
        for path, step in draw(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20)), max_size=30)):
            time += step * SECOND
            block.setdefault(path, []).append(time)
        blocks.append(list(block.items()))
    return blocks


@given(streams())
def test_a_stream_is_gapless_bounded_complete_and_ends_with_its_only_final_batch(blocks: list[Block]) -> None:
    made = batches(blocks)
    assert [batch.sequence for batch in made] == list(range(1, len(made) + 1))
    assert [batch.final for batch in made] == [False] * (len(made) - 1) + [True]
    assert all(batch.samples for batch in made[:-1])
    for batch in made:
        times = [sample.captured_at for sample in batch.samples]
        assert len(times) <= BATCH_SAMPLES_MAX
        assert times == sorted(times)
        assert not times or times[-1] - times[0] <= BATCH_SPAN_US
    heard = sorted((time, path) for block in blocks for path, times in block for time in times)
    assert sorted((sample.captured_at, sample.path) for batch in made for sample in batch.samples) == heard


@given(streams())
def test_the_same_blocks_give_the_same_batches(blocks: list[Block]) -> None:
    assert batches(blocks) == batches(blocks)


def test_an_empty_stream_is_one_empty_final_batch() -> None:
    (batch,) = batches([])
    assert (batch.sequence, batch.samples, batch.final) == (1, (), True)


def test_a_batch_is_cut_at_its_number_of_samples() -> None:
    made = batches([[("a", list(range(2 * BATCH_SAMPLES_WANTED)))]])
    assert [len(batch.samples) for batch in made] == [BATCH_SAMPLES_WANTED, BATCH_SAMPLES_WANTED]
    assert [batch.final for batch in made] == [False, True]


@given(streams())
def test_a_batch_is_cut_between_two_moments_and_within_one_only_at_its_bound(blocks: list[Block]) -> None:
    wanted, most = 4, 7
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cutting, "BATCH_SAMPLES_WANTED", wanted)
        patch.setattr(cutting, "BATCH_SAMPLES_MAX", most)
        made = batches(blocks)
    for batch, after in pairwise(made):
        size, last = len(batch.samples), batch.samples[-1].captured_at
        assert size <= most
        if after.samples and after.samples[0].captured_at == last:
            assert size == most
        moment = [sample for sample in batch.samples if sample.captured_at == last]
        assert size - len(moment) < wanted  # it was not cut before the moment, as there was room


def test_a_latitude_and_its_longitude_are_in_one_batch() -> None:
    times = list(range(1, BATCH_SAMPLES_WANTED))
    made = batches([[("a", [0]), ("latitude", times), ("longitude", times)]])
    assert len(made) == 2
    assert [[sample.path for sample in batch.samples[-2:]] for batch in made] == [["latitude", "longitude"]] * 2


def test_a_moment_without_end_is_cut_at_the_bound() -> None:
    made = batches([[("a", [0] * (BATCH_SAMPLES_MAX + 1))]])
    assert [len(batch.samples) for batch in made] == [BATCH_SAMPLES_MAX, 1]


def test_a_batch_is_cut_at_its_span_of_the_cars_time() -> None:
    made = batches([[("a", [0, BATCH_SPAN_US, BATCH_SPAN_US + 1])]])
    assert [len(batch.samples) for batch in made] == [2, 1]


def test_columns_of_a_block_are_merged_in_time_and_equal_times_keep_the_order_of_the_columns() -> None:
    made = batches([[("b", [1, 5]), ("a", [1, 3])]])
    assert paths(made) == ["b", "a", "a", "b"]


def test_a_value_is_there_only_where_it_can_be_believed() -> None:
    batcher = Batcher(CAR, "stream")
    batcher.add([column("a", [0]), column("b", [1], quality=1), column("c", [2], quality=2)], received_at=NOW)
    assert batcher.finish(received_at=NOW).samples == (
        Sample("a", Micros(0), 0.0),
        Sample("b", Micros(1), None, Quality.INVALID),
        Sample("c", Micros(2), None, Quality.NOT_AVAILABLE),
    )


@pytest.mark.parametrize(
    ("array", "value"),
    [
        (np.array([3], np.int64), 3),
        (np.array([True]), True),
        (np.array([0.5]), 0.5),
        (np.array(["ON"], dtype=object), "ON"),
    ],
)
def test_values_are_plain_python(array: NDArray[Any], value: object) -> None:
    batcher = Batcher(CAR, "stream")
    batcher.add([SampleColumn("a", np.array([1]), array, np.zeros(1, np.uint8))], received_at=NOW)
    (sample,) = batcher.finish(received_at=NOW).samples
    assert (sample.value, type(sample.value), type(sample.captured_at)) == (value, type(value), int)


def test_trouble_codes_are_batched_with_the_samples_of_their_time() -> None:
    reports = [TroubleCodeReport("7E8", Micros(at), "OBD 03", complete=True, codes=()) for at in (5, 40 * SECOND)]
    made = batches([[("a", [0, 10, 39 * SECOND])]], reports)
    assert [[report.captured_at for report in batch.trouble_codes] for batch in made] == [[5], [40 * SECOND]]


def test_a_clock_that_is_set_back_in_a_block_does_not_sort_the_new_samples_before_the_old() -> None:
    then, again = [100 * SECOND, 101 * SECOND], [0, SECOND]
    made = batches([[("a", then + again), ("b", then + again)]])
    assert [sample.captured_at // SECOND for batch in made for sample in batch.samples] == [
        100,
        100,
        101,
        101,
        0,
        0,
        1,
        1,
    ]
    assert [len(batch.samples) for batch in made] == [4, 4]


def test_a_clock_that_is_set_back_between_blocks_is_no_step_within_the_next() -> None:
    first: Block = [("a", [100 * SECOND]), ("b", [101 * SECOND]), ("c", [102 * SECOND])]
    second: Block = [("a", [0, SECOND]), ("b", [SECOND // 2])]
    third: Block = [("c", [2 * SECOND, 4 * SECOND]), ("a", [3 * SECOND])]
    assert paths(batches([first, second, third])) == ["a", "b", "c", "a", "b", "a", "c", "a", "c"]


def test_times_that_go_back_a_little_are_put_in_order() -> None:
    made = batches([[("a", [10, 8, 12, 12 + CLOCK_STEP_US])]])
    times = [sample.captured_at for batch in made for sample in batch.samples]
    assert times == sorted(times)


@given(st.lists(st.lists(st.integers(0, 10**9), min_size=1, max_size=20), max_size=5))
def test_whatever_the_clock_does_nothing_is_lost(blocks: list[list[int]]) -> None:
    made = batches([[("a", times)] for times in blocks])
    assert sorted(sample.captured_at for batch in made for sample in batch.samples) == sorted(
        time for times in blocks for time in times
    )
    for batch in made:
        first = batch.samples[0].captured_at if batch.samples else 0
        assert all(abs(sample.captured_at - first) <= BATCH_SPAN_US for sample in batch.samples)


def test_the_true_time_of_the_newest_sample_is_given_where_the_offset_of_the_clock_is_known() -> None:
    batcher = Batcher(CAR, "stream", clock_offset_us=1_000)
    batcher.add([column("a", [5, 9])], received_at=NOW)
    assert batcher.finish(received_at=NOW).reference_at == 1_009
    assert Batcher(CAR, "stream", clock_offset_us=1_000).finish(received_at=NOW).reference_at is None
    assert all(batch.reference_at is None for batch in batches([[("a", [1])]]))


@given(streams())
def test_every_neighbour_of_a_batch_follows_it(blocks: list[Block]) -> None:
    for earlier, later in pairwise(batches(blocks)):
        assert later.sequence == earlier.sequence + 1
        if later.samples:
            assert later.samples[0].captured_at >= earlier.samples[-1].captured_at
