"""Batches of telemetry for tests: written by hand, and as Hypothesis strategies.

Times are seconds after `T0` by the true clock; a stream writes its batches in order, with gapless sequence numbers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st

from domain import paths
from domain.signals import Quality, Sample, SignalBatch, SignalValue, TroubleCodeReport, TroubleCodeStatus
from domain.units import MICROS_PER_SECOND, Micros, micros

VEHICLE_ID: Final = UUID("0b8e2f3a-7d61-8c9f-8a10-c4d5e6f70819")
T0: Final = Micros(1_770_000_000_000_000)  # 2026-02-02T02:40:00Z
DOOR: Final = "Vehicle.Cabin.Door.Row1.DriverSide.IsOpen"
CABIN_TEMPERATURE: Final = "Vehicle.Cabin.HVAC.AmbientAirTemperature"
LATITUDE_STEP_DEG: Final = 0.001  # 111.2 m to the north

Entry = Sample | TroubleCodeReport


def at(seconds: float) -> Micros:
    """Return a time."""
    return Micros(T0 + micros(seconds))


def sample(path: str, seconds: float, value: SignalValue | None, quality: Quality = Quality.OK) -> Sample:
    """Return a sample; one whose quality is not OK has no value."""
    return Sample(path, at(seconds), value if quality == Quality.OK else None, quality)


def place(seconds: float, latitude_deg: float, longitude_deg: float = 11.0) -> list[Sample]:
    """Return a position."""
    return [sample(paths.LATITUDE, seconds, latitude_deg), sample(paths.LONGITUDE, seconds, longitude_deg)]


def destination(seconds: float, latitude_deg: float, longitude_deg: float = 11.0) -> list[Sample]:
    """Return a destination that route guidance leads to."""
    return [
        sample(paths.DESTINATION_LATITUDE, seconds, latitude_deg),
        sample(paths.DESTINATION_LONGITUDE, seconds, longitude_deg),
    ]


def no_destination(seconds: float) -> list[Sample]:
    """Return that there is no route guidance."""
    return [sample(path, seconds, None, Quality.NOT_AVAILABLE) for path in DESTINATION]


DESTINATION: Final = (paths.DESTINATION_LATITUDE, paths.DESTINATION_LONGITUDE)


def ignition(seconds: float, state: str) -> Sample:
    """Return the state of the low-voltage system: "ON", "START", "OFF", "ACC", "LOCK", "UNDEFINED"."""
    return sample(paths.LOW_VOLTAGE_SYSTEM_STATE, seconds, state)


def drive(start: float, end: float, kmh: float = 36.0, step: float = 10.0) -> list[Sample]:
    """Return speeds from `start` to `end`."""
    count = int((end - start) / step)
    return [sample(paths.SPEED, start + step * i, kmh + i % 2 / 10) for i in range(count + 1)]


def trace(start: float, end: float, first: int = 0, step: float = 10.0) -> list[Sample]:
    """Return positions along a line to the north, `LATITUDE_STEP_DEG` every step: 40 km/h."""
    count = int((end - start) / step)
    return [each for i in range(count + 1) for each in place(start + step * i, 48 + LATITUDE_STEP_DEG * (first + i))]


def report(
    seconds: float,
    *codes: str,
    ecu: str = "7E8",
    service: str = "OBD 03",
    status: int | None = None,
    complete: bool = True,
) -> TroubleCodeReport:
    """Return the answer of an ECU that holds these codes."""
    held = tuple(TroubleCodeStatus(code, None, status, active=True) for code in codes)
    return TroubleCodeReport(ecu, at(seconds), service, complete, held)


@dataclass
class Stream:
    """Writes the batches of one stream."""

    stream_id: str = "a"
    sequence: int = 0

    def batch(self, *entries: Entry | Sequence[Entry], received: float | None = None, **more: Any) -> SignalBatch:
        """Return the next batch; it is received a second after its newest entry, unless `received` says when."""
        flat: list[Entry] = []
        for entry in entries:
            if isinstance(entry, (Sample, TroubleCodeReport)):
                flat.append(entry)
            else:
                flat += entry
        self.sequence += 1
        newest = max((entry.captured_at for entry in flat), default=T0)
        return SignalBatch(
            VEHICLE_ID,
            self.stream_id,
            self.sequence,
            Micros(newest + MICROS_PER_SECOND) if received is None else at(received),
            tuple(entry for entry in flat if isinstance(entry, Sample)),
            tuple(entry for entry in flat if isinstance(entry, TroubleCodeReport)),
            **more,
        )


# --- strategies -------------------------------------------------------------------------------------------------------

_TIMES_S = st.sampled_from([0, 1, 1, 5, 10, 10, 30, 59, 60, 61, 120, 299, 301, 700])
_VALUES: Final[dict[str, list[SignalValue]]] = {
    paths.LOW_VOLTAGE_SYSTEM_STATE: ["ON", "OFF", "START", "ACC", "UNDEFINED"],
    paths.SPEED: [0.0, 3.0, 36.0, 72.0, -7.0],
    paths.BATTERY_ENERGY: [40.0, 39.5, 39, 41.0],
    paths.ODOMETER: [1000, 2000, 2000.0, 3000],
    paths.IS_CHARGING: [True, False],
    paths.STATE_OF_CHARGE_DISPLAYED: [5.0, 12.0, 40.0],
    paths.LOW_VOLTAGE: [11.0, 12.0, 12.5],
    paths.MEDIA_SOURCE: ["RADIO", "USB"],
    paths.MEDIA_TITLE: ["One", "Two"],
    paths.MEDIA_ARTIST: ["A", "B"],
    paths.MEDIA_ACTION: ["PLAY", "STOP"],
    paths.MEDIA_VOLUME: [10, 20.0],
    DOOR: [True, False, 1, 0],
    CABIN_TEMPERATURE: [20.0, 20.5, 20],
}
_TOPICS: Final[list[list[str]]] = [
    [*_VALUES],
    [DOOR],
    [paths.LOW_VOLTAGE, paths.STATE_OF_CHARGE_DISPLAYED],
    [paths.LOW_VOLTAGE_SYSTEM_STATE],
    [paths.IS_CHARGING, paths.BATTERY_ENERGY],
]


@dataclass
class _Story:
    """What happens to a car as one stream sees it; a signal has one sample a moment."""

    now_s: float
    place_index: int
    signals: Sequence[str]  # that are told of besides speed and position
    entries: list[Entry] = field(default_factory=list)

    def say(self, *samples: Sample) -> None:
        taken = {(entry.path, entry.captured_at) for entry in self.entries if isinstance(entry, Sample)}
        if not taken & {(each.path, each.captured_at) for each in samples}:
            self.entries += samples


@st.composite
def stories(draw: st.DrawFn, start_s: float = 0, acts_max: int = 8, *, codes: bool = True) -> list[Entry]:
    """Draw what one stream tells, in order of time: of everything, or again and again of few signals."""
    story = _Story(start_s, draw(st.integers(0, 20)), draw(st.sampled_from(_TOPICS)))
    acts = ["drive", "trace", "both", "values", "values", "values", "destination", *(["codes"] if codes else [])]
    for _ in range(draw(st.integers(0, acts_max))):
        _act(draw, story, draw(st.sampled_from(acts)))
        story.now_s += draw(_TIMES_S)
    return story.entries


def _act(draw: st.DrawFn, story: _Story, act: str) -> None:
    if act in ("drive", "trace", "both"):
        step_s = draw(st.sampled_from([1, 10, 100]))
        for _ in range(draw(st.integers(1, 4))):
            if act != "trace":
                story.say(sample(paths.SPEED, story.now_s, draw(st.sampled_from([0.0, 36.0, 50.0]))))
            if act != "drive":
                story.place_index += draw(st.sampled_from([0, 1, 1, 2]))
                story.say(*place(story.now_s, 48 + LATITUDE_STEP_DEG * story.place_index))
            story.now_s += step_s
    elif act == "destination":
        there = 48 + LATITUDE_STEP_DEG * draw(st.sampled_from([3, 10]))
        story.say(*draw(st.sampled_from([destination(story.now_s, there), no_destination(story.now_s)])))
    elif act == "codes":
        held = draw(st.lists(st.sampled_from(["P0301", "U0100"]), unique=True, max_size=2))
        said = report(
            story.now_s,
            *held,
            ecu=draw(st.sampled_from(["7E8", "7E9"])),
            status=draw(st.sampled_from([8, 9])),
            complete=draw(st.booleans()),
        )
        if not any(isinstance(entry, TroubleCodeReport) and entry[:2] == said[:2] for entry in story.entries):
            story.entries.append(said)
    else:
        for _ in range(draw(st.integers(1, 3))):
            path = draw(st.sampled_from([*story.signals, "position"]))
            if path == "position":
                quality = draw(st.sampled_from([Quality.INVALID, Quality.NOT_AVAILABLE]))
                story.say(*(sample(half, story.now_s, None, quality) for half in (paths.LATITUDE, paths.LONGITUDE)))
            else:
                quality = draw(st.sampled_from([Quality.OK, Quality.OK, Quality.OK, *Quality]))
                story.say(sample(path, story.now_s, draw(st.sampled_from(_VALUES[path])), quality))
            story.now_s += draw(st.sampled_from([0, 1, 10]))


@st.composite
def cuts(draw: st.DrawFn, stream_id: str, entries: Sequence[Entry], *, final: bool | None = None) -> list[SignalBatch]:
    """Draw how what a stream tells is cut into batches (never within a moment), and when they are received."""
    moments = [n for n in range(1, len(entries)) if entries[n].captured_at != entries[n - 1].captured_at]
    places = draw(st.lists(st.sampled_from([0, *moments, len(entries)]), max_size=4).map(sorted))
    stream, batches = Stream(stream_id), []
    bounds = [0, *places, len(entries)]
    late_s = draw(st.sampled_from([0, 1, 100]))  # what is received after
    for first, last in pairwise(bounds):
        part = entries[first:last]
        newest_s = max((entry.captured_at - T0 for entry in entries[:last]), default=0) / MICROS_PER_SECOND
        batches.append(stream.batch(part, received=newest_s + late_s))
    ended = draw(st.booleans()) if final is None else final
    if ended:
        received_at = Micros(batches[-1].received_at + micros(draw(st.sampled_from([0, 1_000]))))
        batches[-1] = batches[-1].__class__(
            VEHICLE_ID,
            stream_id,
            batches[-1].sequence,
            received_at,
            batches[-1].samples,
            batches[-1].trouble_codes,
            final=True,
        )
    return batches


@st.composite
def streams_of(draw: st.DrawFn, stream_id: str, *, final: bool | None = None, acts_max: int = 8) -> list[SignalBatch]:
    """Draw a whole stream of a vehicle."""
    start_s = draw(st.sampled_from([0, 0, 5, 100, 400, 1_000, 5_000, -2_000]))
    return draw(cuts(stream_id, draw(stories(start_s, acts_max)), final=final))


@st.composite
def interleaved(draw: st.DrawFn, streams: Sequence[Sequence[SignalBatch]]) -> list[SignalBatch]:
    """Draw an order of the batches of several streams, each stream in its own order."""
    names = [number for number, stream in enumerate(streams) for _ in stream]
    queues = [iter(stream) for stream in streams]
    return [next(queues[number]) for number in draw(st.permutations(names))]


def shown_by(clock_offset_s: float, batches: Iterable[SignalBatch]) -> list[SignalBatch]:
    """Return batches as a car sends them whose clock is ahead by so much."""
    ahead = micros(clock_offset_s)
    return [
        SignalBatch(
            batch.vehicle_id,
            batch.stream_id,
            batch.sequence,
            batch.received_at,
            tuple(each._replace(captured_at=Micros(each.captured_at + ahead)) for each in batch.samples),
            tuple(each._replace(captured_at=Micros(each.captured_at + ahead)) for each in batch.trouble_codes),
            batch.final,
            batch.reference_at,
        )
        for batch in batches
    ]
