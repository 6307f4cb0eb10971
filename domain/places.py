"""Places: a latitude and a longitude of the same time are one, where the vehicle is or where it is led to."""

from typing import Final

from domain import events as e
from domain import paths
from domain.geo import great_circle_m
from domain.legs import Fix, PositionLost
from domain.signals import Quality, SignalValue
from domain.telling import Telling
from domain.units import MICROS_PER_SECOND, Degrees, KilometresPerHour, Metres, Micros

RECENT_US: Final = 90 * MICROS_PER_SECOND  # how old a heading, height or speed may be to go with a fix
ARRIVAL_RADIUS_M: Final = 100.0
POSITION: Final = (paths.LATITUDE, paths.LONGITUDE)
DESTINATION: Final = (paths.DESTINATION_LATITUDE, paths.DESTINATION_LONGITUDE)
OTHER_HALF: Final = {half: other for pair in (POSITION, DESTINATION) for half, other in (pair, pair[::-1])}


class Places:
    """Takes the places of one batch."""

    def __init__(self, heard: Telling) -> None:
        self._heard = heard
        self._placed: tuple[Micros, tuple[Degrees, Degrees]] | None = None  # the newest fix
        self._destination_set_at: Micros | None = None

    def note_lost(self, at: Micros) -> None:
        """Note that half a position is recorded, which is no fix with the other half."""
        if self._placed is None or self._placed[0] != at:
            self._heard.signs.append(PositionLost(at))

    def clear_destination(self, at: Micros) -> None:
        """Tell that there is no destination any more, where there was one."""
        if self._heard.lane.destination:
            self._heard.trigger(e.DestinationCleared, at)

    def take_half(self, path: str, at: Micros, value: SignalValue | None, *, changed: bool) -> bool:
        """Take half a pair that is to be told: with the other half of the same time it is a fix, or a destination.

        Return whether the event that it makes tells the value.
        """
        other = OTHER_HALF[path]
        known, partner = None, self._heard.value_at(other, at)
        if partner is None or path in DESTINATION:
            known = self._heard.last(other)
        if partner is None and known and known.captured_at == at and known.quality == Quality.OK:
            partner = known.value  # from the batch before
        if not isinstance(value, (int, float)) or not isinstance(partner, (int, float)):
            return False
        first, second = (value, partner) if path in (paths.LATITUDE, paths.DESTINATION_LATITUDE) else (partner, value)
        place = Degrees(float(first)), Degrees(float(second))
        if path in DESTINATION:
            changed = changed or known is None or known.quality != Quality.OK or known.value != partner
            return self._destination(at, place, changed=changed)
        if self._placed != (at, place):
            self._placed = (at, place)
            self._position(at, place)
        return False

    def _position(self, at: Micros, place: tuple[Degrees, Degrees]) -> None:
        heading, speed, altitude = (self._beside(path, at) for path in (paths.HEADING, paths.SPEED, paths.ALTITUDE))
        fix = Fix(
            at,
            *place,
            None if heading is None else Degrees(heading),
            None if speed is None else KilometresPerHour(speed),
            None if altitude is None else Metres(altitude),
        )
        self._heard.signs.append(fix)
        destination = self._heard.lane.destination
        if destination:
            left_m = great_circle_m(*place, *destination)
            if left_m <= ARRIVAL_RADIUS_M:
                latitude_deg, longitude_deg = destination
                self._heard.trigger(
                    e.DestinationReached,
                    at,
                    latitude_deg=latitude_deg,
                    longitude_deg=longitude_deg,
                    distance_left_m=left_m,
                )

    def _beside(self, path: str, at: Micros) -> float | None:
        """Return a number of the same time, or the newest one if it is recent."""
        value = self._heard.value_at(path, at)
        return float(value) if isinstance(value, (int, float)) else self._heard.number(path, since=at - RECENT_US)

    def _destination(self, at: Micros, place: tuple[Degrees, Degrees], *, changed: bool) -> bool:
        if changed and self._heard.lane.destination != place:
            self._heard.trigger(e.DestinationSet, at, latitude_deg=place[0], longitude_deg=place[1])
            self._destination_set_at = at
        return self._destination_set_at == at
