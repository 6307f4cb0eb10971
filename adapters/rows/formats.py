"""The formats that rows come in: CSV, NDJSON and Parquet, each read into the same rows.

The columns are `captured_at`, `signal` and `value`, and `vehicle` where a file tells of several; others are left alone.
Names are compared without case. What a row means is not known here.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from adapters.input_file import InputFile
from domain.errors import BadInputError

ROWS_AT_ONCE: Final = 65_536  # in one block: fixed, so that the batches of a file are always the same
NEEDED: Final = ("captured_at", "signal", "value")
LINE_CHARACTERS_MAX: Final = 1 << 20  # of one row; a longer one is no row
_PARQUET_MAGIC: Final = b"PAR1"


class Row(NamedTuple):
    """One row as the file has it; `place` is its line, or its number in a Parquet file, counted from 1."""

    place: int
    vehicle: str | None
    captured_at: Any
    signal: str
    value: Any
    unit: str | None = None  # that the value is said to be in


@dataclass(frozen=True, slots=True)
class RowFormat:
    """One format: how it is recognised by the beginning of the content, and read."""

    name: str
    recognises: Callable[[bytes], bool]
    rows: Callable[[InputFile], Iterator[Row]]


def _csv_rows(file: InputFile) -> Iterator[Row]:
    with file.open() as content, io.TextIOWrapper(content, encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
        try:
            header = next(reader, [])
            places = _places(file, header)
            vehicle, captured_at, signal, value = places
            for fields in reader:
                if not fields:
                    continue
                if len(fields) != len(header):
                    what = f"a row of {len(fields)} fields under a header of {len(header)}"
                    raise _malformed(file, reader.line_num, what)
                yield Row(
                    reader.line_num,
                    None if vehicle is None else fields[vehicle],
                    fields[captured_at],
                    fields[signal],
                    fields[value],
                )
        except csv.Error as error:
            raise _malformed(file, reader.line_num, f"no valid CSV ({error})") from error
        except UnicodeDecodeError as error:
            raise _malformed(file, reader.line_num + 1, "no UTF-8 text") from error


def _ndjson_rows(file: InputFile) -> Iterator[Row]:
    with file.open() as content:
        for line, text in enumerate(iter(lambda: content.readline(LINE_CHARACTERS_MAX), b""), start=1):
            if text.isspace():
                continue
            try:
                found = json.loads(text)
            except ValueError as error:
                raise _malformed(file, line, f"no valid JSON ({error})") from error
            if not isinstance(found, dict):
                raise _malformed(file, line, "no JSON object")
            row = {name.lower(): value for name, value in found.items()}
            if missing := [name for name in NEEDED if name not in row]:
                raise _malformed(file, line, f"a row without `{missing[0]}`")
            vehicle = row.get("vehicle")
            yield Row(
                line, None if vehicle is None else str(vehicle), row["captured_at"], str(row["signal"]), row["value"]
            )


def _parquet_rows(file: InputFile) -> Iterator[Row]:
    place = 0
    try:
        with pq.ParquetFile(file.path) as parquet:
            vehicle, captured_at, signal, value = _places(file, names := parquet.schema_arrow.names)
            wanted = [place for place in (vehicle, captured_at, signal, value) if place is not None]
            total = max(parquet.metadata.num_rows, 1)
            for batch in parquet.iter_batches(batch_size=ROWS_AT_ONCE, columns=[names[place] for place in wanted]):
                columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
                vehicles = [None] * len(batch) if vehicle is None else columns[names[vehicle]]
                for fields in zip(
                    vehicles, columns[names[captured_at]], columns[names[signal]], columns[names[value]], strict=True
                ):
                    place += 1
                    yield _parquet_row(file, place, *fields)
                file.bytes_done = file.bytes_total * place // total
    except PARQUET_FAULTS as error:
        what = f"no valid Parquet ({(str(error) or type(error).__name__).splitlines()[0]})"
        raise BadInputError(
            what, where=str(file.path), remedy="write the file again, or copy it from its source"
        ) from error


# What pyarrow raises at bytes that are not what they should be, and at values that Python has no place for.
PARQUET_FAULTS: Final = (pa.ArrowException, OSError, ValueError, TypeError, LookupError, OverflowError, MemoryError)


def _parquet_row(file: InputFile, place: int, vehicle: Any, captured_at: Any, signal: Any, value: Any) -> Row:
    """Return a row; a file may say that its names are numbers, times or bytes."""
    for name, given in (("vehicle", vehicle), ("signal", signal)):
        if given is not None and not isinstance(given, str):
            raise _malformed(file, place, f"`{name}` is {given!r}, which is no text")
    if signal is None:
        raise _malformed(file, place, "a row without `signal`")
    return Row(place, vehicle, captured_at, signal, value)


def _places(file: InputFile, header: Sequence[str]) -> tuple[int | None, int, int, int]:
    """Return where vehicle, captured_at, signal and value are in a row."""
    names = [name.strip().lower() for name in header]
    if missing := [name for name in NEEDED if name not in names]:
        raise _malformed(file, 1, f"a header without `{missing[0]}`")
    vehicle = names.index("vehicle") if "vehicle" in names else None
    return vehicle, names.index("captured_at"), names.index("signal"), names.index("value")


def _malformed(file: InputFile, line: int, what: str) -> BadInputError:
    remedy = "give rows of captured_at, signal and value, and vehicle where there are several"
    return BadInputError(what, where=f"{file.path}:{line}", remedy=remedy)


def _is_csv(head: bytes) -> bool:
    names = head.partition(b"\n")[0].decode("utf-8-sig", "replace").lower().replace('"', "").strip().split(",")
    return all(name in [given.strip() for given in names] for name in NEEDED)


def _is_ndjson(head: bytes) -> bool:
    first = head.lstrip().partition(b"\n")[0]
    try:
        found = json.loads(first)
    except ValueError:
        return False
    return isinstance(found, dict) and all(name in {key.lower() for key in found} for name in NEEDED)


ROW_FORMATS: Final = (
    RowFormat("CSV rows", _is_csv, _csv_rows),
    RowFormat("NDJSON rows", _is_ndjson, _ndjson_rows),
    RowFormat("Parquet rows", lambda head: head.startswith(_PARQUET_MAGIC), _parquet_rows),
)
