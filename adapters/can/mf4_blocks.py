"""The blocks of an MF4 file, checked against the end of the file.

ASAM MDF 4.1, section 6: every block begins with `##` and two letters, its length and its links to other blocks. asammdf
reads some cut files without a word, so every block that can be reached is looked at before it reads anything.
"""

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Final

from domain.errors import BadInputError

FINALIZED: Final = b"MDF     "
UNFINALIZED: Final = b"UnFinMF "  # section 5.2: closed by a power cut, or meant to be finished by the reader

_IDENTIFICATION_BYTES: Final = 64
_BLOCK_HEADER: Final = struct.Struct("<2s2s4xQQ")  # "##", kind, length, number of links
_LINKS_MAX: Final = 1 << 20  # of one block; lists of data blocks are the longest, with some thousands
_DATA: Final = (b"DT", b"DV", b"SD", b"RD")
_DATA_GROUP_DATA_LINK: Final = 2


@dataclass(slots=True)
class Mf4Blocks:
    """What the blocks say: whether the file is finalized, and the bytes of records of each unsorted data group.

    In an unsorted data group every record begins with the identifier of its channel group.
    """

    finalized: bool
    unsorted_bytes: dict[int, int] = field(default_factory=dict)  # by the address of the data group


def checked_blocks(stream: IO[bytes], where: str) -> Mf4Blocks:
    """Follow every link from the header; raises BadInputError at a block that is damaged or not all there."""
    size = stream.seek(0, os.SEEK_END)
    walk = _Walk(stream, size, where)
    stream.seek(0)
    identification = stream.read(_IDENTIFICATION_BYTES)
    if len(identification) < _IDENTIFICATION_BYTES:
        raise walk.damaged("the file ends within its identification", 0)
    if identification[8:10] != b"4.":
        version = identification[8:16].decode("ascii", "replace").strip("\0 ")
        raise BadInputError(f"MDF version {version}, not 4", where=where, remedy="convert the file to MF4 with asammdf")
    walk.finalized = identification[:8] == FINALIZED
    todo = [_IDENTIFICATION_BYTES]  # the header block follows at once
    seen = {0, *todo}
    blocks = Mf4Blocks(walk.finalized)
    while todo:
        address = todo.pop()
        kind, links = walk.block(address)
        if kind == b"DG" and walk.byte_after_links(address, links):
            blocks.unsorted_bytes[address] = walk.data_bytes(links[_DATA_GROUP_DATA_LINK])
        new = [link for link in links if link not in seen]
        seen.update(new)
        todo.extend(new)
    return blocks


class _Walk:
    def __init__(self, stream: IO[bytes], size: int, where: str) -> None:
        self.finalized = True
        self._stream = stream
        self._size = size
        self._where = where

    def block(self, address: int) -> tuple[bytes, Sequence[int]]:
        """Return the kind and the links of a block that is all in the file."""
        kind, length, links_number = self._header(address)
        if address + length > self._size:
            raise self.damaged(f"the file ends at byte {self._size}, within a block", address)
        return kind, struct.unpack(f"<{links_number}Q", self._stream.read(8 * links_number))

    def byte_after_links(self, address: int, links: Sequence[int]) -> int:
        """Return the first byte of what a block says itself; of a data group, the bytes of a record identifier."""
        self._stream.seek(address + _BLOCK_HEADER.size + 8 * len(links))
        return self._stream.read(1)[0]

    def data_bytes(self, address: int) -> int:
        """Return the bytes of records in a data block, or in a list of them."""
        total = 0
        while address:
            kind, length, links_number = self._header(address)
            if kind in _DATA:
                if not self.finalized and length == _BLOCK_HEADER.size:  # the length was to be filled in at the end
                    return total + self._size - address - length
                return total + length - _BLOCK_HEADER.size
            links = struct.unpack(f"<{links_number}Q", self._stream.read(8 * links_number))
            if kind == b"DZ":
                self._stream.seek(address + _BLOCK_HEADER.size + 8)
                return total + int.from_bytes(self._stream.read(8), "little")
            if kind == b"HL":
                address = links[0]
            elif kind == b"DL":
                total += sum(self.data_bytes(link) for link in links[1:])
                address = links[0]
            else:
                raise self.damaged(f"a block {kind!r} stands where records should be", address)
        return total

    def _header(self, address: int) -> tuple[bytes, int, int]:
        if address + _BLOCK_HEADER.size > self._size:
            raise self.damaged(f"the file ends at byte {self._size}, before a block", address)
        self._stream.seek(address)
        mark, kind, length, links_number = _BLOCK_HEADER.unpack(self._stream.read(_BLOCK_HEADER.size))
        if mark != b"##" or links_number > _LINKS_MAX or length < _BLOCK_HEADER.size + 8 * links_number:
            raise self.damaged("no block is where one should be", address)
        return kind, length, links_number

    def damaged(self, what: str, address: int) -> BadInputError:
        """Return the error for what is wrong at a byte of the file."""
        return damaged_mf4(what, f"{self._where}, byte {address}")


def damaged_mf4(what: str, where: str) -> BadInputError:
    """Return the error for a damaged or cut MF4 file."""
    return BadInputError(
        f"damaged MF4 file: {what}",
        where=where,
        remedy="copy the file again from the logger; asammdf or mdf2finalized may save what is left of it",
    )
