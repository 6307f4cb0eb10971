from collections.abc import Iterator
from types import SimpleNamespace
from typing import Self

import can
import pytest

from adapters.can import live
from adapters.can.live import LiveBus
from domain.errors import BadInputError
from tests.support.frames import Frame, as_block_tells, frames_of, message_of

CHANNEL = "test_can_readers_live"
FRAMES = [
    Frame(1_700_000_000_000_000 + 10 * number, 0x100 + number, number % 2 == 1, bytes(range(number)), bus=3)
    for number in range(5)
]


@pytest.fixture
def sender() -> Iterator[can.BusABC]:
    with can.Bus(interface="virtual", channel=CHANNEL, preserve_timestamps=True) as bus:
        yield bus


def listening(frames_max: int = 4096, wait_ms_max: int = 10_000) -> LiveBus:
    return LiveBus("virtual", CHANNEL, number=3, frames_max=frames_max, wait_ms_max=wait_ms_max)


class SendsWhenOpened:
    """A bus on which frames arrive as soon as someone listens."""

    def __init__(self, sender: can.BusABC, monkeypatch: pytest.MonkeyPatch, messages: list[can.Message]) -> None:
        original = can.Bus

        def opened(**arguments: object) -> can.BusABC:
            bus = original(**arguments)  # type: ignore[arg-type]  # passed on as they are
            for message in messages:
                sender.send(message)
            return bus

        monkeypatch.setattr(can, "Bus", opened)


def test_a_block_is_cut_by_the_number_of_frames(sender: can.BusABC, monkeypatch: pytest.MonkeyPatch) -> None:
    SendsWhenOpened(sender, monkeypatch, [message_of(frame) for frame in FRAMES])
    bus = listening(frames_max=2)
    blocks = bus.blocks()
    got = [next(blocks), next(blocks)]
    assert [len(block) for block in got] == [2, 2]
    assert frames_of(got) == FRAMES[:4]
    blocks.close()  # type: ignore[attr-defined]  # a generator
    assert bus.statistics.frames == 4


def test_a_block_is_cut_by_time_when_the_bus_is_quiet(sender: can.BusABC, monkeypatch: pytest.MonkeyPatch) -> None:
    SendsWhenOpened(sender, monkeypatch, [message_of(frame) for frame in FRAMES])
    blocks = listening(wait_ms_max=20).blocks()
    assert frames_of([next(blocks)]) == FRAMES


class SlowBus:
    """A bus with a frame every 30 ms of its own clock."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def recv(self, timeout: float) -> can.Message | None:
        if timeout < 0.03:
            self.now_s += timeout
            return None
        self.now_s += 0.03
        return message_of(FRAMES[0])


@pytest.mark.parametrize(("wait_ms_max", "frames"), [(35, 2), (50, 2), (130, 5), (610, 21)])
def test_a_block_waits_its_time_from_its_first_frame(
    monkeypatch: pytest.MonkeyPatch, wait_ms_max: int, frames: int
) -> None:
    bus = SlowBus()
    monkeypatch.setattr(can, "Bus", lambda **_: bus)
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: bus.now_s))
    blocks = listening(wait_ms_max=wait_ms_max).blocks()
    assert [len(next(blocks)) for _ in range(3)] == [frames] * 3


def test_stop_ends_after_what_was_heard_and_closes_the_bus(sender: can.BusABC, monkeypatch: pytest.MonkeyPatch) -> None:
    SendsWhenOpened(sender, monkeypatch, [message_of(frame) for frame in FRAMES])
    bus = listening(frames_max=3)
    got = []
    for block in bus.blocks():
        got.append(block)
        bus.stop()
    assert frames_of(got) == FRAMES[:3]
    sender.send(message_of(FRAMES[0]))
    assert list(bus.blocks()) == []


def test_can_fd_remote_and_error_frames(sender: can.BusABC, monkeypatch: pytest.MonkeyPatch) -> None:
    fd = Frame(1_700_000_000_000_000, 0x123, extended=False, data=bytes(range(64)), bus=3, fd=True)
    others = [can.Message(is_remote_frame=True), can.Message(is_error_frame=True)]
    SendsWhenOpened(sender, monkeypatch, [*others, message_of(fd)])
    bus = listening(frames_max=1)
    [got] = frames_of([next(bus.blocks())])
    assert [got] == as_block_tells([fd])
    assert (bus.statistics.remote_frames, bus.statistics.error_frames) == (1, 1)


def test_a_bus_that_cannot_be_opened_is_bad_input() -> None:
    with pytest.raises(BadInputError, match="no_such_interface can9"):
        next(LiveBus("no_such_interface", "can9").blocks())


def test_a_bus_that_fails_gives_what_was_heard_first(sender: can.BusABC, monkeypatch: pytest.MonkeyPatch) -> None:
    SendsWhenOpened(sender, monkeypatch, [message_of(frame) for frame in FRAMES[:2]])
    heard = iter([True, True])
    receive = can.BusABC.recv

    def failing(bus: can.BusABC, timeout: float | None = None) -> can.Message | None:
        if not next(heard, False):
            raise can.CanOperationError("Network is down")
        return receive(bus, timeout)

    monkeypatch.setattr(can.BusABC, "recv", failing)
    blocks = listening().blocks()
    assert frames_of([next(blocks)]) == FRAMES[:2]
    with pytest.raises(BadInputError, match="Network is down"):
        next(blocks)
