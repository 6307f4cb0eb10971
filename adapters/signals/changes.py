"""Change detection: which samples of a stream are told, and which only repeat what is known.

A sample passes when it is the first of its path, when its quality changes, when a number has left the last passed value
by more than the deadband or arrives at a landmark, when any other value differs, or when the heartbeat has gone by
since the last one that passed. What is compared is the last sample that *passed*, so that a slow drift is never lost.
Time differences count in both directions: a clock that is set back does not silence a signal until it has caught up.

The result does not depend on how the input is cut into blocks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from adapters.sampling import SampleColumn
from adapters.signals.rules import TOGETHER, ChangeRule, SignalMapping

QUIET_RUNS: Final = 16  # after so many in which nothing passed, the next is searched for in whole columns
WAITING_MAX: Final = 1_000  # samples of half a pair that wait for their other half

_PAIRS: Final = {path: pair for pair in TOGETHER for path in pair}


class ChangeDetector:
    """Tells the samples of one stream that are worth telling; remembers the last one that passed, by path.

    `unpaired` counts samples of half a pair (a latitude without its longitude) that were left out.
    """

    def __init__(self, mapping: SignalMapping) -> None:
        self._mapping = mapping
        self._told: dict[tuple[str, ...], _Told] = {}
        self._waiting: dict[str, SampleColumn] = {}
        self.unpaired = 0

    def changed(self, columns: Iterable[SampleColumn]) -> list[SampleColumn]:
        """Return the samples of one block that pass, in columns; a block holds at most one column of a path."""
        heard = {column.path: column for column in columns}
        passed: list[SampleColumn] = []
        for path, column in heard.items():
            pair = _PAIRS.get(path)
            if pair is None:
                passed += self._passing([column])
            elif path == next(half for half in pair if half in heard):  # once a pair
                passed += self._passing(self._paired(pair, heard))
        return passed

    def finish(self) -> None:
        """Count what still waits for its other half when the stream ends."""
        self.unpaired += sum(len(column.captured_at) for column in self._waiting.values())
        self._waiting.clear()

    def _passing(self, columns: Sequence[SampleColumn]) -> list[SampleColumn]:
        """Return the rows that pass of columns that have their captured_at in common."""
        if not columns or not len(columns[0].captured_at):
            return []
        paths = tuple(column.path for column in columns)
        rules = [self._mapping.change_rule(path) for path in paths]
        told = self._told.setdefault(paths, _Told(min(rule.heartbeat_us for rule in rules)))
        rows = told.passing(columns, rules)
        return [_rows(column, rows) for column in columns] if len(rows) else []

    def _paired(self, pair: tuple[str, str], heard: dict[str, SampleColumn]) -> list[SampleColumn]:
        """Return both halves of a pair with the same captured_at row by row, each with the worse quality of the two."""
        halves = [_joined(self._waiting.pop(path, None), heard.get(path)) for path in pair]
        if any(half is None for half in halves):
            matches: list[tuple[int, int]] = []
        else:
            one, other = (half.captured_at for half in halves if half is not None)
            matches = [(i, i) for i in range(len(one))] if np.array_equal(one, other) else _matches(one, other)
        for side, half in enumerate(halves):
            if half is not None:
                self._keep_waiting(half, [match[side] for match in matches])
        if not matches:
            return []
        first, second = (
            _rows(half, np.array([match[side] for match in matches]))
            for side, half in enumerate(halves)
            if half is not None
        )
        quality = np.maximum(first.quality, second.quality)
        return [SampleColumn(half.path, half.captured_at, half.values, quality) for half in (first, second)]

    def _keep_waiting(self, half: SampleColumn, matched: Sequence[int]) -> None:
        after = max(matched, default=-1) + 1
        after = max(after, len(half.captured_at) - WAITING_MAX)
        self.unpaired += after - sum(row < after for row in matched)
        if after < len(half.captured_at):
            self._waiting[half.path] = _rows(half, slice(after, None))


@dataclass(slots=True)
class _Told:
    """The last row that passed, of columns that are told together."""

    heartbeat_us: int
    captured_at: int | None = None
    values: list[Any] = field(default_factory=list)
    quality: int = 0

    def passing(self, columns: Sequence[SampleColumn], rules: Sequence[ChangeRule]) -> NDArray[np.int64]:
        """Return the indexes of the rows that pass, and remember the last."""
        runs = _Runs.of(columns, rules)
        firsts, ends, qualities, values = runs.firsts, runs.ends, runs.qualities, runs.values
        first_times, earliest, latest = runs.times, runs.earliest, runs.latest
        interval_us = min(max(rule.interval_us for rule in rules), self.heartbeat_us)
        times = columns[0].captured_at
        rows: list[int] = []
        run = quiet = 0
        while run < len(firsts):
            quiet += 1
            time, now, quality = first_times[run], [column[run] for column in values], qualities[run]
            row, due_us = firsts[run], self.heartbeat_us
            if self.captured_at is None or quality != self.quality:
                due_us = 0
            elif quality == 0 and now != self.values and any(map(_moved, now, self.values, rules)):
                due_us = interval_us
            if self.captured_at is None or abs(time - self.captured_at) >= due_us:
                rows.append(row)
                self.captured_at, self.values, self.quality = time, now, quality
                row, due_us, quiet = row + 1, self.heartbeat_us, 0
            # The rest of the run says the same again: it passes when it is due, and from then on at each heartbeat.
            end = ends[run]
            while row < end and max(latest[run] - self.captured_at, self.captured_at - earliest[run]) >= due_us:
                due = np.abs(times[row:end] - self.captured_at) >= due_us
                step = int(due.argmax())
                if not due[step]:
                    break
                rows.append(row + step)
                self.captured_at, self.values, self.quality = int(times[row + step]), now, quality
                row, due_us, quiet = row + step + 1, self.heartbeat_us, 0
            run += 1
            if quiet >= QUIET_RUNS:
                run, quiet = runs.next_candidate(run, self), 0
        return np.array(rows, dtype=np.int64)


@dataclass(slots=True)
class _Runs:
    """Rows of columns that are told together, as runs of the same values and quality: what the scan needs of each."""

    rules: Sequence[ChangeRule]
    arrays: list[NDArray[Any]]  # values by column
    spans: tuple[NDArray[np.int64], NDArray[np.int64]]  # earliest and latest captured_at
    quality: NDArray[np.uint8]
    firsts: list[int]
    ends: list[int]
    times: list[int]  # captured_at of the first row
    earliest: list[int]
    latest: list[int]
    values: list[list[Any]]
    qualities: list[int]

    @classmethod
    def of(cls, columns: Sequence[SampleColumn], rules: Sequence[ChangeRule]) -> "_Runs":
        times, firsts = columns[0].captured_at, _run_starts(columns)
        earliest, latest = np.minimum.reduceat(times, firsts), np.maximum.reduceat(times, firsts)
        arrays = [column.values[firsts] for column in columns]
        quality = columns[0].quality[firsts]
        return cls(
            rules,
            arrays,
            (earliest, latest),
            quality,
            firsts.tolist(),
            np.append(firsts[1:], len(times)).tolist(),
            times[firsts].tolist(),
            earliest.tolist(),
            latest.tolist(),
            [array.tolist() for array in arrays],
            quality.tolist(),
        )

    def next_candidate(self, run: int, told: _Told) -> int:
        """Return the first run from `run` on that could pass, looking at more and more runs at once."""
        assert told.captured_at is not None
        ahead = QUIET_RUNS
        while run < len(self.firsts):
            ahead *= 4
            some = slice(run, run + ahead)
            earliest, latest = (span[some] for span in self.spans)
            could = (self.quality[some] != told.quality) | (latest - told.captured_at >= told.heartbeat_us)
            could |= told.captured_at - earliest >= told.heartbeat_us
            for array, value, rule in zip(self.arrays, told.values, self.rules, strict=True):
                now = array[some]
                if array.dtype.kind in "fi":
                    could |= np.abs(now - value) > rule.deadband
                    for landmark in rule.landmarks:
                        could |= (now == landmark) & (now != value)
                else:
                    could |= (now != value).astype(np.bool_)
            if could.any():
                return run + int(could.argmax())
            run += ahead
        return run


def _run_starts(columns: Sequence[SampleColumn]) -> NDArray[np.int64]:
    """Return where a run of rows with the same values and quality begins."""
    differs = columns[0].quality[1:] != columns[0].quality[:-1]
    for column in columns:
        differs = differs | (column.values[1:] != column.values[:-1]).astype(np.bool_)
    return np.concatenate(([0], np.flatnonzero(differs) + 1))


def _moved(now: Any, told: Any, rule: ChangeRule) -> bool:
    if now == told:
        return False
    if isinstance(now, bool | str):
        return True
    return bool(abs(now - told) > rule.deadband) or now in rule.landmarks


def _matches(one: NDArray[np.int64], other: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the pairs of rows with the same captured_at, the first of one with the first of the other and so on."""
    rows_at: dict[int, list[int]] = {}
    for row in range(len(one) - 1, -1, -1):
        rows_at.setdefault(int(one[row]), []).append(row)
    matches = [(rows_at[time].pop(), row) for row, time in enumerate(other.tolist()) if rows_at.get(time)]
    return sorted(matches)


def _joined(before: SampleColumn | None, now: SampleColumn | None) -> SampleColumn | None:
    if before is None or now is None:
        return now or before
    return SampleColumn(
        now.path,
        np.concatenate((before.captured_at, now.captured_at)),
        np.concatenate((before.values, now.values)),
        np.concatenate((before.quality, now.quality)),
    )


def _rows(column: SampleColumn, rows: NDArray[np.int64] | slice) -> SampleColumn:
    return SampleColumn(column.path, column.captured_at[rows], column.values[rows], column.quality[rows])
