"""The read model of media."""

from domain import paths
from projections.media.model import MediaSignalRow, PlayRow
from tests.support.batches import DOOR, Stream, at, sample
from tests.support.given import Car
from tests.support.read_side import project, rows_of


def test_what_played_is_a_row_for_each_piece() -> None:
    car, stream = Car(), Stream()
    car.observe(
        stream.batch(
            sample(paths.MEDIA_SOURCE, 0, "USB"),
            sample(paths.MEDIA_ARTIST, 0, "A"),
            sample(paths.MEDIA_TITLE, 0, "One"),
        ),
        stream.batch(sample(paths.MEDIA_TITLE, 200, "Two"), sample(paths.MEDIA_TITLE, 201, "Two")),
    )
    rows = rows_of(project(car.events), PlayRow)

    assert [row[1:7] for row in rows] == [
        (at(0), "One", "A", None, "USB", True),
        (at(200), "Two", "A", None, "USB", False),
    ]


def test_two_streams_that_tell_of_one_moment_tell_of_one_piece() -> None:
    for order in ("ab", "ba"):
        car = Car()
        car.observe(*(Stream(name).batch(sample(paths.MEDIA_TITLE, 0, f"by {name}")) for name in order))
        (row,) = rows_of(project(car.events), PlayRow)

        assert row.title == "by b"


def test_the_current_state_of_media_is_kept() -> None:
    car, stream = Car(), Stream()
    car.observe(
        stream.batch(
            sample(paths.MEDIA_SOURCE, 0, "USB"),
            sample(paths.MEDIA_TITLE, 0, "One"),
            sample(paths.MEDIA_ACTION, 0, "PLAY"),
            sample(paths.MEDIA_VOLUME, 0, 20),
            sample(DOOR, 0, value=True),
        ),
        stream.batch(sample(paths.MEDIA_VOLUME, 1, 25)),
    )
    rows = {row.path: (row.value, row.captured_at) for row in rows_of(project(car.events), MediaSignalRow)}

    assert rows == {
        paths.MEDIA_SOURCE: ("USB", at(0)),
        paths.MEDIA_TITLE: ("One", at(0)),
        paths.MEDIA_ACTION: ("PLAY", at(0)),
        paths.MEDIA_VOLUME: (25.0, at(1)),
    }


def test_an_older_recording_does_not_change_what_plays() -> None:
    car = Car()
    car.observe(
        Stream("a").batch(sample(paths.MEDIA_TITLE, 9, "Now")), Stream("b").batch(sample(paths.MEDIA_TITLE, 1, "Then"))
    )
    store = project(car.events)

    assert [row.value for row in rows_of(store, MediaSignalRow)] == ["Now"]
    assert [row.title for row in rows_of(store, PlayRow)] == ["Then", "Now"]
