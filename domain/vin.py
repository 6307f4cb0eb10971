"""Vehicle identification numbers (ISO 3779) and the vehicle ids derived from them."""

import hmac
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self
from uuid import UUID

from domain.errors import InvalidVinError

VIN_LENGTH: Final = 17
_ALLOWED: Final = re.compile(r"[A-HJ-NPR-Z0-9]{17}")  # ISO 3779, clause 4.5: no I, O, Q
# Regions and the first characters that ISO 3780 gives to the makers of each; 0 is given to nobody.
REGIONS: Final = (
    ("AFRICA", "ABCDEFGH"),
    ("ASIA", "JKLMNPR"),
    ("EUROPE", "STUVWXYZ"),
    ("NORTH_AMERICA", "12345"),
    ("OCEANIA", "67"),
    ("SOUTH_AMERICA", "89"),
)
_SERIAL_BLANK: Final = "000000"  # the last characters of a VIN are the maker's serial number (ISO 3779, VIS)
_UUID_VERSION_CUSTOM: Final = 8  # RFC 9562, section 5.8


@dataclass(frozen=True, slots=True)
class Vin:
    """A valid VIN. The check digit of position 9 is not looked at: only North America and China demand it."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the VIN that `text` spells, in any case. Raises `InvalidVinError`."""
        vin = text.strip().upper()
        if _ALLOWED.fullmatch(vin):
            return cls(vin)
        if len(vin) != VIN_LENGTH:
            what = f"a VIN has {VIN_LENGTH} characters, this one has {len(vin)}"
        else:
            place, character = next((i, c) for i, c in enumerate(vin, 1) if not _ALLOWED.fullmatch(c * VIN_LENGTH))
            what = f"character {place} of a VIN cannot be {character!r}"
        remedy = "give the 17 letters and digits of the registration document (never I, O or Q)"
        raise InvalidVinError(what, where=f"VIN {text!r}", remedy=remedy)

    @property
    def region(self) -> str | None:
        """The region whose maker's code the VIN begins with, one of `REGIONS`; None: that code is given to nobody."""
        return next((region for region, characters in REGIONS if self.text[0] in characters), None)

    def may_be(self, other: "Vin") -> bool:
        """Whether this can be the same vehicle: who publishes a VIN blanks its serial number with zeros."""
        blank = _SERIAL_BLANK in (self.text[-len(_SERIAL_BLANK) :], other.text[-len(_SERIAL_BLANK) :])
        return self == other or (blank and self.text[: -len(_SERIAL_BLANK)] == other.text[: -len(_SERIAL_BLANK)])

    def vehicle_id(self, key: bytes) -> UUID:
        """Return the id of the vehicle in the deployment that holds `key`: stable, and without the key no way back.

        The first 128 bits of HMAC-SHA-256 (RFC 2104) over the VIN, marked as a UUID of version 8 (RFC 9562).
        """
        digest = bytearray(hmac.new(key, self.text.encode("ascii"), sha256).digest()[:16])
        digest[6] = (digest[6] & 0x0F) | (_UUID_VERSION_CUSTOM << 4)
        digest[8] = (digest[8] & 0x3F) | 0x80
        return UUID(bytes=bytes(digest))
