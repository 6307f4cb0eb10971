"""From speeds, fixes, ignition and battery energy of one stream to the legs of its drives.

A leg begins with the first sign of driving (a speed of at least `MOVING_KMH`, or two fixes that imply one where the
stream tells no speed) and lasts while such signs follow each other within `HALT_MAX_US`; the ignition going off ends it
at once. The legs of a stream follow each other without overlap.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from domain.geo import great_circle_m
from domain.trips import HALT_MAX_US
from domain.units import (
    METRES_PER_KILOMETRE,
    MICROS_PER_SECOND,
    SECONDS_PER_HOUR,
    Degrees,
    KilometresPerHour,
    KilowattHours,
    Metres,
    Micros,
)

MOVING_KMH: Final = 5.0  # a standing receiver shows up to 2 km/h, a person pushing the car 4
STANDING_KMH: Final = 1.0  # a speed sensor that shows less shows noise
IMPLAUSIBLE_KMH: Final = 500.0  # faster than any car: one of two fixes is wrong
SPEED_HOLD_US: Final = 90 * MICROS_PER_SECOND  # how long a speed is believed: a heartbeat of 60 s, and half of one more
TRAPEZE_US: Final = 10 * MICROS_PER_SECOND  # between speeds this close the speed changes evenly, else it stays
FIXES_COVER: Final = 0.8  # share of the distance by speed; fixes that make up less were missing for a part of the way
MICROS_PER_HOUR: Final = MICROS_PER_SECOND * SECONDS_PER_HOUR


class Fix(NamedTuple):
    """One position; None: the stream tells nothing recent of it."""

    captured_at: Micros
    latitude_deg: Degrees
    longitude_deg: Degrees
    heading_deg: Degrees | None = None
    speed_kmh: KilometresPerHour | None = None
    altitude_m: Metres | None = None


class SpeedSeen(NamedTuple):
    """A speed of the vehicle, whichever way it goes; None: the stream says that it has none."""

    captured_at: Micros
    speed_kmh: KilometresPerHour | None


class PositionLost(NamedTuple):
    """The stream says that it does not know where the vehicle is, or tells half a position only."""

    captured_at: Micros


class IgnitionSeen(NamedTuple):
    """The ignition went on or off, or was seen for the first time."""

    captured_at: Micros
    on: bool


class EnergySeen(NamedTuple):
    """The energy in the traction battery; None: the stream says that it has none."""

    captured_at: Micros
    energy_kwh: KilowattHours | None


Sign = Fix | PositionLost | SpeedSeen | IgnitionSeen | EnergySeen


class OpenLeg(NamedTuple):
    """A leg as far as it is known."""

    started_at: Micros
    ended_at: Micros  # the last sign of driving
    closed: bool = False
    distance_by_fixes_m: Metres | None = None
    distance_by_speed_m: Metres = Metres(0.0)
    speed_until: Micros | None = None
    energy_kwh: KilowattHours | None = None
    energy_at_start_kwh: KilowattHours | None = None
    last_fix: Fix | None = None  # the way goes on from it however long the position is lost

    @property
    def distance_m(self) -> Metres:
        """The distance along the fixes, or the speed integrated over time where there are no fixes, or too few."""
        by_fixes, by_speed = self.distance_by_fixes_m, self.distance_by_speed_m
        return by_speed if by_fixes is None or by_fixes < FIXES_COVER * by_speed else by_fixes

    def shows_the_same(self, other: "OpenLeg") -> bool:
        """Whether a reader would see no difference."""
        return self._replace(speed_until=other.speed_until) == other


@dataclass(slots=True)
class Growth:
    """What a batch adds to one leg."""

    leg: OpenLeg
    open: bool = True  # the next batch may go on with it
    fixes: list[Fix] = field(default_factory=list)


@dataclass(slots=True)
class LegTracker:
    """Follows one stream.

    `speed`, `energy_kwh` and `last_fix` are what the stream told last, `leg` is the open leg, `driven_until` the end of
    the one before it.
    """

    leg: OpenLeg | None
    speed: SpeedSeen | None
    last_fix: Fix | None
    energy_kwh: KilowattHours | None
    driven_until: Micros | None

    def follow(self, signs: Iterable[Sign], until: Micros) -> list[Growth]:
        """Return what `signs`, in order of time, add to legs, in order of time; the last one may still be open.

        `until` is how far the stream has come.
        """
        grown: list[Growth] = []
        current = Growth(self.leg) if self.leg else None
        for sign in signs:
            if current and sign.captured_at - current.leg.ended_at > HALT_MAX_US:
                self._finish(current, grown)
                current = None
            if current and sign.captured_at < current.leg.started_at:
                continue  # a batch out of order: what it says of the leg would put its end before its beginning
            if not isinstance(sign, IgnitionSeen):
                current = self._take(current, sign)
            elif not sign.on and current and sign.captured_at >= current.leg.ended_at:
                current.leg = current.leg._replace(ended_at=sign.captured_at, closed=True)
                self._finish(current, grown)
                current = None
        if current and until - current.leg.ended_at > HALT_MAX_US:
            self._finish(current, grown)
        elif current:
            grown.append(current)
        return grown

    def _take(self, current: Growth | None, sign: Fix | PositionLost | SpeedSeen | EnergySeen) -> Growth | None:
        if isinstance(sign, SpeedSeen):
            return self._speed(current, sign)
        if isinstance(sign, Fix):
            return self._fix(current, sign)
        if isinstance(sign, PositionLost):
            self.last_fix = current.leg.last_fix if current else None
        else:
            self._energy(current, sign)
        return current

    def _finish(self, current: Growth, grown: list[Growth]) -> None:
        current.open = False
        self.driven_until = current.leg.ended_at
        grown.append(current)

    def _is_free(self, at: Micros) -> bool:
        """Whether a leg may begin at `at`."""
        return self.driven_until is None or at > self.driven_until

    def _begin(self, at: Micros) -> Growth:
        return Growth(OpenLeg(at, at, energy_at_start_kwh=self.energy_kwh))

    def _speed(self, current: Growth | None, sign: SpeedSeen) -> Growth | None:
        before, self.speed = self.speed, sign
        moving = sign.speed_kmh is not None and sign.speed_kmh >= MOVING_KMH
        if current is None and moving and self._is_free(sign.captured_at):
            current = self._begin(sign.captured_at)
        if current is None:
            return None
        leg = current.leg
        metres = leg.distance_by_speed_m
        if before and before.speed_kmh is not None:
            elapsed_us = sign.captured_at - max(before.captured_at, leg.started_at)
            metres = Metres(metres + _travelled_m(before.speed_kmh, sign.speed_kmh, elapsed_us))
        current.leg = leg._replace(
            ended_at=max(leg.ended_at, sign.captured_at) if moving else leg.ended_at,
            distance_by_speed_m=metres,
            speed_until=sign.captured_at,
        )
        return current

    def _fix(self, current: Growth | None, sign: Fix) -> Growth | None:
        before, self.last_fix = self.last_fix, sign
        speed_kmh = None
        if self.speed and sign.captured_at - self.speed.captured_at <= SPEED_HOLD_US:
            speed_kmh = self.speed.speed_kmh
        step_m, moving = 0.0, False
        if before and sign.captured_at > before.captured_at:
            step_m = great_circle_m(before.latitude_deg, before.longitude_deg, sign.latitude_deg, sign.longitude_deg)
            step_us = sign.captured_at - before.captured_at
            step_kmh = step_m / METRES_PER_KILOMETRE / (step_us / MICROS_PER_HOUR)
            if step_kmh > IMPLAUSIBLE_KMH or (speed_kmh is not None and speed_kmh < STANDING_KMH):
                step_m = 0.0  # a jump, or the noise of a standing receiver
            moving = speed_kmh is None and step_us <= HALT_MAX_US and MOVING_KMH <= step_kmh <= IMPLAUSIBLE_KMH
        if current is None and moving and before:
            if self._is_free(before.captured_at):
                current = self._begin(before.captured_at)
                current.fixes.append(before)
            elif self._is_free(sign.captured_at):
                current = self._begin(sign.captured_at)
        if current is None:
            return None
        leg = current.leg
        metres = leg.distance_by_fixes_m
        if before and before.captured_at >= leg.started_at:
            metres = Metres((metres or 0.0) + step_m)
        current.leg = leg._replace(
            last_fix=sign,
            distance_by_fixes_m=metres,
            ended_at=max(leg.ended_at, sign.captured_at) if moving else leg.ended_at,
        )
        current.fixes.append(sign)
        return current

    def _energy(self, current: Growth | None, sign: EnergySeen) -> None:
        self.energy_kwh = sign.energy_kwh
        if current and sign.energy_kwh is not None:
            leg = current.leg
            start = sign.energy_kwh if leg.energy_at_start_kwh is None else leg.energy_at_start_kwh
            current.leg = leg._replace(energy_at_start_kwh=start, energy_kwh=KilowattHours(start - sign.energy_kwh))


def _travelled_m(before_kmh: KilometresPerHour, now_kmh: KilometresPerHour | None, elapsed_us: int) -> float:
    """Return the metres travelled between two speeds.

    Their mean where they are close in time, else the earlier one as long as it is believed.
    """
    if elapsed_us <= 0:
        return 0.0
    if elapsed_us <= TRAPEZE_US and now_kmh is not None:
        kmh = (before_kmh + now_kmh) / 2
    else:
        kmh, elapsed_us = before_kmh, min(elapsed_us, SPEED_HOLD_US)
    return kmh * METRES_PER_KILOMETRE * elapsed_us / MICROS_PER_HOUR
