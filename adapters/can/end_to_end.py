"""End-to-end checksums of VW frames: they tell whether a recording is of the platform that its mapping is for.

Identifiers collide between platforms, so a frame that a DBC file matches may belong to another car; its checksum does
not lie. The CRC is AUTOSAR's for end-to-end profile 2 (PRS_E2EProtocol, CRC8H2F): polynomial 0x2F, first value 0xFF,
result exclusive-or 0xFF, the frame's constant taken in last.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapters.can.dbc import Dbc
from adapters.can.frames import FrameBlock
from adapters.can.id_index import IdIndex
from adapters.can.vw_checksums import CHECKSUMS, ChecksumRule

PLATFORMS: Final = tuple(CHECKSUMS)
FAILED_SHARE_MAX: Final = 0.5  # a logger that damages every second frame is no recording either
CHECKABLE_MIN: Final = 20  # fewer checkable frames prove nothing
AGREEING_SHARE_MIN: Final = (
    0.5  # of a platform's messages with a checksum: its own DBC file has all, a relative's fewer
)

_CHECKSUM_NAME: Final = re.compile("checksum|crc", re.IGNORECASE)
_POLYNOMIAL: Final = 0x2F
_COUNTER_BITS: Final = 0x0F


@dataclass(frozen=True, slots=True)
class ChecksumCounts:
    """How many frames carry a checksum of the platform, and how many of those fail it; `by_id`: the same by can_id.

    `zeros` of those that do not fail are nothing but zeros, whose exclusive or is 0 whoever sends them.
    """

    checkable: int = 0
    failed: int = 0
    by_id: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    zeros: int = 0

    @property
    def right(self) -> int:
        """How many frames carry a right checksum that another car's would not."""
        return self.checkable - self.failed - self.zeros

    def __add__(self, other: "ChecksumCounts") -> "ChecksumCounts":
        by_id = dict(self.by_id)
        for can_id, (checkable, failed) in other.by_id.items():
            before = by_id.get(can_id, (0, 0))
            by_id[can_id] = (before[0] + checkable, before[1] + failed)
        return ChecksumCounts(
            self.checkable + other.checkable, self.failed + other.failed, by_id, self.zeros + other.zeros
        )


def platform_of(dbc: Dbc) -> str | None:
    """Return the platform that a DBC file is of, by the messages with a checksum or else by its name; None: of none."""
    agreeing = {name: sum(_has(dbc, can_id, rule) for can_id, rule in CHECKSUMS[name].items()) for name in PLATFORMS}
    likely = max(PLATFORMS, key=lambda name: agreeing[name])
    if agreeing[likely] >= AGREEING_SHARE_MIN * len(CHECKSUMS[likely]):
        return likely
    return next((name for name in PLATFORMS if re.match(rf"{name}(?![a-z])", dbc.path.name.lower())), None)


def _has(dbc: Dbc, can_id: int, rule: ChecksumRule) -> bool:
    message = dbc.messages.get(can_id)
    if message is None or message.length != rule.length:
        return False
    return any(_CHECKSUM_NAME.search(signal.name) for signal in message.signals)


class Refusal(NamedTuple):
    """Why a recording is not of a platform, in the words of a `BadInputError`."""

    what: str
    remedy: str


def refusal(platform: str, counts: Mapping[str, ChecksumCounts]) -> Refusal | None:
    """Return why a recording is not of `platform`, or None if its checksums do not speak against it.

    `counts` by platform; those of other platforms serve to name the likely one.
    """
    ours = counts[platform]
    if not _fails(ours):
        return None
    share = f"{ours.failed / ours.checkable:.0%}"
    what = f"{ours.failed} of {ours.checkable} frames ({share}) fail the end-to-end checksum of {platform}"
    likely = _likely(counts)
    if likely is None:
        return Refusal(what, "it is probably the recording of another platform: use the mapping made for it")
    return Refusal(what, _try(likely))


def foreign(platforms: Collection[str], counts: Mapping[str, ChecksumCounts]) -> Refusal | None:
    """Return why a recording is of none of `platforms`, or None if it may be.

    It is not where next to no frame has a checksum of theirs and many have one of another platform. A car of MEB has
    right frames under the rules of MQB too, so it is not foreign there.
    """
    likely = _likely(counts)
    if likely is None or not platforms or any(counts[platform].right >= CHECKABLE_MIN for platform in platforms):
        return None
    right, theirs = sum(counts[platform].right for platform in platforms), counts[likely]
    what = (
        f"{right or 'no'} frames have an end-to-end checksum of {' or '.join(platforms)}, "
        f"and {theirs.checkable - theirs.failed} of {theirs.checkable} have that of {likely}"
    )
    return Refusal(what, _try(likely))


def _likely(counts: Mapping[str, ChecksumCounts]) -> str | None:
    """Return the platform that most frames speak for, if any does."""
    right = {name: count.right for name, count in counts.items() if count.right >= CHECKABLE_MIN and not _fails(count)}
    return max(right, key=lambda name: right[name], default=None)


def _try(likely: str) -> str:
    return f"it is probably a {likely} recording: try --map {likely}"


