"""How much of the log a relay publishes in one transaction: less where that is not confirmed in time."""

from typing import Final

EVENTS_MAX: Final = 2_000
BYTES_MAX: Final = 16 * 1_048_576  # but for one event that has more by itself
HALVED_MAX: Final = 4  # times: to 125 events, 1 MiB
GROWN_AFTER: Final = 20  # pages in a row that were confirmed: one that is not costs its time, and a new producer


class Pages:
    """The size of the next page, after how it went with the ones before."""

    def __init__(self) -> None:
        self._halved = 0
        self._confirmed = 0

    @property
    def events_max(self) -> int:
        """How many events the next page has at most."""
        return max(1, EVENTS_MAX >> self._halved)

    @property
    def bytes_max(self) -> int:
        """How many bytes its events have together at most."""
        return BYTES_MAX >> self._halved

    def confirmed(self) -> None:
        """Tell that a page was published."""
        self._confirmed += 1
        if self._halved and self._confirmed >= GROWN_AFTER:
            self._halved, self._confirmed = self._halved - 1, 0

    def late(self) -> None:
        """Tell that a page was not confirmed in time."""
        self._halved, self._confirmed = min(self._halved + 1, HALVED_MAX), 0
