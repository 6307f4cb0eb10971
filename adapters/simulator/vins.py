"""Vehicle identification numbers of simulated cars (ISO 3779): real makers and model codes, serials by chance."""

from typing import Final, NamedTuple

from domain.vin import Vin

SERIALS: Final = 1_000_000  # six digits
MODEL_YEARS: Final = "MNPR"  # 2021 to 2024, ISO 3779, clause 5.4

# What each letter counts for and each position weighs: 49 CFR 565.15(c), tables III and IV; GB 16735 has the same.
_VALUES: Final = {
    **{str(digit): digit for digit in range(10)},
    **dict(zip("ABCDEFGH", range(1, 9), strict=True)),
    **dict(zip("JKLMN", range(1, 6), strict=True)),
    "P": 7,
    "R": 9,
    **dict(zip("STUVWXYZ", range(2, 10), strict=True)),
}
_WEIGHTS: Final = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_CHECK_PLACE: Final = 8


class Marks(NamedTuple):
    """What the cars of one model from one plant have in common.

    `maker` is the world manufacturer identifier (ISO 3780), `descriptor` positions 4 to 8; position 9 is a check digit
    where `checked`, else a Z.
    """

    maker: str
    descriptor: str
    plant: str
    checked: bool


def check_digit(vin: str) -> str:
    """Return what position 9 of a VIN must be in the United States (49 CFR 565.15(c)) and in China (GB 16735)."""
    rest = sum(_VALUES[letter] * weight for letter, weight in zip(vin, _WEIGHTS, strict=True)) % 11
    return "X" if rest == 10 else str(rest)


def make_vin(marks: Marks, model_year: str, serial: int) -> Vin:
    """Return the VIN of one car."""
    vin = f"{marks.maker}{marks.descriptor}Z{model_year}{marks.plant}{serial:06d}"
    if marks.checked:
        vin = vin[:_CHECK_PLACE] + check_digit(vin) + vin[_CHECK_PLACE + 1 :]
    return Vin.parse(vin)
