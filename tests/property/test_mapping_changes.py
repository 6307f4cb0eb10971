"""However the input is cut into blocks, the same samples are told: those that a plain reading of the rule tells."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.sampling import SampleColumn
from adapters.signals.changes import ChangeDetector
from adapters.signals.rules import ChangeRule, SignalMapping

SPEED, HOOD = "Vehicle.Speed", "Vehicle.Body.Hood.IsOpen"
LATITUDE, LONGITUDE = "Vehicle.CurrentLocation.Latitude", "Vehicle.CurrentLocation.Longitude"


class Heard(NamedTuple):
    time: int
    value: float
    quality: int


RULES = st.builds(
    ChangeRule,
    deadband=st.sampled_from([0.0, 1.0, 2.5]),
    heartbeat_us=st.sampled_from([0, 7, 50]),
    interval_us=st.sampled_from([0, 3]),
    landmarks=st.sampled_from([(), (0.0,)]),
)
STEPS = st.tuples(
    st.sampled_from([0, 1, 2, 5, 60, -30]),
    st.sampled_from([0.0, 0.5, 1.0, 2.0, 4.5]),
    st.sampled_from([0, 0, 0, 1, 2]),
)
CUTS = st.lists(st.integers(0, 60), max_size=6)


@st.composite
def heard(draw: st.DrawFn) -> list[Heard]:
    samples, time = [], 1_000
    for step, value, quality in draw(st.lists(STEPS, max_size=60)):
        time += step
        samples.append(Heard(time, value, quality))
    return samples


def plainly_told(samples: list[Heard], rule: ChangeRule) -> list[Heard]:
    """Tell one sample after the other, as the rule reads."""
    told: list[Heard] = []
    for now in samples:
        if not told:
            told.append(now)
            continue
        last = told[-1]
        since = abs(now.time - last.time)
        changed = now.quality == 0 and now.value != last.value
        moved = changed and (abs(now.value - last.value) > rule.deadband or now.value in rule.landmarks)
        if now.quality != last.quality or since >= rule.heartbeat_us or (moved and since >= rule.interval_us):
            told.append(now)
    return told


def column(path: str, samples: list[Heard], *, truth: bool = False) -> SampleColumn:
    values = np.array([sample.value for sample in samples], np.float64)
    return SampleColumn(
        path,
        np.array([sample.time for sample in samples], np.int64),
        values >= 1 if truth else values,
        np.array([sample.quality for sample in samples], np.uint8),
    )


def blocks(samples: list[Heard], cuts: list[int]) -> list[list[Heard]]:
    edges = sorted({0, len(samples), *(cut for cut in cuts if cut < len(samples))})
    return [samples[start:end] for start, end in pairwise(edges)]


def told_in_blocks(parts: list[list[SampleColumn]], rules: dict[str, ChangeRule]) -> dict[str, list[tuple[Any, ...]]]:
    detector = ChangeDetector(SignalMapping("test", (), rules, ""))
    told: dict[str, list[tuple[Any, ...]]] = {}
    for part in parts:
        for passed in detector.changed(part):
            rows = zip(passed.captured_at.tolist(), passed.values.tolist(), passed.quality.tolist(), strict=True)
            told.setdefault(passed.path, []).extend(rows)
    return told


@given(heard(), RULES, CUTS)
@example([Heard(0, 1.0, 0), Heard(0, 1.0, 0)], ChangeRule(heartbeat_us=0), [])
def test_numbers_are_told_as_the_rule_reads_however_the_blocks_are_cut(
    samples: list[Heard], rule: ChangeRule, cuts: list[int]
) -> None:
    told = told_in_blocks([[column(SPEED, part)] for part in blocks(samples, cuts)], {SPEED: rule})
    assert told.get(SPEED, []) == [tuple(sample) for sample in plainly_told(samples, rule)]


@given(heard(), CUTS)
def test_truths_are_told_as_the_rule_reads_however_the_blocks_are_cut(samples: list[Heard], cuts: list[int]) -> None:
    rule = ChangeRule(heartbeat_us=50)
    told = told_in_blocks([[column(HOOD, part, truth=True)] for part in blocks(samples, cuts)], {HOOD: rule})
    plain = plainly_told([sample._replace(value=float(sample.value >= 1)) for sample in samples], rule)
    assert told.get(HOOD, []) == [(sample.time, bool(sample.value), sample.quality) for sample in plain]


@given(heard(), st.data(), RULES, CUTS)
def test_a_fix_is_never_torn_however_the_blocks_are_cut(
    samples: list[Heard], data: st.DataObject, rule: ChangeRule, cuts: list[int]
) -> None:
    """Every half is told with its other half, of the same moment; where halves are heard in different blocks too."""
    times = {sample.time: sample for sample in samples}  # a moment is heard once: the clock is not set back here
    latitudes = sorted(times.values())
    longitudes = [sample._replace(value=-sample.value) for sample in latitudes]
    shift = data.draw(st.integers(0, 1))
    edges = [min(cut + shift, len(longitudes)) for cut in cuts]
    parts_of_latitude, parts_of_longitude = blocks(latitudes, cuts), blocks(longitudes, edges)
    count = max(len(parts_of_latitude), len(parts_of_longitude))
    parts = [
        [
            column(path, halves[n])
            for path, halves in ((LATITUDE, parts_of_latitude), (LONGITUDE, parts_of_longitude))
            if n < len(halves)
        ]
        for n in range(count)
    ]
    rules = {LATITUDE: rule, LONGITUDE: rule}
    told = told_in_blocks(parts, rules)
    whole = told_in_blocks([[column(LATITUDE, latitudes), column(LONGITUDE, longitudes)]], rules)
    assert told == whole
    assert [row[0] for row in told.get(LATITUDE, [])] == [row[0] for row in told.get(LONGITUDE, [])]
    assert [row[1] for row in told.get(LATITUDE, [])] == [-row[1] for row in told.get(LONGITUDE, [])]


@given(st.integers(0, 2**32), RULES.filter(lambda rule: rule.deadband > 0), CUTS)
def test_a_long_noisy_signal_is_told_as_the_rule_reads(seed: int, rule: ChangeRule, cuts: list[int]) -> None:
    dice = np.random.default_rng(seed)
    values = np.round(np.cumsum(dice.normal(0, 0.05, 1_500)), 2) * dice.choice([1, 1, 0], 1_500, p=[0.5, 0.49, 0.01])
    times = np.cumsum(dice.choice([0, 1, 2, 40, -9, -3_000], 1_500, p=[0.2, 0.5, 0.28, 0.01, 0.005, 0.005]))
    quality = dice.choice([0, 1], 1_500, p=[0.995, 0.005])
    slow = ChangeRule(rule.deadband, rule.heartbeat_us * 20 + 1, rule.interval_us, rule.landmarks)
    samples = [Heard(*row) for row in zip(times.tolist(), values.tolist(), quality.tolist(), strict=True)]
    parts = blocks(samples, [cut * 25 for cut in cuts])
    told = told_in_blocks([[column(SPEED, part)] for part in parts], {SPEED: slow})
    assert told[SPEED] == [tuple(sample) for sample in plainly_told(samples, slow)]
