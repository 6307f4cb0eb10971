"""Overheard diagnostic sessions: requests, pending answers, several control units, several frames."""

import random
from collections import Counter
from collections.abc import Iterable

import pytest

from adapters.can.diagnostics import ANSWER_WAIT_MAX_US, DiagnosticListener, DidAnswer
from adapters.can.frames import EXTENDED_ID, FrameBlock
from adapters.can.recordings import open_recording
from domain.signals import TroubleCodeReport
from tests.support.frame_blocks import Heard, block_of
from tests.support.recordings import recording

BROADCAST, ENGINE_ASKED, ENGINE = 0x7DF, 0x7E0, 0x7E8
VIN = "WVWZZZ1JZXW000001"


def single(can_id: int, payload: str, captured_at: int = 0, bus: int = 0) -> Heard:
    data = bytes.fromhex(payload)
    return Heard(can_id, bytes([len(data)]) + data, captured_at, bus)


def in_frames(can_id: int, payload: bytes, captured_at: int = 0) -> list[Heard]:
    frames = [Heard(can_id, bytes([0x10, len(payload)]) + payload[:6], captured_at)]
    for number, place in enumerate(range(6, len(payload), 7), 1):
        data = (bytes([0x20 | number & 0x0F]) + payload[place : place + 7]).ljust(8, b"\xaa")
        frames.append(Heard(can_id, data, captured_at + number))
    return frames


def reports(frames: Iterable[Heard]) -> list[TroubleCodeReport]:
    return DiagnosticListener().feed(block_of(frames)).trouble_codes


@pytest.mark.parametrize(
    ("asked_on", "answered_on", "ecu"),
    [
        (BROADCAST, 0x7BF, "7BF"),
        (0x7B7, 0x7BF, "7BF"),
        (0x714, 0x77E, "77E"),  # Volkswagen group
        (EXTENDED_ID | 0x18DA10F1, EXTENDED_ID | 0x18DAF110, "18DAF110"),
        (EXTENDED_ID | 0x18DB33F1, EXTENDED_ID | 0x18DAF110, "18DAF110"),
        (EXTENDED_ID | 0x17FC007B, EXTENDED_ID | 0x17FE007B, "17FE007B"),
    ],
)
def test_an_answer_is_matched_with_the_request_to_its_control_unit(asked_on: int, answered_on: int, ecu: str) -> None:
    answer = in_frames(answered_on, bytes.fromhex("59 02 ff 58 12 87 28 00 00 00 00"), 7)

    (report,) = reports([single(asked_on, "19 02 ff", 5), *answer])

    assert (report.ecu, report.captured_at, report.service, report.complete) == (ecu, 8, "UDS 19", True)
    assert [(code.code, code.failure_type, code.status) for code in report.codes] == [("C1812", 0x87, 0x28)]


@pytest.mark.parametrize(
    "before",
    [
        [],
        [single(0x7E1, "19 02 ff", 0)],  # to another control unit
        [single(ENGINE_ASKED, "19 02 ff", 0, bus=1)],  # on another bus
        [single(ENGINE_ASKED, "19 02 ff", 0), single(BROADCAST, "19 02 08", 1)],  # the later request counts
        [single(ENGINE_ASKED, "19 02 ff", -ANSWER_WAIT_MAX_US - 1)],  # too long ago
    ],
)
def test_an_answer_without_its_request_is_incomplete(before: list[Heard]) -> None:
    (report,) = reports([*before, single(ENGINE, "59 02 ff", 2)][-3:])

    assert not report.complete


def test_a_request_that_follows_an_answer_is_not_its_request() -> None:
    answer = in_frames(ENGINE, bytes.fromhex("59 02 ff 58 12 87 28 00 00 00 00"))

    (report,) = reports([*answer, single(ENGINE_ASKED, "19 02 ff", 3)])

    assert not report.complete


def test_after_response_pending_the_answer_is_still_to_the_first_request() -> None:
    frames = [
        single(BROADCAST, "19 02 08", 0),
        single(ENGINE, "7f 19 78", 10),
        single(ENGINE, "7f 19 78", ANSWER_WAIT_MAX_US),
        single(BROADCAST, "19 02 ff", ANSWER_WAIT_MAX_US + 10),
        single(ENGINE, "59 02 ff", 2 * ANSWER_WAIT_MAX_US),
        single(BROADCAST, "19 02 ff", 2 * ANSWER_WAIT_MAX_US + 10),
        single(ENGINE, "59 02 ff", 2 * ANSWER_WAIT_MAX_US + 20),
    ]
    listener = DiagnosticListener()

    complete = [report.complete for frame in frames for report in listener.feed(block_of([frame])).trouble_codes]

    assert complete == [False, True]
    assert listener.negative == {"UDS 19: 78": 2}


