"""Recordings of real cars, decoded with the public DBC files."""

from typing import Any

import pytest
from cantools.database.errors import DecodeError

from adapters.can.dbc import SignalRef, load_dbc, opendbc_path
from adapters.can.decode import Decoder
from adapters.can.recordings import open_recording
from tests.support.recordings import recording

ATLAS = ("nolic-vw-atlas-mqb-can", "atlas-mqb-ignition-off.log.gz")
TAYCAN = ("nolic-porsche-taycan-can", "off-idle-drive-off-charge-end.log.gz")
PQ = ("nolic-vw-pq-can", "vw-pq-med.log.gz")

pytestmark = pytest.mark.recordings


def values_of(parts: tuple[str, ...], platform: str) -> dict[SignalRef, list[Any]]:
    """Every value of every signal that the DBC file knows."""
    pytest.importorskip("opendbc")
    dbc = load_dbc(opendbc_path(platform))
    decoder = Decoder(dbc, [SignalRef(m.name, signal.name) for m in dbc.messages.values() for signal in m.signals])
    values: dict[SignalRef, list[Any]] = {}
    for block in open_recording(recording(*parts)).blocks():
        for column in decoder.decode(block).columns:
            values.setdefault(SignalRef(column.message, column.signal), []).extend(column.values.tolist())
    return values


@pytest.mark.parametrize(("parts", "platform"), [(ATLAS, "vw_mqb"), (TAYCAN, "vw_meb"), (PQ, "vw_pq")])
def test_every_value_of_a_real_recording_equals_cantools(parts: tuple[str, ...], platform: str) -> None:
    found = values_of(parts, platform)
    expected: dict[SignalRef, list[Any]] = {}
    undecodable = set()
    dbc = load_dbc(opendbc_path(platform))
    for block in open_recording(recording(*parts)).blocks():
        for can_id, length, data in zip(block.can_id.tolist(), block.length.tolist(), block.data, strict=True):
            message = dbc.messages.get(can_id)
            if message is None or message.name in undecodable:
                continue
            try:
                decoded: Any = message.decode(data[:length].tobytes(), decode_choices=False, allow_truncated=True)
            except DecodeError:  # overlapping signals, or a multiplexer value without signals
                undecodable.add(message.name)
                continue
            for signal, value in decoded.items():
                expected.setdefault(SignalRef(message.name, signal), []).append(value)

    compared = {ref: values for ref, values in expected.items() if ref.message not in undecodable}
    assert len(compared) > 200
    assert {ref: found[ref] for ref in compared} == compared


def test_a_parked_mqb_car_tells_its_odometer_tank_and_gear() -> None:
    values = values_of(ATLAS, "vw_mqb")

    constant = {ref: value for ref, found in values.items() for value in set(found) if len(set(found)) == 1}
    assert constant[SignalRef("Kombi_02", "KBI_Kilometerstand")] == 26_998
    assert constant[SignalRef("Diagnose_01", "KBI_Kilometerstand")] == 26_998
    assert constant[SignalRef("Kombi_03", "KBI_Tankinhalt_hochaufl")] == pytest.approx(58.9)
    assert constant[SignalRef("Kombi_03", "KBI_Tankfuellstand_Prozent")] == 83
    assert constant[SignalRef("Kombi_02", "KBI_Aussen_Temp_gef")] == 25.0
    assert constant[SignalRef("Gateway_73", "GE_Fahrstufe")] == 5


def test_a_parked_electric_car_tells_no_speed_but_the_mark_of_an_invalid_one() -> None:
    values = values_of(TAYCAN, "vw_meb")

    assert set(values[SignalRef("ESP_21", "ESP_v_Signal")]) == {0.0, 655.34}
    for message, signal in (
        ("Klemmen_Status_01", "ZAS_Kl_15"),
        ("TSG_FT_01", "FT_Tuer_geoeffnet"),
        ("Motor_14", "MO_Fahrer_bremst"),
    ):
        assert len(set(values[SignalRef(message, signal)])) > 1
