from typing import Any

import pytest
from graphql import parse

from adapters.graphql.lookahead import summary
from tests.support.twins import EVERYTHING, World, full_car, memory_world, vin_of


@pytest.mark.parametrize(
    ("document", "variables", "paths"),
    [
        ('{ vehicle { signal(path: "A") { value } } }', {}, {"A"}),
        ('{ vehicle { signals(paths: ["A", "B"]) { value } } }', {}, {"A", "B"}),
        ('{ vehicle { signals(paths: "A") { value } } }', {}, {"A"}),
        ("query ($p: String!) { vehicle { signal(path: $p) { value } } }", {"p": "A"}, {"A"}),
        ("query ($p: [String!]) { vehicle { signals(paths: $p) { value } } }", {"p": ["A", "B"]}, {"A", "B"}),
        ('query ($p: String) { vehicle { signals(paths: [$p, "B"]) { value } } }', {"p": "A"}, {"A", "B"}),
        ("query ($p: [String!]) { vehicle { signals(paths: $p) { value } } }", {"p": None}, set()),
        ("query ($p: [String!]) { vehicle { signals(paths: $p) { value } } }", {}, set()),
        ('{ vehicle { ...f } } fragment f on Vehicle { ... { a: signal(path: "A") { value } } }', {}, {"A"}),
        ('{ vehicle { signals(prefix: "A") { value } other(path: "B") } }', {}, set()),
    ],
)
def test_a_document_tells_the_signals_that_it_asks_for(
    document: str, variables: dict[str, Any], paths: set[str]
) -> None:
    assert summary(parse(document)).signal_paths(variables) == paths


def test_a_document_tells_the_names_of_its_fields_not_their_aliases() -> None:
    document = "query Q($x: Int) { a: b(c: $x) { ...f } } fragment f on T { d ... on U @include(if: true) { e } }"
    assert summary(parse(document)).names == {"b", "d", "e"}


class Counting:
    """Counts what is asked of a reader."""

    def __init__(self, read: Any) -> None:
        self._read = read
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._read, name)

        def called(*arguments: Any) -> Any:
            self.asked.append(name)
            return found(*arguments)

        return called


@pytest.fixture(scope="module")
def world() -> World:
    return memory_world(*(full_car(number) for number in range(1, 30)))


def asked(world: World, document: str) -> list[str]:
    with world.twins.reading() as read:
        counting = Counting(read)

        class Twins:
            def reading(self, _: Any = None) -> Any:
                return self

            def __enter__(self) -> Counting:
                return counting

            def __exit__(self, *_: object) -> None:
                return None

        api = type(world.api)(Twins(), world.api.catalogue, world.api.decode)
        answer = api.execute(document)
    assert "errors" not in answer, answer["errors"]
    return counting.asked


@pytest.mark.parametrize("first", [1, 7, 29])
def test_a_page_is_read_with_one_question_a_kind_of_row_however_many_vehicles_it_has(world: World, first: int) -> None:
    document = f"{{ vehicles(first: {first}) {{ edges {{ node {{ {EVERYTHING} }} }} }} }}"
    assert sorted(asked(world, document)) == [
        "charging",
        "current_trips",
        "destinations",
        "events",
        "last_seen",
        "plays",
        "quality",
        "signals",  # every path of every sub-model at once
        "signals",  # the branch
        "tracks",
        "trips",
        "trouble_codes",
        "vehicles",
        "warnings",
    ]


def test_three_models_of_a_vehicle_are_one_question_for_signals(world: World) -> None:
    document = f"""{{ vehicle(vin: "{vin_of(1)}") {{ navigation {{ speed {{ value }} }} media {{ title {{ value }} }}
        diagnostics {{ odometer {{ value }} }} }} }}"""
    assert asked(world, document) == ["vehicle_by_vin", "signals"]


def test_the_newest_time_is_asked_only_for_what_depends_on_it(world: World) -> None:
    document = '{{ vehicle(vin: "{}") {{ navigation {{ speed {{ value {} }} }} }} }}'
    assert "last_seen" not in asked(world, document.format(vin_of(1), "unit capturedAt"))
    assert "last_seen" in asked(world, document.format(vin_of(1), "status"))
    assert "last_seen" in asked(world, document.format(vin_of(1), "reason"))


def test_many_tracks_are_read_some_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.graphql.cohort.TRACKS_A_STATEMENT", 10)
    track = "navigation { trips(first: 20) { edges { node { track { pointCount } } } } }"
    assert (
        asked(world, f"{{ vehicles(first: 29) {{ edges {{ node {{ {track} }} }} }} }}").count("tracks") == 9
    )  # 29 vehicles with 3 trips each
