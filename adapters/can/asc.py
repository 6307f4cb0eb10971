"""Vector ASC text, read through python-can.

Times count in seconds from the date in the file's header, or in the line that begins a trigger block. That date is the
local time of whoever recorded, without its zone; it is read as UTC, so that the same file gives the same times on every
machine. python-can would take the zone of this machine, and reads `.5` as half a second where its writer meant 5 ms.
"""

import io
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final, TextIO, cast

import can

from adapters.can.clocks import naive_as_utc
from adapters.can.frames import CLASSIC_WIDTH, FrameBlock
from adapters.can.messages import RUN_FRAMES, FrameFault, FrameGatherer
from adapters.can.recording_file import RecordingFile
from adapters.can.text_lines import TextLines
from domain.errors import BadInputError

FORMAT_NAME: Final = "Vector ASC"
VECTOR_FIRST_BUS: Final = 1  # Vector numbers the channels from 1

_START: Final = re.compile(
    r"\s*(?:date|begin\s+triggerblock)\s+\w+\s+(?P<month>\w{3})\w*\s+(?P<day>\d{1,2})\s+"
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2}):(?P<second>\d{2})(?:\.(?P<fraction>\d{1,6}))?\s*(?P<half>[ap]m)?\s+(?P<year>\d{4})",
    re.IGNORECASE,
)
_DELTAS: Final = re.compile(r"\s*base\s+\w+\s+timestamps\s+relative", re.IGNORECASE)
_MONTHS: Final = {  # English, and German where it differs
    name: number
    for number, names in enumerate(
        ["jan", "feb", "mar mär mrz", "apr", "may mai", "jun", "jul", "aug", "sep", "oct okt", "nov", "dec dez"],
        start=1,
    )
    for name in names.split()
}


def read_asc(file: RecordingFile) -> Iterator[FrameBlock]:
    """Yield the data frames in runs, on the channel that the file names; raises BadInputError at a malformed line.

    Lines that are no frame are counted. Without a date the times stay what they are, seconds since the logger's start.
    A last line without its newline counts as truncated and is left out.
    """
    frames = FrameGatherer()
    statistics = file.statistics
    with file.open() as stream:
        lines = _AscLines(file, stream)
        messages = iter(can.ASCReader(cast("TextIO", lines), relative_timestamp=True))
        seen = 0
        while True:
            try:
                message = next(messages)
                seen += 1
                _check_length(message)
                frames.add_message(message, statistics, start=lines.start, first_bus=VECTOR_FIRST_BUS)
            except StopIteration:
                break
            except (ValueError, IndexError) as fault:
                raise lines.malformed(fault) from fault
            if len(frames) >= RUN_FRAMES:
                yield frames.take()
        statistics.other_lines += lines.number - seen - lines.cut
        statistics.truncated_lines += lines.cut
        if not seen and not lines.has_header:
            raise BadInputError(
                "no line is a frame of Vector ASC",
                where=str(file.path),
                remedy="give a recording, or rename the file if it is one of another format",
            )
    yield frames.take()


def _check_length(message: can.Message) -> None:
    """Raise FrameFault where a frame has fewer data bytes than it says; a length code over 8 means 8 in classic CAN."""
    said = message.dlc if message.is_fd else min(message.dlc, CLASSIC_WIDTH)
    if len(message.data) != said and not message.is_remote_frame and not message.is_error_frame:
        raise FrameFault(f"{len(message.data)} data bytes of {said}")


class _AscLines(TextLines):
    """The lines, and `start`: the time (microseconds) that the times of the last line count from."""

    def __init__(self, file: RecordingFile, stream: io.BufferedIOBase) -> None:
        super().__init__(file, stream, FORMAT_NAME)
        self.start = 0
        self.has_header = False
        self.cut = 0

    def __next__(self) -> str:  # type: ignore[override]  # of str, as io.TextIOBase documents
        line = super().__next__()
        if self.unterminated and line.strip().lower() != "end triggerblock":
            self.cut += bool(line.strip())
            raise StopIteration
        if line[:1].isdigit() or line[:1] == " ":
            return line  # most lines are frames
        if match := _START.match(line):
            self.start = self._time(match)
            self.has_header = True
        elif _DELTAS.match(line):
            raise self.malformed("times from line to line are not read: export with absolute times")
        return line

    def _time(self, match: re.Match[str]) -> int:
        """Return a date of the file in microseconds since the epoch, read as UTC."""
        month = _MONTHS.get(match["month"].lower())
        if month is None:
            raise self.malformed(f"{match['month']} is no English or German month")
        hour = int(match["hour"])
        if match["half"]:
            hour = hour % 12 + (12 if match["half"].lower() == "pm" else 0)
        fraction = match["fraction"] or "0"
        # Vector writes three digits; python-can writes milliseconds without leading zeros.
        micros = int(fraction) * 1000 if len(fraction) <= 3 else int(fraction.ljust(6, "0"))
        try:
            date = datetime(  # noqa: DTZ001  # the file does not say the zone
                int(match["year"]), month, int(match["day"]), hour, int(match["minute"]), int(match["second"]), micros
            )
        except ValueError as fault:
            raise self.malformed(fault) from fault
        return naive_as_utc(date)
