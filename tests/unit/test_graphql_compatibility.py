from datetime import date

import pytest

from adapters.graphql.compatibility import breaking_changes, removal_day
from adapters.graphql.sdl import text

TODAY = date(2027, 7, 1)
OVER = '@deprecated(reason: "Use x. Removed after 2027-06-30.")'
RUNNING = '@deprecated(reason: "Use x. Removed after 2027-07-01.")'
UNDATED = '@deprecated(reason: "Use x.")'
RELEASED = """
    type Query {{ a(old: Int {0}, x: Int): E old: T {0} node: Node }} type T {{ b: Int }}
    interface Node {{ id: ID! }} type V implements Node {{ id: ID! old: Int {0} }}
    enum E {{ OLD {0} X }} input I {{ old: Int {0} x: Int }} type Mutation {{ do(i: I): Int }}
"""
NOW = """
    type Query { a(x: Int): E node: Node } interface Node { id: ID! } type V implements Node { id: ID! }
    enum E { X } input I { x: Int } type Mutation { do(i: I): Int }
"""


def test_a_new_enum_value_or_field_breaks_nobody() -> None:
    assert breaking_changes(text(), text().replace("  STALE\n", "  STALE\n  WORN\n", 1), TODAY) == []


def test_what_could_be_left_out_and_must_be_given_now_breaks_clients() -> None:
    before = "type Query { a(x: Int! = 3, y: Int!): Int b(i: I): Int } input I { n: Int! = 2, m: Int! }"
    after = before.replace(" = 3", "").replace(" = 2", "")
    assert breaking_changes(before, after, TODAY) == ["Query.a(x:) must be given now", "I.n must be given now"]
    assert breaking_changes(after, before, TODAY) == []


def test_fields_arguments_values_and_what_only_they_lead_to_may_go_after_their_day() -> None:
    assert breaking_changes(RELEASED.format(OVER), NOW, TODAY) == []


def test_what_may_go_may_stay_too() -> None:
    released = RELEASED.format(OVER)
    assert breaking_changes(released, released, TODAY) == []


@pytest.mark.parametrize("reason", ["", UNDATED, RUNNING])
def test_nothing_goes_before_its_day_or_without_one(reason: str) -> None:
    assert breaking_changes(RELEASED.format(reason), NOW, TODAY) == [
        "T was removed.",
        "Field Query.old was removed.",
        "Argument Query.a(old:) was removed.",
        "Field V.old was removed.",
        "Enum value E.OLD was removed.",
        "Field I.old was removed.",
    ]


def test_a_type_of_an_interface_does_not_go_with_a_field() -> None:
    now = NOW.replace("type V implements Node { id: ID! }", "")
    assert breaking_changes(RELEASED.format(OVER), now, TODAY) == ["V was removed."]


def test_a_type_that_something_else_leads_to_does_not_go_with_a_field() -> None:
    released = RELEASED.format(OVER).replace("node: Node }", "node: Node t: T }", 1)
    assert breaking_changes(released, NOW, TODAY) == ["T was removed.", "Field Query.t was removed."]


def test_a_day_is_read_of_a_reason_that_says_what_to_use_instead() -> None:
    assert removal_day("Use speed. Removed after 2027-06-30.") == date(2027, 6, 30)
    assert [removal_day(each) for each in ("Use speed.", "Removed after 2027-06-30.", "Use x. Removed later.")] == [
        None
    ] * 3
