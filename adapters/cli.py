"""The command line: `fleettwin`.

Bad input ends with one line on standard error and exit status 2. What was asked for goes to standard output, progress
to standard error. A command loads what it uses, and only then: the libraries behind recordings and server take
longer to load than most commands to run.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperCommand

from adapters import screens
from adapters.clock import iso_time, micros_of, now
from adapters.config import PREFIX, SETTINGS, Config
from adapters.terminal import err, out, print_found, print_json, print_screen, told_folding, told_verifying
from domain.clocks import CLOCK_AHEAD_MAX_US, CLOCK_FLOOR
from domain.errors import BadInputError, FleettwinError
from domain.units import Micros
from domain.vin import Vin

if TYPE_CHECKING:
    from adapters.event_log import DirectoryEntry
    from adapters.wiring import FleetTwin

PROGRAM: Final = "fleettwin"
BAD_INPUT: Final = 2  # exit status
FAILED: Final = 1  # exit status: a query that had errors
STOPPED: Final = 128 + signal.SIGINT  # exit status
EVENTS_AT_ONCE: Final = 100  # a page of GraphQL
ROOT_BRANCH: Final = "Vehicle."  # of every path of VSS; what `show` prints leaves it away
DOCUMENT_BYTES_MAX: Final = 1 << 20
POSITION_DIGITS_MAX: Final = 19  # of a bigint
SHOWN_CHARACTERS_MAX: Final = 40  # of what is no time
TIME_OF_DAY: Final = ":"
# What a person has typed, by the argument of GraphQL that complains of it.
OPTIONS: Final = {"asOf": "--as-of", "knownAt": "--known-at", "types": "--type", "path": "PATH"}
UsageError: Final[type[Exception]] = typer.BadParameter.__mro__[1]  # Typer exports it under no name of its own

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


class Destination(StrEnum):
    """Where telemetry goes."""

    TWIN = "twin"
    KAFKA = "kafka"


ToOption = Annotated[
    Destination, typer.Option("--to", help="Take the telemetry here, or send it over Kafka to those who take it.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
VinArgument = Annotated[str, typer.Argument(metavar="VIN", help="The vehicle identification number.")]
AsOfOption = Annotated[
    str | None,
    typer.Option("--as-of", metavar="TIME", help="As the car had told by this time of its clock (ISO 8601)."),
]
KnownAtOption = Annotated[
    str | None, typer.Option("--known-at", metavar="TIME", help="As it was known here at this time (ISO 8601).")
]


@app.callback(invoke_without_command=True)
def fleettwin(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Digital twins of connected cars: from CAN recordings to events to GraphQL."""
    if version:
        from importlib.metadata import version as version_of

        out.print(f"{PROGRAM} {version_of(PROGRAM)}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        out.print(context.get_help())
        raise typer.Exit(BAD_INPUT)


@app.command()
def ingest(  # noqa: PLR0913, PLR0917  # one an option
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Recordings: CAN, or rows already decoded.")],
    vin: Annotated[
        str | None, typer.Option(metavar="VIN", help="The car's VIN; rows may name their vehicles themselves.")
    ] = None,
    brand: Annotated[
        str, typer.Option(metavar="NAME", help="The brand, where the car is new.")
    ] = screens.BRAND_UNKNOWN,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="The model, where the car is new.")] = None,
    maps: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="NAME|FILE", help="A mapping; several: the earlier is preferred."),
    ] = None,
    dbc: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="A DBC file that the mapping needs.")] = None,
    recorded_at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="When the first frame was heard (ISO 8601), where the recording has no date."
        ),
    ] = None,
    any_vin: Annotated[
        bool, typer.Option("--any-vin", help="Take them although they say that the car has another VIN.")
    ] = False,
    to: ToOption = Destination.TWIN,
    as_json: AsJson = False,
) -> None:
    """Turn recordings of a car into its digital twin. Doing it twice changes nothing."""
    from adapters.ingest_commands import Car, ingest_recordings

    _check_text("--brand", brand)
    _check_text("--model", model)
    car = Car(None if vin is None else Vin.parse(vin), brand, model, any_vin)
    at = None if recorded_at is None else _recording_time(recorded_at)
    with _opened() as twin:
        over_kafka = to is Destination.KAFKA
        ingest_recordings(twin, paths, car, maps or [], dbc or [], at, as_json=as_json, over_kafka=over_kafka)


