"""Lines of a text recording, with their numbers."""

import io
from collections.abc import Iterator
from typing import Final

from adapters.can.recording_file import RecordingFile
from domain.errors import BadInputError

LINE_BYTES_MAX: Final = 4096  # a longer line is no text of a logger
LINE_SHOWN_BYTES: Final = 60  # of a malformed line, in the message


class TextLines(io.TextIOBase):
    """The lines of a recording as text; python-can's readers take it for a file.

    `number` is that of the last line read, counted from 1; `unterminated` tells that it has no newline at its end.
    """

    def __init__(self, file: RecordingFile, stream: io.BufferedIOBase, format_name: str) -> None:
        self.number = 0
        self.line = ""
        self.unterminated = False
        self._where = str(file.path)
        self._stream = stream
        self._format_name = format_name

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]  # of str, as io.TextIOBase documents
        return self

    def __next__(self) -> str:  # type: ignore[override]  # as above
        line = self._stream.readline(LINE_BYTES_MAX)
        if not line:
            raise StopIteration
        self.number += 1
        self.unterminated = not line.endswith(b"\n")
        try:
            self.line = line.decode("utf-8")
        except UnicodeDecodeError:  # Vector's tools write the code page of the machine
            self.line = line.decode("latin-1")
        if len(line) == LINE_BYTES_MAX:
            raise self.malformed("it is too long")
        return self.line

    def malformed(self, reason: object) -> BadInputError:
        """Return the error that names the last line read."""
        shown = ascii(self.line[:LINE_SHOWN_BYTES].strip())
        return BadInputError(
            f"not a line of {self._format_name}: {shown} ({reason})",
            where=f"{self._where}, line {self.number}",
            remedy="correct or remove the line, or export the recording again",
        )
