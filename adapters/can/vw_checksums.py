"""Which frames of a VW platform carry a checksum, and how it is made.

MQB and MEB: byte 0 is the CRC of AUTOSAR end-to-end profile 2 over the bytes that follow and one constant, which the
message's counter (the low nibble of byte 1) selects among 16. PQ: one byte is the exclusive or of all others.

Numbers are facts of opendbc 0.3.1: constants by identifier from `car/volkswagen/mqbcan.py`, identifiers and lengths
from `vw_mqb.dbc`, `vw_meb.dbc` and `vw_pq.dbc`. Of the checksums that `vw_pq.dbc` names, those are here that opendbc
checks or makes itself, or that are right throughout a real recording (Bremse_11, for one, follows another rule).
"""

from typing import Final, NamedTuple

COUNTER_VALUES: Final = 16


class ChecksumRule(NamedTuple):
    """A frame of `length` bytes that carries a checksum.

    With `constants` by counter, byte 0 is the CRC; without, the exclusive or of all bytes is 0.
    """

    length: int
    constants: bytes | None = None


# id, bytes in an MQB car, bytes in an MEB car (None: not sent, or without a checksum), constants (one stands for all)
_MQB_MEB: Final = (
    (0x040, 8, 8, "40"),  # Airbag_01
    (0x086, 8, 8, "86"),  # LWI_01
    (0x09F, 8, 8, "F5"),  # LH_EPS_03
    (0x0AD, 8, 8, "3F6939DC94F91464D86A34CEA255B52C"),  # Getriebe_11
    (0x0DB, None, 48, "09FACA8E62D5D1F031A0AFDA4D1A0A97"),  # AWV_03
    (0x0FC, None, 48, "775CA0894B7CBBD61F6C4FF6202B43DD"),  # ESC_51
    (0x0FD, 8, 8, "B4EFF8491EE5C2C097193CC9F198D661"),  # ESP_21
    (0x101, 8, None, "AA"),  # ESP_02
    (0x102, None, 48, "D712857E0B34FA167A252D8F048E5D35"),  # ESC_50
    (0x106, 8, None, "07"),  # ESP_05
    (0x10B, None, 32, "775CA0894B7CBBD61F6C4FF6202B43DD"),  # Motor_51
    (0x116, 8, 8, "AC"),  # ESP_10
    (0x117, 8, None, "16"),  # ACC_10
    (0x120, 8, None, "C4E24FE4F82F56819FE58344053F97DF"),  # TSK_06
    (0x121, 8, None, "E965AE6B7B35E55F4EC786A2BBDDEBB4"),  # Motor_20
    (0x122, 8, None, "377DF3A918466D4D3D71929CE53210B9"),  # ACC_06
    (0x126, 8, 8, "DA"),  # HCA_01
    (0x12B, 8, 8, "6A38B42722EFE1BBF8808449C79E1E2B"),  # GRA_ACC_01
    (0x12E, 8, None, "F8E597C9D607472166DDCF6FA1947463"),  # ACC_07
    (0x139, None, 32, "ED031C13C623787A8B401451BF6832BA"),  # VMM_02
    (0x13D, None, 32, "20CA68D51B31E2DA080AD4DE9CE4355B"),  # QFK_01
    (0x14C, None, 32, "163559159A2A97B80E4E30CCB30701AD"),  # Motor_54
    (0x14D, None, 32, "1A658196C0DF1192D361C6958C2921B5"),  # ACC_18
    (0x187, 8, None, "7FED17C27CEB442101FADB154A6B2305"),  # Motor_EV_01
    (0x1A4, None, 8, "69BB54E64E468D7BEA87E9B363CEF8BF"),  # EA_01
    (0x1AB, 8, None, "13219B6A9A62D46518F1AB163289E726"),  # ESP_33
    (0x1F0, None, 8, "2F3C226018EB6376C5910F2734047F02"),  # EA_02
    (0x20A, None, 64, "9DE836A1CA3B1D33E0D5BB5FAE3C319F"),  # EML_06
    (0x26B, None, 8, "CECCBD69A13C18760F04F23A93241951"),  # TA_01
    (0x30C, 8, None, "0F"),  # ACC_02
    (0x30F, 8, None, "0C"),  # SWA_01
    (0x324, 8, None, "27"),  # ACC_04
    (0x3BE, None, 8, "1F28C685E6F8B0195B643521E4F79C24"),  # Motor_14
    (0x3C0, 4, 4, "C3"),  # Klemmen_Status_01
    (0x3D5, 8, 8, "C539C7F992D824CEF1B57AC4BC60E3D1"),  # Licht_Anf_01
    (0x65D, 8, 8, "ACB3ABEB7AE13BF773BA7C9E065F02D9"),  # ESP_20
)


def _constants(text: str) -> bytes:
    given = bytes.fromhex(text)
    return given if len(given) == COUNTER_VALUES else given * COUNTER_VALUES


CHECKSUMS: Final[dict[str, dict[int, ChecksumRule]]] = {
    "vw_mqb": {can_id: ChecksumRule(length, _constants(text)) for can_id, length, _, text in _MQB_MEB if length},
    "vw_meb": {can_id: ChecksumRule(length, _constants(text)) for can_id, _, length, text in _MQB_MEB if length},
    "vw_pq": {
        0x0D0: ChecksumRule(6),  # Lenkhilfe_3
        0x0D2: ChecksumRule(5),  # HCA_1
        0x284: ChecksumRule(6),  # Motor_Bremse
        0x368: ChecksumRule(8),  # ACC_System
        0x38A: ChecksumRule(4),  # GRA_Neu
        0x480: ChecksumRule(8),  # Motor_5
        0x4A8: ChecksumRule(8),  # Bremse_5
        0x56A: ChecksumRule(8),  # ACC_GRA_Anzeige
    },
}