@app.command()
def listen(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="The bus: can0, vcan0 …")],
    vin: Annotated[str, typer.Option(metavar="VIN", help="The car's VIN.")],
    maps: Annotated[list[str], typer.Option("--map", metavar="NAME|FILE", help="A mapping, as for ingest.")],
    brand: Annotated[
        str, typer.Option(metavar="NAME", help="The brand, where the car is new.")
    ] = screens.BRAND_UNKNOWN,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="The model, where the car is new.")] = None,
    dbc: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="A DBC file that the mapping needs.")] = None,
    interface: Annotated[str, typer.Option(metavar="NAME", help="The driver, as python-can calls it.")] = "socketcan",
    as_json: AsJson = False,
) -> None:
    """Listen to a live bus until Ctrl-C."""
    from adapters.ingest_commands import Car, listen_to_bus

    _check_text("--brand", brand)
    _check_text("--model", model)
    car = Car(Vin.parse(vin), brand, model)
    with _opened() as twin:
        listen_to_bus(twin, interface, channel, car, maps, dbc or [], as_json=as_json)


@app.command()
def serve(
    project: Annotated[
        bool, typer.Option("--project/--no-project", help="Keep the twins up to date, or leave that to `run project`.")
    ] = True,
) -> None:
    """Serve GraphQL, and keep the twins up to date."""
    from adapters.serving import bound, serve_twins

    with _logged() as twin, bound(twin.config) as listener:
        serve_twins(twin, listener, project=project)


@app.command(name="demo")
def demo_command() -> None:
    """Drive a simulated fleet, serve it, print queries to try."""
    from adapters.demo_command import run_demo

    with _opened() as twin:
        run_demo(twin)


@app.command()
def simulate(  # noqa: PLR0913, PLR0917  # options
    vehicles: Annotated[int, typer.Option(metavar="N", help="How many cars.")] = 10,
    hours: Annotated[
        float | None, typer.Option(metavar="H", help="How long they live; with --live: without it until Ctrl-C.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed makes the same frames, byte for byte.")] = 1,
    brand: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A brand of the cars; several: in turns. Default: all.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=SHARE]",
            help="What goes wrong: lost, doubled, reordered, late (of the batches), tunnel, clock-1970, clock-future,"
            " stuck-sensor (of the cars), all.",
        ),
    ] = None,
    rate: Annotated[int, typer.Option(metavar="FRAMES", help="Frames a second of a car that drives.")] = 1_000,
    out_folder: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write candump files there, one a car.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Drive into the running twin, at the pace of the clock.")
    ] = False,
    speedup: Annotated[float, typer.Option(metavar="X", help="With --live and --hours: faster than the clock.")] = 1.0,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Compare the twins with what was true of the cars; exit status 1 if a difference has no cause.",
        ),
    ] = False,
    dbc: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="vw_meb.dbc, vw_mqb.dbc: instead of those of the opendbc package."),
    ] = None,
    to: ToOption = Destination.TWIN,
    as_json: AsJson = False,
) -> None:
    """Simulate a fleet. It goes into files, into the running twin, or into twins in memory that are checked."""
    from adapters.simulate_commands import Wish, simulate_fleet

    wish = Wish(
        vehicles=vehicles,
        hours=hours,
        seed=seed,
        brands=tuple(brand or ()),
        faults=tuple(fault or ()),
        rate=rate,
        out=out_folder,
        live=live,
        speedup=speedup,
        check=check,
        dbc=tuple(dbc or ()),
        over_kafka=to is Destination.KAFKA,
        as_json=as_json,
    )
    if simulate_fleet(wish, _opened):
        raise typer.Exit(FAILED)


