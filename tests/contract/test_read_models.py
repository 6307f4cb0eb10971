"""What every store of read models keeps to, in memory and on PostgreSQL."""

import math
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.memory.read_models import MemoryReadModels
from adapters.postgres.read_models import PostgresReadModels
from adapters.row_block import Lists, RowBlock
from domain.errors import PositionConflictError, UnstorableError
from domain.units import Micros
from projections.digest import digest
from projections.ports import Commit, Moved, Parked, ReadModelStore
from projections.projection import Projection, Row
from tests.support.read_models import CAR, OTHER_CAR, SAMPLE, ReadingRow, StayRow, new_store, projection


def put(store: ReadModelStore, *rows: ReadingRow, to: Projection = SAMPLE) -> None:
    position = store.position(to)
    store.commit(to, Commit(position, position + 1, upserts={ReadingRow: rows}))


def take_away(store: ReadModelStore, *keys: tuple[UUID, str]) -> None:
    position = store.position(SAMPLE)
    store.commit(SAMPLE, Commit(position, position + 1, deletes={ReadingRow: keys}))


def readings(store: ReadModelStore, to: Projection = SAMPLE) -> list[ReadingRow]:
    return list(store.rows(to, ReadingRow))


# --- rows -------------------------------------------------------------------------------------------------------------


def test_a_new_projection_has_nothing(store: ReadModelStore) -> None:
    assert store.position(SAMPLE) == 0
    assert readings(store) == []
    assert store.load(SAMPLE, ReadingRow, [(CAR, "Speed")]) == {}
    assert store.load(SAMPLE, ReadingRow, []) == {}
    assert store.versions(SAMPLE, [CAR]) == {}
    assert store.parked(SAMPLE) == {}


def test_rows_are_found_by_their_keys(store: ReadModelStore) -> None:
    rows = [ReadingRow(car, path) for car in (CAR, OTHER_CAR) for path in ("Speed", "Level")]
    put(store, *rows)
    wanted = [(CAR, "Speed"), (OTHER_CAR, "Level"), (CAR, "no such path")]
    assert store.load(SAMPLE, ReadingRow, wanted) == {(CAR, "Speed"): rows[0], (OTHER_CAR, "Level"): rows[3]}


def test_a_key_may_have_columns_of_several_kinds(store: ReadModelStore) -> None:
    rows = [StayRow(CAR, 5, -1, "garage"), StayRow(CAR, 5, 0, "street")]
    store.commit(SAMPLE, Commit(0, 1, upserts={StayRow: rows}))
    assert store.load(SAMPLE, StayRow, [(CAR, 5, -1), (CAR, 6, -1)]) == {(CAR, 5, -1): rows[0]}
    store.commit(SAMPLE, Commit(1, 2, deletes={StayRow: [(CAR, 5, -1)]}))
    assert list(store.rows(SAMPLE, StayRow)) == [rows[1]]


def test_a_row_replaces_the_one_with_its_key(store: ReadModelStore) -> None:
    put(store, ReadingRow(CAR, "Speed", 1, note="first"), ReadingRow(CAR, "Level", 1))
    put(store, ReadingRow(CAR, "Speed", 2, share=0.5))
    assert store.load(SAMPLE, ReadingRow, [(CAR, "Speed")]) == {(CAR, "Speed"): ReadingRow(CAR, "Speed", 2, share=0.5)}
    assert len(readings(store)) == 2


def test_rows_by_columns_are_written_with_others_and_replace_those_with_their_keys(store: ReadModelStore) -> None:
    put(store, ReadingRow(CAR, "Speed", 1, note="first"))
    numbers = np.array([-3, 2**62])
    columns: list[Any] = [
        [CAR, OTHER_CAR], ["Speed", "Lével"], numbers, numbers / 4, [True, False], [CAR, None], [None, "x"], numbers,
        numbers / 8, [None, True], Lists(np.array([3, 1]), np.array([0.5, -1.0, math.nan, math.inf])),
        Lists(np.array([0, 2]), numbers),
    ]  # fmt: skip
    block = RowBlock(ReadingRow, tuple(columns))
    nulls = RowBlock(ReadingRow, (*[each[:1] for each in columns[:-2]], Lists(np.array([2]), None), [None]))
    nulls.columns[1][:] = ["Nulls"]
    other = ReadingRow(CAR, "Level", levels=[1.5, None], moments=[])
    store.commit(SAMPLE, Commit(1, 2, upserts={ReadingRow: [other]}, blocks=[block, nulls]))
    expected = [other, *nulls.rows(), *block.rows()]
    assert repr(readings(store)) == repr(expected)
    assert [row.number for row in readings(store)] == [0, -3, -3, 2**62]
    assert repr(block.without({CAR}).rows()) == repr(block.rows()[1:])
    assert repr(block.without({OTHER_CAR}).rows()) == repr(block.rows()[:1])
    assert nulls.without({CAR}).rows() == []
    assert block.without({UUID(int=7)}) is block


