"""What an overheard diagnostic session says: measured parameters, trouble codes, data, the VIN.

Puts ISO-TP, OBD-II and UDS together. Requests are listened to as well, since only they tell how complete an answer is:
an answer belongs to the last request that its control unit can have meant, or, after "response pending", to the one
that was pending.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple

import numpy as np

from adapters.can import obd, uds
from adapters.can.frames import EXTENDED_ID, FrameBlock
from adapters.can.iso_tp import IsoTpMessage, IsoTpReassembler, SingleFrames
from adapters.can.obd import PidColumn
from domain.errors import InvalidVinError
from domain.signals import TroubleCodeReport, TroubleCodeStatus
from domain.units import Micros
from domain.vin import Vin

# How long a request waits for its answer, anew after each "response pending": P2*, ISO 14229-2:2021.
ANSWER_WAIT_MAX_US: Final = 5_000_000
REQUESTS_MAX: Final = 4_096  # requests that are remembered at once

_SERVICES: Final = {uds.READ_TROUBLE_CODES: "UDS 19", uds.READ_DATA: "UDS 22", uds.KWP_READ_TROUBLE_CODES: "KWP 18"}
_UDS_ANSWERS: Final = tuple(service + uds.POSITIVE for service in _SERVICES)
_OBD_ANSWERS: Final = (obd.CURRENT_DATA, *obd.TROUBLE_CODES, obd.VEHICLE_INFORMATION)
_INTERESTING: Final = (*_SERVICES, *_UDS_ANSWERS, *_OBD_ANSWERS, uds.NEGATIVE)
_FUNCTIONAL_ID: Final = 0x7DF  # to every control unit, ISO 15765-4
_EXTENDED_FUNCTIONAL_ID: Final = EXTENDED_ID | 0x18DB33F1
_ANSWER_OFFSETS: Final = (0x08, 0x6A)  # an 11-bit answer lies above its request by: ISO 15765-4, Volkswagen group
_VW_ANSWERS, _VW_REQUESTS = 0x17FE, 0x17FC  # upper half of 29-bit identifiers, Volkswagen group

_Key = tuple[int, int, int]  # bus, identifier, service


class DidAnswer(NamedTuple):
    """The value of one data identifier (UDS service 22)."""

    captured_at: int
    can_id: int  # of the answer, bit 31 set for 29 bits
    did: int
    data: bytes


class VinAnswer(NamedTuple):
    """The vehicle identification number that a control unit holds."""

    captured_at: int
    can_id: int
    vin: Vin


class DiagnosticBlock(NamedTuple):
    """What was said in one block, each list in the order heard."""

    pids: list[PidColumn]
    dids: list[DidAnswer]
    trouble_codes: list[TroubleCodeReport]
    vins: list[VinAnswer]


class DiagnosticListener:
    """Listens to diagnostic sessions, block after block.

    `answers` counts positive answers by service ("OBD 01", "UDS 19"), `negative` negative ones by service and response
    code ("UDS 19: 31"), `unread` answers that could not be understood, by service; `abandoned` what ISO-TP gave up.
    """

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.negative: Counter[str] = Counter()
        self.unread: Counter[str] = Counter()
        self._iso_tp = IsoTpReassembler()
        self.abandoned = self._iso_tp.abandoned
        self._requests: dict[_Key, tuple[int, bytes]] = {}  # when, what
        self._pending: dict[_Key, tuple[int, bytes | None]] = {}  # by the identifier of the answer

    def feed(self, block: FrameBlock) -> DiagnosticBlock:
        """Return what the answers that end in this block say."""
        singles, in_parts = self._iso_tp.feed(block)
        services = block.data[singles.rows, singles.start]
        current = obd.is_obd_answer(block.can_id[singles.rows]) & (services == obd.CURRENT_DATA)
        current &= singles.length <= obd.SHORT_PAYLOAD_BYTES
        if current.any():
            self.answers["OBD 01"] += int(np.count_nonzero(current))
        heard = DiagnosticBlock(obd.current_data(block, singles.where(current)), [], [], [])

        others = _messages(block, singles.where(~current & np.isin(services, _INTERESTING)))
        in_long_answers: list[tuple[IsoTpMessage, int, bytes]] = []
        for message in sorted(chain(others, in_parts)):
            service = message.payload[0]
            if service in _SERVICES:
                self._remember(message, service)
            elif service == uds.NEGATIVE:
                self._negative(message)
            elif service in _UDS_ANSWERS:
                self._uds(message, heard)
            elif service in _OBD_ANSWERS and obd.is_obd_answer(np.array([message.can_id], dtype=np.uint32))[0]:
                self._obd(message, heard, in_long_answers)
        return heard._replace(pids=_merged(heard.pids, in_long_answers))

    def close(self) -> None:
        """Count what the end of the recording cut off."""
        self._iso_tp.close()

    def _obd(
        self, message: IsoTpMessage, heard: DiagnosticBlock, parameters: list[tuple[IsoTpMessage, int, bytes]]
    ) -> None:
        service = message.payload[0]
        name = f"OBD {service - uds.POSITIVE:02X}"
        self.answers[name] += 1
        if service == obd.CURRENT_DATA:
            parameters += ((message, pid, data) for pid, data in obd.parameters(message.payload))
        elif service == obd.VEHICLE_INFORMATION:
            if obd.is_vin(message.payload):
                self._vin(message, message.payload[2:], name, heard)
        else:
            codes = obd.trouble_codes(message.payload)
            heard.trouble_codes.append(_report(message, name, codes, complete=True))

    def _uds(self, message: IsoTpMessage, heard: DiagnosticBlock) -> None:
        service = message.payload[0] - uds.POSITIVE
        name = _SERVICES[service]
        self.answers[name] += 1
        request = self._request_of(message, service)
        if service == uds.READ_DATA:
            values = uds.data_values(message.payload, request)
            if values is None:
                self.unread[name] += 1
                return
            for did, data in values:
                if did == uds.VIN_DID:
                    self._vin(message, data, name, heard)
                else:
                    heard.dids.append(DidAnswer(message.captured_at, message.can_id, did, data))
            return
        read = uds.trouble_codes if service == uds.READ_TROUBLE_CODES else uds.kwp_trouble_codes
        listed = read(message.payload, request)
        if listed is None:
            self.unread[name] += 1
        else:
            codes, complete = listed
            heard.trouble_codes.append(_report(message, name, codes, complete=complete))

    def _vin(self, message: IsoTpMessage, data: bytes, name: str, heard: DiagnosticBlock) -> None:
        try:
            vin = Vin.parse(data[-obd.VIN_BYTES :].decode("ascii", errors="replace"))
        except InvalidVinError:
            self.unread[name] += 1
        else:
            heard.vins.append(VinAnswer(message.captured_at, message.can_id, vin))

    def _negative(self, message: IsoTpMessage) -> None:
        if len(message.payload) < 3:
            return
        _, service, code = message.payload[:3]
        self.negative[f"{_SERVICES.get(service, f'{service:02X}')}: {code:02X}"] += 1
        request = self._request_of(message, service)
        if code == uds.PENDING:
            self._pending[message.bus, message.can_id, service] = (message.captured_at, request)

    def _remember(self, message: IsoTpMessage, service: int) -> None:
        if len(self._requests) >= REQUESTS_MAX:
            del self._requests[next(iter(self._requests))]
        self._requests[message.bus, message.can_id, service] = (message.captured_at, message.payload)

    def _request_of(self, answer: IsoTpMessage, service: int) -> bytes | None:
        """Return the request that this answer is to, if it was heard."""
        since = answer.captured_at - ANSWER_WAIT_MAX_US
        pending = self._pending.pop((answer.bus, answer.can_id, service), None)
        if pending is not None and pending[0] >= since:
            return pending[1]
        keys = ((answer.bus, can_id, service) for can_id in _request_ids(answer.can_id))
        asked = [self._requests[key] for key in keys if key in self._requests and self._requests[key][0] >= since]
        return max(asked)[1] if asked else None


def _request_ids(answer_id: int) -> tuple[int, ...]:
    """Return the identifiers on which the control unit that answers with `answer_id` can have been asked."""
    if not answer_id & EXTENDED_ID:
        return (*(answer_id - offset for offset in _ANSWER_OFFSETS), _FUNCTIONAL_ID)
    if answer_id >> 16 & 0x1FFF == _VW_ANSWERS:
        return (EXTENDED_ID | _VW_REQUESTS << 16 | answer_id & 0xFFFF,)
    target, source = answer_id >> 8 & 0xFF, answer_id & 0xFF
    return answer_id & 0xFFFF_0000 | source << 8 | target, _EXTENDED_FUNCTIONAL_ID


def _messages(block: FrameBlock, singles: SingleFrames) -> Iterator[IsoTpMessage]:
    rows = singles.rows
    columns = (block.captured_at[rows], block.bus[rows], block.can_id[rows], singles.start, singles.length)
    for row, captured_at, bus, can_id, start, length in zip(
        rows.tolist(), *(column.tolist() for column in columns), strict=True
    ):
        yield IsoTpMessage(row, captured_at, bus, can_id, block.data[row, start : start + length].tobytes())


def _report(
    message: IsoTpMessage, service: str, codes: tuple[TroubleCodeStatus, ...], *, complete: bool
) -> TroubleCodeReport:
    can_id = message.can_id
    ecu = f"{can_id & ~EXTENDED_ID:08X}" if can_id & EXTENDED_ID else f"{can_id:03X}"
    return TroubleCodeReport(ecu, Micros(message.captured_at), service, complete, codes)


def _merged(columns: list[PidColumn], long_answers: list[tuple[IsoTpMessage, int, bytes]]) -> list[PidColumn]:
    """Return the columns with the parameters of longer answers in their places."""
    if not long_answers:
        return columns
    merged = {(column.can_id, column.pid, column.data.shape[1]): column for column in columns}
    for message, pid, data in long_answers:
        one = PidColumn(
            message.can_id,
            pid,
            np.array([message.row]),
            np.array([message.captured_at]),
            np.frombuffer(data, dtype=np.uint8)[np.newaxis],
        )
        key = (message.can_id, pid, len(data))
        merged[key] = merged[key].with_rows_of(one) if key in merged else one
    return list(merged.values())
