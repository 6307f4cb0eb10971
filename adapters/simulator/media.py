"""What a car plays during a drive."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from adapters.simulator.songs import load_songs
from adapters.simulator.timeline import Timeline
from adapters.simulator.trace import PlayTruth, Said

OFF: Final = 14  # NOT_AVAILABLE, of source and playback
NO_VOLUME: Final = 126
STOP, PLAY = 1, 2
SOURCES: Final = {2: "FM", 3: "DAB", 7: "USB", 9: "BLUETOOTH", 10: "INTERNET"}  # raw values of FT_Media, names of VSS
_SHARES: Final = (0.1, 0.2, 0.1, 0.4, 0.2)
_FIRST_AFTER_S: Final = (1.4, 1.9)  # the source is known first: its message comes once a second
_SHORTEST_S, _LONGEST_S = 150, 300  # of a song


@dataclass(frozen=True, slots=True)
class Played:
    """What was said, what the twin should know of it, and the place of the last song in the catalogue."""

    said: tuple[Said, ...]
    plays: tuple[PlayTruth, ...]
    song: int


def play(timeline: Timeline, chance: np.random.Generator, on: int, off: int, song: int) -> Played:
    """Write the media of a drive, from row `on` to row `off`; `song` was the last one played.

    Songs follow each other; one that a call interrupts goes on after it. No song is played twice in a row.
    """
    source = int(chance.choice(list(SOURCES), p=_SHARES))
    volume = int(chance.integers(12, 45))
    timeline.hold(on, media_source=source, media_playback=PLAY, volume_percent=volume)
    call = _call(chance, on, off)
    if call:
        timeline.hold(call[0], media_playback=STOP)
        timeline.hold(call[1], media_playback=PLAY)
    for row in sorted(int(row) for row in chance.integers(on + 20, max(off - 5, on + 21), int(chance.integers(0, 5)))):
        volume = int(np.clip(volume + chance.integers(-12, 13), 4, 70))
        timeline.hold(row, volume_percent=volume)
    songs, said, plays = load_songs(), [], []
    at_s = on + float(chance.uniform(*_FIRST_AFTER_S))
    while at_s < off - 3:
        song = (song + int(chance.integers(1, len(songs)))) % len(songs)
        said.append(Said(at_s, songs[song]))
        plays.append(PlayTruth(at_s, *songs[song], SOURCES[source]))
        start_s, at_s = at_s, at_s + float(chance.uniform(_SHORTEST_S, _LONGEST_S))
        if call and start_s < call[0] < at_s:
            at_s += call[1] - call[0]
    timeline.hold(off, media_source=OFF, media_playback=OFF, volume_percent=NO_VOLUME)
    return Played(tuple(said), tuple(plays), song)


def _call(chance: np.random.Generator, on: int, off: int) -> tuple[int, int] | None:
    lasts_s = int(chance.integers(40, 200))
    if chance.random() > 0.2 or off - on < lasts_s + 240:
        return None
    begins = int(chance.integers(on + 120, off - lasts_s - 60))
    return begins, begins + lasts_s
