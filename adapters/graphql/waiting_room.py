"""Where requests wait that ask for a position which the read models have not come to: not among those that run."""

import asyncio
from collections import Counter
from collections.abc import Hashable
from typing import Any, Final

from adapters.graphql.caller import Caller
from adapters.graphql.execution import TIME_IS_UP, Answer, unavailable
from adapters.graphql.tide import Tide

AT_LEAST_S_MAX: Final = 5.0  # that a query waits for the read models
WAITING_MAX: Final = 100  # at once, of a server process; more are refused
WAITING_OF_CLIENT_MAX: Final = 20


class WaitingRoom:
    """The requests of a server process that wait for a position."""

    def __init__(self, projected: Tide) -> None:
        self._projected = projected
        self._waiting: Counter[Hashable] = Counter()  # by client

    async def reached(self, position: int, client: Hashable, caller: Caller | None) -> Answer | None:
        """Wait, for `AT_LEAST_S_MAX` at most, until the read models have come to a position; or say why not.

        It ends with the caller; without one whoever waits for this cancels it.
        """
        if self._waiting.total() >= WAITING_MAX or self._waiting[client] >= WAITING_OF_CLIENT_MAX:
            return unavailable("too many requests wait for a position at once")
        self._waiting[client] += 1
        come = asyncio.ensure_future(self._projected.beyond(position - 1))
        try:
            waited_for: set[asyncio.Future[Any]] = {come, caller.gone()} if caller else {come}
            await asyncio.wait(waited_for, timeout=AT_LEAST_S_MAX, return_when=asyncio.FIRST_COMPLETED)
            return TIME_IS_UP if caller and caller.gone().done() else None
        finally:
            come.cancel()
            self._waiting -= Counter([client])