def test_obd_trouble_codes_name_their_service_and_are_complete() -> None:
    frames = [single(ENGINE, "43 01 01 33", 1), single(0x7E9, "47 00", 2), single(0x98DAF118, "4a 01 c1 00", 3)]

    assert [(r.ecu, r.service, r.complete, [c.code for c in r.codes]) for r in reports(frames)] == [
        ("7E8", "OBD 03", True, ["P0133"]),
        ("7E9", "OBD 07", True, []),
        ("18DAF118", "OBD 0A", True, ["U0100"]),
    ]


def test_obd_answers_count_only_from_identifiers_of_obd() -> None:
    assert reports([single(0x77E, "43 01 01 33"), single(0x701, "47 00")]) == []


def test_kwp_trouble_codes_have_no_status_of_uds() -> None:
    (report,) = reports([single(0x7E2, "18 00 ff 00"), single(0x7EA, "58 01 1a 78 60")])

    assert (report.service, report.complete) == ("KWP 18", True)
    assert [(code.code, code.failure_type, code.status, code.active) for code in report.codes] == [
        ("P1A78", None, None, True)
    ]


def test_the_vin_is_read_from_service_09_and_from_its_data_identifier_and_is_no_plain_value() -> None:
    frames = in_frames(ENGINE, b"\x49\x02\x01" + VIN.encode(), 0) + in_frames(0x77E, b"\x62\xf1\x90" + VIN.encode(), 50)
    listener = DiagnosticListener()

    heard = listener.feed(block_of(frames))

    assert [(answer.can_id, answer.vin.text) for answer in heard.vins] == [(ENGINE, VIN), (0x77E, VIN)]
    assert heard.dids == []
    assert listener.answers == {"OBD 09": 1, "UDS 22": 1}


def test_what_is_no_vin_is_counted_as_unread() -> None:
    listener = DiagnosticListener()
    frames = in_frames(ENGINE, b"\x49\x02\x01OSEV__ BMS 000000")

    assert listener.feed(block_of([*frames, single(0x77E, "62 f1 90 41")])).vins == []
    assert listener.unread == {"OBD 09": 1, "UDS 22": 1}


def test_values_of_data_identifiers_keep_the_identifier_of_their_control_unit() -> None:
    frames = [single(0x97FC007B, "22 1e 3b", 1), single(0x97FE007B, "62 1e 3b 1d 5a", 2)]

    assert DiagnosticListener().feed(block_of(frames)).dids == [DidAnswer(2, 0x97FE007B, 0x1E3B, b"\x1d\x5a")]


def test_parameters_of_long_and_short_answers_are_one_column_in_the_order_heard() -> None:
    frames = [
        single(ENGINE, "41 0d 01", 1),
        *in_frames(ENGINE, bytes.fromhex("41 0d 02 0c 1a f8 05 7b 0f 3c"), 2),
        single(ENGINE, "41 0d 03", 9),
    ]

    heard = DiagnosticListener().feed(block_of(frames)).pids

    assert {(c.pid, tuple(c.captured_at.tolist())): c.data.tolist() for c in heard} == {
        (0x0D, (1, 3, 9)): [[1], [2], [3]],
        (0x0C, (3,)): [[0x1A, 0xF8]],
        (0x05, (3,)): [[0x7B]],
        (0x0F, (3,)): [[0x3C]],
    }


def test_everything_is_counted() -> None:
    listener = DiagnosticListener()
    frames = [
        single(ENGINE, "41 0d 01"),
        single(ENGINE, "41 00 be 3f a8 13"),
        single(ENGINE, "7f 19 11"),
        single(ENGINE, "7f 3e 12"),
        single(ENGINE, "59 06 12 34 56 08"),
        Heard(ENGINE, b"\x21" + bytes(7)),
        *in_frames(ENGINE, bytes(20))[:2],
    ]

    listener.feed(block_of(frames))
    listener.close()

    assert listener.answers == {"OBD 01": 2, "UDS 19": 1}
    assert listener.negative == {"UDS 19: 11": 1, "3E: 12": 1}
    assert listener.unread == {"UDS 19": 1}
    assert {reason.name: count for reason, count in listener.abandoned.items()} == {
        "NO_FIRST_FRAME": 1,
        "UNFINISHED": 1,
    }


