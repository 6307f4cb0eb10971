"""The fold of media."""

from collections.abc import Sequence
from typing import Final

from domain import events as e
from domain import paths
from domain.events import VehicleEvent
from projections.media.model import MediaSignalRow, PlayRow
from projections.projection import Key, Projection, Recorded, Row, Rows
from projections.signal_rows import signal_keys, tell

PREFIX: Final = "Vehicle.Cabin.Infotainment.Media."
_PATH_OF: Final[dict[type[VehicleEvent], str]] = {
    e.MediaSourceSelected: paths.MEDIA_SOURCE,
    e.TrackStarted: paths.MEDIA_TITLE,
    e.PlaybackStateChanged: paths.MEDIA_ACTION,
    e.VolumeChanged: paths.MEDIA_VOLUME,
}


def _sampled(recorded: Recorded, x: e.SignalsSampled | e.LateSamplesRecorded, rows: Rows) -> None:
    for path, at, value, quality in zip(x.path, x.sampled_at, x.value, x.quality, strict=True):
        if path.startswith(PREFIX):
            tell(rows, MediaSignalRow, recorded, path, value, at, quality)


def _source(recorded: Recorded, x: e.MediaSourceSelected, rows: Rows) -> None:
    tell(rows, MediaSignalRow, recorded, paths.MEDIA_SOURCE, x.source, x.captured_at)


def _action(recorded: Recorded, x: e.PlaybackStateChanged, rows: Rows) -> None:
    tell(rows, MediaSignalRow, recorded, paths.MEDIA_ACTION, x.state, x.captured_at)


def _volume(recorded: Recorded, x: e.VolumeChanged, rows: Rows) -> None:
    tell(rows, MediaSignalRow, recorded, paths.MEDIA_VOLUME, x.volume_percent, x.captured_at)


def _started(recorded: Recorded, x: e.TrackStarted, rows: Rows) -> None:
    tell(rows, MediaSignalRow, recorded, paths.MEDIA_TITLE, x.title, x.captured_at)
    current = rows.get(PlayRow, x.originator_id, x.captured_at)
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
    vehicle_id = event.originator_id
    if isinstance(event, (e.SignalsSampled, e.LateSamplesRecorded)):
        return signal_keys(MediaSignalRow, vehicle_id, {path for path in event.path if path.startswith(PREFIX)})
    path = _PATH_OF.get(type(event))
    if path is None:
        return ()
    keys = signal_keys(MediaSignalRow, vehicle_id, (path,))
    return [*keys, (PlayRow, (vehicle_id, event.captured_at))] if isinstance(event, e.TrackStarted) else keys


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
)
