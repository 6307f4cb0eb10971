"""What every reader of recordings promises, tried on every format and on its gzip copy."""

import gzip
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters import input_file
from adapters.can import blf, blocks, candump, gvret, mf4_groups, python_can_csv
from adapters.can.recordings import open_recording
from domain.errors import BadInputError
from tests.support.frames import (
    Frame,
    as_block_tells,
    frames,
    frames_of,
    gzipped,
    read_through,
    write_asc,
    write_blf,
    write_candump,
    write_gvret,
    write_mf4,
    write_python_can_candump,
    write_python_can_csv,
)
from tests.support.mf4_files import write_unfinalized_mf4

Writer = Callable[[Path, Iterable[Frame]], None]


@dataclass(frozen=True)
class Format:
    id: str
    file_name: str
    write: Writer
    fd: bool = True
    buses: tuple[int, ...] = (0, 1, 2)
    cut_gives: Literal["whole lines", "whole records", "nothing"] = "whole lines"
    header_lines: int = 0
    examples: int = 30


PLAIN = (
    Format("candump", "drive.log", write_candump, examples=100),
    Format("candump of python-can", "drive.log", write_python_can_candump),
    Format("asc", "drive.asc", write_asc, buses=(1, 2, 9), header_lines=5),
    Format("blf", "drive.blf", write_blf, buses=(1, 2, 9), cut_gives="nothing"),
    Format("python-can csv", "drive.csv", write_python_can_csv, buses=(0,), header_lines=1),
    Format("gvret csv", "drive.csv", write_gvret, fd=False, header_lines=1),
    Format("mf4", "drive.MF4", write_mf4, buses=(1, 2, 9), cut_gives="nothing", examples=15),
    Format(
        "mf4, unfinalized", "drive.mf4", write_unfinalized_mf4, buses=(1, 2, 9), cut_gives="whole records", examples=15
    ),
)
ZIPPED = tuple(
    Format(
        f"{one.id}, gzip",
        f"{one.file_name}.gz",
        gzipped(one.write),
        one.fd,
        one.buses,
        cut_gives="nothing",
        examples=10,
    )
    for one in PLAIN
)
every_format = pytest.mark.parametrize("form", [*PLAIN, *ZIPPED], ids=lambda form: form.id)
every_plain_format = pytest.mark.parametrize("form", PLAIN, ids=lambda form: form.id)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def some(form: Format, count: int) -> list[Frame]:
    """Return a few fixed frames that a format can hold, all of one time stamp a pair."""
    return [
        Frame(
            1_700_000_000_000_000 + number // 2 * 1_003,
            0x18DA_F110 + number if number % 3 == 0 else 0x100 + number,
            number % 3 == 0,
            bytes(range(number, number + (12 if form.fd and number % 5 == 4 else number % 9))),
            form.buses[number % len(form.buses)],
            fd=form.fd and number % 5 == 4,
        )
        for number in range(count)
    ]


def in_time_order_of_buses(written: list[Frame], form: Format) -> list[Frame]:
    """Return frames as they come out: MF4 keeps no order between the groups, so those of one time come by group."""
    if form.id in {"mf4", "mf4, gzip"}:
        return sorted(written, key=lambda frame: (frame.captured_at, frame.bus, frame.extended))
    return written


