"""Stops the brokers of a folder when the last process that uses them has gone, however it went.

`python -m adapters.kafka.keeper FOLDER`, started by `adapters.kafka.cluster` beside the brokers. Users of the brokers
hold a shared lock on OWNERS_LOCK, which the kernel takes from a killed process; the keeper waits for an exclusive one.
"""

import fcntl
import os
import signal
import sys
from pathlib import Path
from typing import Final

from adapters.kafka.held_process import HeldProcess, stop_all

OWNERS_LOCK: Final = "owners.lock"
BROKER_PID_FILES: Final = "broker-*/pid"
STOP_TIMEOUT_S: Final = 15
_DESCRIPTORS_MAX: Final = 256


def stop_brokers(folder: Path) -> None:
    """Stop whatever broker of the folder runs."""
    stop_all([HeldProcess(path) for path in sorted(folder.glob(BROKER_PID_FILES))], STOP_TIMEOUT_S)


def main() -> None:
    """Wait until nobody uses the brokers, stop them, and go."""
    folder = Path(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with (folder / OWNERS_LOCK).open("rb") as owners:
        fcntl.flock(owners, fcntl.LOCK_EX)
        stop_brokers(folder)
        # Our own file first: who gets the owners' lock after us must see that this keeper is gone.
        os.closerange(3, owners.fileno())
        os.closerange(owners.fileno() + 1, _DESCRIPTORS_MAX)


if __name__ == "__main__":
    main()
