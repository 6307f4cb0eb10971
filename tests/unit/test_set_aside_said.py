"""How often the log says that something is set aside."""

import logging
from typing import Final

import pytest

from adapters.set_aside import OTHER_REASONS, SAID_MAX, SAID_WITHIN_S, SetAside, SetAsideSaid, kind_of
from domain.units import Micros
from tests.support.clocks import Clock

LOG: Final = logging.getLogger("tests.set_aside")


def record(position: int, reason: str) -> SetAside:
    return SetAside.of("telemetry/0", position, reason, None, None, Micros(0))


def test_a_reason_is_said_a_few_times_in_a_while_and_then_how_often_it_was_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    said = SetAsideSaid(LOG, clock)
    for position in range(SAID_MAX + 7):
        said.say(record(position, f"its {position} bytes are too many"), {"partition": "telemetry/0"})
    assert len(caplog.messages) == SAID_MAX + 1
    assert {getattr(each, "partition", None) for each in caplog.records[:SAID_MAX]} == {"telemetry/0"}
    said.say(record(99, "it has no key"), {})
    assert caplog.messages[-1] == "telemetry/0, position 99, is set aside: it has no key"

    clock.at += SAID_WITHIN_S
    said.say(record(100, "its 100 bytes are too many"), {})
    assert caplog.messages[-2:] == [
        "7 more were set aside: its … bytes are too many",
        "telemetry/0, position 100, is set aside: its 100 bytes are too many",
    ]


def test_reasons_that_never_end_are_remembered_as_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("adapters.set_aside.REASONS_REMEMBERED_MAX", 2)
    said = SetAsideSaid(LOG, Clock())
    for number in range(3 * SAID_MAX):
        said.say(record(number, "x" * number), {})
    assert len(caplog.messages) == 2 + SAID_MAX + 1
    assert caplog.messages[-1].endswith(OTHER_REASONS)


def test_what_is_of_one_record_only_is_no_part_of_the_reason() -> None:
    one = "no vehicle 0b8e2f3a-7d61-5c9f-8a10-c4d5e6f70819: its 1,000,001 bytes are more than -1.5"
    assert kind_of(one) == "no vehicle …: its … bytes are more than …"