@app.command()
def show(
    vin: VinArgument,
    as_of: AsOfOption = None,
    known_at: KnownAtOption = None,
    as_json: AsJson = False,
) -> None:
    """Show a twin, as it is or as it was: signals, trips, trouble codes, warnings."""
    moment = _past(as_of, known_at)
    with _opened() as twin:
        found = _vehicle(twin, screens.TWIN_QUERY, vin, **moment)
        print_found(found, as_json, screens.twin)


@app.command()
def explain(
    vin: VinArgument,
    path: Annotated[str, typer.Argument(metavar="PATH", help="A signal's VSS path, with or without Vehicle.")],
    as_of: AsOfOption = None,
    known_at: KnownAtOption = None,
    as_json: AsJson = False,
) -> None:
    """Tell where a value comes from: event, batch, decoder and mapping, and when it was where."""
    from adapters.explain_screen import EXPLAIN_QUERY, explain_screen

    parsed, moment = Vin.parse(vin), _past(as_of, known_at)
    _check_text("PATH", path)
    whole = path if path.startswith(ROOT_BRANCH) else ROOT_BRANCH + path
    with _opened() as twin:
        found = _data(twin, EXPLAIN_QUERY, vehicle=parsed.text, path=whole, **moment)["explain"]
        if found is None:
            raise _not_yet(twin, parsed)
    print_found(found, as_json, explain_screen)


