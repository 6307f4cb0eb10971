"""What `fleettwin demo` shows: a recording that comes with the package, a simulated fleet, and queries to try on both.

This project made it (no real car, driver or VIN is in it): a compact electric car in Wolfsburg is unlocked, drives for
twelve minutes, loses the air of a tire on the way, and begins to charge. A test compares it with its generator.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib import resources
from pathlib import Path
from typing import Final

VIN: Final = "WVWZZZE1ZTP000042"
BRAND: Final = "Volkswagen"
MODEL: Final = "ID.3"
MAPPINGS: Final = ("fleettwin", "obd2")

FLEET_VEHICLES: Final = 50
FLEET_SEED: Final = 2026
FLEET_BRANDS: Final = ("Volkswagen", "Audi", "Škoda", "SEAT")
FLEET_FRAMES_PER_SECOND: Final = 100  # of a car that drives: enough for a twin, and light for a laptop
MOVING_SHOWN: Final = 4  # cars of the query on those that drive
FLEET_PAST_S: Final = 900  # the fleet has driven so long when the demo begins

QUERIES: Final = [
    # Where it is, how it got there, how far it could go on
    """{
  vehicle(vin: "WVWZZZE1ZTP000042") {
    navigation {
      location { latitude longitude capturedAt status }
      destination { state latitude longitude setAt }
      batteryRange { value unit }
      trips(first: 5) { edges { node {
        startedAt durationS distanceM energyKwh endReason
        track(maxPoints: 8) { pointCount points { capturedAt latitude longitude speed } }
      } } }
    }
  }
}""",
    # What is wrong with it, and what was
    """{
  vehicle(vin: "WVWZZZE1ZTP000042") {
    diagnostics {
      warnings(raised: true) { warning path value limit unit capturedAt }
      troubleCodes {
        code failureType held active firstSeenAt clearedAt
        explanation { system group category failureType }
        status { confirmed testFailed }
        freezeFrame { path value unit }
      }
    }
  }
}""",
    # How full it is, what it plays, any signal by its path, and the events behind all that
    """{
  vehicle(vin: "WVWZZZE1ZTP000042") {
    diagnostics {
      stateOfCharge { value unit status capturedAt }
      batteryEnergy { value unit }
      chargingSessions(first: 3) { edges { node { startedAt endedAt startPercent } } }
    }
    media { source { value } playback { value } volume { value unit } }
    signals(prefix: "Vehicle.Chassis.Axle") { path value unit capturedAt }
    events(first: 5, types: [
      "vehicle.destination_reached.v1", "vehicle.warning_raised.v1", "vehicle.trouble_code_cleared.v1"
    ]) { edges { node { type version capturedAt data } } }
  }
}""",
]


def recording() -> AbstractContextManager[Path]:
    """Return the recording as a file for as long as it is needed: candump text, compressed with gzip."""
    return resources.as_file(resources.files(__name__).joinpath("drive.log.gz"))


def fleet_queries(driving: Sequence[str], driven: Sequence[str], faulty: Sequence[str]) -> list[str]:
    """Return queries on the simulated fleet: cars that move, with their songs; a trip that is over; a fault.

    Given are the VINs of cars that drive, that have finished a trip, and that have a trouble code; there is no query
    where there is none.
    """
    queries = []
    if driving:
        vins = ", ".join(f'"{vin}"' for vin in driving[:MOVING_SHOWN])
        queries.append(
            f"""{{
  vehicles(first: {MOVING_SHOWN}, filter: {{ vins: [{vins}] }}) {{ edges {{ node {{
    vin brand model lastSeenAt
    navigation {{ location {{ latitude longitude capturedAt }} speed {{ value unit }} }}
    media {{ title {{ value }} artist {{ value }} playback {{ value }} }}
  }} }} }}
}}"""
        )
    if driven:
        queries.append(
            f"""{{
  vehicle(vin: "{driven[0]}") {{
    brand model
    navigation {{ trips(first: 1) {{ edges {{ node {{
      startedAt endedAt ended distanceM durationS energyKwh
      track(maxPoints: 5) {{ pointCount points {{ latitude longitude }} }}
    }} }} }} }}
    media {{ playHistory(first: 3) {{ edges {{ node {{ startedAt title artist album }} }} }} }}
  }}
}}"""
        )
    if faulty:
        queries.append(
            f"""{{
  vehicle(vin: "{faulty[0]}") {{
    brand model
    diagnostics {{ troubleCodes {{ code failureType ecu held active firstSeenAt explanation {{ system group }} }} }}
  }}
}}"""
        )
    return queries
