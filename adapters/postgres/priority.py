"""The priority of the process by which a PostgreSQL server answers one connection, where that runs on this machine.

A server knows no priorities: whoever works in the background of others has to ask the operating system for it.
"""

import os
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from psycopg import Connection

_PEER: Final = struct.Struct("3i")  # unix(7), SO_PEERCRED: process, user and group of who listens


def give_way(connection: Connection[Any], nice: int) -> None:
    """Give the server's process of a connection a lower priority, as far as this system and this user can.

    What is reached through a network keeps its own, as does what belongs to another user.
    """
    process = connection.info.backend_pid
    if connection.info.host.startswith("/") and _parent_of(process) == _listener(connection.fileno()):
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process, nice)
        # Where Linux shares out processors by session, nothing else counts: each process of a server is one of its own
        # (sched(7), "The autogroup feature").
        with suppress(OSError):
            Path(f"/proc/{process}/autogroup").write_text(str(nice))


def _listener(descriptor: int) -> int:
    """Return the process that listens on the other end of a Unix socket, as this system numbers it; -1: not known."""
    if not hasattr(socket, "SO_PEERCRED"):
        return -1
    with socket.socket(fileno=os.dup(descriptor)) as peer:
        found: int = _PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))[0]
    return found or -1  # 0: in a container of its own


def _parent_of(process: int) -> int | None:
    """Return a process's parent; None where there is no such process, or no way to know."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[1])
