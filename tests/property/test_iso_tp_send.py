"""What we send over ISO-TP is understood: by our own reassembly, and by the isotp package."""

from collections import Counter
from functools import partial

import isotp
from hypothesis import given
from hypothesis import strategies as st

from adapters.can.diagnostics import DiagnosticListener
from adapters.can.frames import EXTENDED_ID, FrameBlock
from adapters.can.iso_tp import IsoTpReassembler
from adapters.can.iso_tp_send import FD_LENGTHS, FRAME_GAP_US, SentFrame, exchange, segmented, sent
from tests.support.frame_blocks import Heard, block_of

SIZES = st.one_of(st.integers(1, 300), st.sampled_from([6, 7, 8, 13, 14, 61, 62, 63, 64, 126, 4095, 4096, 9000]))
PAYLOADS = SIZES.flatmap(lambda size: st.binary(min_size=size, max_size=size))


def block(frames: list[SentFrame]) -> FrameBlock:
    return block_of(Heard(frame.can_id, frame.data, frame.at_us) for frame in frames)


def heard(frames: list[SentFrame]) -> tuple[list[tuple[int, bytes]], Counter[str]]:
    reassembler = IsoTpReassembler()
    one = block(frames)
    singles, in_parts = reassembler.feed(one)
    said = [(message.row, message.can_id, message.payload) for message in in_parts]
    for row, start, length in zip(singles.rows.tolist(), singles.start.tolist(), singles.length.tolist(), strict=True):
        said.append((row, int(one.can_id[row]), one.data[row, start : start + length].tobytes()))
    reassembler.close()
    return [(can_id, payload) for _, can_id, payload in sorted(said)], Counter(reassembler.abandoned)


@given(st.lists(PAYLOADS, min_size=1, max_size=4), st.sampled_from(FD_LENGTHS), st.integers(0, 10**15))
def test_it_is_reassembled(payloads: list[bytes], frame_bytes: int, at_us: int) -> None:
    frames: list[SentFrame] = []
    for payload in payloads:
        frames += sent(payload, 0x7E8, 0x7E0, at_us=at_us, frame_bytes=frame_bytes)
        at_us = frames[-1].at_us + FRAME_GAP_US

    said, abandoned = heard(frames)

    assert said == [(0x7E8, payload) for payload in payloads]
    assert not abandoned
    assert all(len(frame.data) in FD_LENGTHS and len(frame.data) <= frame_bytes for frame in frames)
    times = [frame.at_us for frame in frames]
    assert times == sorted(set(times))


def taken(waiting: list[isotp.CanMessage], _timeout: float) -> isotp.CanMessage | None:
    return waiting.pop(0) if waiting else None


@given(st.lists(PAYLOADS, min_size=1, max_size=3), st.sampled_from((8, 12, 64)))
def test_the_isotp_package_understands_it(payloads: list[bytes], frame_bytes: int) -> None:
    for payload in payloads:
        frames = segmented(payload, frame_bytes)
        waiting: list[isotp.CanMessage] = [
            isotp.CanMessage(arbitration_id=0x7E8, data=data, is_fd=frame_bytes > 8) for data in frames
        ]
        flow: list[isotp.CanMessage] = []
        tester = isotp.TransportLayerLogic(
            rxfn=partial(taken, waiting),
            txfn=flow.append,
            address=isotp.Address(isotp.AddressingMode.Normal_11bits, rxid=0x7E8, txid=0x7E0),
            params={"can_fd": frame_bytes > 8, "max_frame_size": 10_000, "blocksize": 0, "stmin": 0},
        )
        while waiting:
            tester.process()

        assert bytes(tester.recv() or b"") == payload
        assert len(flow) == (len(frames) > 1)


@given(st.text(min_size=1, max_size=80), st.booleans())
def test_an_exchange_is_understood_as_request_and_answer(text: str, extended: bool) -> None:
    request_id, response_id = (EXTENDED_ID | 0x18DA10F1, EXTENDED_ID | 0x18DAF110) if extended else (0x7E0, 0x7E8)
    answer = b"\x62\xc0\x01" + text.encode()

    frames = list(exchange(request_id, b"\x22\xc0\x01", response_id, answer, at_us=7))

    said = DiagnosticListener().feed(block(frames)).dids
    assert [(one.can_id, one.did, one.data, one.captured_at) for one in said] == [
        (response_id, 0xC001, text.encode(), frames[-1].at_us)
    ]
    assert frames[0].at_us == 7
