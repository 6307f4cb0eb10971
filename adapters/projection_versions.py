"""Versions of projections beside each other: one is shown, others are filled, compared, and shown in its place."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

from adapters.twins import PROJECTIONS
from domain.errors import BadInputError
from projections.projection import Projection

VERSION_MAX: Final = 9_999
# Folds that newer ones have taken the place of, each under the version that it filled: that version goes on with it,
# and `compare` can tell the first event at which the two part. A release that changes a fold may leave the old one here
# for as long as its version is kept; the tables of both are the same.
EARLIER: Final[tuple[Projection, ...]] = ()


class VersionState(NamedTuple):
    """A version of a projection that is kept beside the one that is shown."""

    projection: str
    version: int
    ready: bool  # it is filled, and follows the log where it is not partial; else it is being filled
    until_position: int  # of the log, up to which it is filled vehicle by vehicle
    from_position: int = 0  # after which it was filled
    vehicle_ids: Sequence[UUID] | None = None  # that it is limited to

    @property
    def id(self) -> str:
        """Name and version, as projections have it."""
        return f"{self.projection} v{self.version}"

    @property
    def partial(self) -> bool:
        """Whether it lacks events or vehicles: it can be compared, not shown."""
        return self.part != (0, None)

    @property
    def part(self) -> tuple[int, frozenset[UUID] | None]:
        """What it is limited to: events after a position, and vehicles (None: all)."""
        return self.from_position, None if self.vehicle_ids is None else frozenset(self.vehicle_ids)


class VersionSeen(NamedTuple):
    """A version that has rows, or is to have them, and how far it is; of the vehicles that are seen."""

    state: VersionState
    shown: bool
    position: int  # of the log, up to which it has taken everything; 0 while it is filled vehicle by vehicle
    parked: int  # vehicles
    folded: int  # events: of those vehicles that it is limited to, counted while it is being filled, else 0
    to_fold: int  # as many the version that is shown has of them

    @property
    def follows(self) -> bool:
        """Whether it follows the log."""
        return self.state.ready and not self.state.partial


class Shown(NamedTuple):
    """Which version of a projection is shown, and which was before."""

    version: int
    previous: int | None


class ShownRows(NamedTuple):
    """The version of a projection that is shown, as it is at one moment."""

    projection: Projection
    position: int  # of the log, up to which it has taken everything
    of: Callable[[type[Any]], Iterable[Any]]  # every row of a type in order of its key


class ProjectionVersions(Protocol):
    """What is kept of which projection."""

    def shown(self) -> Mapping[str, Shown]:
        """Return what is shown of each projection; absent: the version that the code names."""

    def kept(self) -> Sequence[VersionState]:
        """Return the versions that were filled, or are being filled, beside those that the code names."""

    def begin(self, wanted: VersionState) -> VersionState:
        """Note that a version is being filled, and return it as it is noted: it may have begun before."""

    def ready(self, projection: str, version: int) -> None:
        """Note that a version is filled up to its position."""

    def switch(self, projection: str, version: int, before: int) -> None:
        """Show another version in place of `before`. Raises BadInputError where that is not shown any more."""

    def held(self, projection: str, version: int) -> AbstractContextManager[None]:
        """Keep a version for this process. Raises BadInputError where another one fills, shows or deletes it."""

    def discard(self, projection: Projection) -> None:
        """Forget a version, and delete its tables."""

    def clear(self, projection: Projection) -> None:
        """Do the same with what was left behind under a number that no version has, so that no view shows it."""


def named(name: str, *others: str) -> Projection:
    """Return the projection of this name, with the version that the code names.

    Raises BadInputError, which names what there is: the projections, and others that may be named in their place.
    """
    for each in PROJECTIONS:
        if each.name == name:
            return each
    known = ", ".join([*others, *(each.name for each in PROJECTIONS)])
    raise BadInputError("there is no such projection", where=name, remedy=f"give one of {known}")


def at_version(projection: Projection, version: int, *, where: str = "--version") -> Projection:
    """Return the projection as this code folds it under another version. Raises BadInputError."""
    if not 1 <= version <= VERSION_MAX:
        remedy = f"give a number from 1 to {VERSION_MAX}"
        raise BadInputError(f"a version {version} cannot be", where=where, remedy=remedy)
    for each in EARLIER:
        if (each.name, each.version) == (projection.name, version):
            return each
    return replace(projection, version=version)


def folds_otherwise(projection: Projection) -> bool:
    """Whether a projection is not the fold of this release, but that of an earlier one."""
    return projection in EARLIER


def versions_there(versions: ProjectionVersions, name: str) -> dict[int, VersionState]:
    """Return the versions of a projection that have rows, or are to have them. Raises BadInputError for no projection.

    The one that the code names is among them until another is shown and it is discarded.
    """
    shown = versions.shown().get(name) or Shown(named(name).version, None)
    kept = {each.version: each for each in versions.kept() if each.projection == name}
    return {shown.version: VersionState(name, shown.version, True, 0), **kept}


def no_such_version(name: str, version: int) -> BadInputError:
    """Return the error about a version that has no rows."""
    remedy = f"`fleettwin rebuild {name} --version {version}` fills it"
    return BadInputError("there is no such version", where=f"{name} {version}", remedy=remedy)


def followed_projections(versions: ProjectionVersions) -> tuple[Projection, ...]:
    """Return every projection at each version that follows the log: the shown one first, then the others.

    The version that was shown before goes on, so that it can be shown again at once.
    """
    shown, kept = versions.shown(), versions.kept()
    found: list[Projection] = []
    for each in PROJECTIONS:
        numbers = [shown[each.name].version if each.name in shown else each.version]
        ready = [state.version for state in kept if state.projection == each.name and state.ready and not state.partial]
        numbers += sorted({*ready} - {*numbers})
        found += [at_version(each, number) for number in numbers]
    return tuple(found)
