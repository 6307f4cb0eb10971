"""When what a twin shows counts as what was true of a simulated car, and both as text."""

from typing import Final

from adapters.simulator.trace import ChargeTruth, TripTruth
from domain.units import METRES_PER_KILOMETRE
from projections.diagnostics.model import ChargingRow
from projections.navigation.model import TripRow

TIME_S: Final = 15.0  # by which the start and the end of a drive may differ: speeds below 5 km/h are no motion yet
DISTANCE_SHARE: Final = 0.01
DISTANCE_M: Final = 50.0  # or the share above, whichever is more
ENERGY_SHARE: Final = 0.03
ENERGY_KWH: Final = 0.1  # or the share above, whichever is more: the battery tells tenths of a kilowatt-hour
CHARGE_S: Final = 30.0  # by which the start and the end of a charge may differ
PERCENT: Final = 1.5


def same_trip(true: TripTruth, row: TripRow, began_s: float, ended_s: float) -> bool:
    """Whether a trip that is shown, and began and ended at these simulated seconds, is a drive that was true."""
    near = abs(began_s - true.started_s) <= TIME_S and abs(ended_s - true.ended_s) <= TIME_S
    far = abs(row.distance_m - true.distance_m) <= distance_tolerance_m(true)
    return near and far and row.ended and same_energy(true.energy_kwh, row.energy_kwh)


def same_energy(true: float | None, shown: float | None, more_kwh: float = 0.0) -> bool:
    """Whether an energy (kWh) is what was true, give or take `more_kwh` besides the tolerance."""
    if true is None or shown is None:
        return true is shown
    return abs(shown - true) <= max(ENERGY_KWH, ENERGY_SHARE * true) + more_kwh


def distance_tolerance_m(trip: TripTruth) -> float:
    """Return by how much the distance of a trip may differ."""
    return max(DISTANCE_M, DISTANCE_SHARE * trip.distance_m)


def same_charge(true: ChargeTruth, row: ChargingRow, began_s: float, ended_s: float) -> bool:
    """Whether a charging session that is shown, and began and ended at these simulated seconds, was true."""
    return (
        row.start_percent is not None
        and row.end_percent is not None
        and abs(row.start_percent - true.start_percent) <= PERCENT
        and abs(row.end_percent - true.end_percent) <= PERCENT
        and abs(began_s - true.started_s) <= CHARGE_S
        and abs(ended_s - true.ended_s) <= CHARGE_S
        and same_energy(true.energy_kwh, row.energy_added_kwh)
    )


def charge_text(charge: ChargeTruth) -> str:
    """Return a charge as it was."""
    return _charge_text(charge.started_s, charge.ended_s, charge.start_percent, charge.end_percent, charge.energy_kwh)


def charge_row_text(row: ChargingRow, began_s: float, ended_s: float) -> str:
    """Return a charge as it is shown."""
    return _charge_text(began_s, ended_s, row.start_percent, row.end_percent, row.energy_added_kwh)


def _charge_text(
    began_s: float, ended_s: float, start_percent: float | None, end_percent: float | None, energy_kwh: float | None
) -> str:
    start, end, energy = (
        "–" if value is None else f"{value:.1f}" for value in (start_percent, end_percent, energy_kwh)
    )
    return f"{began_s:.0f} s to {ended_s:.0f} s, {start} % to {end} %, {energy} kWh"


def trip_text(trip: TripTruth) -> str:
    """Return a drive as it was."""
    return _trip_text(trip.started_s, trip.ended_s, trip.distance_m, trip.energy_kwh)


def trip_row_text(row: TripRow, began_s: float, ended_s: float) -> str:
    """Return a trip as it is shown."""
    return _trip_text(began_s, ended_s, row.distance_m, row.energy_kwh)


def _trip_text(began_s: float, ended_s: float, distance_m: float, energy_kwh: float | None) -> str:
    energy = "" if energy_kwh is None else f", {energy_kwh:.2f} kWh"
    return f"{began_s:.0f} s to {ended_s:.0f} s, {distance_m / METRES_PER_KILOMETRE:.2f} km{energy}"


def play_text(*texts: str | None) -> str:
    """Return a song by its title, artist, album and source."""
    return " · ".join(text or "–" for text in texts)
