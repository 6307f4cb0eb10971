"""Rows of a block by identifier: a collision-free hash table of the wanted ids instead of a sort of the block."""

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

_FIRST_MULTIPLIER: Final = (
    0x9E37_79B1  # a prime near 2**32 / golden ratio (Knuth, TAOCP 3, 6.4): spreads neighbouring ids
)
_MULTIPLIER_TRIES: Final = 256
_TABLE_BITS: Final = range(8, 25)
_ID_BITS: Final = 32
_NO_ID: Final = 0xFFFF_FFFF  # bits 29 and 30 set: no FrameBlock has it


class IdIndex:
    """Finds which rows of a block have one of the wanted ids, grouped by id in the order given."""

    def __init__(self, ids: Collection[int]) -> None:
        wanted = np.array(list(ids), dtype=np.uint32)
        assert len(np.unique(wanted)) == len(wanted)
        self._multiplier, self._shift, places = _collision_free(wanted)
        table = np.zeros(1 << (_ID_BITS - int(self._shift)), dtype=np.uint32)
        self._id_at = np.full_like(table, _NO_ID)
        self._id_at[places] = wanted
        # The slot of an id is its place in the order given; 8 and 16 bits have a radix sort in numpy.
        self._slots: NDArray[np.integer] = np.arange(len(wanted) + 1).astype(
            np.uint8 if len(wanted) < 1 << 8 else np.uint16
        )
        self._slot_at = table.astype(self._slots.dtype)
        self._slot_at[places] = self._slots[:-1]

    def group(
        self, can_id: NDArray[np.uint32], allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], list[int]]:
        """Return the rows with a wanted id, by id and then ascending, and where each id's rows begin and end.

        The rows of the i-th id are `rows[bounds[i]:bounds[i + 1]]`; only rows that are `allowed` count.
        """
        place = ((can_id * self._multiplier) >> self._shift).astype(np.intp)
        found = self._id_at.take(place) == can_id
        if allowed is not None:
            found &= allowed
        rows = np.flatnonzero(found)
        slots = self._slot_at.take(place.take(rows))
        order = np.argsort(slots, kind="stable")
        bounds = np.searchsorted(slots.take(order), self._slots)  # of one type: a cast would cost more than the search
        return rows.take(order), bounds.tolist()


def _collision_free(wanted: NDArray[np.uint32]) -> tuple[np.uint32, np.uint32, NDArray[np.uint32]]:
    """Return a multiplier and a shift that send all ids to different places, and the places."""
    for bits in _TABLE_BITS:
        shift = np.uint32(_ID_BITS - bits)
        for step in range(_MULTIPLIER_TRIES):
            multiplier = np.uint32((_FIRST_MULTIPLIER * (2 * step + 1)) & 0xFFFF_FFFF)
            places = (wanted * multiplier) >> shift
            if len(np.unique(places)) == len(wanted):
                return multiplier, shift, places
    raise AssertionError(f"no collision-free table for {len(wanted)} ids")
