"""VINs that are heard on a bus."""

import pytest

from adapters.can.dbc import load_dbc, opendbc_path
from adapters.can.vins import VinListener
from tests.support.frame_blocks import Heard, block_of

VIN = "WVWZZZ1JZXW000001"
VIN_01 = 0x6B4
PARTS = (b"\0\0\0\0\0" + VIN[:3].encode(), b"\1" + VIN[3:10].encode(), b"\2" + VIN[10:].encode())


def listener() -> VinListener:
    pytest.importorskip("opendbc")
    return VinListener([load_dbc(opendbc_path("vw_mqb"))])


def test_a_vin_is_heard_in_the_answer_of_a_control_unit() -> None:
    vins = VinListener(())
    answer = b"\x62\xf1\x90" + VIN.encode()
    frames = [bytes([0x10, 20]) + answer[:6], b"\x21" + answer[6:13], b"\x22" + answer[13:20]]
    vins.feed(block_of([Heard(0x77E, frame) for frame in frames]))
    assert {vin.text for vin in vins.heard} == {VIN}


def test_a_vin_is_put_together_from_the_parts_of_a_broadcast() -> None:
    vins = listener()
    for part in PARTS:
        vins.feed(block_of([Heard(VIN_01, part), Heard(0x101, bytes(8))]))
    assert {vin.text for vin in vins.heard} == {VIN}


def test_parts_of_a_broadcast_are_no_vin() -> None:
    vins = listener()
    vins.feed(block_of([Heard(VIN_01, part) for part in PARTS[1:]]))
    vins.feed(block_of([Heard(VIN_01, b"\0" * 8), Heard(VIN_01, b"\xff" * 8)]))
    assert vins.heard == set()


def test_without_a_dbc_file_a_broadcast_says_nothing() -> None:
    vins = VinListener(())
    vins.feed(block_of([Heard(VIN_01, part) for part in PARTS]))
    assert vins.heard == set()
