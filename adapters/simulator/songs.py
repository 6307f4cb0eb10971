"""Songs that nobody has written: what simulated cars play (`data/songs.txt`)."""

from functools import cache
from importlib.resources import files

from adapters.simulator.trace import SongSaid


@cache
def load_songs() -> tuple[SongSaid, ...]:
    """Return the catalogue; no two songs have the same title."""
    text = (files("adapters.simulator") / "data" / "songs.txt").read_text(encoding="utf-8")
    return tuple(SongSaid(*line.split(" / ")) for line in text.splitlines())