@app.command()
def timeline(
    vin: VinArgument,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Not before this time of its clock (ISO 8601).")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Not after this time of its clock (ISO 8601).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell what happened to a vehicle in the order of its own clock; what came late is marked."""
    from adapters.timeline import TIMELINE_TYPES, late_versions, timeline_of, timeline_screen

    begin, end = _stretch(since, until)
    with _opened() as twin:
        nodes = _all_events(twin, vin, TIMELINE_TYPES)
        until_version = nodes[-1]["version"] if nodes else 0
        history = twin.log.history(_entry(twin, Vin.parse(vin)).vehicle_id, 0, until_version)
    found = timeline_of(nodes, late_versions(each.event for each in history), begin, end)
    print_found(found, as_json, timeline_screen)


@app.command()
def events(
    vin: VinArgument,
    types: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="Events of this type only; several: of each.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the events of a vehicle, oldest first."""
    with _opened() as twin:
        print_found(_all_events(twin, vin, types), as_json, screens.events)


@app.command()
def status(
    with_digest: Annotated[bool, typer.Option("--digest", help="Print a fingerprint of each read model.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how far the log is, and by how much each stage before and after it lags."""
    from adapters.status_screen import status_data, status_screen

    with _opened() as twin:
        found = status_data(twin.observe(), twin.digests() if with_digest else {}, twin.versions.kept())
    print_found(found, as_json, status_screen)


ProjectionArgument = Annotated[str, typer.Argument(metavar="PROJECTION", help="navigation, media or diagnostics.")]


@app.command()
def rebuild(
    projection: ProjectionArgument,
    version: Annotated[int, typer.Option(metavar="N", help="The number of the new version.")],
    begin: Annotated[
        str,
        typer.Option(
            "--from", metavar="POSITION|TIME", help="Fold only what comes after this position, or time of our clock."
        ),
    ] = "0",
    vehicles: Annotated[
        list[str] | None, typer.Option("--vehicles", metavar="VIN", help="This vehicle only; several: these.")
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", help="How many processes fill it.")] = 1,
    max_live_lag: Annotated[
        int | None,
        typer.Option(metavar="EVENTS", help="Pause while the version that is shown is behind the log by more."),
    ] = None,
) -> None:
    """Fill a new version of a projection from the log, beside the one that is shown. Killed, it goes on."""
    from adapters.versions_commands import Wish, position_at
    from adapters.versions_commands import rebuild as fill

    digits = begin.removeprefix("-")
    number = digits.isascii() and digits.isdigit() and len(digits) <= POSITION_DIGITS_MAX
    known_at = None if number else _moment("--from", begin)
    with _opened() as twin:
        position = int(begin) if known_at is None else position_at(twin, known_at, "--from")
        fill(twin, Wish(projection, version, position, vehicles or (), workers, max_live_lag))


@app.command()
def compare(
    projection: ProjectionArgument,
    left: Annotated[int, typer.Argument(metavar="VERSION", help="One version.")],
    right: Annotated[int, typer.Argument(metavar="VERSION", help="The other.")],
    as_json: AsJson = False,
) -> None:
    """Show where two versions of a projection tell something else, and from which event on. Exit status 1 if so."""
    from adapters.comparing import compare_screen, compare_versions

    with _opened() as twin, told_verifying() as tell:
        found, not_compared = compare_versions(twin, projection, left, right, tell)
    for line in not_compared:
        err.print(line, soft_wrap=True)
    print_found(found, as_json, compare_screen)
    if found:
        raise typer.Exit(FAILED)


@app.command()
def switch(
    projection: ProjectionArgument, version: Annotated[int, typer.Argument(metavar="VERSION", help="What to show.")]
) -> None:
    """Show another version of a projection; the one before goes on beside it."""
    from adapters.versions_commands import switch as show_version

    with _opened() as twin:
        show_version(twin, projection, version)


@app.command()
def rollback(projection: ProjectionArgument) -> None:
    """Show the version of a projection again that was shown before."""
    from adapters.versions_commands import rollback as show_previous

    with _opened() as twin:
        show_previous(twin, projection)


@app.command()
def discard(
    projection: ProjectionArgument, version: Annotated[int, typer.Argument(metavar="VERSION", help="What to delete.")]
) -> None:
    """Delete a version of a projection that is not shown."""
    from adapters.versions_commands import discard as delete_version

    with _opened() as twin:
        delete_version(twin, projection, version)


@app.command()
def verify(
    projections: Annotated[
        list[str] | None, typer.Option("--projection", metavar="NAME", help="This one only; several: these.")
    ] = None,
    position: Annotated[
        int | None,
        typer.Option(metavar="N", help="Print the digest of what the log says at this position, which may be past."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that the read models are what the log says, by digests; exit status 1 if they are not."""
    from adapters.twins import chosen_projections
    from adapters.versions_commands import digests_at, verify_projections, verify_screen

    names = [each.name for each in chosen_projections(projections or [])]
    with _opened() as twin, told_verifying() as tell:
        found = verify_projections(twin, names, tell) if position is None else digests_at(twin, names, position, tell)
    print_found(found, as_json, verify_screen)
    if any(each["equal"] is False for each in found):
        raise typer.Exit(FAILED)


@app.command()
def export(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="events, navigation, media or diagnostics.")],
    out_folder: Annotated[str, typer.Option("--out", metavar="DIR", help="A folder of its own is made in it.")],
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Not before this time of the cars' clocks (ISO 8601).")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Not after this time of the cars' clocks (ISO 8601).")
    ] = None,
) -> None:
    """Write events or read models as Parquet, for DuckDB, Polars, pandas and others."""
    from adapters.export_command import export as write

    if not out_folder:
        raise BadInputError("names no folder", where="--out", remedy="give one; . is this one")
    begin, end = _stretch(since, until)
    with _opened() as twin:
        write(twin, what, Path(out_folder), begin, end)


@app.command(name="import")
def import_events(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `export events --out` was given.")],
) -> None:
    """Load exported events into an empty store: the same positions, the same twins."""
    from adapters.import_command import import_events as load

    with _opened() as twin:
        load(twin, folder)


parked_app = typer.Typer(help="Vehicles whose events a projection could not fold.")
app.add_typer(parked_app, name="parked")


@parked_app.command(name="list")
def parked_list_command(as_json: AsJson = False) -> None:
    """List the vehicles that are parked, with event and error."""
    from adapters.parked_vehicles import parked_list

    with _opened() as twin:
        print_found(parked_list(twin), as_json, screens.parked)


@parked_app.command(name="show")
def parked_show(
    vehicle: Annotated[str, typer.Argument(metavar="VEHICLE_ID", help="As `parked list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Show why a vehicle is parked: the error, and the event that could not be folded."""
    from adapters.parked_vehicles import parked_details

    with _opened() as twin:
        print_found(parked_details(twin, vehicle), as_json, screens.parked_details)


@parked_app.command(name="retry")
def parked_retry() -> None:
    """Take every parked vehicle up again. Exit status 1 if some stay parked."""
    with _opened() as twin:
        still = twin.projecting.retry()
        out.print(f"{still} still parked" if still else "nothing is parked")
    if still:
        raise typer.Exit(FAILED)


set_aside_app = typer.Typer(help="Records of the topics that nobody can take.")
app.add_typer(set_aside_app, name="set-aside")


@set_aside_app.command(name="list")
def set_aside_list(as_json: AsJson = False) -> None:
    """List what was set aside last, newest first, with its reason; then, by reason, what is only counted."""
    from adapters.status_screen import SET_ASIDE_LISTED_MAX, counted_data, set_aside_data, set_aside_screen

    with _opened() as twin:
        found = [set_aside_data(each) for each in twin.set_aside.newest(SET_ASIDE_LISTED_MAX)]
        found += [counted_data(each) for each in twin.set_aside.counted()]
    print_found(found, as_json, set_aside_screen)


@set_aside_app.command(name="show")
def set_aside_show(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="As `set-aside list` shows it, like telemetry/3#5f0c2a91, or telemetry/3."
        ),
    ],
    position: Annotated[int, typer.Argument(metavar="POSITION", help="The offset of the record there.")],
    as_json: AsJson = False,
) -> None:
    """Show one record that was set aside: reason, key, first bytes."""
    from adapters.set_aside_commands import find_record
    from adapters.status_screen import record_data, record_screen

    _check_text("SOURCE", source)
    with _opened() as twin:
        found = find_record(twin.set_aside, source, position)
    print_found(record_data(found), as_json, record_screen)


@set_aside_app.command(name="retry")
def set_aside_retry() -> None:
    """Take up again what can be taken by now, each vehicle's batches in their order. Exit status 1 if some stay."""
    with _opened() as twin:
        taken, left = twin.set_aside_retry().run()
    stays = f"{left:,} still set aside" if left else "nothing is set aside"
    out.print(f"{taken:,} taken; {stays}" if taken else stays, highlight=False)
    if left:
        raise typer.Exit(FAILED)


@set_aside_app.command(name="discard")
def set_aside_discard(
    source: Annotated[str | None, typer.Argument(metavar="SOURCE", help="As `set-aside list` shows it.")] = None,
    position: Annotated[int | None, typer.Argument(metavar="POSITION", help="The offset of the record there.")] = None,
    vehicle: Annotated[
        str | None, typer.Option("--vehicle", metavar="VEHICLE_ID", help="All batches that wait for this vehicle.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All bad records and their counts; not what waits for a vehicle.")
    ] = False,
) -> None:
    """Drop a record that was set aside, what waits for a vehicle, or all that waits for none. They are gone."""
    from adapters.set_aside_commands import discard

    with _opened() as twin:
        dropped = discard(twin.set_aside, source, position, vehicle, every=every)
    out.print(f"{dropped:,} discarded", highlight=False)


run_app = typer.Typer(help="Run one role of a distributed twin, until Ctrl-C.")
app.add_typer(run_app, name="run")


@run_app.command(name="ingest")
def run_ingest_role() -> None:
    """Take telemetry from Kafka into twins; any number of these share the partitions."""
    from adapters.roles import run_ingest

    with _logged() as twin:
        run_ingest(twin)


@run_app.command(name="project")
def run_project_role(
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="This projection only; several: these.")
    ] = None,
) -> None:
    """Fold the events of the topic into the twins; any number of these share the partitions."""
    from adapters.roles import run_project

    with _logged() as twin:
        run_project(twin, only or [])


@run_app.command(name="relay")
def run_relay_role() -> None:
    """Publish the events of the log to Kafka; any number of these share the partitions."""
    from adapters.roles import run_relay

    with _logged() as twin:
        run_relay(twin)


@run_app.command(name="snapshots")
def run_snapshots_role() -> None:
    """Make snapshots of the twins behind the log, from which the past is folded; one is enough, more do no harm."""
    from adapters.roles import run_snapshots

    with _logged() as twin:
        run_snapshots(twin)


@app.command()
def republish(
    recreate: Annotated[
        bool, typer.Option("--recreate", help="Delete the topic first, where it holds records.")
    ] = False,
) -> None:
    """Publish the whole log into the topic of events anew, after Kafka has lost it. No relay may run meanwhile."""
    from adapters.roles import republish as publish_anew

    with _opened() as twin:
        publish_anew(twin, recreate=recreate)


documents_app = typer.Typer(help="Documents of GraphQL that are trusted.")
app.add_typer(documents_app, name="documents")


@documents_app.command(name="register")
def documents_register(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", help="GraphQL, or JSON of relay-compiler or Apollo (ids: SHA-256)."),
    ],
    as_json: AsJson = False,
) -> None:
    """Trust the documents of files: a client may ask for each by its hash."""
    from adapters.documents_command import documents_screen, register

    with _opened() as twin:
        print_found(register(twin, paths), as_json, documents_screen)


@documents_app.command(name="list")
def documents_list(as_json: AsJson = False) -> None:
    """List the documents that are trusted, in the order in which they came."""
    from adapters.documents_command import data_of, documents_screen

    with _opened() as twin:
        print_found([data_of(each) for each in twin.documents.all()], as_json, documents_screen)


@documents_app.command(name="remove")
def documents_remove(
    sha256: Annotated[str, typer.Argument(metavar="SHA256", help="As `documents list` shows it.")],
) -> None:
    """Trust a document no more."""
    from adapters.documents_command import remove

    with _opened() as twin:
        remove(twin, sha256)
    out.print(f"{sha256} is trusted no more")


topics_app = typer.Typer(help="Topics of Kafka.")
app.add_typer(topics_app, name="topics")


@topics_app.command(name="create")
def topics_create(as_json: AsJson = False) -> None:
    """Create the topics that are missing. Doing it twice changes nothing."""
    from adapters.kafka_commands import create_kafka_topics

    create_kafka_topics(Config.read(), as_json=as_json)


@app.command()
def decommission(
    vin: VinArgument, reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, in a few words.")] = "not given"
) -> None:
    """Take a vehicle out of the fleet. Its history stays, and no more telemetry of it is taken."""
    _check_text("--reason", reason)
    with _opened() as twin:
        parsed = Vin.parse(vin)
        _entry(twin, parsed)
        twin.fleet.decommission(parsed.vehicle_id(twin.config.vin_key()), reason, at=now())
        with told_folding() as tell:
            twin.projecting.catch_up(tell)
        out.print(f"{parsed.text} has been decommissioned")


@app.command()
def audit(vin: VinArgument, as_json: AsJson = False) -> None:
    """Tell who was shown personal data of a vehicle (places, trips, media) over the API, and when: newest first."""
    from adapters.audit_command import audit_data, audit_screen

    parsed = Vin.parse(vin)
    with _opened() as twin:
        found = audit_data(twin, _entry(twin, parsed).vehicle_id)
    print_found(found, as_json, audit_screen)


@app.command()
def query(
    document: Annotated[str, typer.Argument(metavar="FILE|-", help="A GraphQL document; -: standard input.")],
    variables: Annotated[str | None, typer.Option(metavar="JSON", help="Its variables, a JSON object.")] = None,
    operation: Annotated[str | None, typer.Option(metavar="NAME", help="Which of its operations.")] = None,
    as_json: AsJson = True,  # noqa: ARG001  # the answer is JSON anyway; every reading command takes the option
) -> None:
    """Answer a GraphQL document without a server. Exit status 1 if the answer has errors."""
    text = _read_document(document)
    values = _json_object(variables)
    with _opened() as twin:
        body = twin.api.execute(text, values, operation)
    print_json(body)
    if body.get("errors"):
        raise typer.Exit(FAILED)


@app.command()
def token(
    brand: Annotated[list[str], typer.Option(metavar="NAME", help="A brand whose vehicles it shows; several: these.")],
    scope: Annotated[
        list[str], typer.Option(metavar="SCOPE", help="What it is good for, like navigation:read; several: all these.")
    ],
    client: Annotated[str, typer.Option(metavar="ID", help="Who uses it.")] = "development",
    valid: Annotated[str, typer.Option(metavar="TIME", help="How long it is good: 90s, 15m, 1h, 30d.")] = "1h",
    as_json: AsJson = False,
) -> None:
    """Issue a token for development, with a key that is made and kept in FLEETTWIN_HOME."""
    from adapters.token_command import issue_token, token_wish

    for option, texts in (("--brand", brand), ("--client", [client])):
        for text in texts:
            _check_text(option, text)
    wish = token_wish(brand, scope, client, valid)
    issued = issue_token(Config.read(), wish, _opened)
    if as_json:
        print_json(issued)
    else:
        sys.stdout.write(f"{issued['access_token']}\n")  # in one line, however narrow the terminal is


@app.command()
def config(as_json: AsJson = False) -> None:
    """Show every setting, its value and where it comes from."""
    read = Config.read()
    if as_json:
        print_json(
            [{"name": value.setting.variable, "value": value.shown, "source": value.source} for value in read.values]
        )
    else:
        print_screen(screens.settings(read))


class _Command(TyperCommand):
    """A command whose help names arguments as its usage does, without Python's types."""

    def format_options(self, context: Any, formatter: Any) -> None:
        """Write what is known of arguments and options."""
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            told = [each.get_help_record(context) for each in self.get_params(context) if each.param_type_name == kind]
            if told:
                with formatter.section(title):
                    formatter.write_dl([(name.partition(" <")[0], text) for name, text in filter(None, told)])


for _each in app.registered_commands:
    _each.cls = _Command


# --- parts ------------------------------------------------------------------------------------------------------------


@contextmanager
def _opened() -> Iterator["FleetTwin"]:
    from adapters.wiring import fleet_twin

    with fleet_twin(Config.read()) as twin:
        yield twin


@contextmanager
def _logged() -> Iterator["FleetTwin"]:
    """Give the twins to a command that runs for long and writes a log."""
    from adapters.logs import log_to

    log_to(Config.read().log_format)
    with _opened() as twin:
        yield twin


def _vehicle(twin: "FleetTwin", document: str, vin: str, **variables: Any) -> dict[str, Any]:
    parsed = Vin.parse(vin)
    vehicle: dict[str, Any] | None = _data(twin, document, vin=parsed.text, **variables)["vehicle"]
    if vehicle is None:
        raise _not_yet(twin, parsed)
    return vehicle


def _all_events(twin: "FleetTwin", vin: str, types: Sequence[str] | None) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = []
    after = None
    while True:
        page = _vehicle(twin, screens.EVENTS_QUERY, vin, first=EVENTS_AT_ONCE, after=after, types=types)["events"]
        nodes += [edge["node"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return nodes


def _entry(twin: "FleetTwin", vin: Vin) -> "DirectoryEntry":
    """Return what is known of a vehicle. Raises BadInputError where it was never registered."""
    with twin.twins.reading() as read:
        found = read.vehicle_by_vin(vin.text)
    if found is None:
        raise BadInputError("no such vehicle", where=f"VIN {vin.text}", remedy="ingest a recording of it first")
    return found


def _not_yet(twin: "FleetTwin", vin: Vin) -> BadInputError:
    """Return why a vehicle is not there: it was not yet, at the time that was asked for, or it never was."""
    _entry(twin, vin)
    remedy = f"see `fleettwin timeline {vin.text}` for when it began"
    return BadInputError("there was no such vehicle yet", where=f"VIN {vin.text}", remedy=remedy)


def _data(twin: "FleetTwin", document: str, **variables: Any) -> dict[str, Any]:
    body = twin.api.execute(document, variables)
    if body.get("errors"):
        first = body["errors"][0]
        remedy = first.get("extensions", {}).get("remedy", "see the message")
        argument, _, what = first["message"].partition(": ")
        if argument in OPTIONS:
            raise BadInputError(what, where=OPTIONS[argument], remedy=remedy)
        raise BadInputError(first["message"], where="query", remedy=remedy)
    data: dict[str, Any] = body["data"]
    return data


def _read_document(document: str) -> str:
    try:
        if document == "-":
            raw = sys.stdin.buffer.read(DOCUMENT_BYTES_MAX + 1)
        else:
            with Path(document).open("rb") as file:
                raw = file.read(DOCUMENT_BYTES_MAX + 1)
        if len(raw) > DOCUMENT_BYTES_MAX:
            raise BadInputError("is no GraphQL document: too long", where=document, remedy="give a shorter one")
        return raw.decode()
    except OSError as error:
        raise BadInputError(f"cannot be read ({error.strerror})", where=document, remedy="give a file, or -") from error
    except UnicodeDecodeError as error:
        raise BadInputError("is not UTF-8 text", where=document, remedy="give a GraphQL document") from error


def _json_object(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInputError(f"is no JSON: {error}", where="--variables", remedy='give {"name": value}') from error
    if not isinstance(value, dict):
        raise BadInputError("is no JSON object", where="--variables", remedy='give {"name": value}')
    return value


def _check_text(option: str, text: str | None) -> None:
    try:
        (text or "").encode()
    except UnicodeEncodeError as error:  # bytes that are no text come from the shell as halves of surrogate pairs
        raise BadInputError("is no UTF-8 text", where=option, remedy="write it in UTF-8") from error


def _moment(option: str, text: str) -> Micros:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        shown = repr(text[:SHOWN_CHARACTERS_MAX])
        raise BadInputError(f"{shown} is no time", where=option, remedy="like 2026-06-01T08:00:00Z") from error
    if time.tzinfo is None:
        what = "the time has no zone" if TIME_OF_DAY in text else "a date alone is no time"
        remedy = f"write {time.isoformat()}Z, or an offset like +02:00 in place of Z"
        raise BadInputError(what, where=option, remedy=remedy)
    return micros_of(time)


def _stretch(since: str | None, until: str | None) -> tuple[Micros | None, Micros | None]:
    """Return what --from and --to say."""
    begin, end = (
        None if text is None else _moment(option, text) for option, text in (("--from", since), ("--to", until))
    )
    if begin is not None and end is not None and begin > end:
        raise BadInputError("the end is before the beginning", where="--to", remedy="give a later time")
    return begin, end


def _past(as_of: str | None, known_at: str | None) -> dict[str, str]:
    """Return the times that a twin of the past is asked for, as variables of GraphQL."""
    from adapters.past import check_past

    found = {}
    for name, option, text in (("asOf", "--as-of", as_of), ("knownAt", "--known-at", known_at)):
        if text is not None:
            at = _moment(option, text)
            check_past(at, where=option)
            found[name] = iso_time(at)
    return found


def _recording_time(text: str) -> Micros:
    at = _moment("--recorded-at", text)
    if not CLOCK_FLOOR <= at <= now() + CLOCK_AHEAD_MAX_US:
        what = f"nothing can have been recorded at {text}"
        raise BadInputError(what, where="--recorded-at", remedy="give a time after 1999 that is not in the future")
    return at


def _misuse(error: Any) -> str:
    """Return what is wrong with the use of a command, in the form of a BadInputError."""
    command = error.ctx.command_path if error.ctx else PROGRAM
    said = " ".join(error.format_message().split()).removesuffix(".")
    setting = PREFIX + (getattr(error, "option_name", None) or "").removeprefix("--").replace("-", "_").upper()
    remedy = f"set {setting} instead" if setting in {each.variable for each in SETTINGS} else f"see `{command} --help`"
    return f"{command.replace(' ', ': ', 1)}: {said[:1].lower()}{said[1:]}; {remedy}"


def _stop(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, _stop)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the name of a file may be no text
    try:
        status = app(prog_name=PROGRAM, standalone_mode=False)
        if status == STOPPED:  # what Typer makes of KeyboardInterrupt
            _stop(signal.SIGINT, None)
        sys.exit(status)
    except UsageError as error:
        sys.stderr.write(f"{_misuse(error)}\n")
        sys.exit(BAD_INPUT)
    except FleettwinError as error:
        one_line = " ".join(str(error).split())
        sys.stderr.write(f"fleettwin: {one_line}\n")
        sys.exit(BAD_INPUT)
    except BrokenPipeError:  # the reader of our output has gone: nothing to tell anyone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.stderr.write("fleettwin: stopped\n")
        sys.exit(STOPPED)