def test_a_deleted_row_is_gone_and_one_that_never_was_is_no_error(store: ReadModelStore) -> None:
    put(store, ReadingRow(CAR, "Speed"), ReadingRow(CAR, "Level"))
    take_away(store, (CAR, "Speed"), (CAR, "never was"))
    assert [row.path for row in readings(store)] == ["Level"]


def test_all_rows_come_in_order_of_their_keys(store: ReadModelStore) -> None:
    for path in ("b", "ä", "a", "Z", "a.b", "a b"):
        put(store, ReadingRow(OTHER_CAR, path), ReadingRow(CAR, path))
    keys = [(row.vehicle_id, row.path) for row in readings(store)]
    assert keys == sorted(keys)
    assert len(keys) == 12


def test_more_rows_than_are_fetched_at_once_all_come(store: ReadModelStore) -> None:
    rows = [ReadingRow(CAR, f"path {number:05}", number) for number in range(12_000)]
    put(store, *rows)
    assert readings(store) == rows
    found = store.load(SAMPLE, ReadingRow, [(CAR, row.path) for row in rows])
    assert sorted(found.values()) == rows


EVERY_KIND = [
    ReadingRow(CAR, "", 0, 0.0, False),
    ReadingRow(
        CAR,
        "all",
        -(2**63),
        1e-308,
        True,
        OTHER_CAR,
        "note",
        2**63 - 1,
        0.1,
        False,
        [0.1, None, -2.5],
        [1, -(2**63)],
    ),
    ReadingRow(CAR, "empty arrays", levels=[], moments=[]),
    ReadingRow(CAR, "extremes", level=math.inf, share=-math.inf, levels=[math.inf, -math.inf, 5e-324, 1.7e308, None]),
    *(
        ReadingRow(CAR, text, note=text)
        for text in ("'", '"', "\\", "{}", "{a,b}", "NULL", "null", "\t\n", "Škoda 状态 🚗", "%s", "\\x00")
    ),
]


def test_every_value_of_every_kind_comes_back(store: ReadModelStore) -> None:
    put(store, *EVERY_KIND)
    assert readings(store) == sorted(EVERY_KIND, key=lambda row: row.path)
    loaded = store.load(SAMPLE, ReadingRow, [(row.vehicle_id, row.path) for row in EVERY_KIND])
    assert loaded == {(row.vehicle_id, row.path): row for row in EVERY_KIND}


def test_what_is_not_a_number_comes_back_as_such(store: ReadModelStore) -> None:
    put(store, ReadingRow(CAR, "nan", level=math.nan, levels=[math.nan]))
    (row,) = readings(store)
    assert math.isnan(row.level)
    assert row.levels[0] is not None
    assert math.isnan(row.levels[0])


@pytest.mark.parametrize(
    "odd",
    [
        ReadingRow(CAR, "a\0b"),
        ReadingRow(CAR, "Speed", number=2**63),
        ReadingRow(CAR, "Speed", last=-(2**63) - 1),
        ReadingRow(CAR, "Speed", note="a\0b"),
        ReadingRow(CAR, "Speed", note="\ud800"),
        ReadingRow(CAR, "Speed", moments=[1, 2**63]),
        ReadingRow(CAR, "Speed", number=None),  # type: ignore[arg-type]
        ReadingRow(CAR, "Speed", number="many"),  # type: ignore[arg-type]
        ReadingRow(CAR, "Speed", note=1.5),  # type: ignore[arg-type]
    ],
)
def test_what_no_column_has_a_place_for_is_named_and_nothing_of_its_step_is_written(
    store: ReadModelStore, odd: ReadingRow
) -> None:
    good = ReadingRow(OTHER_CAR, "Speed")
    upserts: dict[type[Row], list[Row]] = {StayRow: [StayRow(CAR, 5, -1, "garage")], ReadingRow: [good, odd]}
    with pytest.raises(UnstorableError):
        store.commit(SAMPLE, Commit(0, 1, upserts=upserts, versions={CAR: Moved(0, 1)}))

    assert (store.position(SAMPLE), store.versions(SAMPLE, [CAR]), readings(store)) == (0, {}, [])
    put(store, good)
    assert readings(store) == [good]


