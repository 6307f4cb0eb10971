"""The current value of each signal: one fold for every projection that keeps some."""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple
from uuid import UUID

from domain.events import LateSamplesRecorded, SignalsSampled
from domain.signals import Quality, SignalValue
from domain.units import Micros
from projections.projection import Key, Recorded, Renewed, Row, Rows


class SignalRow(NamedTuple):
    """The newest sample of one signal.

    One of `number`, `text` and `flag` holds the value, as `kind` says; none does where the quality is not OK. A whole
    number that a float cannot hold exactly is in `text` as well.
    """

    vehicle_id: UUID
    path: str  # VSS
    kind: str  # "number" | "integer" | "string" | "boolean" | "none"
    number: float | None  # in the unit of the path
    text: str | None
    flag: bool | None
    quality: int  # domain.signals.Quality
    captured_at: Micros
    received_at: Micros
    stream_id: str
    sequence: int
    event_version: int  # of the vehicle
    position: int  # of the event in the log

    @property
    def value(self) -> SignalValue | None:
        """The value with the type that it was sent with."""
        if self.kind == "integer" and self.number is not None:
            return int(self.number if self.text is None else self.text)
        return {"number": self.number, "string": self.text, "boolean": self.flag}.get(self.kind)


SIGNAL_KEY = ("vehicle_id", "path")


def tell(
    rows: Rows,
    row_type: type[Row],
    recorded: Recorded,
    path: str,
    value: SignalValue | None,
    at: Micros,
    quality: int = int(Quality.OK),
) -> None:
    """Take a sample into the table of `row_type` unless a newer one is there."""
    event = recorded.event
    vehicle_id: UUID = event.originator_id
    stream_id, sequence = event.stream_id, event.sequence  # type: ignore[attr-defined]  # only stream events tell samples
    current = rows.get(row_type, path)
    if current is not None:
        newest_at = current.captured_at  # type: ignore[attr-defined]  # a SignalRow
        if newest_at > at or (newest_at == at and (current.stream_id, current.sequence) > (stream_id, sequence)):  # type: ignore[attr-defined]
            return
    kind, number, text, flag = "none", None, None, None
    if isinstance(value, bool):
        kind, flag = "boolean", value
    elif isinstance(value, str):
        kind, text = "string", value
    elif isinstance(value, float):
        kind, number = "number", value
    elif value is not None:
        kind, number = "integer", float(value)
        text = None if int(number) == value else str(value)
    row = row_type(
        vehicle_id,
        path,
        kind,
        number,
        text,
        flag,
        quality,
        at,
        event.received_at,
        stream_id,
        sequence,
        event.originator_version,
        recorded.position,
    )  # type: ignore[call-arg]
    rows.put(row)


SAMPLES: Final = Renewed("sampled_at", paths="path")  # what `tell_newest` leaves


def tell_newest(
    rows: Rows,
    row_type: type[Row],
    recorded: Recorded,
    event: SignalsSampled | LateSamplesRecorded,
    keeps: Callable[[str], bool],
) -> None:
    """Take the newest sample of each path that the table of `row_type` keeps.

    The samples of an event are in order of time, so the last one of a path is its newest.
    """
    for path, place in {path: place for place, path in enumerate(event.path)}.items():
        if keeps(path):
            tell(rows, row_type, recorded, path, event.value[place], event.sampled_at[place], event.quality[place])


def signal_keys(row_type: type[Row], paths: Iterable[str]) -> list[tuple[type[Row], Key]]:
    """Return the keys of the rows of some signals."""
    return [(row_type, (path,)) for path in paths]
