"""Songs, trouble codes and charges of a twin, held against what was true of the car."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from adapters.simulation_check_car import CheckedCar, Difference
from adapters.simulation_check_drives import ENERGY_KWH, ENERGY_SHARE
from adapters.simulator.trace import ChargeTruth
from domain.trouble_codes import parse_code
from projections.diagnostics.model import ChargingRow, TroubleCodeRow

SONG_S: Final = 5.0
CODE_S: Final = 2.0
CHARGE_S: Final = 3.0  # a car that only charges says so once a second
PERCENT: Final = 0.8  # the state of charge is displayed in halves


def song_differences(car: CheckedCar) -> Iterator[Difference]:
    """Compare songs, and look for some that were not played."""
    shown = {row: car.second(row.started_at) for row in car.rows.plays}
    title, cause_before = "", None
    for play in car.true("plays"):
        if not car.within(play.at_s, play.at_s):
            continue
        ours = next((row for row, at in shown.items() if abs(at - play.at_s) <= SONG_S), None)
        text = _play(play.title, play.artist, play.album, play.source)
        cause = car.causes.of(play.at_s)
        if ours is not None:
            del shown[ours]
            title = ours.title
        elif cause is None and play.title == title:
            cause = cause_before  # the song in between was not heard: to the twin this one goes on
        found = "none" if ours is None else _play(ours.title, ours.artist, ours.album, ours.source)
        if found != text:
            cause_before = cause
            yield car.difference("song", text, found, cause)
    for row, at in shown.items():
        if car.within(at, at) and not row.initial:
            text = _play(row.title, row.artist, row.album, row.source)
            yield car.difference("song", "none", text, car.causes.of(at))


def _play(*texts: str | None) -> str:
    return " · ".join(text or "–" for text in texts)


class _CodeTruth(NamedTuple):
    """A trouble code as it was told: since when, with which status last, since when not any more."""

    first_s: float
    status_s: float  # when its status was first told as it was last
    status: int
    cleared_s: float | None


def code_differences(car: CheckedCar) -> Iterator[Difference]:
    """Compare which trouble codes are held, with which status, and since when they are, or are not any more."""
    true = _codes(car)
    shown = {(row.ecu, row.code, row.failure_type): row for row in car.rows.codes}
    for key in sorted(true.keys() | shown.keys()):
        code, row = true.get(key), shown.get(key)
        causes = list(_of_code(car, key[0], code, row))
        if causes:
            texts = "none" if code is None else _code(code), "none" if row is None else _code_row(car, row)
            yield car.difference(
                f"trouble code {key[1]}-{key[2]:02X} of {key[0]}", *texts, None if None in causes else causes[0]
            )


def _of_code(car: CheckedCar, ecu: str, code: _CodeTruth | None, row: TroubleCodeRow | None) -> Iterator[str | None]:
    """Yield the cause, or None, of each thing that is wrong with a trouble code."""
    if code is None:
        yield None
        return
    if row is None:
        yield _unheard(car, ecu, code.first_s, car.until_s if code.cleared_s is None else code.cleared_s)
        return
    first_s = car.second(row.first_seen_at)
    if abs(first_s - code.first_s) > CODE_S:
        yield _unheard(car, ecu, code.first_s, first_s)
    true_s = np.inf if code.cleared_s is None else code.cleared_s
    shown_s = np.inf if row.cleared_at is None else car.second(row.cleared_at)
    if true_s != shown_s and not abs(true_s - shown_s) <= CODE_S:
        yield _unheard(car, ecu, min(true_s, shown_s), min(max(true_s, shown_s), car.until_s))
    if row.status != code.status:
        yield _unheard(car, ecu, code.status_s, car.until_s)
    if not row.held == row.active == (row.cleared_at is None):
        yield None


def _unheard(car: CheckedCar, ecu: str, from_s: float, until_s: float) -> str | None:
    """Return the fault that a moment is shown wrongly for, if it met every reading between the true one and that."""
    readings = [at_s for at_s, said in car.codes_said if f"{said.response_id:03X}" == ecu]
    causes = [car.causes.of(at_s) for at_s in readings if from_s - CODE_S <= at_s < until_s - CODE_S]
    return None if None in causes else next(iter(causes), None)


def _codes(car: CheckedCar) -> dict[tuple[str, str, int], _CodeTruth]:
    """Return the trouble codes as readings told them, by control unit, code and failure type."""
    found: dict[tuple[str, str, int], _CodeTruth] = {}
    for at_s, said in car.codes_said:
        ecu = f"{said.response_id:03X}"
        told = {
            (ecu, parse_code((one.code >> 8).to_bytes(2, "big")), one.code & 0xFF): one.status for one in said.codes
        }
        for key, status in told.items():
            before = found.get(key)
            if before is None or before.status != status or before.cleared_s is not None:
                first_s = at_s if before is None else before.first_s
                found[key] = _CodeTruth(first_s, at_s, status, None)
        for key, code in found.items():
            if key[0] == ecu and key not in told and code.cleared_s is None:
                found[key] = code._replace(cleared_s=at_s)
    return found


def _code(code: _CodeTruth) -> str:
    return _code_text(code.first_s, code.status, code.cleared_s, active=code.cleared_s is None)


def _code_row(car: CheckedCar, row: TroubleCodeRow) -> str:
    cleared_s = None if row.cleared_at is None else car.second(row.cleared_at)
    text = _code_text(car.second(row.first_seen_at), row.status, cleared_s, active=row.active)
    return text if row.held == (cleared_s is None) else f"{text}, {'held' if row.held else 'not held'}"


def _code_text(first_s: float, status: int | None, cleared_s: float | None, *, active: bool) -> str:
    ended = "" if cleared_s is None else f" to {cleared_s:.0f} s"
    status_text = "none" if status is None else f"{status:02X}"
    return f"from {first_s:.0f} s{ended}, status {status_text}{', active' if active else ''}"


def charge_differences(car: CheckedCar) -> Iterator[Difference]:
    """Compare charges, and look for some that were none."""
    shown = {
        row: (car.second(row.started_at), np.inf if row.ended_at is None else car.second(row.ended_at))
        for row in car.rows.charges
    }
    unmatched = dict.fromkeys(shown)
    for charge in car.true("charges"):
        ours = [row for row, (began, ended) in shown.items() if began < charge.ended_s and ended > charge.started_s]
        for row in ours:
            unmatched.pop(row, None)
        if not car.within(charge.started_s, charge.started_s + CHARGE_S):
            continue
        if len(ours) == 1:
            causes = list(_of_charge(car, charge, ours[0]))
        else:
            seams = sorted(shown[row] for row in ours)
            ends = charge.started_s, min(charge.ended_s, car.until_s)
            causes = [car.causes.of(one[1], other[0]) for one, other in pairwise(seams)]
            causes = causes or [car.causes.of(*ends)]
        if causes:
            text = " and ".join(_charge_row(car, row) for row in ours) or "none"
            yield car.difference("charge", _charge(charge), text, None if None in causes else causes[0])
    for row in unmatched:
        began, ended = shown[row]
        yield car.difference("charge", "none", _charge_row(car, row), car.causes.of(began, min(ended, car.until_s)))


def _of_charge(car: CheckedCar, charge: ChargeTruth, row: ChargingRow) -> Iterator[str | None]:
    """Yield the cause, or None, of each thing that is wrong with a charge."""
    began_s = car.second(row.started_at)
    if abs(began_s - charge.started_s) > CHARGE_S:
        yield car.causes.of(began_s, charge.started_s)
    yield from _of_percent(car, charge.started_s, row.start_percent)
    ended_s = None if row.ended_at is None else car.second(row.ended_at)
    if charge.ended_s > car.until_s - CHARGE_S:
        if ended_s is not None and ended_s < car.until_s - CHARGE_S:
            yield car.causes.of(ended_s, car.until_s)
        return
    if ended_s is None:
        yield car.causes.of(charge.ended_s, car.until_s)
        return
    if abs(ended_s - charge.ended_s) > CHARGE_S:
        yield car.causes.of(ended_s, charge.ended_s)
    yield from _of_percent(car, charge.ended_s, row.end_percent)
    off_kwh = np.inf if row.energy_added_kwh is None else abs(row.energy_added_kwh - charge.energy_kwh)
    tolerance_kwh = ENERGY_KWH + ENERGY_SHARE * charge.energy_kwh
    if off_kwh > tolerance_kwh:
        most_kwh = car.changed_within_faults("energy_kwh", charge.started_s, charge.ended_s)
        cause = car.causes.of(charge.started_s) or car.causes.of(charge.ended_s)
        yield cause if off_kwh - tolerance_kwh <= most_kwh else None


def _of_percent(car: CheckedCar, at_s: float, percent: float | None) -> Iterator[str | None]:
    """Yield the cause, or None, of a state of charge that is wrong where a charge begins or ends."""

    def is_near(from_s: float) -> bool:
        true = car.column("state_of_charge_percent", from_s, at_s)
        return percent is not None and true.min() - PERCENT <= percent <= true.max() + PERCENT

    if not is_near(at_s):
        yield car.causes.of(at_s) if is_near(car.causes.since(at_s)) else None


def _charge(charge: ChargeTruth) -> str:
    return _charge_text(*charge)


def _charge_row(car: CheckedCar, row: ChargingRow) -> str:
    ended_s = None if row.ended_at is None else car.second(row.ended_at)
    return _charge_text(car.second(row.started_at), ended_s, row.start_percent, row.end_percent, row.energy_added_kwh)


def _charge_text(
    started_s: float, ended_s: float | None, start: float | None, end: float | None, energy_kwh: float | None
) -> str:
    times = f"{started_s:.0f} s" if ended_s is None else f"{started_s:.0f} s to {ended_s:.0f} s"
    return f"{times}, {_number(start)} % to {_number(end)} %, {_number(energy_kwh)} kWh"


def _number(number: float | None) -> str:
    return "–" if number is None else f"{number:.1f}"
