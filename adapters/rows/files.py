"""A file of rows as a stream of bytes: gzip or plain, with progress and a digest of the content."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from domain.errors import BadInputError

HEAD_BYTES: Final = 65_536  # of the beginning, to recognise a format by
CHUNK_BYTES: Final = 1 << 20
_GZIP_MAGIC: Final = b"\x1f\x8b"  # RFC 1952, section 2.3.1


class RowFile:
    """A file that is read several times over; `bytes_done` of `bytes_total` tells how far the present reading is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes_done = 0
        self._raw: BinaryIO | None = None
        with self._faults():
            self.bytes_total = path.stat().st_size

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the content, unpacked; what is wrong with the file becomes BadInputError."""
        with self._faults(), self.path.open("rb") as raw:
            packed = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            raw.seek(0)
            self._raw = raw
            try:
                if packed:
                    with gzip.open(raw) as unpacked:
                        yield cast("BinaryIO", unpacked)
                else:
                    yield raw
            finally:
                self._raw = None

    def tick(self) -> None:
        """Note how far the present reading is."""
        if self._raw is not None:
            self.bytes_done = self._raw.tell()

    def head(self) -> bytes:
        """Return the beginning of the content."""
        with self.open() as content:
            return content.read(HEAD_BYTES)

    def digest(self) -> str:
        """Return the SHA-256 of the content, in hexadecimal: a plain and a gzip copy have the same."""
        digest = hashlib.sha256()
        with self.open() as content:
            while chunk := content.read(CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (gzip.BadGzipFile, EOFError, zlib.error) as fault:
            what = f"the gzip compression is damaged or cut off ({fault})"
            raise BadInputError(what, where=str(self.path), remedy="copy the file again from its source") from fault
        except OSError as fault:
            what = f"the file cannot be read ({fault.strerror or fault})"
            raise BadInputError(what, where=str(self.path), remedy="give the path of a readable file") from fault
