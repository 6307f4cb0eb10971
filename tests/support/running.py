"""A loop of the program in a thread of the test."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

ENDS_WITHIN_S: Final = 120


@contextmanager
def running(loop: Callable[[threading.Event], object]) -> Iterator[None]:
    """Run what goes on until an event is set; set it in the end."""
    stopping = threading.Event()
    thread = threading.Thread(target=loop, args=(stopping,))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(ENDS_WITHIN_S)
