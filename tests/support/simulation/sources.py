"""What simulated cars say: streams of batches by the true clock, each received the moment that it is sent.

A source is any function of a `Random`; what it returns is renamed and spoilt by the simulation, so it may come out of a
pool. Vehicle ids do not matter; stream ids must differ within a vehicle.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from domain import paths
from domain.signals import Quality, SignalBatch, SignalValue
from tests.support.batches import (
    CABIN_TEMPERATURE,
    DOOR,
    LATITUDE_STEP_DEG,
    Entry,
    Stream,
    destination,
    ignition,
    no_destination,
    place,
    report,
    sample,
)

Streams = Sequence[Sequence[SignalBatch]]  # of one vehicle, in the order in which they begin
Source = Callable[[Random], Sequence[Streams]]  # of each vehicle

_VALUES: Final[dict[str, list[SignalValue]]] = {
    paths.BATTERY_ENERGY: [40.0, 39.5, 39, 41.0],
    paths.IS_CHARGING: [True, False],
    paths.STATE_OF_CHARGE_DISPLAYED: [5.0, 12.0, 40.0],
    paths.LOW_VOLTAGE: [11.0, 12.0, 12.5],
    paths.MEDIA_SOURCE: ["RADIO", "USB"],
    paths.MEDIA_TITLE: ["One", "Two", "三"],
    paths.MEDIA_ARTIST: ["A", "B"],
    paths.MEDIA_ACTION: ["PLAY", "STOP"],
    paths.MEDIA_VOLUME: [10, 20.0],
    DOOR: [True, False],
    CABIN_TEMPERATURE: [20.0, 20.5, 21],
}


def small_fleet(rng: Random) -> Sequence[Streams]:
    """Return a few cars that drive, stand, charge and play, each with a few short streams."""
    return [_car(rng) for _ in range(rng.choice((1, 2, 2, 3)))]


def busy_car(rng: Random, batches: int) -> list[SignalBatch]:
    """Return so many batches of one car, in the order in which it sends them: stream after stream."""
    told = _Teller(rng)
    sent: list[SignalBatch] = []
    while len(sent) < batches:
        sent += told.stream(f"drive-{len(sent)}")
        told.now_s += rng.choice((5, 60, 150, 4_000))
    return sent[:batches]


def _car(rng: Random) -> Streams:
    told = _Teller(rng)
    streams = []
    for number in range(rng.randint(1, 4)):
        streams.append(told.stream(f"drive-{number}"))
        told.now_s += rng.choice((-300, 5, 60, 150, 4_000))  # beside the one before, soon after it, or much later
    return streams


class _Teller:
    """Tells what happens to one car."""

    def __init__(self, rng: Random) -> None:
        self.now_s = float(rng.randrange(3_600))
        self._rng = rng
        self._odometer_m = 1_000
        self._step = 0  # along a line to the north
        self._topics = rng.sample(list(_VALUES), rng.choice((1, 2, rng.randint(1, len(_VALUES)))))
        self._talks = rng.choice((1, 3))  # of so many of them at a time, at most

    def stream(self, stream_id: str) -> list[SignalBatch]:
        """Return the next stream."""
        rng, stream = self._rng, Stream(stream_id)
        kind = rng.choice(("drive", "stand", "mixed"))
        batches: list[SignalBatch] = []
        count = rng.randint(3, 9)
        for number in range(1, count + 1):
            entries: list[Entry] = []
            for _ in range(rng.randint(1, 4)):
                entries += self._moment(kind, first=not batches and not entries, last=number == count)
                self.now_s += rng.choice((1, 5, 10, 10, 30))
            final = number == count and rng.random() < 0.8
            batches.append(stream.batch(entries, received=self.now_s, final=final))
        return batches

    def _moment(self, kind: str, *, first: bool, last: bool) -> list[Entry]:
        """Return what the car tells of one moment: of each signal once."""
        rng, at = self._rng, self.now_s
        entries: list[Entry] = []
        if kind != "stand" or rng.random() < 0.1:
            self._step += rng.choice((0, 1, 1, 2))
            self._odometer_m += 100
            entries.append(sample(paths.SPEED, at, rng.choice((0.0, 36.0, 50.0, 50.0))))
            if rng.random() < 0.8:
                entries += place(at, 48 + LATITUDE_STEP_DEG * self._step)
            if rng.random() < 0.3:
                entries.append(sample(paths.ODOMETER, at, self._odometer_m))
        if kind == "drive" and (first or last):
            entries.append(ignition(at, "OFF" if last else "ON"))
        if rng.random() < 0.1:
            there = 48 + LATITUDE_STEP_DEG * rng.choice((3, 10))
            entries += rng.choice((destination(at, there), no_destination(at)))
        if rng.random() < 0.1:
            held = rng.sample(("P0301", "U0100"), rng.randint(0, 2))
            entries.append(report(at, *held, status=rng.choice((8, 9)), complete=rng.random() < 0.7))
        for path in rng.sample(self._topics, rng.randint(0, min(self._talks, len(self._topics)))):
            quality = rng.choice((Quality.OK,) * 6 + (Quality.INVALID, Quality.NOT_AVAILABLE))
            entries.append(sample(path, at, rng.choice(_VALUES[path]), quality))
        return entries
