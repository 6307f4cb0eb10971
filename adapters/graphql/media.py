"""What a vehicle plays and has played."""

import strawberry
from strawberry import ID

from adapters.graphql.cohort import Twin, signal_field
from adapters.graphql.envelope import EVENT_ID, RECEIVED_AT, FloatValue, StringValue
from adapters.graphql.fields import computed, resolved
from adapters.graphql.ids import cursor_of, event_id_of
from adapters.graphql.paging import After, Connection, First, Order, Ordered, connection, page_of
from adapters.graphql.scalars import Int64
from domain import paths
from domain.units import Micros
from projections.media.model import PlayRow


@strawberry.type(description="A piece that was played.")
class Play:
    """A piece that was played."""

    row: strawberry.Private[PlayRow]

    started_at: Micros = computed(lambda play: play.row.started_at, "When it began, by the car's clock.")
    title: str = computed(lambda play: play.row.title, f"Unit: none. VSS: {paths.MEDIA_TITLE}")
    artist: str | None = computed(lambda play: play.row.artist, f"Unit: none. VSS: {paths.MEDIA_ARTIST}")
    album: str | None = computed(lambda play: play.row.album, f"Unit: none. VSS: {paths.MEDIA_ALBUM}")
    source: str | None = computed(
        lambda play: play.row.source, f"As VSS names it. Unit: none. VSS: {paths.MEDIA_SOURCE}"
    )
    found_playing: bool = computed(
        lambda play: play.row.initial, "It was found playing at startedAt, and may have begun before."
    )
    received_at: Micros = computed(lambda play: play.row.received_at, RECEIVED_AT)
    event_id: ID = computed(lambda play: event_id_of(play.row.vehicle_id, play.row.event_version), EVENT_ID)
    position: Int64 = computed(lambda play: play.row.position, "The position of that event in the whole log.")


@strawberry.type(description="What a vehicle plays and has played. Scope: media:read.")
class Media:
    """The media of a vehicle."""

    twin: strawberry.Private[Twin]

    source: StringValue = signal_field(StringValue, paths.MEDIA_SOURCE, None, "Where the sound comes from")
    title: StringValue = signal_field(StringValue, paths.MEDIA_TITLE, None, "Title of the piece")
    artist: StringValue = signal_field(StringValue, paths.MEDIA_ARTIST, None, "Artist of the piece")
    album: StringValue = signal_field(StringValue, paths.MEDIA_ALBUM, None, "Album of the piece")
    playback: StringValue = signal_field(StringValue, paths.MEDIA_ACTION, None, "Whether it plays: PLAY, STOP, …")
    volume: FloatValue = signal_field(FloatValue, paths.MEDIA_VOLUME, "percent", "Volume, 0 to 100")

    @resolved("What was played, by the time it began; a piece that goes on after a gap in the data is shown once.")
    def play_history(
        self, first: First, after: After = None, order: Ordered = Order.NEWEST_FIRST
    ) -> Connection[Play] | None:
        """Return a page of what was played."""
        page = page_of("plays", first, after, order)
        if not self.twin.may_show("Media.playHistory"):
            return None
        rows = self.twin.cohort.rows(self.twin.id, ("plays", page), lambda read, ids: read.plays(ids, page))
        return connection(rows, page, lambda row: cursor_of("plays", row.started_at), lambda row: Play(row=row))
