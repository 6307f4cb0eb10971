"""From speeds, fixes, ignition and battery energy of one stream to the legs of its drives.

A leg begins with the first sign of driving (a speed of at least `MOVING_KMH`, or two fixes that imply one where the stream tells no speed) and lasts while
such signs follow each other within `TRIP_GAP_US`; the ignition going off ends it at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from domain.geo import great_circle_m
from domain.trips import TRIP_GAP_US
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
SPEED_HOLD_US: Final = (
    90 * MICROS_PER_SECOND
)  # a speed is believed this long: a heartbeat of 60 s, and half of one more
TRAPEZE_US: Final = (
    10 * MICROS_PER_SECOND
)  # between speeds this close the speed is taken to change evenly, else to stay
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
    """A speed of the vehicle."""

    captured_at: Micros
    speed_kmh: KilometresPerHour


class IgnitionSeen(NamedTuple):
    """The state of the ignition."""

    captured_at: Micros
    on: bool


class EnergySeen(NamedTuple):
    """The energy in the traction battery."""

    captured_at: Micros
    energy_kwh: KilowattHours


Sign = Fix | SpeedSeen | IgnitionSeen | EnergySeen


@dataclass(frozen=True, slots=True)
class OpenLeg:
    """A leg as far as it is known."""

    started_at: Micros
    ended_at: Micros  # the last sign of driving
    closed: bool = False
    distance_by_fixes_m: Metres | None = None
    distance_by_speed_m: Metres = Metres(0.0)
    speed_until: Micros | None = None
    energy_kwh: KilowattHours | None = None
    energy_at_start_kwh: KilowattHours | None = None

    @property
    def distance_m(self) -> Metres:
        """The distance along the fixes, or where there are none, the speed integrated over time."""
        return self.distance_by_speed_m if self.distance_by_fixes_m is None else self.distance_by_fixes_m

    def shows_the_same(self, other: "OpenLeg") -> bool:
        """Whether a reader would see no difference."""
        return replace(self, speed_until=other.speed_until) == other


@dataclass(slots=True)
class Growth:
    """What a batch adds to one leg."""

    leg: OpenLeg
    open: bool = True  # the next batch may go on with it
    fixes: list[Fix] = field(default_factory=list)


@dataclass(slots=True)
class LegTracker:
    """Follows one stream: `speed`, `energy_kwh` and `last_fix` are what the stream told last, `leg` is the open leg."""

    leg: OpenLeg | None
    speed: SpeedSeen | None
    last_fix: Fix | None
    energy_kwh: KilowattHours | None

    def follow(self, signs: Iterable[Sign]) -> list[Growth]:
        """Return what `signs`, in order of time, add to legs, in order of time; the last one may still be open."""
        grown: list[Growth] = []
        current = Growth(self.leg) if self.leg else None
        for sign in signs:
            if current and sign.captured_at - current.leg.ended_at > TRIP_GAP_US:
                current = self._finish(current, grown)
            if current and sign.captured_at < current.leg.started_at:
                continue  # a batch out of order: what it says of the leg would put its end before its beginning
            if isinstance(sign, SpeedSeen):
                current = self._speed(current, sign)
            elif isinstance(sign, Fix):
                current = self._fix(current, sign)
            elif isinstance(sign, EnergySeen):
                self._energy(current, sign)
            elif not sign.on and current and sign.captured_at >= current.leg.ended_at:
                current.leg = replace(current.leg, ended_at=sign.captured_at, closed=True)
                current = self._finish(current, grown)
        if current:
            grown.append(current)
        return grown

    @staticmethod
    def _finish(current: Growth, grown: list[Growth]) -> None:
        current.open = False
        grown.append(current)

    def _begin(self, at: Micros) -> Growth:
        return Growth(OpenLeg(at, at, energy_at_start_kwh=self.energy_kwh))

    def _speed(self, current: Growth | None, sign: SpeedSeen) -> Growth | None:
        moving = sign.speed_kmh >= MOVING_KMH
        if current is None and moving:
            current = self._begin(sign.captured_at)
        if current:
            leg = current.leg
            metres = leg.distance_by_speed_m
            if self.speed and leg.speed_until is not None:
                metres = Metres(
                    metres + _travelled_m(self.speed.speed_kmh, sign.speed_kmh, sign.captured_at - leg.speed_until)
                )
            ended_at = max(leg.ended_at, sign.captured_at) if moving else leg.ended_at
            current.leg = replace(leg, ended_at=ended_at, distance_by_speed_m=metres, speed_until=sign.captured_at)
        self.speed = sign
        return current

    def _fix(self, current: Growth | None, sign: Fix) -> Growth | None:
        before, self.last_fix = self.last_fix, sign
        step_m = step_us = None
        if before and sign.captured_at > before.captured_at:
            step_m = great_circle_m(before.latitude_deg, before.longitude_deg, sign.latitude_deg, sign.longitude_deg)
            step_us = sign.captured_at - before.captured_at
        has_speed = self.speed is not None and sign.captured_at - self.speed.captured_at <= SPEED_HOLD_US
        moving = False
        if before and step_m is not None and step_us is not None and not has_speed and step_us <= TRIP_GAP_US:
            moving = step_m / METRES_PER_KILOMETRE / (step_us / MICROS_PER_HOUR) >= MOVING_KMH
        if current is None and moving and before:
            current = self._begin(before.captured_at)
            current.fixes.append(before)
        if current is None:
            return None
        leg = current.leg
        if before and step_m is not None and before.captured_at >= leg.started_at:
            leg = replace(leg, distance_by_fixes_m=Metres((leg.distance_by_fixes_m or 0.0) + step_m))
        current.leg = replace(leg, ended_at=max(leg.ended_at, sign.captured_at)) if moving else leg
        current.fixes.append(sign)
        return current

    def _energy(self, current: Growth | None, sign: EnergySeen) -> None:
        self.energy_kwh = sign.energy_kwh
        if current:
            start = sign.energy_kwh if current.leg.energy_at_start_kwh is None else current.leg.energy_at_start_kwh
            current.leg = replace(
                current.leg, energy_at_start_kwh=start, energy_kwh=KilowattHours(start - sign.energy_kwh)
            )


def _travelled_m(speed_before_kmh: float, speed_kmh: float, elapsed_us: int) -> float:
    """Return the metres travelled between two speeds: their mean where they are close in time, else the earlier one as long as it is believed."""
    if elapsed_us <= 0:
        return 0.0
    if elapsed_us <= TRAPEZE_US:
        kmh = (speed_before_kmh + speed_kmh) / 2
    else:
        kmh, elapsed_us = speed_before_kmh, min(elapsed_us, SPEED_HOLD_US)
    return kmh * METRES_PER_KILOMETRE * elapsed_us / MICROS_PER_HOUR
