"""GeoJSON tracks (RFC 7946): a FeatureCollection of points with a time each, and what was measured there.

The form is that of enviroCar: `properties.time` in ISO 8601, `properties.phenomenons` as {name: {value, unit}}, and the
car under `properties.sensor.properties` of the collection. A point becomes rows named `longitude`, `latitude` and
`altitude` (where the geometry has one) and one for each phenomenon.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from adapters.input_file import InputFile
from adapters.rows.formats import Row, RowFormat
from adapters.signals.units import written_unit
from domain.errors import BadInputError

POSITION_NAMES: Final = (
    "longitude",
    "latitude",
    "altitude",
)  # of the coordinates of a position, RFC 7946, section 3.1.1
_BEGINNING: Final = re.compile(rb'^\s*\{.*"(features|FeatureCollection)"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class TrackMetadata:
    """What a track says of itself and of its car, in the words of whoever recorded it."""

    track_id: str | None
    vehicle: str | None
    manufacturer: str | None
    model: str | None


def read_track(file: InputFile) -> dict[str, Any]:
    """Return a track file as it is; raises BadInputError where it is none."""
    try:
        with file.open() as content:
            track = json.load(content)
    except ValueError as error:
        place = f"{file.path}:{error.lineno}" if isinstance(error, json.JSONDecodeError) else str(file.path)
        raise BadInputError(f"no valid JSON ({error})", where=place, remedy=_REMEDY) from error
    if not isinstance(track, dict) or not isinstance(track.get("features"), list):
        raise BadInputError("no GeoJSON FeatureCollection", where=str(file.path), remedy=_REMEDY)
    return track


def metadata(track: dict[str, Any]) -> TrackMetadata:
    """Return what a track says of itself."""
    own = _properties(track)
    car = _properties(own.get("sensor"))
    return TrackMetadata(
        _text(own.get("id")), _text(car.get("id")), _text(car.get("manufacturer")), _text(car.get("model"))
    )


def _track_rows(file: InputFile) -> Iterator[Row]:
    track = read_track(file)
    vehicle = metadata(track).vehicle
    for place, feature in enumerate(track["features"], start=1):
        properties = _properties(feature)
        geometry = feature.get("geometry") if isinstance(feature, dict) else None
        coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
        if not isinstance(geometry, dict) or geometry.get("type") != "Point" or not isinstance(coordinates, list):
            raise _malformed(file, place, "is no point")
        if "time" not in properties:
            raise _malformed(file, place, "has no `properties.time`")
        for name, value in zip(POSITION_NAMES, coordinates, strict=False):
            yield Row(place, vehicle, properties["time"], name, value)
        phenomena = properties.get("phenomenons", {})
        if not isinstance(phenomena, dict) or not all(isinstance(entry, dict) for entry in phenomena.values()):
            raise _malformed(file, place, "has `phenomenons` that are not {name: {value, unit}}")
        for name, phenomenon in phenomena.items():
            unit = written_unit(str(phenomenon.get("unit") or ""))
            yield Row(place, vehicle, properties["time"], name, phenomenon.get("value"), unit)


def _properties(holder: Any) -> dict[str, Any]:
    found = holder.get("properties") if isinstance(holder, dict) else None
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str | None:
    return None if value is None else str(value).strip()


def _malformed(file: InputFile, place: int, what: str) -> BadInputError:
    return BadInputError(f"feature {place} {what}", where=str(file.path), remedy=_REMEDY)


_REMEDY: Final = "give a GeoJSON FeatureCollection of points, each with properties.time"

GEOJSON: Final = RowFormat("GeoJSON track", lambda head: _BEGINNING.search(head) is not None, _track_rows)
