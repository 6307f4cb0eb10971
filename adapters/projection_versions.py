"""Versions of projections beside each other: one is shown, others are filled, compared, and shown in its place."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from adapters.twins import PROJECTIONS
from domain.errors import BadInputError
from projections.projection import Projection

VERSION_MAX: Final = 9_999


class VersionState(NamedTuple):
    """A version of a projection that is kept beside the one that is shown."""

    projection: str
    version: int
    ready: bool  # it follows the log; else it is being filled
    until_position: int  # of the log, up to which it is filled vehicle by vehicle
    from_position: int = 0  # after which it was filled
    vehicle_ids: Sequence[UUID] | None = None  # that it is limited to

    @property
    def partial(self) -> bool:
        """Whether it lacks events or vehicles: it can be compared, not shown."""
        return self.from_position > 0 or self.vehicle_ids is not None


class Shown(NamedTuple):
    """Which version of a projection is shown, and which was before."""

    version: int
    previous: int | None


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

    def discard(self, projection: Projection) -> None:
        """Forget a version, and delete its tables."""


def named(name: str, *others: str) -> Projection:
    """Return the projection of this name, with the version that the code names.

    Raises BadInputError, which names what there is: the projections, and others that may be named in their place.
    """
    for each in PROJECTIONS:
        if each.name == name:
            return each
    known = ", ".join([*others, *(each.name for each in PROJECTIONS)])
    raise BadInputError("there is no such projection", where=name, remedy=f"give one of {known}")


def at_version(projection: Projection, version: int) -> Projection:
    """Return the projection as this code folds it, under another version. Raises BadInputError."""
    if not 1 <= version <= VERSION_MAX:
        remedy = f"give a number from 1 to {VERSION_MAX}"
        raise BadInputError(f"a version {version} cannot be", where="--version", remedy=remedy)
    return replace(projection, version=version)


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
        found += [replace(each, version=number) for number in numbers]
    return tuple(found)
