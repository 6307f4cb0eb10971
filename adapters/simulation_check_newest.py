"""Newest values of a twin, held against those of the last moment at which the car could tell them."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np

from adapters.simulation_check_car import CheckedCar, Difference
from adapters.simulator.media import NO_VOLUME, OFF, PLAY, SOURCES, STOP
from adapters.simulator.stuck import SENSORS
from adapters.simulator.trace import Numbers
from domain import paths
from domain.units import METRES_PER_KILOMETRE
from projections.signal_rows import SignalRow

RECENT_S: Final = 3.0  # what is newer may not be told yet


class Newest(NamedTuple):
    """A value that does not say when it last changed: a column of `Trace`, and by how much a twin may show it off."""

    path: str  # VSS
    column: str
    tolerance: float  # in the unit of VSS: deadband of the mapping and its rounding
    at_rest: bool = False  # told by a car that only charges as well
    none: float | None = None  # says that there is no value
    texts: Mapping[str, int] = {}  # of a code
    digits: int = 1


NEWEST: Final = (
    Newest(paths.ODOMETER, "odometer_m", 1.1 * METRES_PER_KILOMETRE),
    Newest(SENSORS["outside temperature"].path, "outside_celsius", 1.1),
    Newest(paths.STATE_OF_CHARGE, "state_of_charge_percent", 1.1, at_rest=True),
    Newest(paths.TIRE_PRESSURE_FRONT_LEFT, "tire_kpa 0", 3.1),
    Newest(paths.TIRE_PRESSURE_FRONT_RIGHT, "tire_kpa 1", 3.1),
    Newest(paths.TIRE_PRESSURE_REAR_LEFT, "tire_kpa 2", 3.1),
    Newest(paths.TIRE_PRESSURE_REAR_RIGHT, "tire_kpa 3", 3.1),
    Newest(paths.MEDIA_VOLUME, "volume_percent", 0.1, none=NO_VOLUME),
    Newest(paths.MEDIA_ACTION, "media_playback", 0.1, none=OFF, texts={"PLAY": PLAY, "STOP": STOP}),
    Newest(paths.MEDIA_SOURCE, "media_source", 0.1, none=OFF, texts={name: raw for raw, name in SOURCES.items()}),
    Newest(paths.LATITUDE, "latitude_deg", 1e-4, digits=5),
    Newest(paths.LONGITUDE, "longitude_deg", 1e-4, digits=5),
)


def newest_differences(car: CheckedCar) -> Iterator[Difference]:
    """Compare newest values with those of the last moment at which the car could tell them."""
    awake_s = {at_rest: car.last_awake_s(at_rest=at_rest) for at_rest in (False, True)}
    known: dict[str, SignalRow] = {row.path: row for row in car.rows.signals}
    for newest in NEWEST:
        at_s = awake_s[newest.at_rest]
        if at_s is None or (newest.path == paths.STATE_OF_CHARGE and not car.car.spec.battery_kwh):
            continue
        row = known.get(newest.path)
        shown = None if row is None else _shown(newest, row)
        recently_s = max(at_s - RECENT_S, car.from_s)
        recent = _true(car, newest, recently_s, at_s)
        if row is not None and _is_one_of(shown, recent, newest.tolerance):
            continue
        cause = None
        stuck = car.stuck
        if stuck is not None and SENSORS[stuck.name].path == newest.path:
            if shown is not None and abs(shown - stuck.says) <= newest.tolerance:
                cause = "its sensor is stuck"
        elif row is None or _is_one_of(shown, _true(car, newest, car.causes.since(recently_s), at_s), newest.tolerance):
            cause = car.causes.of(recently_s)
        yield car.difference(newest.path, _text(newest, float(recent[-1])), _text(newest, shown), cause)


def _true(car: CheckedCar, newest: Newest, from_s: float, until_s: float) -> Numbers:
    """Return what a twin could show of a value that was told in some seconds; NaN: that there is none.

    Numbers change evenly within the last of these seconds too, codes and flags hold for it.
    """
    if newest.none is not None:
        codes = car.column(newest.column, from_s, until_s).astype(np.float64)
        return np.where(codes == newest.none, np.nan, codes)
    values = car.column(newest.column, from_s, until_s + 1)
    if newest.column in ("latitude_deg", "longitude_deg"):
        fixed = car.column("fixed", from_s, until_s).astype(np.bool_)
        values = np.where([*fixed, fixed[-1]], values, np.nan)
    return values


def _shown(newest: Newest, row: SignalRow) -> float | None:
    if newest.texts and row.text is not None:
        return newest.texts.get(row.text, -1.0)
    return row.number


def _is_one_of(shown: float | None, true: Numbers, tolerance: float) -> bool:
    """Whether a value is one that was true, or lies between two of them."""
    if shown is None:
        return bool(np.isnan(true).any())
    known = true[~np.isnan(true)]
    return len(known) > 0 and bool(known.min() - tolerance <= shown <= known.max() + tolerance)


def _text(newest: Newest, number: float | None) -> str:
    if number is None or np.isnan(number):
        return "none"
    names = {raw: name for name, raw in newest.texts.items()}
    return names.get(int(number), "another") if names else f"{number:.{newest.digits}f}"
