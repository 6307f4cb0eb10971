"""How many vehicles there are of each kind: every reader counts what going through the vehicles counts."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.fleet_counts import GroupBy
from adapters.twins import ANY_VEHICLE, Between, VehicleFilter
from domain import events as e
from domain import paths
from tests.support.databases import new_database
from tests.support.twins import SECOND, T0, Car, World, memory_world, postgres_world

LOW = {"path": paths.STATE_OF_CHARGE_DISPLAYED, "value": 9.0, "limit": 10.0}


class Told(NamedTuple):
    """What a vehicle is and has told."""

    maker: str
    brand: str
    model: str | None
    codes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    percent: float | None = None


FLEET = [
    Told("WVW", "Volkswagen", "ID.3", ("P0D59", "U0100"), ("FUEL_LEVEL_LOW",), 10.0),
    Told("WVW", "Volkswagen", "ID.4", ("P0D59",), (), 50.0),
    Told("LSV", "Volkswagen", None, (), ("FUEL_LEVEL_LOW", "STATE_OF_CHARGE_LOW")),
    Told("WAU", "Audi", "ａ", ("U0100",)),  # noqa: RUF001  # wide
    Told("0AA", "audi", "ID.3", (), (), 20.0),
]
REGIONS = ["EUROPE", "EUROPE", "ASIA", "EUROPE", None]


def cars() -> list[Car]:
    """Return the fleet, in no log yet; one has the code twice, and each has had one that it does not hold any more."""
    made = []
    for number, told in enumerate(FLEET):
        car = Car(number, brand=told.brand, model=told.model, maker=told.maker)
        for code in (*told.codes, "B1234"):
            car.code(T0 + SECOND, code)
        if number == 0:
            car.code(T0 + SECOND, "P0D59", failure_type=0x1B)
        car.clear(T0 + 2 * SECOND, "B1234")
        for warning in (*told.warnings, "OVER"):
            car.tell(e.WarningRaised, T0 + SECOND, warning=warning, **LOW)
        car.tell(e.WarningCleared, T0 + 2 * SECOND, warning="OVER", **LOW)
        if told.percent is not None:
            car.sample(T0 + SECOND, {paths.STATE_OF_CHARGE_DISPLAYED: told.percent})
        made.append(car)
    return made


CARS = cars()


@pytest.fixture(scope="module", params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with ExitStack() as opened:
        if request.param == "memory":
            yield memory_world(*cars())
        else:
            conninfo = opened.enter_context(new_database(request.getfixturevalue("server")))
            yield opened.enter_context(postgres_world(conninfo, *cars()))


def expected(numbers: list[int], by: GroupBy, limit: int) -> list[tuple[str | None, int]]:
    """Say in other words how many of these vehicles there are of each kind."""
    values: dict[GroupBy, Any] = {
        GroupBy.BRAND: lambda number: [FLEET[number].brand],
        GroupBy.MODEL: lambda number: [FLEET[number].model],
        GroupBy.REGION: lambda number: [REGIONS[number]],
        GroupBy.TROUBLE_CODE: lambda number: FLEET[number].codes,
        GroupBy.WARNING: lambda number: FLEET[number].warnings,
    }
    counts = Counter(value for number in numbers for value in values[by](number))
    return sorted(counts.items(), key=lambda each: (-each[1], each[0] is None, (each[0] or "").encode()))[:limit]


FILTERS = [
    (ANY_VEHICLE, [0, 1, 2, 3, 4]),
    (VehicleFilter(trouble_codes=["P0D59"]), [0, 1]),
    (VehicleFilter(brands=["Volkswagen"]), [0, 1, 2]),
    (VehicleFilter(regions=["ASIA"], warnings=["STATE_OF_CHARGE_LOW"]), [2]),
    (VehicleFilter(state_of_charge=Between(5.0, 20.0)), [0, 4]),
    (VehicleFilter(vins=[]), []),
]
BRANDS = st.none() | st.sets(st.sampled_from(["Volkswagen", "Audi", "audi", "Seat"]))


@given(
    filtered=st.sampled_from(FILTERS),
    by=st.sets(st.sampled_from(GroupBy)),
    limit=st.integers(1, 4),
    listed=st.integers(0, 6),
    brands=BRANDS,
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_reader_counts_the_same(
    world: World,
    filtered: tuple[VehicleFilter, list[int]],
    by: set[GroupBy],
    limit: int,
    listed: int,
    brands: set[str] | None,
) -> None:
    chosen, numbers = filtered
    seen = [number for number in numbers if brands is None or FLEET[number].brand in brands]
    with world.twins.reading(brands) as read:
        found = read.counted(chosen, by, limit, listed)
    assert found.vehicles == len(seen)
    assert {kind: [*map(tuple, groups)] for kind, groups in found.groups.items()} == {
        kind: expected(seen, kind, limit) for kind in by
    }
    assert len(found.vehicle_ids) == min(listed, len(seen))
    assert set(found.vehicle_ids) <= {CARS[number].id for number in seen}
