"""Vector BLF, read through python-can.

A BLF file is a header and a chain of objects, most of them containers of zlib data that hold the frames. (Vector
publishes no specification; this is what python-can's `can/io/blf.py` knows of it.) python-can takes what it gets out of
a cut container and passes over compressions that it does not know, so the chain is checked before the first frame is
given out. The start time in the header is read as UTC, as python-can does.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final, cast

import can
from can.io.blf import BLFParseError

from adapters.can.frames import FrameBlock
from adapters.can.messages import RUN_FRAMES, FrameFault, FrameGatherer
from adapters.can.recording_file import RecordingFile
from domain.errors import BadInputError

VECTOR_FIRST_BUS: Final = 1  # Vector numbers the channels from 1
OBJECT_BYTES_MAX: Final = 1 << 28  # of one object; loggers write containers of 128 KiB

_FILE_HEADER: Final = struct.Struct("<4sL8xQ")  # LOGG, header size, (application, versions), file size
_OBJECT_HEADER: Final = struct.Struct("<4sHHLL")  # LOBJ, header size, header version, object size, object type
_CONTAINER_HEADER: Final = struct.Struct("<H6xL4x")  # compression, size uncompressed
_CONTAINER: Final = 10
_STORED: Final = 0
_DEFLATED: Final = 2


def read_blf(file: RecordingFile) -> Iterator[FrameBlock]:
    """Yield the data frames in runs, on the channel that the file names; raises BadInputError where it is damaged."""
    with file.open() as stream:
        _check(stream, str(file.path))
    frames = FrameGatherer()
    with file.open() as stream:
        try:
            messages = iter(can.BLFReader(cast("BinaryIO", stream)))
            while message := next(messages, None):
                frames.add_message(message, file.statistics, first_bus=VECTOR_FIRST_BUS)
                if len(frames) >= RUN_FRAMES:
                    yield frames.take()
        except (BLFParseError, struct.error, FrameFault, ValueError) as fault:
            raise _damaged(f"an object is damaged ({type(fault).__name__}: {fault})", str(file.path)) from fault
    yield frames.take()


def _check(stream: io.BufferedIOBase, where: str) -> None:
    """Follow the chain of objects to the end of the file, unpacking every container."""
    header = stream.read(_FILE_HEADER.size)
    if len(header) < _FILE_HEADER.size:
        raise _damaged("the file ends within its header", where)
    _, header_bytes, file_bytes = _FILE_HEADER.unpack(header)
    position = len(header) + len(stream.read(max(header_bytes - len(header), 0)))
    inner = _InnerChain()
    while head := stream.read(_OBJECT_HEADER.size):
        place = f"{where}, byte {position}"
        if len(head) < _OBJECT_HEADER.size:
            raise _damaged("the file ends within an object", place)
        signature, _, _, size, kind = _OBJECT_HEADER.unpack(head)
        if signature != b"LOBJ" or not _OBJECT_HEADER.size <= size <= OBJECT_BYTES_MAX:
            raise _damaged("no object begins here", place)
        body = stream.read(size - len(head))
        if len(body) < size - len(head):
            raise _damaged("the file ends within an object", place)
        position += size + len(stream.read(size % 4))
        if kind == _CONTAINER:
            inner.follow(_unpacked(body, place), place)
    if position < file_bytes:
        raise _damaged(f"the file ends at byte {position} of {file_bytes}", where)
    if inner.rest:
        raise _damaged("the file ends within a frame", where)


class _InnerChain:
    """The chain of objects inside the containers; an object can begin in one container and end in the next."""

    def __init__(self) -> None:
        self.rest = b""

    def follow(self, data: bytes, place: str) -> None:
        data = self.rest + data
        position = 0
        while True:
            start = data.find(b"LOBJ", position, position + 8)  # up to 4 bytes of padding come before
            if start < 0:
                if len(data) - position >= 8:
                    raise _damaged("no object begins where the one before ends", place)
                self.rest = data[position:].lstrip(b"\0")
                return
            if len(data) - start < _OBJECT_HEADER.size:
                break
            size = _OBJECT_HEADER.unpack_from(data, start)[3]
            if not _OBJECT_HEADER.size <= size <= OBJECT_BYTES_MAX:
                raise _damaged("an object has an impossible size", place)
            if start + size > len(data):
                break
            position = start + size
        self.rest = data[start:]


def _unpacked(body: bytes, place: str) -> bytes:
    """Return what a container holds."""
    if len(body) < _CONTAINER_HEADER.size:
        raise _damaged("a container is too short", place)
    method, size = _CONTAINER_HEADER.unpack_from(body)
    data = body[_CONTAINER_HEADER.size :]
    if method == _DEFLATED:
        try:
            data = zlib.decompress(data)
        except zlib.error as fault:
            raise _damaged(f"a container cannot be unpacked ({fault})", place) from fault
    elif method != _STORED:
        raise _damaged(f"a container has the unknown compression {method}", place)
    if len(data) != size:
        raise _damaged(f"a container holds {len(data)} bytes instead of {size}", place)
    return data


def _damaged(what: str, where: str) -> BadInputError:
    return BadInputError(
        f"damaged BLF file: {what}",
        where=where,
        remedy="copy the file again from the logger, or repair it with its tools",
    )
