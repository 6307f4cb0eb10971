"""Tells the metrics what is folded: a folder itself knows of no metrics."""

from adapters.metrics import DUPLICATES_DROPPED, GAPS_FILLED, LEFT_OUT, PROJECTED, projection_label
from projections.folding import Counts
from projections.projection import Projection


class FoldCounter:
    """Tells what one folder of a projection has done since it was asked last."""

    def __init__(self, projection: Projection) -> None:
        self._label = projection_label(projection.name, projection.version)
        self._told = Counts()

    def tell(self, counts: Counts) -> None:
        """Tell what has been done by now."""
        before, self._told = self._told, counts
        PROJECTED.labels(self._label).inc(counts.folded - before.folded)
        DUPLICATES_DROPPED.labels(self._label).inc(counts.duplicates - before.duplicates)
        GAPS_FILLED.labels(self._label).inc(counts.filled - before.filled)
        LEFT_OUT.labels(self._label).inc(counts.left_out - before.left_out)
