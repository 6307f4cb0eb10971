"""How much a relay publishes at a time, after pages that were confirmed or were late."""

from adapters.kafka.pages import BYTES_MAX, EVENTS_MAX, GROWN_AFTER, HALVED_MAX, Pages


def sizes(pages: Pages) -> tuple[int, int]:
    return pages.events_max, pages.bytes_max


def test_a_page_is_halved_each_time_that_it_is_late_down_to_a_floor() -> None:
    pages = Pages()
    for halved in range(HALVED_MAX + 1):
        assert sizes(pages) == (EVENTS_MAX >> halved, BYTES_MAX >> halved)
        pages.late()
    assert sizes(pages) == (125, 1_048_576)


def test_a_page_grows_back_after_enough_in_a_row_that_were_confirmed() -> None:
    pages = Pages()
    for _ in range(2 * GROWN_AFTER):
        pages.confirmed()
    pages.late()
    pages.late()
    for _ in range(GROWN_AFTER - 1):
        pages.confirmed()
    assert sizes(pages) == (EVENTS_MAX >> 2, BYTES_MAX >> 2)
    pages.confirmed()
    assert sizes(pages) == (EVENTS_MAX >> 1, BYTES_MAX >> 1)
    for _ in range(GROWN_AFTER - 1):
        pages.confirmed()
    pages.late()  # so that they are counted anew
    pages.confirmed()
    assert sizes(pages) == (EVENTS_MAX >> 2, BYTES_MAX >> 2)
    for _ in range(3 * GROWN_AFTER):
        pages.confirmed()
    assert sizes(pages) == (EVENTS_MAX, BYTES_MAX)
