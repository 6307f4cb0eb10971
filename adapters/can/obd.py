"""OBD-II answers on CAN (SAE J1979 / ISO 15031-5, addressing of ISO 15765-4).

Service 01: current data, as columns where the answer fits one frame. Services 03, 07 and 0A: trouble codes. Service 09:
the vehicle identification number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from adapters.can.frames import CLASSIC_WIDTH, EXTENDED_ID, FrameBlock
from adapters.can.iso_tp import SingleFrames
from domain.signals import TroubleCodeStatus
from domain.trouble_codes import CODE_BYTES, parse_code

CURRENT_DATA: Final = 0x41  # service 01, and 0x40: a positive answer
TROUBLE_CODES: Final = {0x43: "OBD 03", 0x47: "OBD 07", 0x4A: "OBD 0A"}  # confirmed, pending, permanent
VEHICLE_INFORMATION: Final = 0x49
VIN_BYTES: Final = 17

_ANSWER_IDS: Final = range(0x7E8, 0x7F0)
_EXTENDED_ANSWERS: Final = (EXTENDED_ID | 0x18DAF100) >> 8  # 18DAF1xx: from any control unit to the tester
SHORT_PAYLOAD_BYTES: Final = CLASSIC_WIDTH - 1  # of a single frame on classic CAN
_VIN_INFOTYPE: Final = 0x02

_BITMAPS: Final = range(0x00, 0x100, 0x20)  # "which of the next 32 parameters are supported"
# Data bytes of the parameters of service 01, by which an answer with several of them is divided (SAE J1979-DA,
# ISO 15031-5 annex B). 55 to 58 have one byte less in cars with fewer cylinder banks.
_PARAMETERS_BY_SIZE: Final[tuple[tuple[int, tuple[int, ...]], ...]] = (
    (1, (*range(0x04, 0x0C), 0x0D, 0x0E, 0x0F, 0x11, 0x12, 0x13, 0x1C, 0x1D, 0x1E, *range(0x2C, 0x31), 0x33)),
    (1, (*range(0x45, 0x4D), 0x51, 0x52, 0x5A, 0x5B, 0x5C, 0x5F, 0x61, 0x62, 0x8E)),
    (2, (0x02, 0x03, 0x0C, 0x10, *range(0x14, 0x1C), 0x1F, 0x21, 0x22, 0x23, 0x31, 0x32, *range(0x3C, 0x40))),
    (2, (0x42, 0x43, 0x44, 0x4D, 0x4E, *range(0x53, 0x5A), 0x5D, 0x5E, 0x63, 0x65, 0xA2)),
    (3, (0x67,)),
    (4, (0x01, *range(0x24, 0x2C), *range(0x34, 0x3C), 0x41, 0x4F, 0x50, 0xA6, *_BITMAPS)),
    (5, (0x64, 0x66)),
)
PID_BYTES: Final = {pid: size for size, pids in _PARAMETERS_BY_SIZE for pid in pids}

_SIZES: Final = np.zeros(256, dtype=np.int64)
_SIZES[list(PID_BYTES)] = list(PID_BYTES.values())
_IS_BITMAP: Final = np.zeros(256, dtype=np.bool_)
_IS_BITMAP[list(_BITMAPS)] = True


@dataclass(frozen=True, slots=True)
class PidColumn:
    """All answers of one control unit about one parameter in a block, in the order heard.

    `rows` int64[k], the frames that ended the answers; `captured_at` int64[k]; `data` uint8[k, bytes of the parameter].
    """

    can_id: int
    pid: int
    rows: NDArray[np.int64]
    captured_at: NDArray[np.int64]
    data: NDArray[np.uint8]

    def with_rows_of(self, other: "PidColumn") -> "PidColumn":
        """Return this column with the answers of `other`, which is about the same, in their places."""
        rows = np.concatenate((self.rows, other.rows))
        order = np.argsort(rows, kind="stable")
        captured_at = np.concatenate((self.captured_at, other.captured_at))
        data = np.concatenate((self.data, other.data))
        return PidColumn(self.can_id, self.pid, rows[order], captured_at[order], data[order])


def is_obd_answer(can_id: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Return which identifiers are those of OBD answers."""
    standard: NDArray[np.bool_] = (can_id >= _ANSWER_IDS.start) & (can_id < _ANSWER_IDS.stop)
    extended: NDArray[np.bool_] = can_id >> np.uint32(8) == _EXTENDED_ANSWERS
    return standard | extended


