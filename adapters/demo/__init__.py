"""The recording that comes with the package, for `fleettwin demo`, and queries to try on it.

This project made it (no real car, driver or VIN is in it): a compact electric car in Wolfsburg is unlocked, drives for
twelve minutes, loses the air of a tire on the way, and begins to charge. A test compares it with its generator.
"""

from contextlib import AbstractContextManager
from importlib import resources
from pathlib import Path
from typing import Final

VIN: Final = "WVWZZZE1ZTP000042"
BRAND: Final = "Volkswagen"
MODEL: Final = "ID.3"
MAPPINGS: Final = ("fleettwin", "obd2")

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
