import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bench.report import Result, print_table, record

FASTER = Result(name="decode", unit="frames/s", peer_name="cantools", peer=100.0, ours=5_000.0, bar=50)
SLOWER = Result(name="decode", unit="frames/s", peer_name="cantools", peer=100.0, ours=4_999.0, bar=50)
SMALL = Result(name="ingest", unit="MB", ours=500.0, bar=500, lower_is_better=True)
LARGE = Result(name="ingest", unit="MB", ours=500.1, bar=500, lower_is_better=True)
QUICK = Result(name="query", unit="ms", peer=2.0, ours=0.5, bar=3, lower_is_better=True)
FEW = Result(name="project", unit="events/s", ours=19_999.0, bar=20_000)


@pytest.mark.parametrize(
    ("result", "ratio", "met"),
    [
        (FASTER, 50.0, True),
        (SLOWER, 49.99, False),
        (SMALL, None, True),
        (LARGE, None, False),
        (QUICK, 4.0, True),
        (FEW, None, False),
    ],
)
def test_the_bar_is_on_the_ratio_to_the_peer_or_else_on_ours(result: Result, ratio: float | None, met: bool) -> None:
    assert (result.ratio, result.met) == (ratio, met)


def test_each_run_adds_one_line_that_says_where_and_when(tmp_path: Path) -> None:
    record("decode", [FASTER], folder=tmp_path)
    path = record("decode", [FASTER, SMALL], folder=tmp_path)

    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    assert [len(line["results"]) for line in lines] == [1, 2]
    assert set(lines[0]) == {"measured_at", "commit", "machine", "results"}
    assert set(lines[0]["machine"]) == {"cpu", "cores", "memory_gib", "python", "system"}
    assert lines[0]["measured_at"].endswith("+00:00")
    assert (lines[0]["results"][0]["ratio"], lines[0]["results"][0]["met"]) == (50.0, True)


def test_the_table_shows_peer_ours_ratio_bar_and_verdict() -> None:
    out = StringIO()
    print_table("decode", [FASTER, LARGE], Console(file=out, width=160))

    rows = [line.split() for line in out.getvalue().splitlines() if line.strip().startswith(("decode ", "ingest "))]

    assert rows == [
        ["decode", "cantools", "100", "5,000", "frames/s", "50", "x", ">=", "50", "x", "yes"],
        ["ingest", "–", "500", "MB", "–", "<=", "500", "NO"],
    ]
