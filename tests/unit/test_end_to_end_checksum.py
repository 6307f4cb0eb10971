"""Checksums of VW frames tell whether a recording is of the platform that its mapping is for."""

import random
from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from pathlib import Path

import numpy as np
import pytest

from adapters.can.dbc import Dbc, load_dbc, opendbc_path
from adapters.can.end_to_end import (
    CHECKABLE_MIN,
    PLATFORMS,
    ChecksumCheck,
    ChecksumCounts,
    foreign,
    is_sealed,
    platform_of,
    refusal,
    seal,
)
from adapters.can.frames import FrameBlock
from adapters.can.recordings import open_recording
from adapters.can.vw_checksums import CHECKSUMS
from tests.support.frame_blocks import Heard, block_of
from tests.support.recordings import recording

KLEMMEN_STATUS = 0x3C0
POLYNOMIAL = 0x2F


def crc(data: bytes) -> int:
    """CRC8H2F of AUTOSAR, bit by bit."""
    value = 0xFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ POLYNOMIAL if value & 0x80 else value << 1) & 0xFF
    return value ^ 0xFF


def protected(platform: str, can_id: int, body: bytes) -> bytes:
    """The body, which begins where the checksum ends, with the checksum of its message."""
    constants = CHECKSUMS[platform][can_id].constants
    if constants is None:
        return bytes([reduce(lambda a, b: a ^ b, body), *body])
    return bytes([crc(body + constants[body[0] & 0x0F : (body[0] & 0x0F) + 1]), *body])


def all_platforms(block: FrameBlock) -> Mapping[str, ChecksumCounts]:
    return {platform: ChecksumCheck(platform).check(block) for platform in PLATFORMS}


def test_the_crc_is_the_one_of_autosar() -> None:
    # AUTOSAR Specification of CRC Routines, CRC8H2F: check value, and of four zero bytes
    assert crc(b"123456789") == 0xDF
    assert crc(bytes(4)) == 0x12


@pytest.mark.parametrize("platform", PLATFORMS)
def test_frames_with_their_checksum_pass_and_every_single_damaged_bit_fails(platform: str) -> None:
    rng = random.Random(platform)
    for can_id, rule in CHECKSUMS[platform].items():
        good = [Heard(can_id, protected(platform, can_id, rng.randbytes(rule.length - 1))) for _ in range(40)]
        bits = range(8 * rule.length)
        damaged = [
            Heard(can_id, (int.from_bytes(good[0].data, "big") ^ 1 << bit).to_bytes(rule.length, "big")) for bit in bits
        ]

        counts = ChecksumCheck(platform).check(block_of([*good, *damaged]))

        failed = counts.failed
        if rule.constants is not None:  # a damaged counter selects another constant, which may fit by chance
            assert failed >= len(damaged) - 4
        else:
            assert failed == len(damaged)
        assert counts.checkable == len(good) + len(damaged)
        assert counts.by_id == {can_id: (counts.checkable, failed)}
        assert ChecksumCheck(platform).check(block_of(good)).failed == 0


def test_every_counter_value_has_its_own_constant() -> None:
    frames = [Heard(0xFD, protected("vw_mqb", 0xFD, bytes([counter, 1, 2, 3, 4, 5, 6]))) for counter in range(16)]

    assert ChecksumCheck("vw_mqb").check(block_of(frames)).failed == 0


