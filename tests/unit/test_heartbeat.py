"""Loops that come round, and such that hang."""

import threading

from adapters.heartbeat import SILENT_S_MAX, HeardStopping, Heartbeat
from tests.support.clocks import Clock


def test_a_loop_that_asks_whether_it_is_to_end_has_come_round() -> None:
    clock, ending = Clock(), threading.Event()
    heartbeat = Heartbeat("relay", clock)
    stopping = HeardStopping(ending, heartbeat)
    assert (heartbeat.begun, heartbeat.silent_s) == (False, 0)

    clock.at += SILENT_S_MAX
    assert not stopping.is_set()
    assert heartbeat.begun
    assert heartbeat.silent_s == 0

    clock.at += SILENT_S_MAX
    assert not stopping.wait(0)
    assert heartbeat.silent_s == 0


def test_a_loop_that_is_silent_for_too_long_hangs() -> None:
    clock = Clock()
    heartbeat = Heartbeat("relay", clock)
    clock.at += SILENT_S_MAX
    assert heartbeat.complaint() is None
    clock.at += 1
    assert heartbeat.complaint() == "relay has not come round for 61 s, which is more than 60"
    heartbeat.beat()
    assert heartbeat.complaint() is None


def test_loops_of_one_process_end_together() -> None:
    ending = threading.Event()
    first, second = (HeardStopping(ending, Heartbeat(name)) for name in ("navigation v1", "media v1"))
    first.set()
    assert ending.is_set()
    assert second.is_set()
    assert second.wait()
