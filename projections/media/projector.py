"""The fold of media."""

from collections.abc import Sequence
from typing import Final

from domain import events as e
from domain import paths
from domain.events import VehicleEvent
from projections.media.model import MediaSignalRow, PlayRow
from projections.projection import Key, Projection, Recorded, Row, Rows
from projections.signal_rows import SAMPLES, signal_keys, tell, tell_newest

PREFIX: Final = "Vehicle.Cabin.Infotainment.Media."
_PATH_OF: Final[dict[type[VehicleEvent], str]] = {
    e.MediaSourceSelected: paths.MEDIA_SOURCE,
    e.TrackStarted: paths.MEDIA_TITLE,
    e.PlaybackStateChanged: paths.MEDIA_ACTION,
    e.VolumeChanged: paths.MEDIA_VOLUME,
}


def _is_media(path: str) -> bool:
    return path.startswith(PREFIX)


def _sampled(recorded: Recorded, x: e.SignalsSampled | e.LateSamplesRecorded, rows: Rows) -> None:
    tell_newest(rows, MediaSignalRow, recorded, x, _is_media)


def _source(recorded: Recorded, x: e.MediaSourceSelected, rows: Rows) -> None:
    tell(rows, MediaSignalRow, recorded, paths.MEDIA_SOURCE, x.source, x.captured_at)


def _action(recorded: Recorded, x: e.PlaybackStateChanged, rows: Rows) -> None:
    tell(rows, MediaSignalRow, recorded, paths.MEDIA_ACTION, x.state, x.captured_at)


def _volume(recorded: Recorded, x: e.VolumeChanged, rows: Rows) -> None:
    tell(rows, MediaSignalRow, recorded, paths.MEDIA_VOLUME, x.volume_percent, x.captured_at)


def _started(recorded: Recorded, x: e.TrackStarted, rows: Rows) -> None:
    tell(rows, MediaSignalRow, recorded, paths.MEDIA_TITLE, x.title, x.captured_at)
    current = rows.get(PlayRow, x.captured_at)
    if current and (current.stream_id, current.sequence) > (x.stream_id, x.sequence):
        return
    rows.put(
        PlayRow(
            x.originator_id,
            x.captured_at,
            x.title,
            x.artist,
            x.album,
            x.source,
            x.initial,
            x.received_at,
            x.stream_id,
            x.sequence,
            x.originator_version,
            recorded.position,
        )
    )


def _keys(event: VehicleEvent) -> Sequence[tuple[type[Row], Key]]:
    if isinstance(event, (e.SignalsSampled, e.LateSamplesRecorded)):
        return signal_keys(MediaSignalRow, filter(_is_media, event.path))
    path = _PATH_OF.get(type(event))
    if path is None:
        return ()
    keys = signal_keys(MediaSignalRow, (path,))
    return [*keys, (PlayRow, (event.captured_at,))] if isinstance(event, e.TrackStarted) else keys


MEDIA: Final = Projection(
    name="media",
    version=1,
    row_types=(MediaSignalRow, PlayRow),
    folds={
        e.SignalsSampled: _sampled,
        e.LateSamplesRecorded: _sampled,
        e.MediaSourceSelected: _source,
        e.TrackStarted: _started,
        e.PlaybackStateChanged: _action,
        e.VolumeChanged: _volume,
    },
    keys=_keys,
    renewed={e.SignalsSampled: SAMPLES},
)
