"""The CSV of python-can: `timestamp,arbitration_id,extended,remote,error,dlc,data`, the data in base64, no bus."""

from collections.abc import Iterator
from typing import Final, TextIO, cast

import can

from adapters.can.frames import FrameBlock
from adapters.can.messages import RUN_FRAMES, FrameFault, FrameGatherer
from adapters.can.recording_file import RecordingFile
from adapters.can.text_lines import TextLines

FORMAT_NAME: Final = "python-can CSV"
HEADER: Final = "timestamp,arbitration_id,extended,remote,error,dlc,data"


class _Lines(TextLines):
    """The lines; python-can skips the first without a look, and takes the columns by their places."""

    def __next__(self) -> str:  # type: ignore[override]  # of str, as io.TextIOBase documents
        line = super().__next__()
        if self.number == 1 and line.rstrip() != HEADER:
            raise self.malformed(f"the header is not {HEADER}")
        return line


def read_python_can_csv(file: RecordingFile) -> Iterator[FrameBlock]:
    """Yield the data frames in runs, all on bus 0; raises BadInputError at a malformed line.

    A last line that was cut off counts as truncated and is left out.
    """
    frames = FrameGatherer()
    with file.open() as stream:
        lines = _Lines(file, stream, FORMAT_NAME)
        messages = iter(can.CSVReader(cast("TextIO", lines)))
        while True:
            try:
                message = next(messages)
                if not message.is_remote_frame and len(message.data) != message.dlc:
                    raise FrameFault(f"{len(message.data)} data bytes of {message.dlc}")
                frames.add_message(message, file.statistics)
            except StopIteration:
                break
            except ValueError as fault:
                if not lines.unterminated:
                    raise lines.malformed(fault) from fault
                file.statistics.truncated_lines += 1
                break
            if len(frames) >= RUN_FRAMES:
                yield frames.take()
    yield frames.take()