def test_the_size_of_the_blocks_makes_no_difference() -> None:
    rng = random.Random(15765)
    frames = [
        single(BROADCAST, "19 02 ff", 0),
        *in_frames(ENGINE, bytes.fromhex("59 02 ff") + bytes.fromhex("12 34 56 09") * 5, 10),
        single(0x7E9, "7f 19 78", 30),
        *(single(ENGINE, f"41 0d {speed:02x}", 40 + speed) for speed in range(20)),
        *in_frames(0x7E9, bytes.fromhex("59 02 ff") + bytes.fromhex("c1 23 00 28") * 5, 100),
        *in_frames(ENGINE, rng.randbytes(40), 200),
    ]

    def everything(block_frames: int) -> tuple[object, ...]:
        listener = DiagnosticListener()
        blocks = [
            listener.feed(block_of(frames[place : place + block_frames]))
            for place in range(0, len(frames), block_frames)
        ]
        speeds = [data for block in blocks for column in block.pids for data in column.data.tolist()]
        return [r for block in blocks for r in block.trouble_codes], speeds, listener.answers, listener.negative

    assert everything(1) == everything(3) == everything(len(frames))


def real_session(*parts: str) -> tuple[list[TroubleCodeReport], DiagnosticListener, list[FrameBlock]]:
    listener = DiagnosticListener()
    blocks = list(open_recording(recording(*parts)).blocks())
    found = [report for block in blocks for report in listener.feed(block).trouble_codes]
    listener.close()
    return found, listener, blocks


@pytest.mark.recordings
def test_the_trouble_codes_of_a_real_session_with_every_control_unit() -> None:
    found, listener, _ = real_session("hyundai-kona-ev-can", "221210-1-2021-dcan-car-scanner-elm327.csv.gz")

    codes = {(code.code, code.failure_type) for report in found for code in report.codes}
    assert len(codes) == 17
    assert {("C1812", 0x87), ("B1603", 0x00), ("B1238", 0x13), ("B1001", 0x52), ("C16B6", 0x87)} <= codes
    assert {report.ecu for report in found if report.codes} == {
        "7BF", "7DC", "72D", "7BB", "7CE", "7AD", "778", "77E", "7A8", "7D9",
    }  # fmt: skip
    first = next(report for report in found if report.ecu == "7BF")
    assert [(code.code, code.failure_type, code.status) for code in first.codes] == [("C1812", 0x87, 0x28)]
    assert not first.complete  # only confirmed ones were asked for
    # After "response pending" the answer is to the request for confirmed codes, though others were sent meanwhile; this
    # control unit knows of no others.
    assert next(report for report in found if report.ecu == "7AD").complete
    assert listener.unread == {"OBD 09": 1}  # its "VIN" reads OSEV__ BMS 000000
    assert listener.answers["UDS 19"] == 43


@pytest.mark.recordings
def test_parameters_of_a_real_drive_equal_those_that_cantools_decodes() -> None:
    _, listener, blocks = real_session("seat-obd2-gps-mf4", "164_00000001-60FE3F04.MF4")

    answers = sum(int(((block.can_id == ENGINE) & (block.data[:, 1] == 0x41)).sum()) for block in blocks)
    assert listener.answers == {"OBD 01": answers}
    assert listener.unread == listener.negative == Counter()
    again = DiagnosticListener()
    heard = Counter({0: 0})
    for block in blocks:
        for column in again.feed(block).pids:
            heard[column.pid] += len(column.rows)
            assert column.data.tolist() == block.data[column.rows, 3 : 3 + column.data.shape[1]].tolist()
    assert set(heard) - {0} == {0x04, 0x05, 0x0B, 0x0C, 0x0D, 0x11, 0x2F, 0x33, 0x42, 0x62}
    assert heard.total() == answers


@pytest.mark.recordings
def test_ordinary_traffic_on_diagnostic_identifiers_is_not_misread() -> None:
    for parts in (("nolic-vw-pq-can", "vw-pq-med.log.gz"), ("nolic-vw-atlas-mqb-can", "atlas-mqb-ignition-off.log.gz")):
        found, listener, _ = real_session(*parts)

        assert (found, listener.answers, listener.negative) == ([], Counter(), Counter())


@pytest.mark.recordings
def test_a_real_poll_of_a_battery_gives_its_data_identifiers() -> None:
    _, listener, blocks = real_session("nolic-porsche-taycan-can", "uds-battery-poll.log.gz")

    answers = [answer for block in blocks for answer in DiagnosticListener().feed(block).dids]
    values = {answer.did: answer.data for answer in reversed(answers)}
    assert values[0x1E3B] == bytes.fromhex("1d5a")
    assert len(values[0x1859]) == 43  # in seven frames
    assert listener.answers == {"UDS 22": 1164}
    assert listener.unread == Counter()
