"""A Parquet file with any bytes damaged is rows or bad input, never anything else."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.rows.recording import open_rows
from adapters.signals.catalogue import load_catalogue
from adapters.signals.rules import SignalMapping
from domain.errors import BadInputError

CATALOGUE = load_catalogue()
MAPPING = SignalMapping("none", (), {}, "0" * 64)
ROWS = 60
BEGAN = datetime(2026, 6, 1, 8, tzinfo=UTC)


def written(compression: str) -> bytes:
    """Return a file of two row groups, of the types that telematics exports have."""
    columns: dict[str, list[Any]] = {
        "vehicle": ["WVWZZZE1ZTP000042"] * ROWS,
        "captured_at": [BEGAN + timedelta(seconds=row) for row in range(ROWS)],
        "signal": [("Vehicle.Speed", "Vehicle.CurrentLocation.Latitude", "Vehicle.x")[row % 3] for row in range(ROWS)],
        "value": [row * 0.5 for row in range(ROWS)],
        "beside": [str(row) for row in range(ROWS)],
    }
    target = BytesIO()
    pq.write_table(pa.table(columns), target, compression=compression, row_group_size=ROWS // 2)
    return target.getvalue()


FILES = {compression: written(compression) for compression in ("none", "snappy", "zstd")}
FLIPS = st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), min_size=1, max_size=20)


def read(content: bytes) -> int | None:
    """Return how many rows there are, or None if the content is refused."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "rows.parquet")
        path.write_bytes(content)
        try:
            return open_rows(path, MAPPING, CATALOGUE).check().rows
        except BadInputError as error:
            refused = error
    assert str(path) in refused.where
    assert "\n" not in str(refused)
    return None


@pytest.mark.parametrize("compression", FILES)
def test_an_undamaged_one_is_rows(compression: str) -> None:
    assert read(FILES[compression]) == ROWS


@given(st.sampled_from(sorted(FILES)), FLIPS)
@settings(max_examples=300, deadline=None)
def test_flipped_bytes_are_rows_or_bad_input(compression: str, flips: list[tuple[int, int]]) -> None:
    content = bytearray(FILES[compression])
    for place, mask in flips:
        content[place % len(content)] ^= mask
    read(bytes(content))


@given(st.sampled_from(sorted(FILES)), st.data())
@settings(max_examples=300, deadline=None)
def test_flipped_bytes_of_the_footer_are_rows_or_bad_input(compression: str, data: st.DataObject) -> None:
    """The footer says what the columns are and where: one byte of it turns texts into bytes and times into numbers."""
    content = bytearray(FILES[compression])
    footer = int.from_bytes(content[-8:-4], "little")
    for place, mask in data.draw(
        st.lists(st.tuples(st.integers(0, footer - 1), st.integers(1, 255)), min_size=1, max_size=2)
    ):
        content[len(content) - 8 - footer + place] ^= mask
    read(bytes(content))


@given(st.sampled_from(sorted(FILES)), st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_a_file_that_is_cut_off_is_bad_input(compression: str, length: int) -> None:
    content = FILES[compression]
    assert read(content[: length % len(content)]) is None
