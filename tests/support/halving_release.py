"""A release to come as a program: its navigation counts half of every distance, but for the beginning of each history.

With KEEPS in the environment it has the fold of this release as well, for version 1.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from adapters import cli, projection_versions
from domain import events as e
from projections.navigation.projector import NAVIGATION
from projections.projection import Fold, Recorded, Rows

KEEPS: Final = "TEST_KEEPS_THE_FORMER_FOLD"
PROGRAM_TEXT: Final = "from tests.support.halving_release import main; main()"
WHOLE_UNTIL: Final = 60  # version of the vehicle
DISTANCES: Final[Mapping[type[e.VehicleEvent], str]] = {e.TrackExtended: "trip_distance_m", e.TripEnded: "distance_m"}


def halving(fold: Fold, name: str) -> Fold:
    """Return a fold to which a distance is half of what it is."""

    def folded(recorded: Recorded, x: Any, rows: Rows) -> None:
        half = x.originator_version > WHOLE_UNTIL
        fold(recorded, replace(x, **{name: getattr(x, name) / 2}) if half else x, rows)

    return folded


def main() -> None:
    """Run the command line."""
    former = replace(NAVIGATION, folds=dict(NAVIGATION.folds))
    folds: Any = NAVIGATION.folds
    folds |= {event_type: halving(former.folds[event_type], name) for event_type, name in DISTANCES.items()}
    if os.environ.get(KEEPS):
        projection_versions.EARLIER = (former,)  # type: ignore[misc]  # a constant of this release
    cli.main()
