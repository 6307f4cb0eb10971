"""The end of a connection whose client does not do in time what is waited for."""

import asyncio


class CutOff:
    """Ends a connection unless something happens in time."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.now = transport.abort
        self.since_s: float | None = None  # when the wait began, by the clock of the loop; None: nothing is waited for
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, seconds: float) -> None:
        """Wait for so long, unless it is waited already."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self.since_s = loop.time()
            self._timer = loop.call_later(seconds, self.now)

    def end(self) -> None:
        """Wait no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = self.since_s = None
