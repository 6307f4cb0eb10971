"""Rows are found by identifier as a search row by row would find them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adapters.can.id_index import IdIndex

ids = st.one_of(st.integers(0, 0x7FF), st.integers(0x8000_0000, 0x9FFF_FFFF), st.integers(0x100, 0x110))


@given(st.lists(ids, unique=True, max_size=300), st.lists(ids, max_size=200), st.data())
def test_the_rows_of_every_wanted_id_are_found_in_order(
    wanted: list[int], heard: list[int], data: st.DataObject
) -> None:
    heard += data.draw(st.lists(st.sampled_from(wanted), max_size=200)) if wanted else []
    can_id = np.array(heard, dtype=np.uint32)
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=len(heard), max_size=len(heard))), dtype=np.bool_)
    index = IdIndex(wanted)

    for mask in (None, allowed):
        rows, bounds = index.group(can_id, mask)

        found = {one: rows[bounds[slot] : bounds[slot + 1]].tolist() for slot, one in enumerate(wanted)}
        assert found == {
            one: [row for row, other in enumerate(heard) if other == one and (mask is None or mask[row])]
            for one in wanted
        }


def test_ids_that_share_a_place_with_a_wanted_one_are_not_taken_for_it() -> None:
    everything = np.concatenate([np.arange(0x800), 0x8000_0000 + np.arange(0, 0x2000_0000, 0x1001)]).astype(np.uint32)
    wanted = [0x3C0, 0xFD, 0x8000_0000 | 0x12DD_54A7]

    rows, bounds = IdIndex(wanted).group(everything)

    assert sorted(everything[rows].tolist()) == [0xFD, 0x3C0]
    assert bounds == [0, 1, 2, 2]
