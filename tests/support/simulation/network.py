"""From cars to the door: clocks that jump, streams that are cut off, and batches that are lost, doubled or late."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random
from typing import Final, NamedTuple
from uuid import UUID

from domain.signals import SignalBatch
from domain.units import MICROS_PER_SECOND, Micros
from tests.support.batches import T0, shown_by
from tests.support.simulation.faults import Chance
from tests.support.simulation.sources import Streams

HOUR_S: Final = 3_600
AHEAD_S: Final = (HOUR_S, 30 * HOUR_S, 400 * 24 * HOUR_S, 3_000_000_000)  # of a clock in the future
LATE_HOURS_MAX: Final = 40
TRANSFER_S: Final = 0.2  # of a batch that nothing happens to: no one overtakes another


class Arrival(NamedTuple):
    """A batch that comes to the door."""

    at: Micros
    batch: SignalBatch


@dataclass(slots=True)
class Sent:
    """What a car has really sent, and what became of it."""

    vehicle_id: UUID
    streams: dict[str, list[SignalBatch]] = field(default_factory=dict)  # in the order in which they begin
    wrong_clock: set[str] = field(default_factory=set)  # streams with a time that is not true
    lost: dict[str, set[int]] = field(default_factory=dict)  # sequence numbers of what never comes

    def arrives(self, stream_id: str) -> set[int]:
        """Return the sequence numbers of what comes at least once."""
        return {batch.sequence for batch in self.streams[stream_id]} - self.lost[stream_id]

    @property
    def one_after_the_other(self) -> bool:
        """Whether each stream begins after the one before it has ended."""
        spans = [_span(batches) for batches in self.streams.values()]
        return all(before[1] < after[0] for before, after in pairwise(sorted(span for span in spans if span)))


def _span(batches: Sequence[SignalBatch]) -> tuple[Micros, Micros] | None:
    times = [entry.captured_at for batch in batches for entry in batch.samples]
    times += [report.captured_at for batch in batches for report in batch.trouble_codes]
    return (min(times), max(times)) if times else None


class Network:
    """Decides beforehand what becomes of every batch."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._rng: Random = chance.rng

    def send(self, vehicle_id: UUID, streams: Streams) -> tuple[Sent, list[Arrival]]:
        """Return what a car sends, and what of it comes when."""
        sent, arrivals = Sent(vehicle_id), list[Arrival]()
        for stream in streams:
            for batches in self._as_sent([replace(batch, vehicle_id=vehicle_id) for batch in stream]):
                stream_id = batches[0].stream_id
                sent.streams[stream_id] = batches
                shown = self._shown(batches)
                if shown != batches:
                    sent.wrong_clock.add(stream_id)
                sent.lost[stream_id], came = self._carried(shown)
                arrivals += came
        return sent, arrivals

    def _as_sent(self, batches: list[SignalBatch]) -> list[list[SignalBatch]]:
        """Return the streams that become of one: cut in two, or told by two."""
        streams = [batches]
        if len(batches) > 1 and self._chance.of("power_cut"):
            place = self._rng.randrange(1, len(batches))
            new = f"{batches[0].stream_id}, after a power cut"
            after = [replace(each, stream_id=new, sequence=each.sequence - place) for each in batches[place:]]
            streams = [batches[:place], after]
        if self._chance.of("told_twice"):
            told = self._rng.choice(streams)
            streams.append([replace(each, stream_id=f"{each.stream_id}, again") for each in told])
        return streams

    def _shown(self, batches: list[SignalBatch]) -> list[SignalBatch]:
        """Return batches as a clock dates them that is wrong for a while, perhaps twice."""
        shown = batches
        for fault in ("clock_past", "clock_ahead"):
            if self._chance.of(fault):
                first = self._rng.randrange(len(batches))
                until = self._rng.randint(first + 1, len(batches))
                began_at = batches[first].received_at
                offset_s = self._rng.choice(AHEAD_S)
                if fault == "clock_past":  # it was switched on up to an hour ago, and counts from then
                    offset_s = self._rng.randrange(HOUR_S) - began_at // MICROS_PER_SECOND
                shown = [*shown[:first], *shown_by(offset_s, batches[first:until]), *shown[until:]]
        return shown

    def _carried(self, batches: Sequence[SignalBatch]) -> tuple[set[int], list[Arrival]]:
        """Return the sequence numbers of what is lost, and what comes."""
        chance, rng = self._chance, self._rng
        lost: set[int] = set()
        arrivals: list[Arrival] = []
        tunnel_until = Micros(T0 - 10**15)
        for batch in batches:
            if chance.of("lost"):
                lost.add(batch.sequence)
                continue
            if batch.received_at >= tunnel_until and chance.of("tunnel"):
                tunnel_until = Micros(batch.received_at + rng.randrange(10, 600) * MICROS_PER_SECOND)
            leaves_at = max(batch.received_at, tunnel_until)
            delays_s = [TRANSFER_S]
            while chance.of("doubled"):
                delays_s.append(TRANSFER_S + rng.choice((0, 10, 600)))
            for delay_s in delays_s:
                more_s = 0.0
                if chance.of("sent_again"):
                    more_s += rng.uniform(30, 600)
                if chance.of("reordered"):
                    more_s += rng.uniform(0, 60)
                if chance.of("late"):
                    more_s += rng.uniform(1, LATE_HOURS_MAX) * HOUR_S
                arrivals.append(Arrival(Micros(leaves_at + int((delay_s + more_s) * MICROS_PER_SECOND)), batch))
        return lost, arrivals
