"""What a diagnostic trouble code says by its structure alone.

After SAE J2012 (2016) / ISO 15031-6: of the sixteen bits the first two name the system and the next two, with the digit
after them, who defined the code; the rest are hexadecimal digits. The failure type byte is that of SAE J2012-DA: its
high nibble is a category, its low nibble a subtype. All words are this project's own; the full text of a single code
belongs to SAE or to the maker of the car.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from domain.errors import BadInputError, did_you_mean

CODE_BYTES: Final = 2
_SHOWN_CHARACTERS_MAX: Final = 60  # of what is none

Origin = Literal["generic", "manufacturer", "reserved"]

_LETTERS: Final = "PCBU"  # by the first two bits
_CODE: Final = re.compile(r"[PCBU][0-3][0-9A-F]{3}")

_SYSTEMS: Final = {"P": "powertrain", "C": "chassis", "B": "body", "U": "network"}

_AIR_AND_FUEL: Final = "air and fuel metering"
_EMISSIONS: Final = "air and fuel metering, other emission controls"
_IGNITION: Final = "ignition or misfire"
_TRANSMISSION: Final = "transmission"
_HYBRID: Final = "hybrid or electric drive"
_LOST: Final = "a control unit is not heard"
_IMPLAUSIBLE: Final = "what a control unit sends is wrong"

# By the first three characters of a generic code. New codes of SAE no longer keep to the groups everywhere.
_GROUPS: Final = {
    "P00": _EMISSIONS,
    "P01": _AIR_AND_FUEL,
    "P02": "air and fuel metering, injectors",
    "P03": _IGNITION,
    "P04": "emission controls",
    "P05": "speed, idle control and other inputs",
    "P06": "control units and their outputs",
    **dict.fromkeys(("P07", "P08", "P09"), _TRANSMISSION),
    **dict.fromkeys(("P0A", "P0B", "P0C", "P0D", "P0E"), _HYBRID),
    **dict.fromkeys(("P20", "P21", "P22"), _EMISSIONS),
    "P23": _IGNITION,
    "P24": "emission controls",
    "P25": "other inputs",
    "P26": "control units and their outputs",
    **dict.fromkeys(("P27", "P28", "P29"), _TRANSMISSION),
    **dict.fromkeys(("P2A", "P2B"), _EMISSIONS),
    "P34": "cylinder deactivation",
    "U00": "wiring of the network",
    **dict.fromkeys(("U01", "U02"), _LOST),
    "U03": "software of control units does not fit together",
    **dict.fromkeys(("U04", "U05"), _IMPLAUSIBLE),
    "U30": "control unit",
}

_CATEGORIES: Final = {
    0x0: "not told apart",
    0x1: "electrical fault",
    0x2: "signal fault",
    0x3: "frequency or pulse width fault",
    0x4: "fault inside the control unit",
    0x5: "programming or configuration",
    0x6: "calculated or compared values",
    0x7: "mechanical fault",
    0x8: "bus or message fault",
    0x9: "component fault",
    0xF: "defined by the manufacturer",
}
_FAILURE_TYPES: Final = {
    0x11: "short circuit to ground",
    0x12: "short circuit to the battery",
    0x13: "open circuit",
    0x14: "short circuit to ground, or open",
    0x15: "short circuit to the battery, or open",
    0x16: "voltage too low",
    0x17: "voltage too high",
    0x18: "current too low",
    0x19: "current too high",
    0x1A: "resistance too low",
    0x1B: "resistance too high",
    0x1C: "voltage out of range",
    0x1D: "current out of range",
    0x1E: "resistance out of range",
    0x1F: "contact comes and goes",
    0x21: "amplitude too small",
    0x22: "amplitude too large",
    0x23: "signal stays low",
    0x24: "signal stays high",
    0x25: "wrong waveform",
    0x26: "signal changes too slowly",
    0x27: "signal changes too fast",
    0x28: "zero point out of range",
    0x29: "signal not valid",
    0x2A: "signal stays the same",
    0x2F: "signal jumps about",
    0x31: "no signal",
    0x32: "low time too short",
    0x33: "low time too long",
    0x34: "high time too short",
    0x35: "high time too long",
    0x36: "frequency too low",
    0x37: "frequency too high",
    0x38: "wrong frequency",
    0x39: "too few pulses",
    0x3A: "too many pulses",
    0x41: "wrong checksum",
    0x42: "memory fault",
    0x43: "special memory fault",
    0x44: "data memory fault",
    0x45: "program memory fault",
    0x46: "calibration memory fault",
    0x47: "watchdog or safety processor",
    0x48: "supervising software",
    0x49: "electronics inside the control unit",
    0x4A: "wrong component fitted",
    0x4B: "control unit too hot",
    0x51: "not programmed",
    0x52: "not activated",
    0x53: "switched off",
    0x54: "not calibrated",
    0x55: "not configured",
    0x56: "configuration does not fit",
    0x57: "software does not fit",
    0x61: "calculated value wrong",
    0x62: "two signals contradict each other",
    0x63: "protection took too long",
    0x64: "signal not plausible",
    0x65: "too few events",
    0x66: "too many events",
    0x67: "signal wrong after an event",
    0x68: "information about an event",
    0x71: "actuator stuck",
    0x72: "actuator stuck open",
    0x73: "actuator stuck closed",
    0x74: "actuator slips",
    0x75: "emergency position out of reach",
    0x76: "fitted in the wrong position",
    0x77: "wanted position out of reach",
    0x78: "out of adjustment",
    0x79: "linkage broken",
    0x7A: "leak",
    0x7B: "fluid level too low",
    0x81: "data received are not valid",
    0x82: "message counter wrong",
    0x83: "message checksum wrong",
    0x84: "received value too small",
    0x85: "received value too large",
    0x86: "received value marked as wrong",
    0x87: "message missing",
    0x88: "bus switched off",
    0x8F: "messages come and go",
    0x91: "component out of its parameters",
    0x92: "component works wrongly",
    0x93: "component does not work",
    0x94: "component works unasked",
    0x95: "wrongly assembled",
    0x96: "fault inside the component",
    0x97: "component blocked",
    0x98: "component too hot",
}


@dataclass(frozen=True, slots=True)
class TroubleCodeText:
    """What the structure of a code says, in words; None where it says nothing."""

    system: str
    origin: Origin
    group: str | None  # of a generic code
    category: str | None  # of the failure type; None without one, or where SAE has reserved the value
    failure_type: str | None  # the subtype in words


def parse_code(code: bytes) -> str:
    """Return the two bytes of a trouble code as text: 0D 59 is "P0D59", C1 00 is "U0100"."""
    assert len(code) == CODE_BYTES
    value = int.from_bytes(code, "big")
    return f"{_LETTERS[value >> 14]}{value >> 12 & 0x3}{value & 0xFFF:03X}"


def check_code(code: str, *, where: str) -> None:
    """Raise BadInputError for what is no trouble code, whoever defines it: such as "P99" or "p0d59"."""
    if not _CODE.fullmatch(code):
        near = [code.upper()] if _CODE.fullmatch(code.upper()) else []
        remedy = did_you_mean(near, "give a letter P, C, B or U, a digit 0 to 3 and three hexadecimal digits")
        raise BadInputError(f"{code[:_SHOWN_CHARACTERS_MAX]!r} is no trouble code", where=where, remedy=remedy)


def explain(code: str, failure_type: int | None = None) -> TroubleCodeText:
    """Return what a code such as "P0D59" says by itself; raises BadInputError if it is none."""
    check_code(code, where="trouble code")
    origin = _origin(code)
    return TroubleCodeText(
        _SYSTEMS[code[0]],
        origin,
        _GROUPS.get(code[:3]) if origin == "generic" else None,
        None if failure_type is None else _CATEGORIES.get(failure_type >> 4),
        None if failure_type is None else _FAILURE_TYPES.get(failure_type),
    )


def _origin(code: str) -> Origin:
    """Return who defines a code (SAE J2012, table of general code specifications)."""
    letter, second, third = code[0], code[1], code[2]
    if second == "0":
        return "generic"
    if second == "1":
        return "manufacturer"
    if second == "2":
        return "generic" if letter == "P" else "manufacturer"
    if letter == "P":
        return "manufacturer" if third in "0123" else "generic" if third in "456789" else "reserved"
    return "generic" if letter == "U" and third == "0" else "reserved"
