"""What plays in the car."""

from domain import events as e
from domain import paths
from domain.signals import Quality, Sample
from tests.support.batches import Stream, at, sample
from tests.support.given import given, told


def piece(seconds: float, title: str, artist: str = "Artist", album: str = "Album") -> list[Sample]:
    told_of = {paths.MEDIA_ARTIST: artist, paths.MEDIA_ALBUM: album, paths.MEDIA_TITLE: title}
    return [sample(path, seconds, text) for path, text in told_of.items()]


def test_a_stream_finds_a_piece_playing() -> None:
    given().when(Stream().batch(sample(paths.MEDIA_SOURCE, 0, "USB"), piece(0, "One"))).then(
        told(e.MediaSourceSelected, source="USB", initial=True),
        told(
            e.TrackStarted, title="One", artist="Artist", album="Album", source="USB", initial=True, captured_at=at(0)
        ),
        told(e.SignalsSampled, path=[paths.MEDIA_ARTIST, paths.MEDIA_ALBUM]),
    )


def test_another_piece_starts() -> None:
    stream = Stream()
    given(stream.batch(piece(0, "One"))).when(stream.batch(piece(9, "Two"))).then(
        told(e.TrackStarted, title="Two", artist="Artist", album="Album", source=None, initial=False)
    )


def test_the_artist_of_the_same_moment_goes_with_a_piece_whatever_is_heard_first() -> None:
    stream = Stream()
    given(stream.batch(piece(0, "One"))).when(stream.batch(piece(9, "Two", "Other")[::-1])).then_among_others(
        told(e.TrackStarted, title="Two", artist="Other")
    )


def test_the_piece_that_goes_on_does_not_start() -> None:
    stream = Stream()
    given(stream.batch(piece(0, "One"))).when(stream.batch(piece(9, "One"))).then_nothing()


def test_a_piece_without_a_title_does_not_start() -> None:
    stream = Stream()
    given(stream.batch(piece(0, "One"))).when(
        stream.batch(sample(paths.MEDIA_TITLE, 9, None, Quality.NOT_AVAILABLE))
    ).then(told(e.SignalsSampled))


def test_another_source_is_selected() -> None:
    stream = Stream()
    given(stream.batch(sample(paths.MEDIA_SOURCE, 0, "USB"))).when(
        stream.batch(sample(paths.MEDIA_SOURCE, 1, "RADIO"))
    ).then(told(e.MediaSourceSelected, source="RADIO", initial=False))


def test_the_same_source_is_not_selected() -> None:
    stream = Stream()
    given(stream.batch(sample(paths.MEDIA_SOURCE, 0, "USB"))).when(
        stream.batch(sample(paths.MEDIA_SOURCE, 1, "USB"))
    ).then_nothing()


def test_playback_stops() -> None:
    stream = Stream()
    given(stream.batch(sample(paths.MEDIA_ACTION, 0, "PLAY"))).when(
        stream.batch(sample(paths.MEDIA_ACTION, 1, "STOP"))
    ).then(told(e.PlaybackStateChanged, state="STOP", initial=False))


def test_playback_goes_on() -> None:
    stream = Stream()
    given(stream.batch(sample(paths.MEDIA_ACTION, 0, "PLAY"))).when(
        stream.batch(sample(paths.MEDIA_ACTION, 1, "PLAY"))
    ).then_nothing()


def test_the_volume_changes() -> None:
    stream = Stream()
    given(stream.batch(sample(paths.MEDIA_VOLUME, 0, 20))).when(stream.batch(sample(paths.MEDIA_VOLUME, 1, 25))).then(
        told(e.VolumeChanged, volume_percent=25.0, initial=False)
    )


def test_the_volume_stays() -> None:
    stream = Stream()
    given(stream.batch(sample(paths.MEDIA_VOLUME, 0, 20))).when(
        stream.batch(sample(paths.MEDIA_VOLUME, 1, 20.0))
    ).then_nothing()


def test_a_value_that_an_event_told_is_confirmed_like_any_other() -> None:
    stream = Stream()
    given(stream.batch(sample(paths.MEDIA_VOLUME, 0, 20))).when(stream.batch(sample(paths.MEDIA_VOLUME, 60, 20))).then(
        told(e.SignalsSampled, path=[paths.MEDIA_VOLUME], changed=[False])
    )
