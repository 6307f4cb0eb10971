"""asammdf, made to fail in one way and without noise.

On damaged files it raises whatever its parsing runs into, prints and logs what it knows, and leaves half-built objects
whose destructors fail.
"""

import contextlib
import errno
import gc
import io
import logging
import sys
import tempfile
import traceback
from collections.abc import Iterator
from typing import IO, Any, cast

from adapters.can.mf4_blocks import damaged_mf4
from domain.errors import BadInputError


@contextlib.contextmanager
def opened_mdf(stream: IO[bytes], where: str) -> Iterator[Any]:
    """Open a stream; given a file's name asammdf would read whole columns at a time.

    Raises BadInputError where the file is damaged, or the disk for its temporary files is full.
    """
    from asammdf import MDF  # noqa: PLC0415  # takes a second that other formats need not pay

    stream.seek(0)
    try:
        with told_of_a_full_disk(where), quiet():
            mdf = cast("Any", MDF)(stream, process_bus_logging=False)
    except BadInputError:
        raise
    except Exception as fault:  # whatever its parsing runs into
        _bury(fault)
        raise damaged_mf4(f"{type(fault).__name__}: {fault}", where) from fault
    try:
        yield mdf
    finally:
        mdf.close()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep asammdf from printing and logging; what it has to say comes as exceptions."""
    logger = logging.getLogger("asammdf")
    was_disabled, logger.disabled = logger.disabled, True
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.disabled = was_disabled


@contextlib.contextmanager
def told_of_a_full_disk(where: str) -> Iterator[None]:
    """Turn a full disk for temporary files into one that says so."""
    try:
        yield
    except OSError as fault:
        if fault.errno != errno.ENOSPC:
            raise
        raise BadInputError(
            f"no room for a temporary copy in {tempfile.gettempdir()}",
            where=where,
            remedy="make room there, or set TMPDIR to a folder that has it",
        ) from fault


def _bury(fault: BaseException) -> None:
    """Destroy the half-built objects of a failed call now, so that their destructors fail unheard."""
    heard, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        traceback.clear_frames(fault.__traceback__)
        gc.collect()
    finally:
        sys.unraisablehook = heard
