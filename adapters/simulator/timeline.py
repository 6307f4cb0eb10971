"""A day's columns while they are being written, each from its first second to its last."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from adapters.simulator.trace import DAY_S, ROWS


class Line:
    """One column. A value holds until the next one is written; all are written in order of time."""

    __slots__ = ("_pieces", "_starts", "now")

    def __init__(self, value: float) -> None:
        self.now: float = value
        self._starts: list[int] = [0]
        self._pieces: list[float | NDArray[Any]] = [value]

    def hold(self, row: int, value: float) -> None:
        """Write a value that holds from a row on."""
        assert self._starts[-1] <= row <= DAY_S
        self._starts.append(row)
        self._pieces.append(value)
        self.now = value

    def run(self, row: int, values: NDArray[Any]) -> None:
        """Write values from a row on; the last of them holds."""
        assert self._starts[-1] <= row
        assert row + len(values) <= ROWS
        self._starts.append(row)
        self._pieces.append(values)
        self.now = values[-1].item()

    def column(self, dtype: type[np.generic]) -> NDArray[Any]:
        """Return the whole day."""
        out = np.zeros(ROWS, dtype)  # memory that is never written to costs nothing
        for start, end, piece in zip(self._starts, [*self._starts[1:], ROWS], self._pieces, strict=True):
            if isinstance(piece, np.ndarray):
                until = min(end, start + len(piece))
                out[start:until] = piece[: until - start]
                start, piece = until, piece[-1].item()  # noqa: PLW2901  # what is left of the stretch
            if piece:
                out[start:end] = piece
        return out


NUMBERS: Final = (
    *("speed_kmh", "odometer_m", "latitude_deg", "longitude_deg", "heading_deg", "altitude_m"),
    *("acceleration_ms2", "steering_deg", "energy_kwh", "battery_power_kw", "charging_power_kw", "charging_left_min"),
    *("fuel_l", "engine_rpm", "low_voltage_v", "destination_latitude_deg", "destination_longitude_deg"),
)
FLAGS: Final = (
    *("plug", "plug_locked", "charging", "awake", "accessories", "ignition", "fixed", "brake", "parking_brake"),
    *("driver_door_open", "locked", "driver_belted", "destination_set"),
)
CODES: Final = ("gear", "media_source", "media_playback", "volume_percent")


class Timeline:
    """Every column that is written as the day goes by; what follows from them is worked out at its end."""

    def __init__(self, **start: float) -> None:
        self._lines = {name: Line(start.pop(name, 0)) for name in (*NUMBERS, *FLAGS, *CODES)}
        assert not start

    def __getitem__(self, name: str) -> Line:
        return self._lines[name]

    def hold(self, row: int, **values: float) -> None:
        """Write values that hold from a row on."""
        for name, value in values.items():
            self._lines[name].hold(row, value)

    def run(self, row: int, **values: NDArray[Any]) -> None:
        """Write a stretch of several columns from a row on."""
        for name, column in values.items():
            self._lines[name].run(row, column)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the whole day."""
        kinds: tuple[tuple[tuple[str, ...], type[np.generic]], ...] = (
            (NUMBERS, np.float64),
            (FLAGS, np.bool_),
            (CODES, np.int8),
        )
        return {name: self._lines[name].column(dtype) for names, dtype in kinds for name in names}
