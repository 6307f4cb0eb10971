"""How many vehicles there are of each kind: what is asked of the twins, and how rows answer it."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple
from uuid import UUID

GROUPS_MAX: Final = 100  # of one kind, in one answer
LISTED_MAX: Final = 1_000  # vehicles that are put on record where they are counted by their place


class GroupBy(Enum):
    """What vehicles are counted by; a vehicle may be in several groups by its trouble codes and warnings."""

    BRAND = "BRAND"
    MODEL = "MODEL"
    REGION = "REGION"
    TROUBLE_CODE = "TROUBLE_CODE"  # that some ECU holds now
    WARNING = "WARNING"  # that is raised now


class Group(NamedTuple):
    """So many vehicles with this value; None: with none."""

    value: str | None
    vehicles: int


class Counted(NamedTuple):
    """So many vehicles; of each kind of groups the greatest; and which vehicles they are, as far as that was asked."""

    vehicles: int
    groups: Mapping[GroupBy, Sequence[Group]]
    vehicle_ids: Sequence[UUID]


def counted(
    values: Mapping[GroupBy, Iterable[Collection[str | None]]], vehicle_ids: Sequence[UUID], limit: int, listed: int
) -> Counted:
    """Return the counts where of each kind and each vehicle the values are given."""
    return Counted(
        len(vehicle_ids),
        {by: greatest(Counter(each for of in of_each for each in set(of)), limit) for by, of_each in values.items()},
        vehicle_ids[:listed],
    )


def greatest(counts: Mapping[str | None, int], limit: int) -> list[Group]:
    """Return the greatest groups, those of one size by the code points of their values and None last."""
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0] is None, each[0] or ""))
    return [Group(*each) for each in ordered[:limit]]
