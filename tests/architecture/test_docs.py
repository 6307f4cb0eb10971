"""The documents say what is there: settings, commands, events, mappings, errors, links; their commands would run."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import typer.main
from graphql import build_schema, parse, validate
from packaging.requirements import Requirement
from prometheus_client.metrics import MetricWrapperBase

from adapters import fleet_counts, http_connections, past
from adapters.access import Scope
from adapters.can.recordings import FORMATS as CAN_FORMATS
from adapters.cli import app
from adapters.config import PREFIX, SETTINGS
from adapters.graphql import app as graphql_app
from adapters.graphql import (
    bulk,
    caller,
    checking,
    cost,
    delivered,
    ending,
    errors,
    execution,
    federation,
    http,
    lines,
    lookahead,
    navigation,
    outline,
    paging,
    query,
    socket,
    streams,
    subscription,
    vehicle,
    waiting_room,
)
from adapters.graphql.envelope import ValueStatus
from adapters.graphql.errors import ErrorCode
from adapters.logs import FIELDS
from adapters.metrics import OBSERVED, REGISTRY
from adapters.socket_connections import PONG_S
from domain.events import EVENT_TYPES, StreamEvent
from domain.warnings import WARNINGS
from tests.support.events import record_name

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
EVENTS: Final = (ROOT / "docs/events.md").read_text(encoding="utf-8")
GRAPHQL: Final = (ROOT / "docs/graphql.md").read_text(encoding="utf-8")
PARTNERS: Final = (ROOT / "docs/partners.md").read_text(encoding="utf-8")
DECISIONS: Final = (ROOT / "docs/decisions.md").read_text(encoding="utf-8")
PICTURE: Final = (ROOT / "docs/data-flow.svg").read_text(encoding="utf-8")
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PAGES: Final = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/*.md", "schemas/**/*.md", "adapters/**/*.md")
    for path in ROOT.glob(pattern)
)
CLI: Final[Any] = typer.main.get_command(app)
FENCE: Final = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
LINK: Final = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEREDOC: Final = re.compile(r"<<'(\w+)'\n.*?^\1$", re.MULTILINE | re.DOTALL)


class Command(NamedTuple):
    page: str
    line: str


def text_of(page: Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def fenced(text: str, *languages: str) -> list[str]:
    return [body for language, body in FENCE.findall(text) if language in languages]


def rows_of(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its own header."""
    part = re.split(rf"^#+ {re.escape(heading)}$", text, maxsplit=1, flags=re.MULTILINE)[1]
    lines = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)
    assert lines is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.group().splitlines()[2:]]


def named(cells: list[str]) -> str:
    return cells[0].strip("`")


# --- commands ---------------------------------------------------------------------------------------------------------


def commands() -> Iterator[Command]:
    for page in PAGES:
        for body in fenced(text_of(page), "sh", "console"):
            for line in HEREDOC.sub("", body).splitlines():
                for part in line.removeprefix("$ ").split(" | "):
                    if part.startswith("fleettwin "):
                        yield Command(str(page), part)


def parsed(line: str) -> dict[str, Any]:
    """Return the arguments that the command line finds; nothing is run."""
    words = shlex.split(line, comments=True)[1:]
    with CLI.make_context("fleettwin", words) as group:
        name, command, rest = CLI.resolve_command(group, words)
        with command.make_context(name, rest, parent=group) as context:
            return dict(context.params)


@pytest.mark.parametrize("command", list(commands()), ids=lambda command: command.line)
def test_a_command_of_the_documents_is_one_that_the_command_line_takes(command: Command) -> None:
    assert parsed(command.line) is not None


@pytest.mark.parametrize(
    "line", ["fleettwin forget", "fleettwin show", "fleettwin serve --port 1", "fleettwin show A B"]
)
def test_a_command_that_is_none_would_be_found(line: str) -> None:
    with pytest.raises(Exception, match=r"(?i)no such|missing|unexpected"):
        parsed(line)


def test_the_tour_shows_every_command_but_the_demo_which_make_runs() -> None:
    toured = {command.line.split()[1] for command in commands() if command.page == "README.md"}
    assert set(CLI.commands) - toured == {"demo"}


def test_every_command_is_in_the_table_of_commands() -> None:
    listed = [named(cells).split()[1] for cells in rows_of(README, "Commands")]
    assert sorted(listed) == sorted(CLI.commands)


