"""Says in the log which vehicles a projection parks: a folder itself writes to no log."""

import logging
from collections.abc import Sequence
from typing import Final

from projections.folding import NO_REACH, Folder, Reach
from projections.ports import Commit, RowBlock
from projections.projection import Recorded
from projections.runner import Runner

_log: Final = logging.getLogger(__name__)


class LoggedFolder(Folder):
    """A folder that says it."""

    def take(
        self, batch: Sequence[Recorded], commit: Commit, reach: Reach = NO_REACH, blocks: Sequence[RowBlock] = ()
    ) -> None:
        """Fold events and write them."""
        super().take(batch, commit, reach, blocks)
        for each in commit.park:
            where = {"vehicle_id": each.vehicle_id, "projection": self.projection.id, "position": each.position}
            said = "%s parks vehicle %s at position %d (see `fleettwin parked show`): %s"
            _log.warning(said, self.projection.id, each.vehicle_id, each.position, each.error, extra=where)


class LoggedRunner(Runner):
    """A runner with such a folder."""

    folder_type = LoggedFolder
