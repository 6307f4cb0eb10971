"""The channel groups of an MF4 file that hold CAN data frames, read as runs of frames through asammdf.

The names of the channels are those of ASAM MDF bus logging, the lengths by code those of ISO 11898-1, table 5.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from adapters.can.blocks import widened
from adapters.can.clocks import microseconds
from adapters.can.frames import CLASSIC_WIDTH, EXTENDED_ID, FD_WIDTH, FrameBlock
from adapters.can.mdf_library import quiet
from adapters.can.messages import EXTENDED_ID_MAX, STANDARD_ID_MAX
from adapters.can.mf4_blocks import damaged_mf4
from domain.errors import BadInputError

RECORDS_AT_ONCE: Final = 131_072  # of each channel group, in memory
NANOSECONDS_PER_MICROSECOND: Final = 1000
DATA_FRAME: Final = "CAN_DataFrame"

_NEEDED: Final = {"ID", "DataBytes"}
_USED: Final = ("ID", "IDE", "BusChannel", "DataLength", "DLC", "DataBytes")
_PLAIN: Final = 0  # channel type (ASAM MDF 4.1, cn_type)
_VARIABLE_LENGTH: Final = 1  # channel type: the record holds the offset of a value that is stored elsewhere
_UNSIGNED: Final = 0  # data type, Intel byte order (cn_data_type)
_SIZE_BYTES: Final = 4  # of the length before a value that is stored elsewhere
_WITHOUT_RECORD: Final = (3, 6)  # types of virtual channels: their values follow from the number of the record
_LENGTHS: Final = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64], np.uint8)


def frame_groups(mdf: Any, where: str) -> "list[FrameGroup]":
    """Return the channel groups of data frames that have records; raises BadInputError if there is none at all."""
    groups = []
    known = False
    for number, group in enumerate(mdf.groups):
        indexes = {channel.name: index for index, channel in enumerate(group.channels)}
        channels = {name: indexes[f"{DATA_FRAME}.{name}"] for name in _USED if f"{DATA_FRAME}.{name}" in indexes}
        if channels.keys() >= _NEEDED:
            known = True
            if group.channel_group.cycles_nr:
                groups.append(FrameGroup(mdf, number, channels, where))
    if not known:
        raise BadInputError(
            f"the MF4 file holds no CAN frames (no channels {DATA_FRAME}.ID and {DATA_FRAME}.DataBytes)",
            where=where,
            remedy="give the raw bus log; decoded signals can be exported to CSV or Parquet and read as rows",
        )
    return groups


class FrameGroup:
    """One channel group of data frames with its `records`."""

    def __init__(self, mdf: Any, number: int, channels: dict[str, int], where: str) -> None:
        self._mdf = mdf
        self._number = number
        self._channels = channels
        self._where = where
        self._group = mdf.groups[number]
        self.records: int = self._group.channel_group.cycles_nr
        self._check_places()
        payload = self._group.channels[channels["DataBytes"]]
        self._has_variable_payloads = payload.channel_type == _VARIABLE_LENGTH
        if (
            self._has_variable_payloads
        ):  # to asammdf a plain number: the place of the payload (see `_variable_payloads`)
            payload.channel_type, payload.data_type = _PLAIN, _UNSIGNED

    def _check_places(self) -> None:
        """Check that channels lie within a record: asammdf's native code reads wherever the file tells it to."""
        record_bits = 8 * self._group.channel_group.samples_byte_nr
        for index in (*self._channels.values(), self._mdf.masters_db.get(self._number)):
            if index is None:
                raise damaged_mf4("a channel group of frames has no times", self._where)
            channel = self._group.channels[index]
            end = 8 * channel.byte_offset + channel.bit_offset + channel.bit_count
            if channel.channel_type not in _WITHOUT_RECORD and not 0 < channel.bit_count <= end <= record_bits:
                raise damaged_mf4(f"the channel {channel.name!r} lies outside its record", self._where)

    def runs(self) -> Iterator[FrameBlock]:
        """Yield the frames in the order of the file."""
        for first in range(0, self.records, RECORDS_AT_ONCE):
            count = min(RECORDS_AT_ONCE, self.records - first)
            try:
                with quiet():
                    run = self._run(first, count)
            except Exception as fault:  # asammdf raises whatever its parsing runs into
                raise damaged_mf4(
                    f"records {first} to {first + count} cannot be read ({fault})", self._where
                ) from fault
            yield run

    def _run(self, first: int, count: int) -> FrameBlock:
        can_id, times = self._read("ID", first, count)
        can_id = can_id.astype(np.uint32)
        is_extended = (can_id & EXTENDED_ID != 0) | (can_id > STANDARD_ID_MAX)
        if "IDE" in self._channels:
            is_extended |= self._read("IDE", first, count)[0].astype(np.bool_)
        data = self._payloads(first, count)
        if "DataLength" in self._channels:
            length = _byte_column(self._read("DataLength", first, count)[0])
        elif "DLC" in self._channels:
            length = _LENGTHS[_byte_column(self._read("DLC", first, count)[0])]
        else:
            length = np.full(count, data.shape[1], np.uint8)
        if length.max() > data.shape[1]:
            raise ValueError(f"{length.max()} payload bytes are said, {data.shape[1]} are there")
        bus = np.zeros(count, np.uint8)
        if "BusChannel" in self._channels:
            bus = _byte_column(self._read("BusChannel", first, count)[0])
        width = CLASSIC_WIDTH if data.shape[1] <= CLASSIC_WIDTH else FD_WIDTH
        inside = np.arange(width) < length[:, None]
        start = self._mdf.header.abs_time // NANOSECONDS_PER_MICROSECOND
        return FrameBlock(
            start + microseconds(times),
            (can_id & EXTENDED_ID_MAX) | is_extended * np.uint32(EXTENDED_ID),
            bus,
            length,
            np.where(inside, widened(data, width), np.uint8(0)),
        )

    def _payloads(self, first: int, count: int) -> NDArray[np.uint8]:
        """Return the payloads uint8[count, up to 64] as far as the file has them."""
        samples, _ = self._read("DataBytes", first, count)
        if self._has_variable_payloads:
            return self._variable_payloads(samples)
        return samples.reshape(count, -1)[:, :FD_WIDTH].astype(np.uint8)

    def _variable_payloads(self, offsets: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the payloads at `offsets` of the signal data, each with its length (4 bytes) before it.

        asammdf's own native code would follow an offset or a length of a damaged file to any place in memory.
        """
        index = self._channels["DataBytes"]
        start, end = int(offsets.min()), int(offsets.max())
        if end >= sum(info.original_size for info in self._group.signal_data[index]):
            raise ValueError("a payload lies outside the signal data")
        load = self._mdf._mdf._load_signal_data  # noqa: SLF001  # nothing public gives the bytes as they are
        signal_data = np.frombuffer(load(group=self._group, index=index, offsets=(start, end)), np.uint8)
        places = (offsets - start).astype(np.int64)
        if places.max() + _SIZE_BYTES > len(signal_data):
            raise ValueError("a payload lies outside the signal data")
        sizes = signal_data[places[:, None] + np.arange(_SIZE_BYTES)].view("<u4")[:, 0].astype(np.int64)
        places += _SIZE_BYTES
        if sizes.max() > FD_WIDTH or (places + sizes).max() > len(signal_data):
            raise ValueError("a payload is too long")
        width = CLASSIC_WIDTH if sizes.max() <= CLASSIC_WIDTH else FD_WIDTH
        columns = np.arange(width)
        return np.where(
            columns < sizes[:, None],
            signal_data[np.minimum(places[:, None] + columns, len(signal_data) - 1)],
            np.uint8(0),
        )

    def _read(self, name: str, first: int, count: int) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return the values of a channel, and their times in seconds since the start."""
        signal = self._mdf.get(group=self._number, index=self._channels[name], record_offset=first, record_count=count)
        if len(signal.samples) != count or len(signal.timestamps) != count or not np.isfinite(signal.timestamps).all():
            raise ValueError(f"channel {name} has {len(signal.samples)} values")
        return signal.samples, signal.timestamps


def _byte_column(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """Return whole numbers as bytes; a channel with a conversion gives them as doubles."""
    if samples.ndim != 1 or samples.min() < 0 or samples.max() > np.iinfo(np.uint8).max:
        raise ValueError("a number is not between 0 and 255")
    return samples.astype(np.uint8)
