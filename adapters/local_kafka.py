"""`make up` and `make down`: brokers on this machine, in the background, below FLEETTWIN_HOME.

`python -m adapters.local_kafka up|down [BROKERS]`
"""

import signal
import sys
from pathlib import Path
from typing import Final

from adapters.config import Config
from adapters.kafka.broker import Ports
from adapters.kafka.cluster import Cluster
from adapters.kafka.distribution import find_distribution
from adapters.kafka.held_process import HeldProcess
from adapters.kafka.keeper import BROKER_PID_FILES, stop_brokers
from domain.errors import BadInputError, FleettwinError

CLIENT_PORT: Final = 9_092  # of the first broker, the next ones follow
CONTROLLER_PORT: Final = 19_092
BROKERS_MAX: Final = 9
BAD_INPUT: Final = 2  # exit status


def up(home: Path, brokers: int) -> list[str]:
    """Start the brokers unless they run, and return what to tell."""
    others = [folder.name for folder in _running(home) if folder != _folder(home, brokers)]
    if others:
        what = f"another set of brokers runs ({', '.join(others)})"
        raise BadInputError(what, where=str(home / "kafka"), remedy="`make down` stops it")
    distribution = find_distribution()
    ports = [Ports(CLIENT_PORT + number, CONTROLLER_PORT + number) for number in range(brokers)]
    cluster = Cluster(_folder(home, brokers), distribution, brokers=brokers, ports=ports)
    started = cluster.start(owned=False)
    runs = f"Kafka {distribution.version} {'runs' if started else 'ran already'}: {_count(brokers)}"
    if 0 < len(started) < brokers:
        numbers = ", ".join(map(str, started))
        runs += f" (started again: {numbers})"
    return [
        f"{runs}, logs and data in {cluster.folder}; `make down` stops it",
        f"export FLEETTWIN_KAFKA_BOOTSTRAP_SERVERS={cluster.bootstrap_servers}",
    ]


def down(home: Path) -> list[str]:
    """Stop whatever brokers run, and return what to tell."""
    running = _running(home)
    for folder in running:
        stop_brokers(folder)
    return [f"stopped {folder.name}" for folder in running] or ["no broker runs"]


def main() -> None:
    """Run `up` or `down`."""
    try:
        home = Config.read().home.absolute()
        match sys.argv[1:]:
            case ["up", brokers]:
                told = up(home, _brokers(brokers))
            case ["down"]:
                told = down(home)
            case _:
                raise BadInputError("wrong use", where="local_kafka", remedy="say `up BROKERS`, or `down`")
    except FleettwinError as error:
        sys.stderr.write(f"fleettwin: {' '.join(str(error).split())}\n")
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        sys.stderr.write("fleettwin: stopped\n")
        sys.exit(128 + signal.SIGINT)
    sys.stdout.write("".join(f"{line}\n" for line in told))


def _brokers(text: str) -> int:
    if text not in map(str, range(1, BROKERS_MAX + 1)):
        raise BadInputError(f"{text!r} is no number of brokers", where="BROKERS", remedy="say 1 or 3")
    return int(text)


def _folder(home: Path, brokers: int) -> Path:
    """Return where so many brokers are: each number has a cluster of its own."""
    return home / "kafka" / _count(brokers).replace(" ", "-")


def _running(home: Path) -> list[Path]:
    folders = sorted((home / "kafka").glob("*-broker*"))
    return [folder for folder in folders if any(HeldProcess(path).running for path in folder.glob(BROKER_PID_FILES))]


def _count(brokers: int) -> str:
    return "1 broker" if brokers == 1 else f"{brokers} brokers"


if __name__ == "__main__":
    main()
