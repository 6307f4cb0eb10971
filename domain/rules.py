"""What a changed value means: the ignition, the odometer, charging and media.

A rule returns whether the event that it makes tells the value; where it does not, `SignalsSampled` does.
"""

from collections.abc import Callable, Mapping
from typing import Final
from uuid import uuid5

from domain import events as e
from domain import paths
from domain.legs import IgnitionSeen
from domain.signals import SignalValue
from domain.telling import Telling
from domain.units import Metres, Micros


def _ignition(heard: Telling, at: Micros, value: SignalValue) -> bool:
    on = value in paths.IGNITION_ON_STATES
    before = heard.lane.ignition_on
    if on != before and (on or value in paths.IGNITION_OFF_STATES):
        heard.signs.append(IgnitionSeen(at, on))
        heard.trigger(e.IgnitionTurnedOn if on else e.IgnitionTurnedOff, at, initial=before is None)
    return False


def _odometer(heard: Telling, at: Micros, value: SignalValue) -> bool:
    last = heard.number(paths.ODOMETER)
    if not isinstance(value, (int, float)) or (last is None and heard.last(paths.ODOMETER)):
        return False
    if last is not None and value <= last:
        return False
    heard.trigger(e.OdometerAdvanced, at, odometer_m=Metres(float(value)))
    return True


def _charging(heard: Telling, at: Micros, value: SignalValue) -> bool:
    session = heard.lane.charging
    soc = heard.number(paths.STATE_OF_CHARGE_DISPLAYED)
    soc = heard.number(paths.STATE_OF_CHARGE) if soc is None else soc
    energy = heard.number(paths.BATTERY_ENERGY)
    if value is True and session is None:
        heard.trigger(
            e.ChargingStarted,
            at,
            session_id=uuid5(heard.state.vehicle_id, f"charging:{at}"),
            state_of_charge_percent=soc,
            energy_kwh=energy,
            initial=heard.last(paths.IS_CHARGING) is None,
        )
    elif value is False and session:
        added = None if energy is None or session.energy_kwh is None else energy - session.energy_kwh
        heard.trigger(
            e.ChargingEnded,
            at,
            session_id=session.session_id,
            started_at=session.started_at,
            state_of_charge_percent=soc,
            energy_added_kwh=added,
        )
    return False


def _media_source(heard: Telling, at: Micros, value: SignalValue) -> bool:
    if not isinstance(value, str):
        return False
    heard.trigger(e.MediaSourceSelected, at, source=value, initial=heard.last(paths.MEDIA_SOURCE) is None)
    return True


def _media_title(heard: Telling, at: Micros, value: SignalValue) -> bool:
    if not isinstance(value, str):
        return False
    artist, album, source = (
        _text_beside(heard, path, at) for path in (paths.MEDIA_ARTIST, paths.MEDIA_ALBUM, paths.MEDIA_SOURCE)
    )
    initial = heard.last(paths.MEDIA_TITLE) is None
    heard.trigger(e.TrackStarted, at, title=value, artist=artist, album=album, source=source, initial=initial)
    return True


def _text_beside(heard: Telling, path: str, at: Micros) -> str | None:
    """Return a text of the same time, or the newest one."""
    value = heard.value_at(path, at)
    known = heard.last(path)
    if value is None and known:
        value = known.value
    return None if value is None else str(value)


def _media_action(heard: Telling, at: Micros, value: SignalValue) -> bool:
    if not isinstance(value, str):
        return False
    heard.trigger(e.PlaybackStateChanged, at, state=value, initial=heard.last(paths.MEDIA_ACTION) is None)
    return True


def _media_volume(heard: Telling, at: Micros, value: SignalValue) -> bool:
    if not isinstance(value, float):
        return False
    heard.trigger(e.VolumeChanged, at, volume_percent=value, initial=heard.last(paths.MEDIA_VOLUME) is None)
    return True


RULES: Final[Mapping[str, Callable[[Telling, Micros, SignalValue], bool]]] = {
    paths.LOW_VOLTAGE_SYSTEM_STATE: _ignition,
    paths.ODOMETER: _odometer,
    paths.IS_CHARGING: _charging,
    paths.MEDIA_SOURCE: _media_source,
    paths.MEDIA_TITLE: _media_title,
    paths.MEDIA_ACTION: _media_action,
    paths.MEDIA_VOLUME: _media_volume,
}
