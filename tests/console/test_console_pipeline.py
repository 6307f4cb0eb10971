"""The pipeline in a browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from tests.support.console import Browser, console_app, served
from tests.support.operated import REASON, Operated
from tests.support.twins import full_car, memory_world

pytestmark = pytest.mark.browser

NOW: Final = "2026-02-02T06:40:00Z"


def operated() -> Operated:
    """Return two cars, of which one is parked in every projection."""
    made, car = Operated(memory_world()), full_car(1, brand="Audi")
    made.write(car, full_car(2), spoilt=[(car.id, 2)])
    return made


@contextmanager
def mendable(made: Operated) -> Iterator[str]:
    """Serve a world in which everything can be folded as soon as `/mended` is asked for."""
    console = console_app(made.world.twins, operations=made.operations)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/mended":
            made.mend()
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await console(scope, receive, send)

    with served(app) as address:
        yield address


def test_a_parked_event_is_shown_and_retried_with_the_keyboard(browser: Browser) -> None:
    made, car = operated(), full_car(1, brand="Audi")
    with mendable(made) as address:
        found = browser.run("pipeline.retried", address, at=NOW, button=f"Retry {car.vin} in media v1")
    for told in (REASON, car.vin, "vehicle.signals_sampled.v1", "version 2, position 2"):
        assert told in found["seen"]
    assert found["before"] == 3
    assert [row.split("\t")[1] for row in found["left"]] == ["navigation v1", "diagnostics v1"]
    assert [projection.name for projection, _ in made.projecting.parked()] == ["navigation", "diagnostics"]
