"""`python -m bench.partner_server compiled|ordinary`: the server of `fleettwin serve`, in one of its two ways."""

import sys
from typing import Final

from adapters.config import Config
from adapters.serving import bound, serve_twins
from adapters.wiring import FleetTwin, fleet_twin

WAYS: Final = ("compiled", "ordinary")


class _Ordinary(FleetTwin):
    """Twins whose documents are all executed the ordinary way."""

    def whole_reads(self) -> None:
        """Read nothing for compiled documents."""
        return


def main(way: str) -> None:
    """Serve until the end."""
    config = Config.read()
    with fleet_twin(config) as twin, bound(config) as listener:
        ordinary = _Ordinary(twin.config, twin.conninfo, twin.records, twin.read_models, twin.twins)
        serve_twins(ordinary if way == "ordinary" else twin, listener, project=False)


if __name__ == "__main__":
    main(sys.argv[1])
