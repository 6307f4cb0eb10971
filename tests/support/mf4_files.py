"""MF4 files as a logger leaves them without closing: unfinalized and unsorted, payloads of variable length.

Written block by block (ASAM MDF 4.1, section 6), since asammdf writes only finished files. Each record begins with the
identifier of its channel group: 1 for a frame, 2 for its payload.
"""

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from adapters.can.clocks import MICROSECONDS
from tests.support.frames import Frame

UNFINISHED: Final = (
    0x1 | 0x4 | 0x20
)  # counts of records, length of the last data block, sizes of payloads: to be filled in
_DOUBLE: Final = 4
_BYTES: Final = 10
_CHANNELS: Final = (  # name, kind (0 plain, 1 variable length, 2 time), data type, byte offset, bits
    ("Timestamp", 2, _DOUBLE, 0, 64),
    ("CAN_DataFrame.BusChannel", 0, 0, 8, 8),
    ("CAN_DataFrame.ID", 0, 0, 9, 32),
    ("CAN_DataFrame.IDE", 0, 0, 13, 8),
    ("CAN_DataFrame.DataLength", 0, 0, 14, 8),
    ("CAN_DataFrame.DataBytes", 1, _BYTES, 15, 64),
)
_RECORD: Final = struct.Struct("<BdBIBBQ")


def write_unfinalized_mf4(path: Path, frames: Iterable[Frame]) -> None:
    """Write frames as a logger does that was never told to stop."""
    everything = list(frames)
    start = everything[0].captured_at if everything else 0
    file = bytearray(struct.pack("<8s8s8s4xH30xHH", b"UnFinMF ", b"4.11    ", b"tests   ", 411, UNFINISHED, 0))
    data_group = len(file) + 104
    first_channel_group = data_group + 64
    payload_group = first_channel_group + 104
    channels = payload_group + 104
    names = channels + 160 * len(_CHANNELS)
    name_blocks = [_block(b"TX", (), name.encode().ljust(32, b"\0")) for name, *_ in _CHANNELS]
    data = names + sum(len(block) for block in name_blocks)
    file += _block(b"HD", (data_group, 0, 0, 0, 0, 0), struct.pack("<QhhBBBxdd", start * 1000, 0, 0, 2, 0, 0, 0, 0))
    file += _block(b"DG", (0, first_channel_group, data, 0), struct.pack("<B7x", 1))
    group = struct.Struct("<QQHH4xII")
    file += _block(b"CG", (payload_group, channels, 0, 0, 0, 0), group.pack(1, 0, 0, 0, _RECORD.size - 1, 0))
    file += _block(b"CG", (0, 0, 0, 0, 0, 0), group.pack(2, 0, 1, 0, 0, 0))
    name_address = names
    for index, (_, kind, data_type, offset, bits) in enumerate(_CHANNELS):
        next_channel = channels + 160 * (index + 1) if index + 1 < len(_CHANNELS) else 0
        described = struct.pack("<BBBBIIII", kind, int(kind == 2), data_type, 0, offset, bits, 0, 0).ljust(72, b"\0")
        file += _block(b"CN", (next_channel, 0, name_address, 0, 0, payload_group if kind == 1 else 0, 0, 0), described)
        name_address += len(name_blocks[index])
    file += b"".join(name_blocks)
    assert len(file) == data
    file += _block(b"DT", (), b"")
    place = 0
    for frame in everything:
        payload = struct.pack("<I", len(frame.data)) + frame.data
        time = (frame.captured_at - start) / MICROSECONDS
        file += _RECORD.pack(1, time, frame.bus, frame.identifier, frame.extended, len(frame.data), place)
        file += b"\x02" + payload
        place += len(payload)
    path.write_bytes(file)


def _block(kind: bytes, links: Sequence[int], data: bytes) -> bytes:
    header = struct.pack("<2s2s4xQQ", b"##", kind, 24 + 8 * len(links) + len(data), len(links))
    return header + struct.pack(f"<{len(links)}Q", *links) + data
