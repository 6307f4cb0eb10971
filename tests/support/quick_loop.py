"""A loop whose clock can be made to run faster: so the times that a server has are waited for, and tests go on."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

HURRIED_S: Final = 0.5  # that a wait takes
LATE: Final = 20  # times as long as it is to take it may, on a machine that has other things to do

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    speed = 1.0

    def select(self, timeout: float | None = None) -> Any:
        return super().select(timeout and timeout / self.speed)


class QuickLoop(asyncio.SelectorEventLoop):
    """A loop; all that it does not wait for a time for takes as long as ever."""

    _begun_s = _told_s = 0.0

    def __init__(self) -> None:
        self._of_loop = _Selector()
        super().__init__(self._of_loop)

    def time(self) -> float:
        """Return the time by the clock of this loop."""
        return self._told_s + (super().time() - self._begun_s) * self._of_loop.speed

    def hurry(self, speed: float) -> None:
        """Let the clock run so many times as fast from now on."""
        self._told_s, self._begun_s = self.time(), super().time()
        self._of_loop.speed = speed


def run_quickly(main: Callable[[QuickLoop], Coroutine[Any, Any, T]]) -> T:
    """Run something on such a loop."""
    with asyncio.Runner(loop_factory=QuickLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, QuickLoop)
        return runner.run(main(loop))


async def comes_after(loop: QuickLoop, since_s: float, seconds: float, awaited: Awaitable[T]) -> T:
    """Return what comes so many seconds after a time by the clock of the loop, and no sooner."""
    loop.hurry(seconds / HURRIED_S)
    found = await asyncio.wait_for(awaited, LATE * seconds)
    loop.hurry(1.0)
    assert loop.time() >= since_s + seconds
    return found
