"""`fleettwin documents`, as an operator uses it."""

from pathlib import Path

from adapters.documents import sha256_of
from tests.support.command_line import CommandLine

KNOWN = "query Known { status { logPosition } }"


def test_documents_are_registered_listed_and_taken_back(fleettwin: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "known.graphql"
    path.write_text(KNOWN)
    (registered,) = fleettwin.run("documents", "register", path, "--json").json
    assert (registered["sha256"], registered["document"]) == (sha256_of(KNOWN), KNOWN)
    fleettwin.run("documents", "register", path)
    (listed,) = fleettwin.run("documents", "list", "--json").json
    assert listed == registered
    assert sha256_of(KNOWN) in fleettwin.run("documents", "list").stdout.replace("\n", "")
    bad = tmp_path / "bad.graphql"
    bad.write_text("{ nothing }")
    complaint = fleettwin.run("documents", "register", path, bad).complaint
    assert complaint.startswith(f"fleettwin: {bad}: {{ nothing }}: Cannot query field 'nothing'")
    assert fleettwin.run("documents", "remove", sha256_of(KNOWN)).status == 0
    assert fleettwin.run("documents", "list", "--json").json == []
    assert "no document with this hash" in fleettwin.run("documents", "remove", sha256_of(KNOWN)).complaint
    assert "cannot be read" in fleettwin.run("documents", "register", tmp_path / "none.graphql").complaint