def current_data(block: FrameBlock, singles: SingleFrames) -> list[PidColumn]:
    """Return what answers of one classic frame (payloads of at most 7 bytes that begin with 0x41) say.

    An answer may hold several parameters; one that does not divide into known ones is taken as a single parameter.
    Which parameters are supported (the bitmaps 00, 20, 40 …) is no measurement and is left out.
    """
    places = singles.start[:, np.newaxis] + np.arange(SHORT_PAYLOAD_BYTES)
    payloads = block.data[singles.rows[:, np.newaxis], np.minimum(places, block.data.shape[1] - 1)]
    answers, data_places, sizes = _divide(payloads, singles.length)

    pids = payloads[answers, data_places - 1]
    measured = ~_IS_BITMAP[pids] & (sizes > 0)
    answers, data_places, sizes, pids = answers[measured], data_places[measured], sizes[measured], pids[measured]
    keys = block.can_id[singles.rows[answers]].astype(np.int64) << 16 | pids.astype(np.int64) << 8 | sizes
    order = np.lexsort((answers, keys))
    answers, data_places, keys = answers[order], data_places[order], keys[order]

    columns = []
    for group in np.split(np.arange(len(keys)), np.flatnonzero(np.diff(keys)) + 1):
        if len(group):
            key = int(keys[group[0]])
            rows = singles.rows[answers[group]]
            data = payloads[answers[group, np.newaxis], data_places[group, np.newaxis] + np.arange(key & 0xFF)]
            columns.append(PidColumn(key >> 16, key >> 8 & 0xFF, rows, block.captured_at[rows], data))
    return columns


def parameters(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and data of every parameter in an answer of any length, as `current_data` does for short ones."""
    found = []
    place = 1
    while place < len(payload):
        size = PID_BYTES.get(payload[place], 0)
        after = place + 1 + size
        if not size or after > len(payload):
            found = [(payload[1], payload[2:])]
            break
        found.append((payload[place], payload[place + 1 : after]))
        place = after
    return ((pid, data) for pid, data in found if pid not in _BITMAPS and data)


def trouble_codes(payload: bytes) -> tuple[TroubleCodeStatus, ...]:
    """Return the codes in an answer to service 03, 07 or 0A; none for `43 00`.

    On CAN a count comes first; some control units leave it out, which the odd number of bytes tells. 0000 is padding.
    """
    first = 1 if len(payload) % CODE_BYTES else 2
    pairs = (payload[place : place + CODE_BYTES] for place in range(first, len(payload), CODE_BYTES))
    return tuple(TroubleCodeStatus(parse_code(pair), None, None, active=True) for pair in pairs if any(pair))


def is_vin(payload: bytes) -> bool:
    """Return whether an answer to service 09 holds the vehicle identification number (its last 17 bytes)."""
    return len(payload) >= VIN_BYTES + 2 and payload[1] == _VIN_INFOTYPE


def _divide(
    payloads: NDArray[np.uint8], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return, for every parameter in the answers: which answer, where its data begin, and how many bytes they are."""
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    place = np.ones(len(payloads), dtype=np.int64)  # where the number of the next parameter stands
    going = np.flatnonzero(lengths > 1)
    while len(going):
        sizes = _SIZES[payloads[going, place[going]]]
        fits = (sizes > 0) & (place[going] + sizes < lengths[going])
        going, sizes = going[fits], sizes[fits]
        parts.append((going, place[going] + 1, sizes))
        place[going] += 1 + sizes
        going = going[place[going] < lengths[going]]

    divided = place == lengths
    whole = np.flatnonzero(~divided & (lengths > 1))
    parts = [(answers[divided[answers]], at[divided[answers]], size[divided[answers]]) for answers, at, size in parts]
    parts.append((whole, np.full(len(whole), 2), lengths[whole] - 2))
    answers, places, sizes = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return answers, places, sizes
