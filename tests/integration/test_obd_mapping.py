"""The shipped OBD-II mapping says what the DBC file of a maker of loggers says, in the units of VSS."""

from typing import Any

import pytest

from adapters.can.dbc import load_dbc
from adapters.can.translate import CanTranslator
from adapters.signals.catalogue import load_catalogue
from adapters.signals.mapping import load_mapping
from adapters.signals.rules import ObdSource
from domain.signals import Quality
from tests.support.frame_blocks import Heard, block_of
from tests.support.recordings import recording

ENGINE = 0x7E8
FACTORS = {("km", "m"): 1000}
ONLY_OURS = {0x01}  # the DBC file reads its 32 bits as one number


@pytest.mark.recordings
@pytest.mark.parametrize("data", [b"\x10\x32\x00\x64", b"\x40\x40\x40\x40", b"\x31\xff\x01\x02"])
def test_formulas_agree_with_those_of_a_maker_of_loggers(data: bytes) -> None:
    message = load_dbc(recording("seat-obd2-gps-mf4", "OBD-v4.4.dbc")).messages[ENGINE]
    catalogue = load_catalogue()
    mapping = load_mapping("obd2", catalogue)
    pids = {rule.source.pid: rule for rule in mapping.rules if isinstance(rule.source, ObdSource)}
    compared = set()
    for pid, rule in pids.items():
        answer = bytes([6, 0x41, pid]) + data
        (column,) = CanTranslator(mapping, []).translate(block_of([Heard(ENGINE, answer)])).columns
        if pid in ONLY_OURS or column.quality.tolist() != [Quality.OK]:
            continue
        decoded: Any = message.decode(answer.ljust(8, b"\0"), decode_choices=False)
        ((name, theirs),) = (item for item in decoded.items() if item[0].startswith(f"S01PID{pid:02X}_"))
        units = (message.get_signal_by_name(name).unit or "", catalogue.fact(rule.path, where="test").unit or "")
        tolerance = 0.5 if column.values.dtype.kind == "i" else 0.01
        assert column.values.tolist() == pytest.approx([theirs * FACTORS.get(units, 1)], rel=1e-4, abs=tolerance)
        compared.add(pid)
    assert len(compared) >= len(pids) - len(ONLY_OURS) - 3  # some values are out of a signal's range
