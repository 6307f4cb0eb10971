"""The bytes of a recording as every reader takes them: decompressed, with the progress and the counts."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.can.frames import FrameBlock
from domain.errors import BadInputError

GZIP_MAGIC: Final = b"\x1f\x8b"  # RFC 1952, section 2.3.1
CHUNK_BYTES: Final = 1 << 20  # read at once: flat memory, and small enough for the caches of a CPU
HEAD_BYTES: Final = 1 << 16  # of the beginning, to recognise a format by


@dataclass(slots=True)
class RecordingStatistics:
    """What one reading of a recording has found so far."""

    frames: int = 0  # data frames, those that the blocks hold
    remote_frames: int = 0  # frames that carry no data (ISO 11898-1, remote transmission request)
    error_frames: int = 0  # error frames that the logger noted
    truncated_lines: int = 0  # last lines that were cut off while they were written
    other_lines: int = 0  # lines that are no frame: comments, marks, statistics of the bus
    first_captured_at: int | None = None  # of the first data frame
    last_captured_at: int | None = None  # of the last data frame, which need not be the latest

    def count(self, block: FrameBlock) -> None:
        """Count the data frames of a block, which is not empty."""
        self.frames += len(block)
        if self.first_captured_at is None:
            self.first_captured_at = int(block.captured_at[0])
        self.last_captured_at = int(block.captured_at[-1])


class RecordingFile:
    """One reading of a file, plain or gzip (by content): counts what is found and knows how far it is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes_total = path.stat().st_size
        self.statistics = RecordingStatistics()
        self.bytes_done = 0

    @contextmanager
    def open(self) -> Iterator[io.BufferedIOBase]:
        """Open the decompressed bytes; what is wrong with the compression is reported as bad input."""
        with self.path.open("rb") as file:
            counted = _Counted(self, file)
            buffered = io.BufferedReader(counted, CHUNK_BYTES)
            with translated_gzip_faults(self.path):
                if buffered.peek(len(GZIP_MAGIC))[: len(GZIP_MAGIC)] == GZIP_MAGIC:
                    with gzip.GzipFile(fileobj=buffered, mode="rb") as unzipped:
                        yield unzipped
                else:
                    yield buffered

    def head(self) -> bytes:
        """Return the first bytes."""
        with self.open() as stream:
            return stream.read(HEAD_BYTES)

    def digest(self) -> str:
        """Return the SHA-256 of the decompressed bytes in hexadecimal: the same for a plain and a gzip copy."""
        with self.open() as stream:
            digest = hashlib.sha256()
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()


class _Counted(io.RawIOBase):
    """The file on disk, telling its `RecordingFile` how much of it was read."""

    def __init__(self, owner: RecordingFile, file: io.BufferedReader) -> None:
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


@contextmanager
def translated_gzip_faults(path: Path) -> Iterator[None]:
    """Turn the faults of a damaged gzip file into one that says so."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as fault:
        raise BadInputError(
            f"the gzip compression is damaged or cut off ({fault})",
            where=str(path),
            remedy="copy the file again from where it was recorded; `gzip -t` checks a copy",
        ) from fault
