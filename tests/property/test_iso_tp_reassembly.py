"""Whatever conversations are overheard, in whatever order their frames come, the payloads come back whole."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import isotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.can.frames import EXTENDED_ID, FrameBlock
from adapters.can.iso_tp import SILENCE_MAX_US, Abandoned, IsoTpReassembler
from tests.support.frame_blocks import Heard, block_of

PADDING = 0xAA
FD_LENGTHS = (8, 12, 16, 20, 24, 32, 48, 64)
MIXED_ID = EXTENDED_ID | 0x18CE10F1
IDS = (0x7E8, 0x7E9, 0x700, EXTENDED_ID | 0x18DAF110, EXTENDED_ID | 0x17FE007B, MIXED_ID)


class Said(NamedTuple):
    can_id: int
    payload: bytes


def frames_of(said: Said, frame_bytes: int = 8, extension: int = 0x5A, *, padded: bool = True) -> list[bytes]:
    """The data of the frames that carry a payload (ISO 15765-2:2016, 9.6), by a sender of its own."""
    address = bytes([extension]) if said.can_id == MIXED_ID else b""
    size, room = len(said.payload), frame_bytes - len(address)

    def padded_to_length(data: bytes) -> bytes:
        if len(data) <= 8:
            return data.ljust(8, bytes([PADDING])) if padded else data
        return data.ljust(next(length for length in FD_LENGTHS if length >= len(data)), bytes([PADDING]))

    if size <= min(room, 8 - len(address)) - 1:
        return [padded_to_length(address + bytes([size]) + said.payload)]
    if frame_bytes > 8 and size <= room - 2:
        return [padded_to_length(address + bytes([0, size]) + said.payload)]
    header = bytes([0x10 | size >> 8, size & 0xFF]) if size < 4096 else b"\x10\x00" + size.to_bytes(4, "big")
    first = said.payload[: room - len(header)]
    frames = [address + header + first]
    for number, place in enumerate(range(len(first), size, room - 1), 1):
        part = said.payload[place : place + room - 1]
        frames.append(padded_to_length(address + bytes([0x20 | number & 0x0F]) + part))
    return frames


def heard_in(blocks: Iterable[FrameBlock], reassembler: IsoTpReassembler) -> list[Said]:
    """Everything that was said, in the order of the frames that ended it."""
    heard: list[Said] = []
    for block in blocks:
        singles, in_parts = reassembler.feed(block)
        found = [(message.row, Said(message.can_id, message.payload)) for message in in_parts]
        for row, start, length in zip(
            singles.rows.tolist(), singles.start.tolist(), singles.length.tolist(), strict=True
        ):
            data = block.data[row, start : start + length].tobytes()
            found.append((row, Said(int(block.can_id[row]), data)))
        heard += [said for _, said in sorted(found)]
    return heard


def payloads(size_max: int = 300) -> st.SearchStrategy[bytes]:
    """Payloads whose sizes lie around the limits of frames as often as elsewhere."""
    sizes = st.one_of(st.integers(1, size_max), st.sampled_from([6, 7, 8, 13, 14, 61, 62, 63, 64, 125, 126]))
    return sizes.flatmap(lambda size: st.binary(min_size=size, max_size=size))


@given(
    st.lists(st.tuples(st.sampled_from(IDS), payloads(), st.sampled_from((8, 16, 64))), max_size=12),
    st.randoms(use_true_random=False),
    st.integers(1, 40),
)
def test_conversations_come_back_however_they_are_interleaved(
    said: list[tuple[int, bytes, int]], rng: random.Random, block_frames: int
) -> None:
    queues: dict[int, list[list[bytes]]] = {}
    for can_id, payload, frame_bytes in said:
        queues.setdefault(can_id, []).append(frames_of(Said(can_id, payload), frame_bytes))
    # Each sender sends its messages one after the other; which sender comes next is free, and so is what is between.
    waiting = {can_id: [frame for message in messages for frame in message] for can_id, messages in queues.items()}
    frames: list[Heard] = []
    while any(waiting.values()):
        can_id = rng.choice([one for one, left in waiting.items() if left])
        frames.append(Heard(can_id, waiting[can_id].pop(0), len(frames) * 1000))
        if rng.random() < 0.3:
            other = rng.choice([(0x123, rng.randbytes(8)), (0x7E0, b"\x30\x00\x00"), (EXTENDED_ID | 0x7E8, b"\x21")])
            frames.append(Heard(*other, len(frames) * 1000))
    blocks = [block_of(frames[place : place + block_frames]) for place in range(0, len(frames), block_frames)]
    reassembler = IsoTpReassembler()

    heard = heard_in(blocks, reassembler)

    for can_id in queues:
        assert [payload for one, payload in heard if one == can_id] == [p for one, p, _ in said if one == can_id]
    assert len(heard) == len(said)
    reassembler.close()
    assert reassembler.abandoned == Counter()


@given(st.lists(payloads(), min_size=1, max_size=5), st.sampled_from((8, 12, 64)), st.booleans(), st.booleans())
def test_what_the_isotp_package_sends_is_understood(
    said: list[bytes], frame_bytes: int, padded: bool, extended: bool
) -> None:
    answer_id = 0x18DAF110 if extended else 0x7E8
    request_id = 0x18DA10F1 if extended else 0x7E0
    mode = isotp.AddressingMode.Normal_29bits if extended else isotp.AddressingMode.Normal_11bits
    wire: list[Heard] = []
    clock = [0]
    inboxes: dict[int, list[isotp.CanMessage]] = {answer_id: [], request_id: []}

    def send(message: isotp.CanMessage) -> None:
        clock[0] += 500
        mark = EXTENDED_ID if message.is_extended_id else 0
        wire.append(Heard(message.arbitration_id | mark, bytes(message.data), clock[0]))
        inboxes[message.arbitration_id].append(message)

    def layer(rx: int, tx: int) -> isotp.TransportLayerLogic:
        return isotp.TransportLayerLogic(
            rxfn=lambda _timeout: inboxes[rx].pop(0) if inboxes[rx] else None,
            txfn=send,
            address=isotp.Address(mode, rxid=rx, txid=tx),
            params={
                "tx_data_length": frame_bytes,
                "can_fd": frame_bytes > 8,
                "tx_padding": PADDING if padded else None,
                "stmin": 0,
                "blocksize": 3,
            },
        )

    ecu, tester = layer(request_id, answer_id), layer(answer_id, request_id)
    for payload in said:
        ecu.send(payload)
        for _ in range(1000):
            if not ecu.transmitting() and not any(inboxes.values()):
                break
            ecu.process()
            tester.process()
        assert bytes(tester.recv() or b"") == payload
    reassembler = IsoTpReassembler()

    heard = heard_in([block_of(wire)], reassembler)

    assert [payload for _, payload in heard] == said
    assert reassembler.abandoned == Counter()


def test_the_longest_classic_message_and_the_first_escaped_one_come_back() -> None:
    rng = random.Random(4095)
    for size in (4095, 4096, 10_000):
        payload = rng.randbytes(size)
        frames = [Heard(0x7E8, data, place) for place, data in enumerate(frames_of(Said(0x7E8, payload)))]

        assert heard_in([block_of(frames)], IsoTpReassembler()) == [Said(0x7E8, payload)]


MESSAGE = Said(0x7E8, bytes(range(30)))  # five frames


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        ((0, 1, 3, 4), {Abandoned.SEQUENCE: 1, Abandoned.NO_FIRST_FRAME: 1}),
        ((0, 2, 1, 3, 4), {Abandoned.SEQUENCE: 1, Abandoned.NO_FIRST_FRAME: 3}),
        ((0, 1, 1, 2, 3, 4), {Abandoned.SEQUENCE: 1, Abandoned.NO_FIRST_FRAME: 3}),
        ((1, 2, 3, 4), {Abandoned.NO_FIRST_FRAME: 4}),
        ((0, 1, 2, 3), {Abandoned.UNFINISHED: 1}),
        ((0, 1, 0, 1, 2, 3, 4), {Abandoned.INTERRUPTED: 1}),
    ],
)
def test_what_a_logger_lost_is_counted_by_reason(kept: Sequence[int], reason: dict[Abandoned, int]) -> None:
    parts = frames_of(MESSAGE)
    reassembler = IsoTpReassembler()

    heard = heard_in([block_of([Heard(0x7E8, parts[place]) for place in kept])], reassembler)
    reassembler.close()

    assert heard == ([MESSAGE] if reason == {Abandoned.INTERRUPTED: 1} else [])
    assert reassembler.abandoned == reason


@pytest.mark.parametrize("block_frames", [1, 2, 10])
def test_a_message_ends_at_the_longest_legal_silence_and_at_a_single_frame(block_frames: int) -> None:
    parts = frames_of(MESSAGE)
    in_time = [Heard(0x7E8, data, place * SILENCE_MAX_US) for place, data in enumerate(parts)]
    late = [*in_time[:3], *(frame._replace(captured_at=frame.captured_at + 1) for frame in in_time[3:])]
    broken = [*in_time[:3], Heard(0x7E8, b"\x01\x7e"), *in_time[3:]]

    def heard(frames: list[Heard]) -> tuple[int, Counter[Abandoned]]:
        reassembler = IsoTpReassembler()
        blocks = [block_of(frames[place : place + block_frames]) for place in range(0, len(frames), block_frames)]
        return len(heard_in(blocks, reassembler)), reassembler.abandoned

    assert heard(in_time) == (1, Counter())
    assert heard(late) == (0, Counter({Abandoned.SILENCE: 1, Abandoned.NO_FIRST_FRAME: 1}))
    assert heard(broken) == (1, Counter({Abandoned.INTERRUPTED: 1, Abandoned.NO_FIRST_FRAME: 2}))


@pytest.mark.parametrize(
    "data",
    [
        b"\x08" + bytes(7),  # a single frame longer than itself
        b"\x05\x01\x02",
        b"\x00" * 8,
        b"\x10\x07" + bytes(6),  # would have been a single frame
        b"\x10\x20\x01",  # a first frame that is not full
    ],
)
def test_lengths_that_a_frame_cannot_have_are_counted(data: bytes) -> None:
    reassembler = IsoTpReassembler()

    assert heard_in([block_of([Heard(0x7E8, data)])], reassembler) == []
    assert reassembler.abandoned == {Abandoned.MALFORMED: 1}


def test_the_same_identifier_on_two_buses_is_two_conversations() -> None:
    first, second = Said(0x7E8, bytes(20)), Said(0x7E8, bytes(range(20)))
    pairs = zip(frames_of(first), frames_of(second), strict=True)
    frames = [Heard(0x7E8, data, bus=bus) for pair in pairs for bus, data in enumerate(pair)]

    assert heard_in([block_of(frames)], IsoTpReassembler()) == [first, second]


def test_in_mixed_addressing_two_address_extensions_are_two_conversations() -> None:
    first, second = Said(MIXED_ID, bytes(20)), Said(MIXED_ID, bytes(range(20)))
    pairs = zip(frames_of(first, extension=1), frames_of(second, extension=2), strict=True)
    frames = [Heard(MIXED_ID, data) for pair in pairs for data in pair]

    assert heard_in([block_of(frames)], IsoTpReassembler()) == [first, second]


def test_a_consecutive_frame_that_is_cut_off_ends_its_message() -> None:
    parts = frames_of(MESSAGE)
    parts[2] = parts[2][:5]
    reassembler = IsoTpReassembler()

    assert heard_in([block_of([Heard(0x7E8, data) for data in parts])], reassembler) == []
    assert reassembler.abandoned == {Abandoned.MALFORMED: 1, Abandoned.NO_FIRST_FRAME: 2}


def test_ordinary_traffic_is_not_read() -> None:
    frames = [Heard(can_id, b"\x02\x41\x00") for can_id in (0x6FF, 0x800 | EXTENDED_ID, 0x0, EXTENDED_ID | 0x7E8)]

    assert heard_in([block_of(frames)], IsoTpReassembler()) == []
