"""UDS answers (ISO 14229-1) about trouble codes and data, and the answer of KWP 2000 (ISO 14230-3) about trouble codes.

Whether an answer lists everything that a control unit holds depends on what was asked; the request that was overheard
before it tells. Without a request an answer is taken as incomplete.
"""

from typing import Final

from domain.signals import TroubleCodeStatus
from domain.trouble_codes import CODE_BYTES, parse_code

READ_TROUBLE_CODES: Final = 0x19
READ_DATA: Final = 0x22
KWP_READ_TROUBLE_CODES: Final = 0x18
POSITIVE: Final = 0x40  # added to the service of the request
NEGATIVE: Final = 0x7F
PENDING: Final = 0x78  # negative response code: the final answer follows later
VIN_DID: Final = 0xF190

# statusOfDTC, ISO 14229-1:2020, D.2
_TEST_FAILED, _PENDING_CODE, _CONFIRMED = 0x01, 0x04, 0x08
_ACTIVE: Final = _TEST_FAILED | _PENDING_CODE | _CONFIRMED
_NOT_TESTED: Final = 0x10 | 0x40  # since the codes were cleared; in this operation cycle: no sign of a fault

# Sub-functions of 0x19 whose answer is an availability mask and then records of code, failure type and status
_BY_STATUS_MASK, _SUPPORTED = 0x02, 0x0A
_WITH_STATUS: Final = frozenset({_BY_STATUS_MASK, _SUPPORTED, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x13, 0x15})
_RECORD_BYTES: Final = 4

# KWP 2000: bits 5 and 6 of a status say whether the code is stored, present or both (ISO 14230-3, statusOfDTC)
_KWP_STORAGE_STATE: Final = 0x60
_KWP_RECORD_BYTES: Final = 3
_KWP_ALL_GROUPS: Final = b"\xff\x00"
_KWP_IDENTIFIED: Final = (0x00, 0x02)  # all identified codes, with a status

TroubleCodes = tuple[tuple[TroubleCodeStatus, ...], bool]  # the codes, and whether these are all that are held


def trouble_codes(answer: bytes, request: bytes | None) -> TroubleCodes | None:
    """Return what an answer to service 0x19 (59 …) lists, or None if it is of a form that is not read or is cut off.

    A code whose status says only that its test did not run is supported, not held, and is left out.
    """
    if len(answer) < 3 or answer[1] not in _WITH_STATUS or (len(answer) - 3) % _RECORD_BYTES:
        return None
    records = (answer[place : place + _RECORD_BYTES] for place in range(3, len(answer), _RECORD_BYTES))
    codes = tuple(
        TroubleCodeStatus(parse_code(record[:CODE_BYTES]), record[2], record[3], active=bool(record[3] & _ACTIVE))
        for record in records
        if any(record[:3]) and record[3] & ~_NOT_TESTED
    )
    return codes, _lists_all(answer, request)


def _lists_all(answer: bytes, request: bytes | None) -> bool:
    """Return whether a code that is active would be in the answer: by what was asked, and by what the ECU can tell."""
    if answer[1] == _SUPPORTED:
        return True
    if answer[1] != _BY_STATUS_MASK or request is None or len(request) < 3:
        return False
    if request[0] != READ_TROUBLE_CODES or request[1] & 0x7F != _BY_STATUS_MASK:  # bit 7 asks for no answer if positive
        return False
    can_tell = answer[2] & _ACTIVE
    return bool(can_tell) and request[2] & can_tell == can_tell


def kwp_trouble_codes(answer: bytes, request: bytes | None) -> TroubleCodes | None:
    """Return what an answer to KWP 2000 service 0x18 (58 …) lists, or None if its count and length disagree."""
    if len(answer) < 2 or len(answer) != 2 + _KWP_RECORD_BYTES * answer[1]:
        return None
    records = (answer[place : place + _KWP_RECORD_BYTES] for place in range(2, len(answer), _KWP_RECORD_BYTES))
    codes = tuple(
        TroubleCodeStatus(parse_code(record[:CODE_BYTES]), None, None, active=bool(record[2] & _KWP_STORAGE_STATE))
        for record in records
        if any(record[:CODE_BYTES])
    )
    complete = (
        request is not None
        and len(request) == 4
        and request[0] == KWP_READ_TROUBLE_CODES
        and request[1] in _KWP_IDENTIFIED
        and request[2:] == _KWP_ALL_GROUPS
    )
    return codes, complete


def data_values(answer: bytes, request: bytes | None) -> list[tuple[int, bytes]] | None:
    """Return identifier and data of each value in an answer to service 0x22 (62 …), or None if it cannot be divided.

    An answer does not say how long a value is. The request gives the identifiers in their order; each after the first
    must be found at one place only. Without a request the answer is taken to hold one value.
    """
    if len(answer) < 4:
        return None
    asked = _identifiers(request) if request is not None else []
    if len(asked) <= 1 or asked[0] != answer[1:3]:
        return [(int.from_bytes(answer[1:3], "big"), answer[3:])]
    places = [1]
    for identifier in asked[1:]:
        place = answer.find(identifier, places[-1] + 3)
        if place < 0 or answer.find(identifier, place + 1) >= 0:
            return None
        places.append(place)
    ends = [*places[1:], len(answer)]
    return [
        (int.from_bytes(identifier, "big"), answer[place + 2 : end])
        for identifier, place, end in zip(asked, places, ends, strict=True)
    ]


def _identifiers(request: bytes) -> list[bytes]:
    if request[0] != READ_DATA:
        return []
    return [request[place : place + 2] for place in range(1, len(request) - 1, 2)]
