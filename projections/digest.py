"""A fingerprint of a read model: the same for the same rows, in whatever order and batches they were written."""

from hashlib import sha256
from typing import Final

from projections.ports import ReadModelStore
from projections.projection import Projection, row_spec

_MODULUS: Final = 2**256


def digest(store: ReadModelStore, projection: Projection) -> str:
    """Return the sum modulo 2**256 of the SHA-256 of every row with its table, in hexadecimal."""
    total = 0
    for row_type in projection.row_types:
        table = row_spec(row_type).table
        for row in store.rows(projection, row_type):
            text = repr((table, *tuple(row)))  # type: ignore[arg-type]  # a NamedTuple: its repr is exact for every column type
            total = (total + int.from_bytes(sha256(text.encode()).digest(), "big")) % _MODULUS
    return f"{total:064x}"
