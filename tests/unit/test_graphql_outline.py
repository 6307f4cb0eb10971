"""What is known of a document before it is checked."""

from typing import Any, Final

import pytest
from graphql import OperationType

from adapters.graphql.outline import PLAIN, Outline, is_plain, outline

QUERY: Final = OperationType.QUERY
FIELD: Final = 'vehicle(vin: "x", atLeast: %s) { vin }'


@pytest.mark.parametrize(
    ("document", "variables", "position"),
    [
        ("{ " + FIELD % 7 + " }", {}, 7),
        ("{ " + FIELD % '"7"' + " }", {}, 7),
        ("{ a: " + FIELD % 7 + " b: " + FIELD % 9 + " }", {}, 9),
        ("query ($p: Int64) { " + FIELD % "$p" + " }", {"p": 7}, 7),
        ("query ($p: Int64 = 7) { " + FIELD % "$p" + " }", {}, 7),
        ("query ($p: Int64 = 7) { " + FIELD % "$p" + " }", {"p": 9}, 9),
        ("{ ...F } fragment F on Query { " + FIELD % 7 + " ...F }", {}, 7),
        ("{ ... on Query { ...G } } fragment G on Query { " + FIELD % 7 + " }", {}, 7),
        ("{ ...F }", {}, 0),
        ("{ " + FIELD % -1 + " }", {}, 0),
        ("{ " + FIELD % "$p" + " }", {}, 0),
        ("{ " + FIELD % "[1]" + " }", {}, 0),
        ("{ " + FIELD % ("1" * 5_000) + " }", {}, 0),
        ("query ($p: Int64) { " + FIELD % "$p" + " }", {"p": "1" * 5_000}, 0),
        ("query ($p: Int64) { " + FIELD % "$p" + " }", {"p": 2**63}, 0),
        ('{ vehicle(vin: "atLeast: 7") { vin } }', {}, 0),
        ("{ a", {}, 0),
        ("{ a " * 5_000 + "atLeast" + "}" * 5_000, {}, 0),
    ],
)
def test_a_position_is_found_wherever_it_may_be_written(
    document: str, variables: dict[str, Any], position: int
) -> None:
    assert outline(document, None, variables) == Outline(QUERY, position)


def test_the_kind_is_that_of_the_operation_that_is_named() -> None:
    document = "query A { a } mutation B { b } subscription C { c }"
    kinds = [outline(document, name).kind for name in ("A", "B", "C", "D", None)]
    assert kinds == [QUERY, OperationType.MUTATION, OperationType.SUBSCRIPTION, QUERY, QUERY]


def test_most_documents_need_no_look() -> None:
    assert is_plain("{ vehicles(first: 1) { edges { cursor } } }")
    assert not any(map(is_plain, ("mutation { a }", "subscription { a }", "{ " + FIELD % 7 + " }")))
    assert outline("{ a }", None) == PLAIN