@every_format
def test_what_was_written_is_read(form: Format) -> None:
    @settings(max_examples=form.examples, suppress_health_check=[HealthCheck.differing_executors])
    @given(frames(fd=form.fd, buses=form.buses))
    def check(written: list[Frame]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / form.file_name
            form.write(path, written)
            if not written and "candump" in form.id:
                with pytest.raises(BadInputError, match="the file is empty"):
                    open_recording(path)
                return
            recording = open_recording(path)
            assert frames_of(recording.blocks()) == as_block_tells(in_time_order_of_buses(written, form))
            assert recording.statistics.frames == len(written)
            assert recording.statistics.truncated_lines == 0
            assert recording.bytes_done == recording.bytes_total == path.stat().st_size

    check()


@every_format
def test_blocks_have_the_fixed_size_however_the_file_is_read(
    form: Format, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = some(form, 60)
    path = folder / form.file_name
    form.write(path, written)
    monkeypatch.setattr(blocks, "BLOCK_FRAMES", 7)
    seen = []
    for chunk_bytes, run_frames in ((1 << 20, 8192), (97, 5), (61, 1)):
        monkeypatch.setattr(candump, "CHUNK_BYTES", chunk_bytes)
        monkeypatch.setattr(input_file, "CHUNK_BYTES", chunk_bytes)
        for module in (blf, gvret, python_can_csv):
            monkeypatch.setattr(module, "RUN_FRAMES", run_frames)
        monkeypatch.setattr(mf4_groups, "RECORDS_AT_ONCE", run_frames)
        got = list(open_recording(path).blocks())
        for block in got:
            assert block.data.shape[1] == (8 if block.length.max() <= 8 else 64)
            assert block.data.flags.c_contiguous
        seen.append([frames_of([block]) for block in got])
    assert [len(block) for block in seen[0]] == [7] * 8 + [4]
    assert seen[0] == seen[1] == seen[2]
    assert [frame for block in seen[0] for frame in block] == as_block_tells(in_time_order_of_buses(written, form))


@every_format
def test_reading_again_gives_the_same(form: Format, folder: Path) -> None:
    path = folder / form.file_name
    form.write(path, some(form, 20))
    recording = open_recording(path)
    first = read_through(recording)
    assert recording.has_wall_clock
    assert frames_of(recording.blocks()) == frames_of(recording.blocks())
    assert recording.statistics == first


@every_plain_format
def test_a_gzip_copy_has_the_same_content(form: Format, folder: Path) -> None:
    path, copy = folder / form.file_name, folder / f"copy-{form.file_name}.gz"
    form.write(path, some(form, 20))
    copy.write_bytes(gzip.compress(path.read_bytes()))
    plain, zipped = open_recording(path), open_recording(copy)
    assert plain.content_digest == zipped.content_digest
    assert plain.format == zipped.format
    assert frames_of(plain.blocks()) == frames_of(zipped.blocks())


@every_plain_format
def test_the_format_is_known_by_content_whatever_the_name(form: Format, folder: Path) -> None:
    path = folder / form.file_name
    form.write(path, some(form, 5))
    known = open_recording(path).format
    renamed = path.rename(folder / "download.bin")
    assert open_recording(renamed).format == known
    renamed.write_bytes(gzip.compress(renamed.read_bytes()))
    assert open_recording(renamed).format == known


@every_format
def test_a_cut_recording_never_gives_a_frame_that_was_not_written(form: Format, folder: Path) -> None:
    written = some(form, 12)
    whole = as_block_tells(in_time_order_of_buses(written, form))
    path, cut = folder / "whole", folder / form.file_name
    form.write(path, written)
    content = path.read_bytes()
    step = max(1, len(content) // 150) if form.cut_gives != "nothing" else max(1, len(content) // 60)
    for size in [*range(0, len(content) - 40, step), *range(max(0, len(content) - 40), len(content))]:
        cut.write_bytes(content[:size])
        try:
            recording = open_recording(cut)
            got = frames_of(recording.blocks())
        except BadInputError as error:
            message = str(error)
            assert message.startswith(str(cut))
        else:
            assert form.cut_gives != "nothing", f"{size} of {len(content)} bytes were taken for a whole recording"
            assert got == whole[: len(got)]
            if form.cut_gives == "whole records":
                continue
            lines = content[:size].split(b"\n")
            begun = [line for line in lines[form.header_lines :] if line.strip()][: len(whole)]
            lost = recording.statistics.truncated_lines
            assert lost == len(begun) - len(got) or len(got) == len(whole) or len(lines) <= form.header_lines


@every_format
def test_a_damaged_recording_is_bad_input_or_readable_never_a_crash(form: Format, folder: Path) -> None:
    path = folder / form.file_name
    form.write(path, some(form, 6))
    content = path.read_bytes()

    @settings(max_examples=form.examples * 2)
    @given(st.integers(0, len(content) - 1), st.binary(min_size=1, max_size=4))
    def check(place: int, bytes_there: bytes) -> None:
        path.write_bytes(content[:place] + bytes_there + content[place + len(bytes_there) :])
        try:
            read_through(open_recording(path))
        except BadInputError as error:
            message = str(error)
            assert message.startswith(str(path))
            assert "\n" not in message

    check()


@pytest.mark.parametrize("file_name", ["drive.log", "drive.asc", "drive.blf", "drive.csv", "drive.mf4", "drive.log.gz"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"\0" * 4096,
        bytes(range(256)) * 400,
        b"Dear diary,\ntoday I drove to work.\n",
        b"\x1f\x8b\x08\x00 not gzip",
        b"<html><body>404</body></html>",
        b"LOGG",
        b"UnFinMF 4.10",
        b"MDF     3.30    ".ljust(2000, b"\0"),
    ],
    ids=["empty", "newline", "zeros", "binary", "prose", "gzip", "html", "blf head", "mf4 head", "mdf 3"],
)
def test_what_is_no_recording_is_bad_input(file_name: str, content: bytes, folder: Path) -> None:
    path = folder / file_name
    path.write_bytes(content)
    with pytest.raises(BadInputError) as error:
        read_through(open_recording(path))
    assert str(path) in error.value.where
    assert error.value.remedy


def test_a_recording_that_is_absent_or_a_folder_is_bad_input(folder: Path) -> None:
    for path in (folder / "absent.log", folder):
        with pytest.raises(BadInputError, match="cannot be read"):
            open_recording(path)