def test_the_commands_without_json_are_those_that_the_readme_names() -> None:
    without = {
        name for name, command in CLI.commands.items() if "as_json" not in {each.name for each in command.params}
    }
    of_versions = {"rebuild", "switch", "rollback", "discard", "export", "import"}
    groups = {"parked", "run", "set-aside", "topics", "documents"}
    assert without == {"serve", "demo", "decommission", "republish"} | of_versions | groups
    told = "`rebuild`, `switch`, `rollback`, `discard`, `export`, `import`, `documents remove`,"
    told += " `parked retry`, `set-aside retry` and `set-aside discard` take `--json`"
    assert f"All but `serve`, `demo`, `run`, `republish`, `decommission`, {told}" in " ".join(README.split())


def test_every_target_of_make_that_a_page_names_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", text_of(Path("Makefile")), re.MULTILINE))
    wanted = {
        target
        for page in PAGES
        for code in [*fenced(text_of(page), "sh"), *re.findall(r"`([^`\n]+)`", text_of(page))]
        for target in re.findall(r"^make ([a-z]+)", code, re.MULTILINE)
    }
    assert {"demo", "test"} <= wanted <= targets


# --- settings, mappings, formats --------------------------------------------------------------------------------------


def test_every_setting_is_in_the_table_of_settings_with_its_default() -> None:
    rows = {named(cells): cells for cells in rows_of(README.partition("## Reference")[2], "Settings")}
    assert rows.keys() == {setting.variable for setting in SETTINGS} | {PREFIX + "CONFIG", PREFIX + "TEST_DATA"}
    for setting in SETTINGS:
        if setting.default is not None:
            assert rows[setting.variable][-1] == f"`{setting.default}`"


def test_every_mapping_is_in_the_table_of_mappings() -> None:
    listed = [named(cells) for cells in rows_of(README, "Ingest recordings of your own")]
    assert sorted(listed) == sorted(path.stem for path in (ROOT / "schemas/vss").glob("*.yaml"))


def test_every_mapping_is_in_the_page_of_mappings() -> None:
    listed = text_of(Path("schemas/vss/README.md")).partition("## ")[0].partition("is a mapping")[2]
    assert set(re.findall(r"`(\w+)`", listed)) == {path.stem for path in (ROOT / "schemas/vss").glob("*.yaml")}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_mapping_has_its_own_option(page: Path) -> None:
    assert re.findall(r"--map \w+ (?!-)\w+(?=`)", text_of(page)) == []


def test_every_format_of_recordings_is_in_the_table_of_formats() -> None:
    rows = {cells[0]: cells[1] for cells in rows_of(README, "What is read")}
    called = {"MF4": "ASAM MDF 4"}
    told = {form.name: rows[called.get(form.name, form.name)] for form in CAN_FORMATS}
    assert told == {form.name: ", ".join(f"`{suffix}`" for suffix in form.suffixes) for form in CAN_FORMATS}


# --- speed ------------------------------------------------------------------------------------------------------------


def figure(value: float) -> str:
    """Return a number with three significant digits, in thousands or millions where it has them."""
    if value < 1:
        return f"{value:.3f} "
    scaled, prefix = next((value / by, sign) for by, sign in ((1e6, " M "), (1e3, " k "), (1, " ")) if value >= by)
    return f"{scaled:.{max(0, 2 - len(str(int(scaled))) + 1)}f}{prefix}"


def row_of(result: dict[str, Any]) -> str:
    """Return the row of the table of speeds that tells a recorded result."""
    unit, lower = result["unit"], result["lower_is_better"]
    sign = "≤" if lower else "≥"
    if result.get("peer") is None:
        peer, ratio, bar = "–", "–", f"{sign} {figure(result['bar'])}{unit}"
    else:
        peer = f"{figure(result['peer'])}{unit}"
        ratio, bar = f"{figure(result['ratio'])}×", f"≥ {result['bar']:g} ×"
    name = " ".join(result["name"].split())
    missed = "" if result["met"] else " **missed**"
    cells = (name, result.get("peer_name") or "–", peer, f"{figure(result['ours'])}{unit}", ratio, bar + missed)
    return "| " + " | ".join(cells) + " |"


def test_every_figure_of_the_table_of_speeds_was_measured() -> None:
    lines = [line for path in (ROOT / "bench/results").glob("*.jsonl") for line in path.read_text("utf-8").splitlines()]
    measured = {row_of(result) for line in lines for result in json.loads(line)["results"]}
    shown = ["| " + " | ".join(cells) + " |" for cells in rows_of(README, "Speed")]
    assert shown
    assert [row for row in shown if row not in measured] == []


