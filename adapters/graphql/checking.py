"""Checks documents: whether they are GraphQL, fit the schema, and are not built to keep a thread busy.

To compare the fields that stand beside each other takes time with the square of what fragments repeat. The library
counts its comparisons and stops when there were too many: with what is allowed here, to validate the worst documents
that were found took 0.2 to 0.3 s on two busy cores, and with the parsing 0.4 s; most of that grows with their length.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from graphql import DocumentNode, GraphQLError, StringValueNode, Visitor, parse, validate, visit
from graphql.validation import validation_context
from graphql.validation.rules import overlapping_fields_can_be_merged

from adapters.graphql.cost import too_repetitive
from adapters.graphql.errors import ERRORS_MAX, ErrorCode, Step, error_body, told
from adapters.graphql.lookahead import DOCUMENTS_KEPT, KEPT_CHARACTERS_MAX
from adapters.graphql.outline import DOCUMENT_TOKENS_MAX
from adapters.graphql.port import JsonObject
from adapters.graphql.schema import CORE_SCHEMA

COMPARISONS_MAX: Final = 12_000  # as the library counts them: two for each pair of fields or fragments
FRAGMENT_WORK_MAX: Final = 5_000  # fragments and variables that operations share, as the library counts them

# The library reads these when it begins to validate, and has no other way to set them.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = COMPARISONS_MAX
validation_context.MAX_FRAGMENT_WORK = FRAGMENT_WORK_MAX

_STOPPED: Final = "Validation aborted."  # what the library says when there was too much of either
_ENTANGLED: Final = (
    "with its fragments written out the document repeats fields so often, or nests them so deep, that it is not checked"
)


class Checked(NamedTuple):
    """A document, the texts that are written in it, and the errors for which it is refused."""

    parsed: DocumentNode | None  # None: it is refused
    texts: Sequence[str] = ()
    errors: Sequence[JsonObject] = ()


@dataclass(slots=True)
class CheckedDocuments:
    """The short documents that were asked last, with what was found. May be called by any thread."""

    _kept: OrderedDict[str, Checked] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, document: str) -> Checked | None:
        """Return what was found; None: it is to be checked anew."""
        with self._lock:
            found = self._kept.get(document)
            if found is not None:
                self._kept.move_to_end(document)
        return found

    def forget(self) -> None:
        """Have every document checked anew."""
        with self._lock:
            self._kept.clear()

    def check(self, document: str) -> Checked:
        """Check a document, unless that was done of late."""
        found = self.find(document)
        if found is None:
            found = check(document)
            if len(document) <= KEPT_CHARACTERS_MAX:
                with self._lock:
                    self._kept[document] = found
                    if len(self._kept) > DOCUMENTS_KEPT:
                        self._kept.popitem(last=False)
        return found


CHECKED: Final = CheckedDocuments()  # the schema is the same for all who ask


def check(document: str) -> Checked:
    """Return a document that can be executed, or what is wrong with it."""
    try:
        parsed = parse(document, max_tokens=DOCUMENT_TOKENS_MAX)
    except GraphQLError as error:
        return Checked(None, errors=told([error], Step.PARSE))
    repetitive = too_repetitive(parsed)
    invalid = [GraphQLError(repetitive)] if repetitive else validate(CORE_SCHEMA, parsed, max_errors=ERRORS_MAX)
    if not invalid:
        return Checked(parsed, _texts(parsed))
    if invalid[-1].message == _STOPPED:
        entangled = error_body(
            ErrorCode.GRAPHQL_VALIDATION_FAILED, _ENTANGLED, "spread fewer fragments, and less often"
        )
        return Checked(None, errors=[*told(invalid[:-1], Step.VALIDATE), entangled])
    return Checked(None, errors=told(invalid, Step.VALIDATE))


def _texts(document: DocumentNode) -> list[str]:
    """Return the texts that are written in a document."""
    found: list[str] = []

    class Texts(Visitor):
        def enter_string_value(self, node: StringValueNode, *_: Any) -> None:
            found.append(node.value)

    visit(document, Texts())
    return found
