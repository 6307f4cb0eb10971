"""What a person names on the command line, found and opened: mappings, DBC files, recordings."""

import importlib.resources
from collections.abc import Sequence
from pathlib import Path

from adapters.can.dbc import Dbc, load_dbc, opendbc_path
from adapters.can.recordings import open_recording
from adapters.ingest import CanJob, RowJob
from adapters.rows.recording import is_rows
from adapters.signals.catalogue import Catalogue
from adapters.signals.mapping import combined, load_mapping, mapping_names
from adapters.signals.rules import SignalMapping
from domain.errors import BadInputError
from domain.units import Micros
from domain.vin import Vin

OPENDBC_FILES = "vw_"  # how the names begin of those DBC files of our mappings that the opendbc package has
NO_MAPPING = SignalMapping("no mapping", (), {}, "0" * 64)  # serves rows that name VSS paths


def mapping_of(names: Sequence[str], catalogue: Catalogue) -> SignalMapping:
    """Return the mappings of these names or files as one; raises BadInputError."""
    once = dict.fromkeys(names)
    return combined([load_mapping(name, catalogue) for name in once]) if once else NO_MAPPING


def can_dbcs(mapping: SignalMapping, given: Sequence[Path]) -> tuple[Dbc, ...]:
    """Return the given DBC files, and those that a mapping names and nobody gave; raises BadInputError.

    A file that a mapping names is looked for beside the schemas of this project, then in the opendbc package.
    """
    dbcs = [load_dbc(path) for path in given]
    names = {path.name for path in given}
    for name in mapping.dbc_files:
        if name in names:
            continue
        own = importlib.resources.files("schemas").joinpath("dbc", name)
        if own.is_file():
            with importlib.resources.as_file(own) as path:
                dbcs.append(load_dbc(path))
            continue
        try:
            dbcs.append(load_dbc(opendbc_path(name)))
        except BadInputError as error:
            if not given:
                ours = name.startswith(OPENDBC_FILES)
                remedy = f"{error.what}: {error.remedy}" if ours else "give it with --dbc"
                raise BadInputError(
                    f"needs the DBC file {name}", where=f"mapping {mapping.name}", remedy=remedy
                ) from error
    return tuple(dbcs)


def open_job(
    path: Path,
    mapping: SignalMapping,
    dbcs: Sequence[Dbc],
    catalogue: Catalogue,
    *,
    vin: Vin | None,
    recorded_at: Micros | None,
    any_vin: bool = False,
) -> CanJob | RowJob:
    """Open a recording of either kind; raises BadInputError where it is none, or where an option is missing."""
    if path.is_dir():
        raise BadInputError("is a folder", where=str(path), remedy=f"give the files in it: {path}/*")
    if is_rows(path):
        return RowJob.of(path, mapping, catalogue)
    recording = open_recording(path)
    if not mapping.rules:
        remedy = f"give --map: {', '.join(mapping_names())}, a mapping file, or several"
        raise BadInputError("CAN frames need a mapping", where=str(path), remedy=remedy)
    if vin is None:
        raise BadInputError("CAN frames do not tell whose they are", where=str(path), remedy="give --vin")
    return CanJob(recording, mapping, dbcs, vin, recorded_at, any_vin)
