"""The pipeline in a browser."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from adapters.access import Access, Scope
from adapters.graphql.port import Doorkeeper
from adapters.postgres.projection_versions import PostgresProjectionVersions
from adapters.projecting import advance
from adapters.projection_versions import VersionState, at_version, named
from adapters.rebuild import Job, filler
from domain.errors import StoreError
from projections.digest import digest
from tests.support.console import Browser, asked_at, console_app, console_of
from tests.support.operated import PARKED_AT, REASON, Operated
from tests.support.twins import SECOND, T0, Car, full_car, memory_world, postgres_world

pytestmark = pytest.mark.browser

PICTURES: Final = Path(__file__).parents[2] / "docs/pictures"
NOW: Final = "2026-02-02T02:40:07Z"
STAGES: Final = {"hash": "#/pipeline", "wait": "The log is at position"}
AUDI: Final = full_car(1, brand="Audi")
RETRY: Final = f"Retry {AUDI.vin} in media v1"


def operated() -> Operated:
    """Return two cars, of which one is parked in every projection."""
    made, car = Operated(memory_world()), full_car(1, brand="Audi")
    made.write(car, full_car(2), spoilt=[(car.id, 2)])
    return made


def told(made: Operated, path: str, change: Callable[[], object]) -> AbstractContextManager[str]:
    """Serve a world in which something changes as soon as a path is asked for."""
    return asked_at(path, change, console_app(made.world.twins, operations=made.operations))


class Keeper:
    """Lets everybody in as one of Audi with some scopes."""

    required = True

    def __init__(self, *scopes: Scope) -> None:
        self._access = Access("console", "somebody", frozenset({"Audi"}), frozenset(scopes), metered=False)

    def remembered(self, _: str) -> Access | None:
        return self._access

    def verify(self, _: str) -> Access:
        return self._access


def views(
    browser: Browser,
    made: Operated,
    wanted: Mapping[str, Mapping[str, str]],
    keeper: Doorkeeper | None = None,
    locale: str = "en-GB",
) -> dict[str, str]:
    token = "a token" if keeper else None
    with console_of(made.world.twins, keeper, made.operations) as address:
        found: dict[str, str] = browser.run("pipeline.views", address, at=NOW, views=wanted, token=token, locale=locale)
    return found


# --- stages -----------------------------------------------------------------------------------------------------------


def test_every_stage_says_what_waits_for_it_and_for_how_long(browser: Browser) -> None:
    made = operated()
    made.world.append(Car(9))
    made.watch.once()
    seen = views(browser, made, {"stages": STAGES})["stages"]
    position = made.world.log.last_position()
    assert f"The log is at position {position}." in seen
    for name in ("navigation v1", "media v1", "diagnostics v1"):
        assert f"{name}\tfolds the events of the log into a read model\t1\t" in seen
        assert f"{name}\t● shown\t{position - 1}\t" in seen
    assert seen.count("⚠ 1") == 3


def test_the_pipeline_is_said_to_be_about_now_only(browser: Browser) -> None:
    moment = "2026-02-02T01:00:00.000Z"
    with console_of(operated().world.twins, operations=operated().operations) as address:
        found = browser.run("pipeline.present", address, at=NOW, moment=moment)
    assert "The pipeline is shown as it is now" in found["text"]
    assert "2 Feb 2026, 01:00:00" in found["text"]
    assert found["described"] in found["text"]
    assert found["at"] == moment


def test_what_does_not_tell_how_far_it_is_is_said(browser: Browser) -> None:
    made = Operated(memory_world(Car(1)))
    seen = views(browser, made, {"stages": STAGES})["stages"]
    assert "Not every stage tells how far it is." in seen
    assert "nobody has looked at the database yet" in seen


def test_a_token_without_the_scope_sees_positions_and_which_scope_it_lacks(browser: Browser) -> None:
    wait = "The token does not show this. It lacks the scope"
    wanted = {part: {"hash": f"#/pipeline/{part}", "wait": wait} for part in ("stages", "parked", "compare")}
    seen = views(browser, operated(), wanted, Keeper(*set(Scope) - {Scope.OPERATIONS_READ}))
    for text in seen.values():
        assert f"{wait} operations:read" in text
        assert REASON not in text
    assert "navigation v1" in seen["stages"]
    assert "Prove" not in seen["stages"]


def test_the_pipeline_is_told_in_german(browser: Browser) -> None:
    wanted = {
        "stages": {"hash": "#/pipeline", "wait": "● gezeigt"},
        "parked": {"hash": "#/pipeline/parked", "wait": "Versuche: 1"},
        "compare": {"hash": "#/pipeline/compare", "wait": "Eine weitere daneben füllen:"},
    }
    seen = views(browser, operated(), wanted, locale="de-DE")
    assert "Das Log steht bei Position" in seen["stages"]
    assert "Wiederholen" in seen["parked"]


# --- parked events ----------------------------------------------------------------------------------------------------


def test_a_parked_event_is_shown_and_retried_with_the_keyboard(browser: Browser) -> None:
    made = operated()
    with told(made, "/mended", made.mend) as address:
        found = browser.run("pipeline.retried", address, at=NOW, button=RETRY)
    for text in (REASON, AUDI.vin, "vehicle.signals_sampled.v1", "version 2, position 2"):
        assert text in found["seen"]
    assert found["before"] == 3
    assert [row.split("\t")[1] for row in found["left"]] == ["navigation v1", "diagnostics v1"]
    assert [projection.name for projection, _ in made.projecting.parked()] == ["navigation", "diagnostics"]


def test_where_nothing_is_parked_that_is_said(browser: Browser) -> None:
    made = Operated(memory_world(Car(1)))
    seen = views(browser, made, {"parked": {"hash": "#/pipeline/parked", "wait": "Nothing is parked."}})
    assert "Every event of the log could be folded." in seen["parked"]


def test_who_may_see_what_is_parked_may_not_retry_it_for_that(browser: Browser) -> None:
    made = operated()
    made.mend()
    with console_of(made.world.twins, Keeper(Scope.OPERATIONS_READ), made.operations) as address:
        text = browser.run("pipeline.refused", address, at=NOW, button=RETRY, token="a token")
    assert "The token does not allow this." in text
    assert "operations:write" in text
    assert len(made.projecting.parked()) == 3


def test_a_retry_that_fails_says_so(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    made = operated()

    def fails(*_: Any) -> None:
        raise StoreError("the database is gone")

    monkeypatch.setattr(type(made.projecting), "take_up", fails)
    with console_of(made.world.twins, operations=made.operations) as address:
        text = browser.run("pipeline.refused", address, at=NOW, button=RETRY)
    assert "The store does not answer at present." in text


# --- versions ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def beside(fresh_database: str) -> Iterator[tuple[Operated, str]]:
    """Give three cars, and a second version of navigation that is filled for the first of them."""
    with postgres_world(fresh_database) as world:
        made = Operated(world)
        made.write(*(full_car(number, brand="Audi") for number in range(1, 4)))
        world.models.prepare(at_version(named("navigation"), 2))
        end = world.log.last_position()
        PostgresProjectionVersions(fresh_database).begin(VersionState("navigation", 2, False, end))
        fill(made, fresh_database, 1)
        yield made, fresh_database


def fill(made: Operated, database: str, vehicles: int) -> None:
    with filler(database) as one:
        ids = sorted(entry.vehicle_id for entry in made.world.log.vehicles())[:vehicles]
        assert sum(one.fill(Job("navigation", 2, 0, made.world.log.last_position()), ids))


def finish(made: Operated, database: str) -> None:
    """Fill the second version, and write one trip otherwise than the log says."""
    fill(made, database, 3)
    PostgresProjectionVersions(database).ready("navigation", 2)
    advance(at_version(named("navigation"), 2), made.feed, made.world.models, lambda: PARKED_AT, 0)
    with psycopg.connect(database) as connection:
        connection.execute(
            "UPDATE navigation_v2_trips SET distance_m = 1 WHERE vehicle_id = %s AND started_at = %s",
            [AUDI.id, T0 + SECOND],
        )


def test_a_version_is_filled_while_somebody_looks_on_and_is_compared(
    browser: Browser, beside: tuple[Operated, str]
) -> None:
    made, database = beside
    wait = "1 difference; 3 of 3 vehicles are compared."
    with told(made, "/filled", lambda: finish(made, database)) as address:
        found = browser.run("pipeline.filled", address, at=NOW, wait=wait)
        chosen = browser.run("pipeline.chosen", address, at=NOW, wait=wait)
    events = len(AUDI.events)
    assert f"33.3 % ({events} of {3 * events} events)" in found["before"]
    assert "100 %" in found["after"]
    assert found["hash"] == "#/pipeline/compare?projection=navigation&left=1&right=2"
    for text in (AUDI.vin, "distance_m", "1000\t1\t", "Audi\ttrips\tdistance_m\t1"):
        assert text in found["compared"]
    assert chosen["hash"] == "#/pipeline/compare?right=2"
    assert AUDI.vin in chosen["text"]


def test_a_digest_is_summed_up_and_proved(browser: Browser, beside: tuple[Operated, str]) -> None:
    made, database = beside
    finish(made, database)
    expected = {version: digest(made.world.models, at_version(named("navigation"), version)) for version in (1, 2)}
    assert expected[1] != expected[2]
    with console_of(made.world.twins, operations=made.operations) as address:
        for version, proof in ((1, "as the log says"), (2, "the log says")):
            name = f"navigation v{version}"
            presses = [(f"Digest of {name}", "rows at position"), (f"Prove {name}", proof)]
            found = browser.run("pipeline.digests", address, at=NOW, row=name, presses=presses)
            assert found == [expected[version]] * 2


# --- people -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_a_narrow_screen(
    browser: Browser, beside: tuple[Operated, str], scheme: str
) -> None:
    made, database = beside
    finish(made, database)
    car = full_car(9)
    made.write(car, spoilt=[(car.id, 2)])
    pages = {part: f"#/pipeline/{part}" for part in ("stages", "parked", "compare", "nothing")}
    with console_of(made.world.twins, operations=made.operations) as address:
        assert browser.run("people.accessible", address, at=NOW, pages=pages, scheme=scheme) == {}
        assert browser.run("people.narrow", address, at=NOW, pages=pages) == {}


def test_the_picture_of_the_pipeline(
    browser: Browser, beside: tuple[Operated, str], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """It is that of the documentation with `make golden`, else one of the test."""
    made, _ = beside
    car = full_car(9)
    made.write(car, spoilt=[(car.id, 7)])
    made.world.append(Car(10))
    made.watch.once()
    folder = PICTURES if request.config.getoption("--rewrite-golden") else tmp_path
    path = folder / "console-pipeline.png"
    with console_of(made.world.twins, operations=made.operations) as address:
        found = {"hash": "#/pipeline", "scheme": "light", "size": [1440, 700], "path": str(path)}
        browser.run("people.picture", address, at=NOW, **found)
    assert path.stat().st_size > 20_000
