"""Whatever a batch says that can be decoded, a vehicle takes it, and every projection folds what comes of it."""

import contextlib
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.avro.telemetry import TelemetryCodec
from adapters.avro.wire import UnreadableError
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.projecting import Projecting
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from domain.errors import RejectedCommandError
from domain.fleet import Fleet
from domain.vin import Vin
from tests.support.batches import T0
from tests.support.events import codec, registry
from tests.support.given import VIN
from tests.support.odd_batches import odd_batches

CODEC: Final = TelemetryCodec(registry())


@settings(max_examples=300)
@given(st.lists(odd_batches(), min_size=1, max_size=4))
def test_what_can_be_decoded_is_taken_and_folded(values: list[bytes]) -> None:
    log = VehicleLog(MemoryEventLog(lambda: T0), codec())
    fleet = Fleet(log, b"a key for tests")
    vehicle_id = fleet.register(Vin.parse(VIN), brand="Volkswagen", model=None, at=T0)
    for value in values:
        with contextlib.suppress(UnreadableError):
            batch = CODEC.decode(value, vehicle_id)
            with contextlib.suppress(RejectedCommandError):
                fleet.take([batch])

    read_models = MemoryReadModels()
    Projecting(lambda: PROJECTIONS, log, read_models, lambda: T0).catch_up()
    assert not any(read_models.parked(each) for each in PROJECTIONS)