# --- events -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=lambda event_type: event_type.__name__)
def test_every_event_is_described_with_its_fields_and_what_is_personal(event_type: Any) -> None:
    entries = re.findall(
        rf"^- \*\*{event_type.__name__}\*\* · `{re.escape(event_type.TOPIC)}`: (.*?)(?=^- |^\n|\Z)",
        EVENTS,
        re.MULTILINE | re.DOTALL,
    )
    assert len(entries) == 1
    told = " ".join(entries[0].split()).rpartition("ields")[2]
    (*_, newest) = sorted(
        (ROOT / "schemas/avro").glob(f"v*/{record_name(event_type)}.avsc"), key=lambda path: int(path.parent.name[1:])
    )
    schema = json.loads(newest.read_text(encoding="utf-8"))
    own = [each for each in schema["fields"] if each["name"] not in StreamEvent.__dataclass_fields__]
    personal = {each["name"]: each["personal"] for each in own if "personal" in each}
    assert re.findall(r"`(\w+)`", told) == [each["name"] for each in own]
    marked = dict(re.findall(r"\*\*`(\w+)`\*\* \(([\w ]+)\)", told))
    assert marked == {name: kind if isinstance(kind, str) else " or ".join(kind) for name, kind in personal.items()}


def test_every_warning_is_listed_with_its_limits() -> None:
    rows = {named(cells): cells[1:] for cells in rows_of(EVENTS, "Warnings")}
    assert rows == {
        rule.warning: [
            f"`{rule.path}`",
            f"{'below' if rule.below else 'above'} {rule.limit:g}",
            f"{'at or above' if rule.below else 'at or below'} {rule.clear_limit:g}",
        ]
        for rule in WARNINGS
    }


def test_the_changelog_counts_the_types_of_events() -> None:
    assert f"{len(EVENT_TYPES)} types of events" in text_of(Path("CHANGELOG.md"))


# --- GraphQL ----------------------------------------------------------------------------------------------------------


def test_every_error_code_and_every_status_of_a_value_is_explained() -> None:
    assert [named(cells) for cells in rows_of(GRAPHQL, "Errors")] == list(ErrorCode)
    envelope = GRAPHQL.partition("## The envelope of a value")[2].partition("## Pages")[0]
    assert {status.value for status in ValueStatus} == set(re.findall(r"^\| `([A-Z_]+)` \|", envelope, re.MULTILINE))


LIMITS: Final = [
    f"`first`: 1 to {paging.PAGE_MAX}, and needed",
    f"{cost.DEPTH_MAX} fields within each other, {cost.ALIASES_MAX} aliases, {cost.FIELDS_MAX:,} fields",
    f"{cost.FRAGMENTS_MAX} fragments, {cost.OPERATIONS_MAX} operations, {cost.REPEATED_MAX} fields that stand beside",
    f"{cost.WRITTEN_FIELDS_MAX} fields of an object",
    f"{checking.COMPARISONS_MAX // 2:,} pairs of fields",  # two comparisons each
    f"{outline.DOCUMENT_TOKENS_MAX:,} tokens",
    f"a body of {http.BODY_BYTES_MAX:,} bytes",
    f"{http_connections.HEAD_BYTES_MAX:,} bytes of the head",
    f"{query.VINS_MAX} VINs of a filter, {subscription.VEHICLES_MAX} vehicles of a subscription's",
    f"{query.FILTER_VALUES_MAX:,} values of another list",
    f"{vehicle.PATHS_MAX:,} `paths` of `signals`, {navigation.POINTS_MAX:,} `maxPoints`",
    f"`perSecond` of a subscription: 1 to {subscription.PER_SECOND_MAX} |",
    f"{fleet_counts.GROUPS_MAX} groups of each kind",
    f"a point for each {execution.CHARACTERS_A_POINT} characters",
    f"more than {lookahead.KEPT_CHARACTERS_MAX:,} characters",
    f"`delivered` of {delivered.VEHICLES_MAX} vehicles",
    f"{past.ORDERED_MAX:,} vehicles of the past",
    f"{federation.ENTITIES_MAX:,} representations",
    f"{errors.ERRORS_MAX} errors told",
    f"{graphql_app.REQUESTS_MAX} requests at once",
    f"{waiting_room.WAITING_MAX} that wait for a position (`atLeast`), {waiting_room.WAITING_OF_CLIENT_MAX} of one",
    f"{bulk.STREAMS_MAX} whole fleets, {bulk.STREAMS_A_CLIENT_MAX} of one client",
    f"{ending.REQUEST_S:g} s for a request, for a page of a whole fleet, or for what a subscription reads at a time",
    f"{http_connections.HEAD_S:g} s for the head of an HTTP request, {caller.BODY_S:g} s for its body",
    f"{http_connections.WRITE_S:g} s in which a client reads nothing of an answer",
    f"{http_connections.KEEP_ALIVE_S} s between two requests",
    f"{http_connections.CONNECTIONS_MAX} connections of a server process",
    f"{lines.LINES_MAX} WebSockets and streams of events of a server process, {lines.LINES_OF_CLIENT_MAX} of a client",
    f"{lines.NEW_OF_ADDRESS_MAX} WebSockets of one address before",
    f"{streams.STREAMS_MAX:,} subscriptions of a server process, {streams.STREAMS_OF_CLIENT_MAX} of a client",
    f"{socket.OPERATIONS_MAX} operations of a socket, {socket.ID_CHARACTERS_MAX} characters of the id",
    f"{streams.PATIENCE.stalled_s:g} s in which a subscription's reader takes nothing, {PONG_S:g} s in which",
    f"| another list without pages | {cost.LIST_POINTS} times",
    f"`paths`, else {cost.SIGNAL_POINTS} times",
    f"| {fleet_counts.GROUPS_MAX} times, and {cost.FLEET_POINTS} for `fleet` itself",
    f"| {cost.DELIVERED_POINTS} more, with its `signals` {cost.SIGNAL_POINTS} times",
    f"| {cost.WHOLE_TABLE_POINTS:,} more |",
    f"| `orderBy` | {cost.ORDER_POINTS} more; of the past",
    f"(`LAST_SEEN` and all after it) {cost.PAST_ORDER_POINTS:,} more",
    f"`position`) | {cost.PAST_POINTS} more",
]


