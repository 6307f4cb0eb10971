"""Vehicle identification numbers that are heard on a bus: whose recording this is."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np
from cantools.database import DecodeError

from adapters.can.dbc import Dbc
from adapters.can.diagnostics import DiagnosticListener
from adapters.can.frames import FrameBlock
from domain.errors import InvalidVinError
from domain.vin import VIN_LENGTH, Vin

BROADCAST: Final = "VIN_01"  # a message of the Volkswagen group, in three parts; its signals are VIN_1 to VIN_17
_CHARACTERS: Final = tuple(f"VIN_{place}" for place in range(1, VIN_LENGTH + 1))


class VinListener:
    """Listens for VINs, block after block: in answers of OBD-II and UDS, and broadcast where a DBC file says how.

    `heard` are those found so far.
    """

    def __init__(self, dbcs: Sequence[Dbc]) -> None:
        self.heard: set[Vin] = set()
        self._diagnostics = DiagnosticListener()
        self._broadcasts = {
            can_id: message
            for dbc in dbcs
            for can_id, message in dbc.messages.items()
            if message.name == BROADCAST and {signal.name for signal in message.signals}.issuperset(_CHARACTERS)
        }
        self._parts: dict[tuple[int, str], Any] = {}  # characters by identifier and signal

    def feed(self, block: FrameBlock) -> None:
        """Listen to one block."""
        self.heard.update(answer.vin for answer in self._diagnostics.feed(block).vins)
        for can_id, message in self._broadcasts.items():
            rows = np.flatnonzero((block.can_id == can_id) & (block.length == message.length))
            if not len(rows):
                continue
            for data in np.unique(block.data[rows, : message.length], axis=0):
                with suppress(DecodeError):  # a part that there is not: the identifier is another car's
                    said = message.decode(data.tobytes(), decode_choices=False, scaling=False)
                    assert isinstance(said, dict)
                    self._parts.update({(can_id, name): said[name] for name in _CHARACTERS if name in said})
            self._broadcast(self._parts.get((can_id, name), 0) for name in _CHARACTERS)

    def _broadcast(self, characters: Iterable[int]) -> None:
        try:
            self.heard.add(Vin.parse(bytes(characters).decode("ascii", errors="replace")))
        except InvalidVinError:
            return  # a part is missing, or the identifier is another car's