@pytest.mark.parametrize("platform", ["vw_mqb", "vw_meb"])
def test_sealed_frames_pass_count_up_and_show_every_flipped_bit(platform: str) -> None:
    generator = np.random.default_rng(1)
    for can_id, rule in CHECKSUMS[platform].items():
        assert is_sealed(platform, can_id)
        given = generator.integers(0, 256, (40, rule.length), dtype=np.uint8)
        data = given.copy()

        seal(platform, can_id, data, np.arange(1_000_000, 1_000_040))

        assert (data[:, 1] & 0x0F).tolist() == [(1_000_000 + row) % 16 for row in range(40)]
        assert (data[:, 1] & 0xF0).tolist() == (given[:, 1] & 0xF0).tolist()
        assert data[:, 2:].tolist() == given[:, 2:].tolist()
        assert ChecksumCheck(platform).check(block_of(Heard(can_id, row.tobytes()) for row in data)).failed == 0
        for bit in (*range(8), *range(12, 8 * rule.length)):  # another counter selects another constant
            damaged = data.copy()
            damaged[:, bit // 8] ^= np.uint8(1 << bit % 8)
            counts = ChecksumCheck(platform).check(block_of(Heard(can_id, row.tobytes()) for row in damaged))
            assert counts.failed == len(data)


def test_what_has_no_counter_is_not_sealed() -> None:
    assert not is_sealed("vw_mqb", 0x123)
    assert not is_sealed("vw_pq", 0x0D0)


def test_other_identifiers_other_lengths_and_29_bits_are_not_checkable() -> None:
    frame = protected("vw_mqb", KLEMMEN_STATUS, b"\1\2\3")
    frames = [Heard(0x3C1, frame), Heard(KLEMMEN_STATUS, frame + b"\0"), Heard(0x8000_0000 | KLEMMEN_STATUS, frame)]

    assert ChecksumCheck("vw_mqb").check(block_of(frames)) == ChecksumCounts()


def test_counts_add_up_over_blocks() -> None:
    check = ChecksumCheck("vw_mqb")
    good, bad = Heard(KLEMMEN_STATUS, protected("vw_mqb", KLEMMEN_STATUS, b"\1\2\3")), Heard(0x101, b"\1" * 8)
    frames = [good, bad, good, bad, bad]

    parts = sum((check.check(block_of([frame])) for frame in frames), ChecksumCounts())

    assert parts == check.check(block_of(frames)) == ChecksumCounts(5, 3, {KLEMMEN_STATUS: (2, 0), 0x101: (3, 3)})


def test_a_recording_whose_checkable_frames_mostly_fail_is_refused_with_the_share() -> None:
    counts = {"vw_mqb": ChecksumCounts(100, 75), "vw_pq": ChecksumCounts(), "vw_meb": ChecksumCounts(100, 75)}

    refused = refusal("vw_mqb", counts)

    assert refused is not None
    assert refused.what == "75 of 100 frames (75%) fail the end-to-end checksum of vw_mqb"
    assert "another platform" in refused.remedy


def test_the_platform_whose_checksums_are_right_is_named() -> None:
    counts = {"vw_mqb": ChecksumCounts(40, 40), "vw_pq": ChecksumCounts(900, 3), "vw_meb": ChecksumCounts(30, 0)}

    refused = refusal("vw_mqb", counts)

    assert refused is not None
    assert "--map vw_pq" in refused.remedy


@pytest.mark.parametrize(
    "counts",
    [
        ChecksumCounts(),
        ChecksumCounts(CHECKABLE_MIN - 1, CHECKABLE_MIN - 1),  # too few to prove anything
        ChecksumCounts(100, 50),  # damaged, maybe, but of this platform
        ChecksumCounts(100, 0),
    ],
)
def test_otherwise_the_recording_stands(counts: ChecksumCounts) -> None:
    assert refusal("vw_mqb", dict.fromkeys(PLATFORMS, counts)) is None


@pytest.mark.parametrize("ours", [ChecksumCounts(), ChecksumCounts(5, 5), ChecksumCounts(CHECKABLE_MIN - 1, 0)])
def test_a_recording_of_another_platform_is_refused_although_hardly_a_frame_of_ours_is_checkable(
    ours: ChecksumCounts,
) -> None:
    counts = {"vw_mqb": ChecksumCounts(30, 30), "vw_pq": ChecksumCounts(900, 3), "vw_meb": ours}

    refused = foreign(["vw_meb"], counts)

    assert refused is not None
    assert "897 of 900" in refused.what
    assert "--map vw_pq" in refused.remedy


@pytest.mark.parametrize(
    "theirs",
    [
        ChecksumCounts(),
        ChecksumCounts(CHECKABLE_MIN - 1, 0),  # too few to prove anything
        ChecksumCounts(100, 75),  # identifiers collide
    ],
)
def test_a_recording_that_no_platform_knows_is_not_foreign(theirs: ChecksumCounts) -> None:
    assert foreign(["vw_meb"], {"vw_mqb": theirs, "vw_pq": theirs, "vw_meb": ChecksumCounts()}) is None


def test_an_electric_car_is_not_foreign_to_the_rules_that_it_shares() -> None:
    counts = {"vw_mqb": ChecksumCounts(CHECKABLE_MIN, 0), "vw_pq": ChecksumCounts(), "vw_meb": ChecksumCounts(900, 0)}

    assert foreign(["vw_mqb"], counts) is None


def test_of_several_platforms_that_are_mapped_one_suffices() -> None:
    counts = {"vw_mqb": ChecksumCounts(), "vw_pq": ChecksumCounts(900, 0), "vw_meb": ChecksumCounts()}

    assert foreign(["vw_meb", "vw_pq"], counts) is None
    assert foreign([], counts) is None, "the mapping is of no platform"


def test_zeros_speak_for_no_platform() -> None:
    ids = [can_id for can_id, rule in CHECKSUMS["vw_pq"].items() for _ in range(40)]
    zeros = block_of([Heard(can_id, bytes(CHECKSUMS["vw_pq"][can_id].length)) for can_id in ids])

    counts = ChecksumCheck("vw_pq").check(zeros)

    assert (counts.failed, counts.right) == (0, 0)
    assert foreign(["vw_meb"], {"vw_pq": counts, "vw_meb": ChecksumCounts()}) is None


def checked(*parts: str) -> dict[str, ChecksumCounts]:
    totals = dict.fromkeys(PLATFORMS, ChecksumCounts())
    for block in open_recording(recording(*parts)).blocks():
        for platform, counts in all_platforms(block).items():
            totals[platform] += counts
    return totals


@pytest.mark.recordings
def test_all_checkable_frames_of_a_real_mqb_car_are_right() -> None:
    counts = checked("nolic-vw-atlas-mqb-can", "atlas-mqb-ignition-off.log.gz")

    assert (counts["vw_mqb"].checkable, counts["vw_mqb"].failed) == (414, 0)
    assert refusal("vw_mqb", counts) is None


@pytest.mark.recordings
def test_all_checkable_frames_of_a_real_electric_car_are_right_as_meb() -> None:
    counts = checked("nolic-porsche-taycan-can", "off-idle-drive-off-charge-end.log.gz")

    assert (counts["vw_meb"].checkable, counts["vw_meb"].failed) == (2891, 0)
    assert refusal("vw_meb", counts) is None


@pytest.mark.recordings
def test_a_real_pq_car_read_as_mqb_is_refused_and_recognised() -> None:
    counts = checked("nolic-vw-pq-can", "vw-pq-med.log.gz")

    refused = refusal("vw_mqb", counts)

    assert (counts["vw_mqb"].checkable, counts["vw_mqb"].failed) == (105, 105)
    assert (counts["vw_pq"].checkable, counts["vw_pq"].failed) == (4736, 0)
    assert refused is not None
    assert "--map vw_pq" in refused.remedy
    assert refusal("vw_pq", counts) is None


@pytest.mark.parametrize("platform", ["vw_mqb", "vw_meb"])
def test_the_constants_are_those_of_opendbc(platform: str) -> None:
    known = pytest.importorskip("opendbc.car.volkswagen.mqbcan").VOLKSWAGEN_MQB_MEB_CONSTANTS

    assert {can_id: list(rule.constants or b"") for can_id, rule in CHECKSUMS[platform].items()} == {
        can_id: known[can_id] for can_id in CHECKSUMS[platform]
    }
    assert np.all([0 <= can_id <= 0x7FF for can_id in known])


@pytest.mark.parametrize(
    ("name", "platform"),
    [("vw_mqb", "vw_mqb"), ("vw_meb", "vw_meb"), ("vw_pq", "vw_pq"), ("vw_mlb", None), ("toyota_adas", None)],
)
def test_the_platform_of_a_dbc_file_shows_in_its_messages(name: str, platform: str | None) -> None:
    pytest.importorskip("opendbc")
    dbc = load_dbc(opendbc_path(name))

    assert platform_of(replace(dbc, path=Path("mine.dbc"))) == platform


@pytest.mark.parametrize(
    ("name", "platform"),
    [("vw_mqb_2010.dbc", "vw_mqb"), ("VW_PQ.dbc", "vw_pq"), ("vw_mqbevo.dbc", None), ("my_vw_mqb.dbc", None)],
)
def test_the_platform_of_part_of_a_dbc_file_shows_in_its_name(name: str, platform: str | None) -> None:
    assert platform_of(Dbc.of(Path("folder", name), ())) == platform
