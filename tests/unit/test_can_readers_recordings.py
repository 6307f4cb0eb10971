import can
import numpy as np
import pytest
from asammdf import MDF

from adapters.can.frames import EXTENDED_ID
from adapters.can.recordings import open_recording
from domain.errors import BadInputError
from tests.support.frames import frames_of, read_through
from tests.support.recordings import recording

pytestmark = pytest.mark.recordings

CANDUMP = {
    ("nolic-vw-atlas-mqb-can", "atlas-mqb-ignition-off.log.gz"): (10_094, 126, 20_688_000),
    ("nolic-vw-pq-can", "vw-pq-med.log.gz"): (38_624, 47, 21_049_720),
    ("nolic-porsche-taycan-can", "off-idle-drive-off-charge-end.log.gz"): (57_476, 203, 237_690_000),
}
SEAT = (
    "164_00000001-60FE3F04",
    "164_00000002-60FE415D",
    "164_00000003-60FE43B2",
    "164_00000004-60FEB585",
    "164_00000005-60FEB5A8",
)


@pytest.mark.parametrize("parts", CANDUMP)
def test_candump_logs_of_real_cars(parts: tuple[str, str]) -> None:
    source = open_recording(recording(*parts))
    blocks = list(source.blocks())
    frames, identifiers, duration_us = CANDUMP[parts]
    assert source.statistics.frames == frames
    assert len(np.unique(np.concatenate([block.can_id for block in blocks]))) == identifiers
    assert blocks[-1].captured_at[-1] - blocks[0].captured_at[0] == duration_us
    assert not source.has_wall_clock


@pytest.mark.parametrize("parts", CANDUMP)
def test_a_real_candump_log_is_read_as_python_can_reads_it(parts: tuple[str, str]) -> None:
    path = recording(*parts)
    got = [
        (frame.captured_at, frame.identifier, frame.extended, frame.data)
        for frame in frames_of(open_recording(path).blocks())
    ]
    assert got == [
        (round(message.timestamp * 1_000_000), message.arbitration_id, message.is_extended_id, bytes(message.data))
        for message in can.LogReader(path)
    ]


def test_a_gvret_recording_of_two_buses() -> None:
    source = open_recording(recording("hyundai-kona-ev-can", "230112-7-2019-pcan-ccan-power-off-on-ready-off.csv.gz"))
    [block] = source.blocks()
    assert len(block) == 39_546
    assert np.unique(block.bus).tolist() == [0, 1]
    assert block.captured_at[-1] - block.captured_at[0] == 10_840_400
    assert not source.has_wall_clock


def test_a_session_of_mf4_files_is_one_drive_in_the_order_of_time() -> None:
    blocks = [
        block for name in SEAT for block in open_recording(recording("seat-obd2-gps-mf4", f"{name}.MF4")).blocks()
    ]
    captured_at = np.concatenate([block.captured_at for block in blocks])
    bus = np.concatenate([block.bus for block in blocks])
    identifier = np.concatenate([block.can_id for block in blocks])
    assert len(captured_at) == 292_097
    assert (np.diff(captured_at) >= 0).all()
    assert np.unique(bus).tolist() == [1, 2]
    assert set(np.unique(identifier[bus == 1]).tolist()) == {0x7E8, 0x17F00010 | EXTENDED_ID}
    assert set(np.unique(identifier[bus == 2]).tolist()) == set(range(1, 10))
    assert str(captured_at[0].astype("datetime64[us]"))[:16] == "2021-07-26T04:40"


def test_mf4_frames_are_those_that_asammdf_reads() -> None:
    path = recording("seat-obd2-gps-mf4", f"{SEAT[4]}.MF4")
    [block] = open_recording(path).blocks()
    with MDF(path) as mdf:
        assert (block.data == mdf.get("CAN_DataFrame.DataBytes").samples).all()
        assert (block.length == mdf.get("CAN_DataFrame.DataLength").samples).all()
        assert (block.can_id & ~np.uint32(EXTENDED_ID) == mdf.get("CAN_DataFrame.ID").samples).all()
        assert (block.can_id >> 31 == mdf.get("CAN_DataFrame.IDE").samples).all()
        assert (block.bus == mdf.get("CAN_DataFrame.BusChannel").samples).all()


def test_an_unfinalized_mf4_file_with_a_group_for_each_bus() -> None:
    source = open_recording(recording("css-misc-mf4", "j1939-truck-gps.MF4"))
    blocks = list(source.blocks())
    bus = np.concatenate([block.bus for block in blocks])
    assert (np.diff(np.concatenate([block.captured_at for block in blocks])) >= 0).all()
    assert {number: int((bus == number).sum()) for number in np.unique(bus).tolist()} == {1: 139_136, 9: 11_275}
    assert source.has_wall_clock


@pytest.mark.parametrize(
    "parts",
    [
        ("seat-obd2-gps-mf4", f"{SEAT[4]}.MF4"),
        ("css-misc-mf4", "kia-ev6-uds_00000001-63BEF5CD.MF4"),
        ("css-misc-mf4", "nissan-uds-gps.MF4"),
    ],
)
@pytest.mark.parametrize("share", [0.001, 0.05, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_truncated_real_mf4_file_is_bad_input(
    parts: tuple[str, str], share: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = recording(*parts).read_bytes()
    path = tmp_path_factory.mktemp("cut") / parts[1]
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BadInputError) as error:
        read_through(open_recording(path))
    assert error.value.where.startswith(str(path))


def test_what_lies_beside_the_recordings_is_none() -> None:
    for parts in (
        ("nolic-vw-pq-can", "README.md"),
        ("kit-seat-leon-obd2", "2017-07-11_Seat_Leon_S_RT_Frei.csv.gz"),
        ("nolic-ufrn-obd-gps", "19drivers.xlsx"),
        ("seat-obd2-gps-mf4", "canmod-gps.dbc"),
        ("envirocar-muenster-trajectories", "tracks.geojson.gz"),
    ):
        with pytest.raises(BadInputError, match="not a recording of a CAN bus"):
            open_recording(recording(*parts))
