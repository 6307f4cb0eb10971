"""The catalogue: what is known of each COVESA VSS signal.

The bundled facts (`schemas/vss/paths.json`) are the paths in use of VSS 6.0; a whole catalogue in the JSON form of
`vspec export json` can be given instead.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import _lru_cache_wrapper, cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from domain.errors import BadInputError, UnknownSignalError, did_you_mean

NEAR_CHARACTERS_MAX: Final = 200  # of an unknown path for which names are looked for: that takes milliseconds
NEAR_REMEMBERED_MAX: Final = 1_024  # unknown paths

# VSS data types (VSS rule set, "Data Types"): the whole numbers with their limits, and the floating ones.
INTEGER_LIMITS: Final = {f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)} | {
    f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)
}
FLOATS: Final = ("float", "double")


@dataclass(frozen=True, slots=True)
class VssFact:
    """What VSS says of one signal: no words of VSS, only facts."""

    path: str
    kind: str  # "sensor", "actuator" or "attribute"
    datatype: str
    unit: str | None = None
    min: float | None = None
    max: float | None = None
    allowed: tuple[str, ...] = ()

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """The least and the greatest value that the data type, `min` and `max` let through; None: no bound."""
        low, high = INTEGER_LIMITS.get(self.datatype, (None, None))
        return (low if self.min is None else self.min, high if self.max is None else self.max)


@dataclass(frozen=True)
class Catalogue:
    """The signals in use, by path; `source` names the file for error messages."""

    source: str
    facts: Mapping[str, VssFact]

    def __contains__(self, path: object) -> bool:
        return path in self.facts

    def __iter__(self) -> Iterator[VssFact]:
        return iter(self.facts.values())

    def __len__(self) -> int:
        return len(self.facts)

    def fact(self, path: str, *, where: str) -> VssFact:
        """Return what is known of a path; raises UnknownSignalError with the nearest names, `where` says who asked."""
        if (fact := self.facts.get(path)) is None:
            raise UnknownSignalError(f"{path} is no signal of {self.source}", where=where, remedy=self._remedy(path))
        return fact

    def _remedy(self, path: str) -> str:
        near = list(self.near(path)) if len(path) <= NEAR_CHARACTERS_MAX else []
        leaf = path.rsplit(".", 1)[-1].lower()
        near += [known for known in self._by_leaf.get(leaf, ()) if known not in near]
        return did_you_mean(near, "correct the path, or give a catalogue file that has it")

    @cached_property
    def near(self) -> "_lru_cache_wrapper[tuple[str, ...]]":
        """What returns the names nearest to an unknown path, each path worked out once: clients ask in thousands."""

        def near(path: str) -> tuple[str, ...]:
            return tuple(get_close_matches(path, self.facts, cutoff=0.75))

        return lru_cache(NEAR_REMEMBERED_MAX)(near)

    @cached_property
    def _by_leaf(self) -> dict[str, list[str]]:
        leaves: dict[str, list[str]] = {}
        for path in self.facts:
            leaves.setdefault(path.rsplit(".", 1)[-1].lower(), []).append(path)
        return leaves


def load_catalogue(path: Path | None = None) -> Catalogue:
    """Return the catalogue of a `vspec export json` file, or the bundled one; raises BadInputError."""
    if path is None:
        bundled = json.loads(resources.files("schemas").joinpath("vss", "paths.json").read_text(encoding="utf-8"))
        return Catalogue("VSS 6.0 (bundled)", {path: _fact(path, entry) for path, entry in bundled.items()})
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        what = f"the VSS catalogue cannot be read ({error.strerror})"
        raise BadInputError(what, where=str(path), remedy="give the path of a readable file") from error
    except ValueError as error:
        place = f"{path}:{error.lineno}" if isinstance(error, json.JSONDecodeError) else str(path)
        remedy = "give the output of `vspec export json`"
        raise BadInputError(f"no valid JSON ({error})", where=place, remedy=remedy) from error
    facts = dict(leaves(tree))
    if not facts:
        remedy = "give the output of `vspec export json` of a VSS specification"
        raise BadInputError("holds no VSS signal", where=str(path), remedy=remedy)
    return Catalogue(path.name, {leaf: _fact(leaf, node) for leaf, node in facts.items()})


def leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (path, node) of every leaf of a VSS tree as `vspec export json` writes it; what is no tree has none."""
    if not isinstance(tree, dict):
        return
    for name, node in tree.items():
        path = f"{prefix}{name}"
        if not isinstance(node, dict):
            continue
        if "children" in node:
            yield from leaves(node["children"], f"{path}.")
        elif "datatype" in node:
            yield path, node


def _fact(path: str, node: Mapping[str, Any]) -> VssFact:
    return VssFact(
        path,
        str(node.get("kind") or node.get("type")),
        str(node["datatype"]),
        node.get("unit"),
        node.get("min"),
        node.get("max"),
        tuple(str(value) for value in node.get("allowed", ())),
    )
