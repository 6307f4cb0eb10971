"""A fingerprint of a read model: the same for the same rows, in whatever order and batches they were written."""

from hashlib import sha256
from typing import Final

from projections.ports import ReadModelStore
from projections.projection import Projection, Row, row_spec

_MODULUS: Final = 2**256


class Digest:
    """The sum modulo 2**256 of the SHA-256 of every row with its table."""

    def __init__(self, total: int = 0, rows: int = 0) -> None:
        self._total = total % _MODULUS
        self.rows = rows

    @property
    def total(self) -> int:
        """The sum, from which it can go on."""
        return self._total

    def plus(self, digest: str, rows: int) -> "Digest":
        """Return the digest of these rows and of others, of which this is the digest."""
        return Digest(self._total + int(digest, 16), self.rows + rows)

    def add(self, row: Row) -> None:
        """Add a row."""
        text = repr((row_spec(type(row)).table, *tuple(row)))  # type: ignore[arg-type]  # a NamedTuple: its repr is exact for every column type
        self._total = (self._total + int.from_bytes(sha256(text.encode()).digest(), "big")) % _MODULUS
        self.rows += 1

    def __str__(self) -> str:
        """Return it in hexadecimal."""
        return f"{self._total:064x}"


def digest(store: ReadModelStore, projection: Projection) -> str:
    """Return the digest of every row of a projection."""
    total = Digest()
    for row_type in projection.row_types:
        for row in store.rows(projection, row_type):
            total.add(row)
    return str(total)
