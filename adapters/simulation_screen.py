"""What a person is shown of a simulation."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from adapters.simulation_check import Difference
from adapters.tables import Rows


def simulation_screen(counts: Mapping[str, Any], differences: Sequence[Difference] | None) -> RenderableType:
    """Return what was simulated, and where the twins show something else than what was true."""
    events = ", ".join(f"{name} {count:,}" for name, count in counts["events"].items())
    again = f", of which {counts['duplicateBatches']:,} came again" if events else ""  # over Kafka nobody knows here
    rows = [
        ("vehicles", f"{counts['vehicles']:,}"),
        ("simulated", f"{counts['simulatedSeconds']:,.0f} s"),
        ("frames", f"{counts['frames']:,}"),
        ("batches", f"{counts['batches']:,}{again}"),
        ("lost batches", f"{counts['lostBatches']:,}"),
        ("events", events),
    ]
    summary = Rows(("", ""), header=False)
    for name, value in rows:
        if value:
            summary.add_row(name, value)
    if differences is None:
        return summary
    if not differences:
        return Group(summary, Text("the twins show what was true of every car"))
    unexplained = sum(each.cause is None for each in differences)
    text = f"{len(differences):,} differences from what was true, {unexplained:,} of them without a cause"
    table = Rows(("vehicle", "what", "true", "shown", "cause"))
    for each in differences:
        table.add_row(each.vin, each.what, each.true, each.shown, each.cause or "NONE")
    return Group(summary, Text(text), table)