# --- positions --------------------------------------------------------------------------------------------------------


def test_a_step_moves_the_position_with_the_rows(store: ReadModelStore) -> None:
    store.commit(SAMPLE, Commit(0, 7, upserts={ReadingRow: [ReadingRow(CAR, "Speed")]}, versions={CAR: Moved(0, 3)}))
    assert store.position(SAMPLE) == 7
    assert store.versions(SAMPLE, [CAR, OTHER_CAR]) == {CAR: 3}
    store.commit(SAMPLE, Commit(7, 9, versions={CAR: Moved(3, 4), OTHER_CAR: Moved(0, 1)}))
    assert store.position(SAMPLE) == 9
    assert store.versions(SAMPLE, [CAR, OTHER_CAR]) == {CAR: 4, OTHER_CAR: 1}


@pytest.mark.parametrize("expected", [0, 6, 8])
def test_a_runner_that_was_overtaken_writes_nothing(store: ReadModelStore, expected: int) -> None:
    put(store, ReadingRow(CAR, "Speed", 1))
    store.commit(SAMPLE, Commit(1, 7))
    parked = Parked(CAR, 2, 8, "ValueError: x", 1, Micros(5), 2)
    zombie = Commit(
        expected,
        9,
        upserts={ReadingRow: [ReadingRow(CAR, "Speed", 2), ReadingRow(CAR, "Level")]},
        deletes={ReadingRow: [(CAR, "Speed")]},
        versions={CAR: Moved(0, 9)},
        park=[parked],
    )
    with pytest.raises(PositionConflictError):
        store.commit(SAMPLE, zombie)
    assert store.position(SAMPLE) == 7
    assert readings(store) == [ReadingRow(CAR, "Speed", 1)]
    assert store.versions(SAMPLE, [CAR]) == {}
    assert store.parked(SAMPLE) == {}


def test_of_two_runners_at_the_same_position_one_writes(store: ReadModelStore) -> None:
    start = threading.Barrier(4)

    def step(number: int) -> bool:
        start.wait()
        try:
            store.commit(SAMPLE, Commit(0, 1, upserts={ReadingRow: [ReadingRow(CAR, str(number))]}))
        except PositionConflictError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(step, range(4))) == [False, False, False, True]
    assert len(readings(store)) == 1


def test_preparing_again_keeps_everything(store: ReadModelStore) -> None:
    put(store, ReadingRow(CAR, "Speed"))
    store.prepare(SAMPLE)
    assert store.position(SAMPLE) == 1
    assert len(readings(store)) == 1


def test_several_may_prepare_at_once(store: ReadModelStore) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(store.prepare, [projection(2)] * 8))
    assert store.position(projection(2)) == 0


def test_versions_of_a_projection_live_side_by_side(store: ReadModelStore) -> None:
    second = projection(2)
    store.prepare(second)
    put(store, ReadingRow(CAR, "Speed", 1))
    put(store, ReadingRow(CAR, "Speed", 2), ReadingRow(CAR, "Level"), to=second)
    store.commit(second, Commit(1, 5, versions={CAR: Moved(0, 4)}, park=[Parked(CAR, 5, 6, "error", 1, Micros(1), 5)]))
    assert (store.position(SAMPLE), store.position(second)) == (1, 5)
    assert readings(store) == [ReadingRow(CAR, "Speed", 1)]
    assert len(readings(store, second)) == 2
    assert store.versions(SAMPLE, [CAR]) == {}
    assert store.parked(SAMPLE) == {}


# --- parked vehicles --------------------------------------------------------------------------------------------------


def test_what_is_read_at_one_moment_has_nothing_that_is_written_later(
    store: MemoryReadModels | PostgresReadModels,
) -> None:
    store.commit(SAMPLE, Commit(0, 7, upserts={ReadingRow: [ReadingRow(CAR, "a")], StayRow: [StayRow(CAR, 5, 0, "x")]}))
    with store.reading(SAMPLE) as shown:
        assert (shown.projection, shown.position) == (SAMPLE, 7)
        assert list(shown.of(ReadingRow)) == [ReadingRow(CAR, "a")]
        other: dict[type[Row], list[Any]] = {ReadingRow: [ReadingRow(OTHER_CAR, "a")]}
        other[StayRow] = [StayRow(OTHER_CAR, 5, 0, "x")]
        store.commit(SAMPLE, Commit(7, 8, upserts=other, deletes={StayRow: [(CAR, 5, 0)]}))
        assert list(shown.of(StayRow)) == [StayRow(CAR, 5, 0, "x")]
        assert list(shown.of(ReadingRow)) == [ReadingRow(CAR, "a")]
    with store.reading(SAMPLE) as shown:
        assert (shown.position, len(list(shown.of(ReadingRow)))) == (8, 2)
        assert list(shown.of(StayRow)) == [StayRow(OTHER_CAR, 5, 0, "x")]


