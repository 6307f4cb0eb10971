"""A file that somebody gives us, plain or compressed with gzip, as a stream of its content: for every format alike."""

import gzip
import hashlib
import io
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from domain.errors import BadInputError

GZIP_MAGIC: Final = b"\x1f\x8b"  # RFC 1952, section 2.3.1
CHUNK_BYTES: Final = 1 << 20  # read at once: flat memory, and small enough for the caches of a CPU
HEAD_BYTES: Final = 1 << 16  # of the beginning, to recognise a format by


class InputFile:
    """A file that may be read several times over; `bytes_done` of `bytes_total`, on disk, are those of this reading.

    Raises BadInputError where it cannot be read, or its compression is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes_done = 0
        with self._translated_faults():
            found = path.stat()
        self.bytes_total = found.st_size
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            remedy = "it is read several times: write what comes through a pipe or a device into a file, and give that"
            raise BadInputError("is no regular file", where=str(path), remedy=remedy)

    @contextmanager
    def open(self) -> Iterator[io.BufferedReader | gzip.GzipFile]:
        """Open the content, decompressed, and begin to count anew."""
        self.bytes_done = 0
        with self._translated_faults(), self.path.open("rb") as file:
            buffered: io.BufferedReader = io.BufferedReader(_Counted(self, file), CHUNK_BYTES)
            if buffered.peek(len(GZIP_MAGIC))[: len(GZIP_MAGIC)] == GZIP_MAGIC:
                with gzip.GzipFile(fileobj=buffered, mode="rb") as unzipped:
                    yield unzipped
            else:
                yield buffered

    def head(self) -> bytes:
        """Return the beginning of the content."""
        with self.open() as stream:
            return stream.read(HEAD_BYTES)

    def digest(self) -> str:
        """Return the SHA-256 of the content in hexadecimal: the same for a plain and a gzip copy."""
        digest = hashlib.sha256()
        with self.open() as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    @contextmanager
    def _translated_faults(self) -> Iterator[None]:
        """Turn what is wrong with the file into bad input that says so."""
        try:
            yield
        except (EOFError, gzip.BadGzipFile, zlib.error) as fault:
            raise BadInputError(
                f"the gzip compression is damaged or cut off ({fault})",
                where=f"{self.path}, {self.bytes_done} bytes into it",
                remedy="copy the file again from where it was recorded; `gzip -t` checks a copy",
            ) from fault
        except OSError as fault:
            raise BadInputError(
                f"the file cannot be read ({fault.strerror or fault})",
                where=str(self.path),
                remedy="check the path, its permissions and its disk",
            ) from fault


class _Counted(io.RawIOBase):
    """The file on disk, telling its `InputFile` how much of it was read."""

    def __init__(self, owner: InputFile, file: io.BufferedReader) -> None:
        self._owner = owner
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # io gives a memoryview
        count = self._file.readinto(buffer)
        self._owner.bytes_done = self._file.tell()
        return count
