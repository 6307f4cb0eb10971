"""Texts of data identifiers: what is cut, what is invalid, and that title, artist and album are of one song."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.can.dbc import load_dbc
from adapters.can.iso_tp_send import SentFrame, exchange
from adapters.can.translate import CanTranslator
from adapters.sampling import SampleColumn
from adapters.signals import batches
from adapters.signals.batches import Batcher
from adapters.signals.catalogue import load_catalogue
from adapters.signals.changes import ChangeDetector
from adapters.signals.mapping import load_mapping
from adapters.signals.rules import UdsTextSource
from domain import events as e
from domain.signals import Quality
from domain.units import Micros
from tests.support.batches import T0, VEHICLE_ID
from tests.support.frame_blocks import Heard, block_of
from tests.support.given import Car

ROOT = Path(__file__).parents[2]
MAPPING = load_mapping("fleettwin", load_catalogue())
DBC = load_dbc(ROOT / "schemas/dbc/fleettwin.dbc")
HEAD_UNIT = (0x773, 0x7DD)
ASKED = b"\x22\xc0\x02\xc0\x03\xc0\x01"

Song = tuple[str, str, str]  # title, artist, album


def field(text: str) -> bytes:
    return text.encode() or b"\0"


def asked(song: Song, at_us: int) -> tuple[SentFrame, ...]:
    title, artist, album = map(field, song)
    answer = b"\x62\xc0\x02" + artist + b"\xc0\x03" + album + b"\xc0\x01" + title
    return exchange(HEAD_UNIT[0], ASKED, HEAD_UNIT[1], answer, at_us=T0 + at_us)


def heard(frames: Iterable[SentFrame]) -> list[SampleColumn]:
    block = block_of(Heard(frame.can_id, frame.data, frame.at_us) for frame in frames)
    return CanTranslator(MAPPING, [DBC]).translate(block).columns


def texts(columns: Iterable[SampleColumn]) -> dict[str, list[tuple[object, Quality]]]:
    return {
        column.path.rpartition(".")[2]: [
            (value, Quality(quality))
            for value, quality in zip(column.values.tolist(), column.quality.tolist(), strict=True)
        ]
        for column in columns
    }


def tracks(songs: Sequence[Song], *, frames_of_a_block: int = 1_000_000, samples_of_a_batch: int = 1_000) -> list[Song]:
    """The songs that a Vehicle tells of, with frames and samples cut as given."""
    frames = [frame for number, song in enumerate(songs) for frame in asked(song, 5_000_000 * number)]
    translator, changes = CanTranslator(MAPPING, [DBC]), ChangeDetector(MAPPING)
    car = Car()
    batcher = Batcher(VEHICLE_ID, "s")
    received_at = Micros(T0 + 10**10)
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "BATCH_SAMPLES_MAX", samples_of_a_batch)
        for first in range(0, len(frames), frames_of_a_block):
            some = frames[first : first + frames_of_a_block]
            block = block_of(Heard(frame.can_id, frame.data, frame.at_us) for frame in some)
            told += batcher.add(changes.changed(translator.translate(block).columns), received_at=received_at)
    events = car.observe(*told, batcher.finish(received_at=received_at))
    car.check()
    return [
        (event.title, event.artist or "", event.album or "") for event in events if isinstance(event, e.TrackStarted)
    ]


@pytest.mark.parametrize(
    "song",
    [
        ("Für Elise", "Ludwig van Beethoven", "Bagatellen, WoO 59"),
        ("月亮代表我的心", "邓丽君", "岛国之情歌第四集"),
        ("Подмосковные вечера", "Владимир Трошин", "Песни нашей страны"),
        ("  two  spaces  ", "🎵", "𝄞 ñ é"),
    ],
)
def test_a_text_of_any_script_comes_out_as_it_was(song: Song) -> None:
    assert texts(heard(asked(song, 0))) == {
        "Track": [(song[0], Quality.OK)],
        "Artist": [(song[1], Quality.OK)],
        "Album": [(song[2], Quality.OK)],
    }


def test_what_fills_a_field_is_cut_and_an_empty_one_has_no_value() -> None:
    read = UdsTextSource(0xC001).read
    assert read(b"Intro\0\0\0") == "Intro"
    assert read(b"Intro\xff\xff") == "Intro"
    assert UdsTextSource(0xC001, first=2).read(b"\1\2Intro") == "Intro"
    assert texts(heard(asked(("Intro", "", "Live"), 0)))["Artist"] == [("", Quality.NOT_AVAILABLE)]


def test_bytes_that_are_no_utf_8_are_invalid() -> None:
    frames = exchange(*HEAD_UNIT[:1], b"\x22\xc0\x01", HEAD_UNIT[1], b"\x62\xc0\x01Caf\xe9")

    assert texts(heard(frames)) == {"Track": [("", Quality.INVALID)]}


def test_other_control_units_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    title = "Vehicle.Cabin.Infotainment.Media.Played.Track"
    path.write_text(f"{title}:\n  x-fleettwin: {{uds: {{did: 0xC001, text: utf-8, first: 1, response_id: 0x7DD}}}}\n")
    mapping = load_mapping(path, load_catalogue())
    frames = [
        *exchange(0x773, b"\x22\xc0\x01", 0x7DD, b"\x62\xc0\x01*ours"),
        *exchange(0x7E0, b"\x22\xc0\x01", 0x7E8, b"\x62\xc0\x01*theirs", at_us=10**6),
    ]

    block = block_of(Heard(frame.can_id, frame.data, frame.at_us) for frame in frames)

    assert texts(CanTranslator(mapping, []).translate(block).columns) == {"Track": [("ours", Quality.OK)]}


SONGS = [
    ("One", "A", "First"),
    ("Two", "B", "First"),
    ("Three", "B", "Second"),
    ("Four", "", ""),
    ("Five", "C", "Second"),
]


@pytest.mark.parametrize("samples_of_a_batch", [1, 2, 1_000])
@pytest.mark.parametrize("frames_of_a_block", [1, 2, 5, 1_000])
def test_a_song_has_its_own_artist_and_album_however_it_is_cut(frames_of_a_block: int, samples_of_a_batch: int) -> None:
    cut = {"frames_of_a_block": frames_of_a_block, "samples_of_a_batch": samples_of_a_batch}
    assert tracks(SONGS, **cut) == SONGS


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
TITLES = TEXTS.filter(bool)


@given(st.lists(st.tuples(TITLES, TEXTS, TEXTS), min_size=1, max_size=4), st.integers(1, 12), st.integers(1, 4))
def test_any_songs_keep_their_own_words(songs: list[Song], frames_of_a_block: int, samples_of_a_batch: int) -> None:
    cut = {"frames_of_a_block": frames_of_a_block, "samples_of_a_batch": samples_of_a_batch}
    new = [song for number, song in enumerate(songs) if number == 0 or song[0] != songs[number - 1][0]]
    assert tracks(songs, **cut) == new


def test_times_of_the_three_are_one() -> None:
    columns = heard(asked(("One", "A", "First"), 0))
    assert len(np.unique([column.captured_at for column in columns])) == 1