def test_of_a_projection_that_has_not_begun_nothing_is_shown(store: MemoryReadModels | PostgresReadModels) -> None:
    with store.reading(SAMPLE) as shown:
        assert (shown.position, list(shown.of(ReadingRow)), list(shown.of(StayRow))) == (0, [], [])


def test_a_vehicle_is_parked_parked_again_and_taken_up(store: ReadModelStore) -> None:
    first = Parked(CAR, 2, 8, "ValueError: what's {this}?", 1, Micros(5), 2)
    other = Parked(OTHER_CAR, 1, 9, "KeyError: 'x'", 1, Micros(6), 3)
    store.commit(SAMPLE, Commit(0, 1, park=[first, other]))
    assert store.parked(SAMPLE) == {CAR: first, OTHER_CAR: other}
    again = first._replace(attempts=2, error="ValueError: another", parked_at=Micros(7))
    store.commit(SAMPLE, Commit(1, 1, park=[again]))
    assert store.parked(SAMPLE) == {CAR: again, OTHER_CAR: other}
    store.commit(SAMPLE, Commit(1, 2, unpark={CAR: 2}))
    assert store.parked(SAMPLE) == {OTHER_CAR: other}


# --- in general -------------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)
numbers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False)
reading_rows = st.builds(
    ReadingRow,
    st.sampled_from([CAR, OTHER_CAR]),
    texts,
    numbers,
    floats,
    st.booleans(),
    st.none() | st.uuids(),
    st.none() | texts,
    st.none() | numbers,
    st.none() | floats,
    st.none() | st.booleans(),
    st.lists(st.none() | floats, max_size=5),
    st.none() | st.lists(numbers, max_size=5),
)


# A pool of connections spreads their lifetimes with `random`, in a thread of its own, also while Hypothesis draws.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@given(steps=st.lists(st.lists(reading_rows, max_size=6, unique_by=lambda row: row[:2]), min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_rows_come_back_and_have_one_digest_wherever_they_are(
    request: pytest.FixtureRequest, steps: list[list[ReadingRow]]
) -> None:
    stores = [new_store(request, kind) for kind in ("memory", "postgres")]
    expected: dict[tuple[UUID, str], ReadingRow] = {}
    for rows in steps:
        expected.update({(row.vehicle_id, row.path): row for row in rows})
        for store in stores:
            put(store, *rows)
    for store in stores:
        assert readings(store) == [expected[key] for key in sorted(expected)]
    assert digest(stores[0], SAMPLE) == digest(stores[1], SAMPLE)


def test_the_digest_does_not_depend_on_order_or_batches(request: pytest.FixtureRequest) -> None:
    digests = set()
    for kind in ("memory", "postgres"):
        for steps in ([EVERY_KIND], [EVERY_KIND[::-1]], [[row] for row in EVERY_KIND]):
            store = new_store(request, kind)
            for rows in steps:
                put(store, *rows)
            digests.add(digest(store, SAMPLE))
    assert len(digests) == 1


def test_whole_numbers_in_columns_of_floats_have_the_digest_of_those_floats(request: pytest.FixtureRequest) -> None:
    digests = set()
    for kind in ("memory", "postgres"):
        for row in (
            ReadingRow(CAR, "x", level=3, share=4, levels=[5, None]),
            ReadingRow(CAR, "x", level=3.0, share=4.0, levels=[5.0, None]),
        ):
            store = new_store(request, kind)
            put(store, row)
            digests.add(digest(store, SAMPLE))
    assert len(digests) == 1


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [ReadingRow(CAR, "x", 1), ReadingRow(CAR, "y", 1)],
        [ReadingRow(CAR, "x", 2)],
        [ReadingRow(CAR, "x", 1, level=-0.0)],
        [ReadingRow(CAR, "x", 1, note="")],
        [ReadingRow(CAR, "x", 1, levels=[None])],
        [ReadingRow(CAR, "x", 1, moments=[])],
        [ReadingRow(OTHER_CAR, "x", 1)],
    ],
)
def test_the_digest_tells_every_difference(store: ReadModelStore, rows: Collection[ReadingRow]) -> None:
    put(store, ReadingRow(CAR, "x", 1))
    before = digest(store, SAMPLE)
    take_away(store, (CAR, "x"))
    put(store, *rows)
    assert digest(store, SAMPLE) != before
