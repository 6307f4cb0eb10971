import gzip
import random
from pathlib import Path

import pytest

from adapters.input_file import CHUNK_BYTES, HEAD_BYTES, InputFile
from domain.errors import BadInputError

CONTENT = random.Random(1).randbytes(3 * CHUNK_BYTES)  # which gzip makes no smaller


@pytest.fixture(params=["plain", "gzip"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> InputFile:
    path = tmp_path / "content"
    path.write_bytes(CONTENT if request.param == "plain" else gzip.compress(CONTENT))
    return InputFile(path)


def test_a_plain_and_a_compressed_file_have_the_same_content_and_digest(file: InputFile, tmp_path: Path) -> None:
    plain = tmp_path / "other"
    plain.write_bytes(CONTENT)
    with file.open() as stream:
        assert stream.read() == CONTENT
    assert file.head() == CONTENT[:HEAD_BYTES]
    assert file.digest() == InputFile(plain).digest()


def test_every_reading_tells_anew_how_far_it_is(file: InputFile) -> None:
    for _ in range(2):
        done = []
        with file.open() as stream:
            done.append(file.bytes_done)
            while stream.read(CHUNK_BYTES):
                done.append(file.bytes_done)
        assert done == sorted(done)
        assert done[0] < done[-1] == file.bytes_total
        assert done[0] <= CHUNK_BYTES


@pytest.mark.parametrize("cut", [b"\x1f\x8b\x08\x00 no more than this", gzip.compress(CONTENT)[:-20]])
def test_a_damaged_compression_is_bad_input(cut: bytes, tmp_path: Path) -> None:
    path = tmp_path / "content.gz"
    path.write_bytes(cut)
    with pytest.raises(BadInputError, match="gzip compression is damaged or cut off"):
        InputFile(path).digest()


def test_what_is_absent_or_a_folder_is_bad_input(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(BadInputError, match="cannot be read"):
            InputFile(path).head()
