"""The file of a recording as every reader takes it: its content, with what the reading has found."""

from dataclasses import dataclass
from pathlib import Path

from adapters.can.frames import FrameBlock
from adapters.input_file import InputFile


@dataclass(slots=True)
class RecordingStatistics:
    """What one reading of a recording has found so far."""

    frames: int = 0  # data frames, those that the blocks hold
    remote_frames: int = 0  # frames that carry no data (ISO 11898-1, remote transmission request)
    error_frames: int = 0  # error frames that the logger noted
    truncated_lines: int = 0  # last lines that were cut off while they were written
    other_lines: int = 0  # lines that are no frame: comments, marks, statistics of the bus
    first_captured_at: int | None = None  # of the first data frame
    last_captured_at: int | None = None  # of the last data frame, which need not be the latest

    def count(self, block: FrameBlock) -> None:
        """Count the data frames of a block, which is not empty."""
        self.frames += len(block)
        if self.first_captured_at is None:
            self.first_captured_at = int(block.captured_at[0])
        self.last_captured_at = int(block.captured_at[-1])


class RecordingFile(InputFile):
    """One reading of a file: counts what is found, and knows how far it is."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.statistics = RecordingStatistics()
