"""One interface to everything that comes already decoded: rows and tracks, a block of columns at a time."""

from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Final

from adapters.input_file import InputFile
from adapters.rows.columns import RowStatistics, RowTranslator
from adapters.rows.formats import ROW_FORMATS, ROWS_AT_ONCE, RowFormat
from adapters.rows.geojson import GEOJSON, TrackMetadata, metadata, read_track
from adapters.sampling import SampleColumn
from adapters.signals.catalogue import Catalogue
from adapters.signals.rules import SignalMapping
from domain.errors import BadInputError

FORMATS: Final = (GEOJSON, *ROW_FORMATS)


class RowRecording:
    """A file of rows. Every reading begins anew; `statistics` are those of the present reading, or of the last."""

    def __init__(self, file: InputFile, form: RowFormat, mapping: SignalMapping, catalogue: Catalogue) -> None:
        self.path = file.path
        self.format = form.name
        self.statistics = RowStatistics()
        self._file = file
        self._form = form
        self._mapping = mapping
        self._catalogue = catalogue

    def blocks(self) -> Iterator[dict[str | None, list[SampleColumn]]]:
        """Yield the samples of `ROWS_AT_ONCE` rows at a time, by vehicle (None where the file names none), as columns.

        Raises BadInputError where a row is malformed, maybe after some blocks: `check` tells before.
        """
        self.statistics = RowStatistics()
        self._file.bytes_done = 0
        translator = RowTranslator(self._mapping, self._catalogue, self.statistics, str(self.path))
        rows = self._form.rows(self._file)
        while block := list(islice(rows, ROWS_AT_ONCE)):
            yield translator.translate(block)
        self._file.bytes_done = self._file.bytes_total

    def check(self) -> RowStatistics:
        """Read everything once and return what is in it; raises BadInputError where `blocks` would."""
        for _ in self.blocks():
            pass
        return self.statistics

    @property
    def bytes_total(self) -> int:
        """The size of the file."""
        return self._file.bytes_total

    @property
    def bytes_done(self) -> int:
        """How far into the file the present reading is."""
        return self._file.bytes_done

    @cached_property
    def content_digest(self) -> str:
        """The SHA-256 of the content in hexadecimal: a plain and a gzip copy have the same."""
        return self._file.digest()

    @cached_property
    def metadata(self) -> TrackMetadata | None:
        """What a track says of itself and of its car; None for rows."""
        return metadata(read_track(self._file)) if self._form is GEOJSON else None


def is_rows(path: Path) -> bool:
    """Return whether a file looks like rows or a track; raises BadInputError where it cannot be read."""
    return _format(InputFile(path)) is not None


def open_rows(path: Path, mapping: SignalMapping, catalogue: Catalogue) -> RowRecording:
    """Return the rows of a file, its format known by content; raises BadInputError where it is none."""
    file = InputFile(path)
    form = _format(file)
    if form is None:
        remedy = "give CSV, NDJSON or Parquet with captured_at, signal and value, or a GeoJSON track"
        raise BadInputError("the file holds no rows", where=str(path), remedy=remedy)
    return RowRecording(file, form, mapping, catalogue)


def _format(file: InputFile) -> RowFormat | None:
    head = file.head()
    return next((form for form in FORMATS if form.recognises(head)), None)
