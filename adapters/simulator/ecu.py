"""What control units of a simulated car tell a tester: exchanges over ISO-TP (ISO 14229-1, ISO 15765-2).

A telematics unit in the car asks, and a logger hears both: trouble codes, the VIN, and what plays (the data identifiers
of schemas/dbc/README.md).
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from adapters.can.frames import CLASSIC_WIDTH, FrameBlock
from adapters.can.iso_tp_send import SentFrame, exchange
from adapters.simulator.trace import CodesSaid, Said, SongSaid, VinSaid
from domain.units import MICROS_PER_SECOND
from domain.vin import Vin

HEAD_UNIT: Final = (0x773, 0x7DD)  # request and response, which are 0x6A apart in cars of the Volkswagen group
GATEWAY: Final = (0x710, 0x77A)
TITLE_DID, ARTIST_DID, ALBUM_DID, VIN_DID = b"\xc0\x01", b"\xc0\x02", b"\xc0\x03", b"\xf1\x90"
PAUSE_US: Final = 20_000  # between two exchanges: the tester speaks to one control unit after the other

_CODES_REQUEST: Final = b"\x19\x02\xff"  # reportDTCByStatusMask, whatever the status
_CODES_ANSWER: Final = b"\x59\x02\xff"  # all bits of a status can be told
_CODE_BYTES: Final = 3  # code and failure type, SAE J2012-DA


def exchanges(told: Sequence[Said], vin: Vin) -> FrameBlock:
    """Return the frames of what is said, in order of time; `captured_at` is in microseconds of simulated time."""
    frames: list[SentFrame] = []
    for said in told:
        wanted_us = round(said.at_s * MICROS_PER_SECOND)
        at_us = max(wanted_us, frames[-1].at_us + PAUSE_US) if frames else wanted_us
        for ids, request, answer in _said(said.what, vin):
            frames += exchange(ids[0], request, ids[1], answer, at_us=at_us)
            at_us = frames[-1].at_us + PAUSE_US
    data = b"".join(frame.data for frame in frames)
    return FrameBlock(
        np.array([frame.at_us for frame in frames], np.int64),
        np.array([frame.can_id for frame in frames], np.uint32),
        np.zeros(len(frames), np.uint8),
        np.full(len(frames), CLASSIC_WIDTH, np.uint8),
        np.frombuffer(data, np.uint8).reshape(-1, CLASSIC_WIDTH),
    )


def _said(what: SongSaid | CodesSaid | VinSaid, vin: Vin) -> Iterator[tuple[tuple[int, int], bytes, bytes]]:
    """Yield identifiers, request and answer."""
    if isinstance(what, SongSaid):
        # One request for all three, the title last: they are of one song, and artist and album are known before it.
        texts = ((ARTIST_DID, what.artist), (ALBUM_DID, what.album), (TITLE_DID, what.title))
        asked = b"".join(did for did, _ in texts)
        told = b"".join(did + (text.encode() or b"\0") for did, text in texts)
        yield HEAD_UNIT, b"\x22" + asked, b"\x62" + told
    elif isinstance(what, CodesSaid):
        records = b"".join(one.code.to_bytes(_CODE_BYTES, "big") + bytes([one.status]) for one in what.codes)
        yield (what.request_id, what.response_id), _CODES_REQUEST, _CODES_ANSWER + records
    else:
        yield GATEWAY, b"\x22" + VIN_DID, b"\x62" + VIN_DID + vin.text.encode()
