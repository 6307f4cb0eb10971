"""What the parameters of OBD-II service 01 (current data) mean: bytes, unit and formula of each.

Sizes and formulas are those of SAE J1979-DA / ISO 15031-5, annex B. Sizes are needed beyond the parameters that have a
formula, since an answer may carry several parameters one after the other.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Pid(NamedTuple):
    """A parameter of `size` data bytes: the big-endian number in them, times `times`, over `over`, plus `plus`."""

    size: int
    name: str
    unit: str  # as COVESA VSS names it
    times: int = 1
    over: int = 1
    plus: int = 0

    def values(self, data: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the physical values of data bytes uint8[k, size or more]."""
        number = np.zeros(len(data), dtype=np.int64)
        for byte in range(self.size):
            number = number << 8 | data[:, byte]
        return number * self.times / self.over + self.plus


PIDS: Final[dict[int, Pid]] = {
    0x04: Pid(1, "calculated engine load", "percent", 100, 255),
    0x05: Pid(1, "engine coolant temperature", "celsius", plus=-40),
    0x06: Pid(1, "short term fuel trim, bank 1", "percent", 100, 128, -100),
    0x07: Pid(1, "long term fuel trim, bank 1", "percent", 100, 128, -100),
    0x08: Pid(1, "short term fuel trim, bank 2", "percent", 100, 128, -100),
    0x09: Pid(1, "long term fuel trim, bank 2", "percent", 100, 128, -100),
    0x0A: Pid(1, "fuel rail pressure above ambient", "kPa", 3),
    0x0B: Pid(1, "intake manifold absolute pressure", "kPa"),
    0x0C: Pid(2, "engine speed", "rpm", over=4),
    0x0D: Pid(1, "vehicle speed", "km/h"),
    0x0E: Pid(1, "ignition timing advance", "degrees", over=2, plus=-64),
    0x0F: Pid(1, "intake air temperature", "celsius", plus=-40),
    0x10: Pid(2, "mass air flow", "g/s", over=100),
    0x11: Pid(1, "throttle position", "percent", 100, 255),
    0x1F: Pid(2, "time since engine start", "s"),
    0x21: Pid(2, "distance with malfunction indicator on", "km"),
    0x2F: Pid(1, "fuel tank level", "percent", 100, 255),
    0x31: Pid(2, "distance since trouble codes cleared", "km"),
    0x33: Pid(1, "barometric pressure", "kPa"),
    0x42: Pid(2, "control module voltage", "V", over=1000),
    0x43: Pid(2, "absolute load", "percent", 100, 255),
    0x45: Pid(1, "relative throttle position", "percent", 100, 255),
    0x46: Pid(1, "ambient air temperature", "celsius", plus=-40),
    0x47: Pid(1, "absolute throttle position B", "percent", 100, 255),
    0x49: Pid(1, "accelerator pedal position D", "percent", 100, 255),
    0x4A: Pid(1, "accelerator pedal position E", "percent", 100, 255),
    0x4B: Pid(1, "accelerator pedal position F", "percent", 100, 255),
    0x4C: Pid(1, "commanded throttle actuator", "percent", 100, 255),
    0x51: Pid(1, "fuel type", ""),
    0x52: Pid(1, "ethanol share of the fuel", "percent", 100, 255),
    0x5A: Pid(1, "relative accelerator pedal position", "percent", 100, 255),
    0x5B: Pid(1, "hybrid or traction battery charge", "percent", 100, 255),
    0x5C: Pid(1, "engine oil temperature", "celsius", plus=-40),
    0x5E: Pid(2, "engine fuel rate", "l/h", over=20),
    0x61: Pid(1, "driver's demand of engine torque", "percent", plus=-125),
    0x62: Pid(1, "actual engine torque", "percent", plus=-125),
    0x63: Pid(2, "engine reference torque", "Nm"),
    0xA6: Pid(4, "odometer", "km", over=10),
}

BITMAPS: Final = frozenset(range(0x00, 0x100, 0x20))  # "which of the next 32 parameters are supported": no measurement

# Bytes of the parameters without a formula here. 55 to 58 have 1 in cars with fewer cylinder banks.
_OTHER_SIZES: Final[tuple[tuple[int, tuple[int, ...]], ...]] = (
    (1, (0x12, 0x13, 0x1C, 0x1D, 0x1E, 0x2C, 0x2D, 0x2E, 0x30, 0x48, 0x5F, 0x8E)),
    (2, (0x02, 0x03, *range(0x14, 0x1C), 0x22, 0x23, 0x32, *range(0x3C, 0x40), 0x44, 0x4D, 0x4E)),
    (2, (0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5D, 0x65, 0xA2)),
    (3, (0x67,)),
    (4, (0x01, *range(0x24, 0x2C), *range(0x34, 0x3C), 0x41, 0x4F, 0x50, *BITMAPS)),
    (5, (0x64, 0x66)),
)
PID_BYTES: Final[dict[int, int]] = {pid: meaning.size for pid, meaning in PIDS.items()} | {
    pid: size for size, pids in _OTHER_SIZES for pid in pids
}