@pytest.mark.parametrize("said", LIMITS)
def test_a_limit_and_a_price_that_partners_are_told_is_in_force(said: str) -> None:
    assert said in PARTNERS


def test_every_scope_is_explained() -> None:
    assert [named(cells) for cells in rows_of(PARTNERS, "Scopes")] == ["none", *Scope]


@pytest.mark.parametrize("document", [*fenced(GRAPHQL, "graphql"), *fenced(PARTNERS, "graphql")])
def test_a_query_of_the_documents_fits_the_schema(document: str) -> None:
    schema = build_schema(text_of(Path("schemas/graphql/schema.graphql")))
    assert validate(schema, parse(document)) == []


@pytest.mark.parametrize("answer", [body for page in PAGES for body in fenced(text_of(page), "json")])
def test_an_answer_of_the_documents_is_json(answer: str) -> None:
    assert json.loads(answer)


# --- decisions --------------------------------------------------------------------------------------------------------


def test_every_dependency_has_its_reason() -> None:
    lines = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
    names = {Requirement(line).name for line in lines} - {"fleettwin"}
    assert {name for name in names if not re.search(rf"\b{re.escape(name)}\b", DECISIONS, re.IGNORECASE)} == set()


# --- operation --------------------------------------------------------------------------------------------------------


def test_every_metric_is_described_with_its_type_and_labels() -> None:
    text = text_of(Path("docs/operation.md")).partition("## Metrics")[2]
    cells = [line.strip("|").split("|") for line in re.findall(r"^\| `fleettwin_.*$", text, re.MULTILINE)]
    listed = {(named([name.strip()]), kind.strip(), label.strip(" `")) for name, kind, label, _ in cells}
    counted = {
        (f"{family.name}_total" if family.type == "counter" else family.name, family.type, *collector._labelnames)
        for collector in {*REGISTRY._collector_to_names}
        if isinstance(collector, MetricWrapperBase)
        for family in collector.describe()
    }
    seen = {(each.name, "gauge", each.label or "") for each in OBSERVED}
    assert listed == {(name, kind, "".join(labels)) for name, kind, *labels in counted} | seen
    assert len(cells) == len(listed)


def test_every_field_of_the_log_is_described() -> None:
    listed = {named(cells) for cells in rows_of(text_of(Path("docs/operation.md")), "Logs")}
    assert listed == {"timestamp", "level", "logger", "event", "exception", *FIELDS}


def test_every_decision_has_context_decision_and_consequences() -> None:
    entries = re.split(r"^### (?=\d{4}-\d{2}-\d{2}: )", DECISIONS, flags=re.MULTILINE)[1:]
    assert entries
    for entry in entries:
        places = [entry.find(f"*{part}.*") for part in ("Context", "Decision", "Consequences")]
        assert -1 not in places, entry.splitlines()[0]
        assert places == sorted(places), entry.splitlines()[0]


# --- tables, links and pictures ---------------------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_row_belongs_to_a_table(page: Path) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", FENCE.sub("", text_of(page)), re.MULTILINE)
    assert [table for table in tables if not re.match(r".*\n\|[-:| ]+\|\n", table)] == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(without_code(text_of(page))):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    assert broken == []


def test_every_file_of_the_picture_is_there() -> None:
    said = re.findall(r'class="file"[^>]*>([^<]+)<', PICTURE)
    split = {one + two for one, two in pairwise(said) if one == "adapters/postgres/"}
    files = {name for name in said if "/" in name} | split
    assert split
    assert [name for name in sorted(files) if not list(ROOT.glob(name))] == []