def _fails(counts: ChecksumCounts) -> bool:
    return counts.checkable >= CHECKABLE_MIN and counts.failed > FAILED_SHARE_MAX * counts.checkable


class _Kind(NamedTuple):
    """The rules that are checked together: those from `first` to before `end`; `constants` uint8[end - first, 16]."""

    first: int
    end: int
    length: int
    constants: NDArray[np.uint8] | None


class ChecksumCheck:
    """Checks the frames of one platform."""

    def __init__(self, platform: str) -> None:
        # Rules of one kind next to each other, so that their frames are one slice of the grouped rows.
        rules = sorted(CHECKSUMS[platform].items(), key=lambda item: _kind(item[1]))
        self._ids = [can_id for can_id, _ in rules]
        self._index = IdIndex(self._ids)
        self._kinds: list[_Kind] = []
        first = 0
        for (length, is_crc), group in groupby((rule for _, rule in rules), key=_kind):
            constants = [list(rule.constants or b"") for rule in group]
            end = first + len(constants)
            self._kinds.append(_Kind(first, end, length, np.array(constants, dtype=np.uint8) if is_crc else None))
            first = end

    def check(self, block: FrameBlock) -> ChecksumCounts:
        """Return how many frames of the block are checkable, and how many of them fail."""
        rows, bounds = self._index.group(block.can_id)
        checkable = np.zeros(len(self._ids), dtype=np.int64)
        failed = np.zeros(len(self._ids), dtype=np.int64)
        zeros = 0
        for first, end, length, constants in self._kinds:
            chosen = rows[bounds[first] : bounds[end]]
            slots = np.repeat(np.arange(end - first), np.diff(bounds[first : end + 1]))
            held = block.length[chosen] == length
            chosen, slots = chosen[held], slots[held]
            if len(chosen):
                columns = np.ascontiguousarray(block.data[chosen, :length].T)
                wrong = _xor_wrong(columns) if constants is None else _crc_wrong(columns, constants[slots])
                if constants is None:
                    zeros += int(np.count_nonzero(~columns.any(axis=0)))
                checkable[first:end] = np.bincount(slots, minlength=end - first)
                failed[first:end] = np.bincount(slots[wrong], minlength=end - first)
        by_id = {
            can_id: (count, bad)
            for can_id, count, bad in zip(self._ids, checkable.tolist(), failed.tolist(), strict=True)
            if count
        }
        return ChecksumCounts(int(checkable.sum()), int(failed.sum()), by_id, zeros)


def is_sealed(platform: str, can_id: int) -> bool:
    """Return whether frames of an identifier carry a counter and a CRC on this platform."""
    rule = CHECKSUMS[platform].get(can_id)
    return rule is not None and rule.constants is not None


def seal(platform: str, can_id: int, data: NDArray[np.uint8], counters: NDArray[np.integer]) -> None:
    """Write counters [k] and CRCs into payloads uint8[k, length] of a frame that `is_sealed`, as its sender does.

    The counter, modulo 16, goes into the low nibble of byte 1, the CRC into byte 0.
    """
    rule = CHECKSUMS[platform][can_id]
    assert rule.constants is not None
    assert data.shape[1] == rule.length
    counter = (counters & _COUNTER_BITS).astype(np.uint8)
    data[:, 1] = (data[:, 1] & np.uint8(0xFF & ~_COUNTER_BITS)) | counter
    data[:, 0] = _crc(np.ascontiguousarray(data.T), np.frombuffer(rule.constants, np.uint8)[counter])


def _kind(rule: ChecksumRule) -> tuple[int, bool]:
    return rule.length, rule.constants is not None


def _crc_table() -> NDArray[np.uint8]:
    crc = np.arange(256, dtype=np.uint8)
    for _ in range(8):
        crc = np.where(crc & 0x80, (crc << 1) ^ _POLYNOMIAL, crc << 1).astype(np.uint8)
    return crc


_CRC_TABLE: Final = _crc_table()


def _crc_wrong(columns: NDArray[np.uint8], constants: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """`columns` uint8[bytes, k]: the payloads turned on their side; `constants` uint8[k, 16]."""
    constant = np.take_along_axis(constants, (columns[1] & _COUNTER_BITS)[:, np.newaxis].astype(np.intp), axis=1)[:, 0]
    wrong: NDArray[np.bool_] = _crc(columns, constant) != columns[0]
    return wrong


def _crc(columns: NDArray[np.uint8], constant: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the checksums uint8[k] of payloads `columns` uint8[bytes, k]; `constant` uint8[k], by their counters."""
    crc = np.full(columns.shape[1], 0xFF, dtype=np.uint8)
    for byte in columns[1:]:
        crc = _CRC_TABLE[crc ^ byte]
    checksum: NDArray[np.uint8] = _CRC_TABLE[crc ^ constant] ^ np.uint8(0xFF)
    return checksum


def _xor_wrong(columns: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """With the checksum itself the exclusive or of all bytes is 0, wherever the checksum lies."""
    wrong: NDArray[np.bool_] = np.bitwise_xor.reduce(columns, axis=0) != 0
    return wrong
