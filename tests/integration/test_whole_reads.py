"""Whole vehicles over a PostgreSQL whose connections are lost, used by many at once, and given up in mid-question."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest

from adapters.access import DEVELOPMENT, Access, Scope
from adapters.graphql.budgets import Budgets
from adapters.graphql.compiled import CompiledDocuments
from adapters.graphql.execution import Api
from adapters.postgres import lanes
from adapters.postgres.lanes import LANES_MAX, STATEMENTS_MAX, Statement
from adapters.postgres.whole_reader import PostgresWholeReads
from adapters.whole_reads import Asked, Asker, By, Wanted, WholeVehicle
from domain import paths
from domain.errors import StoreError
from tests.support.databases import database, server
from tests.support.twins import World, full_car, postgres_world

__all__ = ["database", "server"]

PATIENCE_S = 20.0
CAR = full_car(1, brand="Audi")
WANTED = Wanted(By.VIN, (paths.SPEED,), last_seen=True)
DOCUMENT = "query ($vin: String!) { vehicle(vin: $vin) { vin diagnostics { odometer { value } } } }"

VIN_IN_PAGE = "{ edges { node { vin } } }"
UNCOMPILED = [
    "{ status { logPosition } }",
    "{ fleet { vehicles } }",
    f'{{ _entities(representations: [{{ __typename: "Vehicle", vin: "{CAR.vin}" }}]) {{ ... on Vehicle {{ vin }} }} }}',
    f'{{ vehicle(vin: "{CAR.vin}", atLeast: 1) {{ vin }} }}',
    f'{{ vehicle(vin: "{CAR.vin}", position: 1) {{ vin }} }}',
    f'{{ vehicle(vin: "{CAR.vin}", asOf: "2026-02-02T00:00:00Z") {{ vin }} }}',
    f"{{ vehicles(first: 1, orderBy: {{ field: VIN }}) {VIN_IN_PAGE} }}",
    f"{{ vehicles(first: 1, atLeast: 1) {VIN_IN_PAGE} }}",
    f'{{ vehicles(first: 1, filter: {{ brands: ["Audi"] }}) {VIN_IN_PAGE} }}',
    f'{{ vehicle(vin: "{CAR.vin}") {{ vin }} fleet {{ vehicles }} }}',
    "subscription { events { cursor } }",
    "subscription { vehicleChanged { cursor } }",
]


def asker(*brands: str) -> Asker:
    return Asker(uuid4(), "client", "subject", brands or None)


@pytest.fixture(scope="module")
def world(database: str) -> Iterator[World]:
    with postgres_world(database, CAR) as made:
        yield made


@asynccontextmanager
async def reading(conninfo: str) -> AsyncIterator[PostgresWholeReads]:
    reads = PostgresWholeReads(conninfo)
    try:
        yield reads
    finally:
        await reads.close()


async def speed(reads: PostgresWholeReads, *brands: str, wanted: Wanted = WANTED) -> Any:
    ((found, *_),) = await reads.read([Asked(wanted, CAR.vin)], asker(*brands))
    assert isinstance(found, WholeVehicle)
    return found.samples[paths.SPEED][2]


def end_connections(conninfo: str) -> None:
    """End every connection of an event loop, and no other."""
    with psycopg.connect(conninfo) as connection:
        ended = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
            " AND query LIKE '%chosen AS MATERIALIZED%' AND pid <> pg_backend_pid()"
        ).fetchone()
    assert ended is not None
    assert ended[0] >= 1


def until_all_wait(conninfo: str) -> None:
    """Wait until every connection of an event loop waits for a lock."""
    statement: LiteralString = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    end = time.monotonic() + PATIENCE_S
    with psycopg.connect(conninfo, autocommit=True) as connection:
        while connection.execute(statement).fetchone() != (LANES_MAX,):
            assert time.monotonic() < end
            time.sleep(0.01)


@pytest.mark.usefixtures("world")
def test_a_connection_that_is_lost_is_replaced(database: str) -> None:
    async def ask() -> None:
        async with reading(database) as reads:
            assert await speed(reads) == CAR.events[1].value[0]  # type: ignore[attr-defined]  # samples
            end_connections(database)
            await asyncio.sleep(0)
            for _ in range(2):  # the loop may not have been told yet
                try:
                    await speed(reads)
                except StoreError:
                    continue
            assert await speed(reads, "Audi") == CAR.events[1].value[0]  # type: ignore[attr-defined]

    asyncio.run(ask())


@pytest.mark.usefixtures("world")
def test_a_connection_that_is_lost_before_it_is_used_says_so(database: str) -> None:
    async def ask() -> None:
        async with reading(database) as reads:
            lane = await reads._lanes._take()
            lane.close()
            with pytest.raises(StoreError):
                async with asyncio.timeout(PATIENCE_S):
                    await lane.ask([Statement("SELECT 1", ())])

    asyncio.run(ask())


@pytest.mark.usefixtures("world")
def test_more_may_ask_at_once_than_there_are_connections(database: str) -> None:
    async def ask() -> None:
        async with reading(database) as reads:
            found = await asyncio.gather(*(speed(reads, "Audi") for _ in range(5 * LANES_MAX)))
            assert len(set(found)) == 1

    asyncio.run(ask())


def test_all_who_wait_are_told_of_a_database_that_cannot_be_reached(tmp_path: Path) -> None:
    async def ask() -> None:
        async with reading(f"host={tmp_path} connect_timeout=1") as reads, asyncio.timeout(PATIENCE_S):
            asking = [speed(reads) for _ in range(3 * LANES_MAX)]
            found = await asyncio.gather(*asking, return_exceptions=True)
            assert {type(each) for each in found} == {StoreError}

    asyncio.run(ask())


@pytest.mark.usefixtures("world")
def test_all_who_wait_are_served_though_every_connection_is_lost(database: str) -> None:
    async def ask() -> None:
        async with reading(database) as reads, asyncio.timeout(PATIENCE_S):
            await speed(reads)
            with psycopg.connect(database) as connection:
                connection.execute("LOCK TABLE directory IN ACCESS EXCLUSIVE MODE")
                asking = [asyncio.ensure_future(speed(reads, "Audi")) for _ in range(4 * LANES_MAX)]
                await asyncio.to_thread(until_all_wait, database)
                end_connections(database)
            found = await asyncio.gather(*asking, return_exceptions=True)
            assert sum(isinstance(each, StoreError) for each in found) <= LANES_MAX
            assert len(found) == 4 * LANES_MAX

    asyncio.run(ask())


@pytest.mark.usefixtures("world")
def test_who_does_not_wait_for_the_answer_leaves_the_connection_usable(database: str) -> None:
    async def ask() -> None:
        async with reading(database) as reads:
            asking = [asyncio.ensure_future(speed(reads)) for _ in range(3 * LANES_MAX)]
            for _ in range(3):
                await asyncio.sleep(0)
            for each in asking:
                each.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            assert await speed(reads) is not None

    asyncio.run(ask())


@pytest.mark.usefixtures("world")
def test_few_of_very_many_statements_stay_prepared(database: str) -> None:
    async def ask() -> None:
        async with reading(database) as reads:
            for number in range(STATEMENTS_MAX + 10):
                some = tuple(f"Vehicle.P{each}" for each in range(number % 3))
                wanted = Wanted(By.VIN, (paths.SPEED, *some), bool(number % 2), on_record=(f"{number}",))
                assert await speed(reads, "Audi", wanted=wanted) is not None

    asyncio.run(ask())


@pytest.mark.usefixtures("world")
def test_a_database_that_does_not_answer_is_not_waited_for_for_ever(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "ANSWER_TIMEOUT_S", 0.05)

    async def ask() -> None:
        async with reading(database) as reads:
            with psycopg.connect(database) as connection:
                connection.execute("LOCK TABLE directory IN ACCESS EXCLUSIVE MODE")
                with pytest.raises(StoreError, match="lost"):
                    await speed(reads)

    asyncio.run(ask())


def test_another_version_is_read_as_soon_as_it_is_shown(database: str, world: World) -> None:
    async def ask() -> None:
        async with reading(database) as reads:
            assert await speed(reads, "Audi") is not None
            with psycopg.connect(database) as connection:
                connection.execute("CREATE TABLE navigation_v77_signals (LIKE navigation_v1_signals)")
                connection.execute("SELECT protect_vehicles('navigation_v77_signals'::regclass, 'vehicle_id')")
                connection.execute(
                    "INSERT INTO shown_projections (projection, version, switched_at) VALUES ('navigation', 77, 0)"
                )
            ((found, *_),) = await reads.read([Asked(WANTED, CAR.vin)], asker("Audi"))
            assert found.samples == {}
            with psycopg.connect(database) as connection:
                connection.execute("DELETE FROM shown_projections")
                connection.execute("DROP TABLE navigation_v77_signals")
            assert await speed(reads, "Audi") is not None

    assert world.ask("{ status { logPosition } }")
    asyncio.run(ask())


class _Away:
    """A database that does not answer."""

    async def read(self, asked: Any, asker: Any) -> Any:  # noqa: ARG002  # the port
        raise StoreError("it is away")

    async def close(self) -> None:
        """Do nothing."""


def test_what_cannot_be_read_is_left_to_ordinary_execution_and_costs_nothing(world: World) -> None:
    budgets = Budgets(100, 1, lambda: 0.0)
    documents = CompiledDocuments(Api(world.twins, world.api.catalogue, world.api.decode, budgets), _Away())
    access = Access("client", "subject", frozenset({"Audi"}), frozenset(Scope))
    variables = {"vin": CAR.vin}
    for _ in range(2):
        documents.learn(DOCUMENT, variables, None, access=access)

    async def ask() -> bytes | None:
        return await documents.answer(DOCUMENT, variables, None, access=access, request_id=uuid4())

    assert asyncio.run(ask()) is None
    assert budgets.spend(("client", frozenset({"Audi"})), 0)[1].available == 100


def test_a_document_is_compiled_the_second_time_and_one_that_is_refused_never(world: World, database: str) -> None:
    async def ask() -> None:
        async with reading(database) as reads:
            documents = CompiledDocuments(world.api, reads)

            async def answer(document: str, **variables: Any) -> bytes | None:
                return await documents.answer(document, variables, None, access=DEVELOPMENT, request_id=uuid4())

            def learn(document: str, **variables: Any) -> None:
                documents.learn(document, variables, None, access=DEVELOPMENT)

            learn(DOCUMENT, vin=CAR.vin)
            assert await answer(DOCUMENT, vin=CAR.vin) is None
            learn(DOCUMENT, vin=CAR.vin)
            assert await answer(DOCUMENT, vin=CAR.vin) is not None
            assert await answer(DOCUMENT, vin="x") is None
            for refused in ("{", "{ nothing }", *UNCOMPILED):
                for _ in range(2):
                    learn(refused)
                assert await answer(refused) is None

    asyncio.run(ask())
