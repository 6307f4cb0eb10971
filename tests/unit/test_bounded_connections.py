"""No connection to PostgreSQL waits without an end for a server that has gone without a word."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from adapters.postgres.conninfo import BOUNDS, bounded
from adapters.postgres.datastore import Datastore
from adapters.postgres.lanes import Lanes
from adapters.postgres.projection_versions import PostgresProjectionVersions
from adapters.postgres.read_models import PostgresReadModels
from adapters.postgres.twin_reader import PostgresTwins

URL = "postgresql://somebody@192.0.2.1:5433/twin?keepalives_idle=60"
OPENED: dict[str, Callable[[], Mapping[str, Any]]] = {  # who connects, and the parameters with which
    "log": lambda: conninfo_to_dict(Datastore(URL)._conninfo),
    "read models": lambda: PostgresReadModels(URL)._pool.kwargs,  # type: ignore[dict-item,return-value]
    "twins": lambda: PostgresTwins(URL)._pool.kwargs,  # type: ignore[dict-item,return-value]
    "whole reads": lambda: conninfo_to_dict(Lanes(URL, 1_000)._conninfo),
    "versions": lambda: PostgresProjectionVersions(URL)._settings,
}


def test_what_an_address_says_itself_stays() -> None:
    assert bounded(URL) == {
        **BOUNDS, "user": "somebody", "host": "192.0.2.1", "port": "5433", "dbname": "twin", "keepalives_idle": "60"
    }  # fmt: skip


@pytest.mark.parametrize("who", OPENED)
def test_whoever_connects_ends_it_where_nothing_comes_back(who: str) -> None:
    found = OPENED[who]()
    assert (found["host"], str(found["keepalives_idle"])) == ("192.0.2.1", "60")
    others = BOUNDS.keys() - {"keepalives_idle", "connect_timeout"}  # which some have shorter
    assert {name: int(found[name]) for name in others} == {name: BOUNDS[name] for name in others}
    assert 0 < int(found["connect_timeout"]) <= BOUNDS["connect_timeout"]
