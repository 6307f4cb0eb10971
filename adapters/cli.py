"""The command line: `fleettwin`.

Bad input ends with one line on standard error and exit status 2. What was asked for goes to standard output, progress
to standard error.
"""

import ipaddress
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final, NoReturn
from uuid import UUID, uuid4

import typer
import uvicorn
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from adapters import demo, screens
from adapters.can.live import LiveBus
from adapters.config import Config
from adapters.ingest import CanJob, LiveJob, RowJob, Summary
from adapters.ingest import Progress as Done
from adapters.jobs import can_dbcs, mapping_of, open_job
from adapters.twins import PROJECTIONS
from adapters.wiring import FleetTwin, fleet_twin, now
from domain.errors import BadInputError, FleettwinError, InvalidVinError
from domain.units import MICROS_PER_SECOND, Micros
from domain.vin import Vin
from projections.digest import digest

BAD_INPUT: Final = 2  # exit status
FAILED: Final = 1  # exit status: a query that had errors
EVENTS_AT_ONCE: Final = 100  # a page of GraphQL
DOCUMENT_BYTES_MAX: Final = 1 << 20
BRAND_UNKNOWN: Final = "unknown"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Digital twins of connected cars: from CAN recordings to events to GraphQL.",
)
out: Final = Console(soft_wrap=True)
err: Final = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
VinArgument = Annotated[str, typer.Argument(metavar="VIN", help="The vehicle identification number.")]


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Recordings: CAN, or rows already decoded.")],
    vin: Annotated[str | None, typer.Option(help="The car's VIN; rows may name their vehicles themselves.")] = None,
    brand: Annotated[str, typer.Option(help="The brand, where the car is new.")] = BRAND_UNKNOWN,
    model: Annotated[str | None, typer.Option(help="The model, where the car is new.")] = None,
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
    as_json: AsJson = False,
) -> None:
    """Turn recordings of a car into its digital twin. Doing it twice changes nothing."""
    parsed = None if vin is None else Vin.parse(vin)
    at = None if recorded_at is None else _time(recorded_at)
    with _opened() as twin:
        mapping = mapping_of(maps or [], twin.catalogue)
        dbcs = can_dbcs(mapping, dbc or [])
        text = None if parsed is None else parsed.text
        jobs = [open_job(path, mapping, dbcs, twin.catalogue, vin=text, recorded_at=at) for path in paths]
        checked = [_check(twin, job, parsed) for job in jobs]  # of all, before anything of one is written
        summaries = []
        try:
            for job, (vins, summary) in zip(jobs, checked, strict=True):
                summaries.append(_ingest(twin, job, vins, summary, brand, model))
                if not as_json:
                    out.print(screens.summary_screen(summaries[-1]))
        finally:
            if as_json:
                _print_json([screens.summary_data(summary) for summary in summaries])
            _catch_up(twin)


@app.command()
def listen(
    channel: Annotated[str, typer.Argument(help="The bus: can0, vcan0 …")],
    vin: Annotated[str, typer.Option(help="The car's VIN.")],
    maps: Annotated[list[str], typer.Option("--map", metavar="NAME|FILE", help="A mapping, as for ingest.")],
    brand: Annotated[str, typer.Option(help="The brand, where the car is new.")] = BRAND_UNKNOWN,
    model: Annotated[str | None, typer.Option(help="The model, where the car is new.")] = None,
    dbc: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="A DBC file that the mapping needs.")] = None,
    interface: Annotated[str, typer.Option(help="The driver, as python-can calls it.")] = "socketcan",
    as_json: AsJson = False,
) -> None:
    """Listen to a live bus until Ctrl-C."""
    parsed = Vin.parse(vin)
    with _opened() as twin:
        mapping = mapping_of(maps, twin.catalogue)
        job = LiveJob(
            LiveBus(interface, channel), f"{interface} {channel}", mapping, can_dbcs(mapping, dbc or []), uuid4()
        )
        before = signal.signal(signal.SIGINT, lambda *_: job.bus.stop())
        try:
            with _told_progress(f"listening to {channel}") as tell:
                summary = twin.ingest.live(
                    job, lambda: twin.fleet.register(parsed, brand=brand, model=model, at=now()), tell
                )
        finally:
            signal.signal(signal.SIGINT, before)
        _catch_up(twin)
        if as_json:
            _print_json(screens.summary_data(summary))
        else:
            out.print(screens.summary_screen(summary))


@app.command()
def serve() -> None:
    """Serve GraphQL, and keep the twins up to date."""
    with _opened() as twin:
        _serve(twin, [])


@app.command(name="demo")
def demo_command() -> None:
    """Ingest the bundled recording, serve it, and print three queries to try."""
    with _opened() as twin:
        mapping = mapping_of(demo.MAPPINGS, twin.catalogue)
        with demo.recording() as path:
            dbcs = can_dbcs(mapping, [])
            job = open_job(path, mapping, dbcs, twin.catalogue, vin=demo.VIN, recorded_at=None)
            vins, checked = _check(twin, job, Vin.parse(demo.VIN))
            summary = _ingest(twin, job, vins, checked, demo.BRAND, demo.MODEL)
        out.print(screens.summary_screen(summary))
        _catch_up(twin)
        _serve(twin, demo.QUERIES)


@app.command()
def show(vin: VinArgument, as_json: AsJson = False) -> None:
    """Show a twin: signals, trips, trouble codes, warnings."""
    with _opened() as twin:
        found = _vehicle(twin, screens.TWIN_QUERY, vin)
        _print(found, as_json, screens.twin)


@app.command()
def events(
    vin: VinArgument,
    types: Annotated[list[str] | None, typer.Option("--type", help="Events of this type only.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the events of a vehicle, oldest first."""
    with _opened() as twin:
        nodes: list[dict[str, Any]] = []
        after = None
        while True:
            page = _vehicle(twin, screens.EVENTS_QUERY, vin, first=EVENTS_AT_ONCE, after=after, types=types)["events"]
            nodes += [edge["node"] for edge in page["edges"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        _print(nodes, as_json, screens.events)


@app.command()
def status(
    with_digest: Annotated[bool, typer.Option("--digest", help="Print a fingerprint of each read model.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the position of the log, and the lag of each projection."""
    with _opened() as twin:
        found = _data(twin, screens.STATUS_QUERY)["status"]
        digests = {each.id: digest(twin.read_models, each) for each in PROJECTIONS} if with_digest else {}
        if as_json:
            for projection in found["projections"]:
                if with_digest:
                    projection["digest"] = digests[f"{projection['name']} v{projection['version']}"]
            _print_json(found)
        else:
            out.print(screens.status(found, digests))


parked_app = typer.Typer(no_args_is_help=True, help="Vehicles whose events a projection could not fold.")
app.add_typer(parked_app, name="parked")


@parked_app.command(name="list")
def parked_list(as_json: AsJson = False) -> None:
    """List the vehicles that a projection has parked, with the event and the error."""
    with _opened() as twin:
        found = [
            {
                "projection": projection.id,
                "vehicleId": str(parked.vehicle_id),
                "version": parked.version,
                "position": parked.position,
                "attempts": parked.attempts,
                "parkedAt": datetime.fromtimestamp(parked.parked_at / MICROS_PER_SECOND, UTC).isoformat(),
                "error": parked.error,
            }
            for projection, parked in twin.projecting.parked()
        ]
        _print(found, as_json, screens.parked)


@parked_app.command(name="retry")
def parked_retry() -> None:
    """Take every parked vehicle up again; exit status 1 if some stay parked."""
    with _opened() as twin:
        still = twin.projecting.retry()
        out.print(f"{still} still parked" if still else "nothing is parked")
    if still:
        raise typer.Exit(FAILED)


@app.command()
def decommission(
    vin: VinArgument, reason: Annotated[str, typer.Option(help="Why, in a few words.")] = "not given"
) -> None:
    """Take a vehicle out of the fleet: its history stays, and no more telemetry of it is taken."""
    with _opened() as twin:
        vehicle_id = Vin.parse(vin).vehicle_id(twin.config.vin_key())
        _vehicle(twin, "query Known($vin: String!) { vehicle(vin: $vin) { id } }", vin)
        twin.fleet.decommission(vehicle_id, reason, at=now())
        _catch_up(twin)
        out.print(f"{Vin.parse(vin).text} has been decommissioned")


@app.command()
def query(
    document: Annotated[str, typer.Argument(metavar="FILE|-", help="A GraphQL document; -: standard input.")],
    variables: Annotated[str | None, typer.Option(metavar="JSON", help="Its variables, a JSON object.")] = None,
    operation: Annotated[str | None, typer.Option(metavar="NAME", help="Which of its operations.")] = None,
    as_json: AsJson = True,  # noqa: ARG001  # the answer is JSON anyway; every reading command takes the option
) -> None:
    """Answer a GraphQL document without a server; exit status 1 if the answer has errors."""
    text = _read_document(document)
    values = _json_object(variables)
    with _opened() as twin:
        body = twin.api.answer(text, values, operation).body
    _print_json(body)
    if body.get("errors"):
        raise typer.Exit(FAILED)


@app.command()
def config(as_json: AsJson = False) -> None:
    """Show every setting, its value and where it comes from."""
    read = Config.read()
    if as_json:
        _print_json(
            [{"name": value.setting.variable, "value": value.shown, "source": value.source} for value in read.values]
        )
    else:
        out.print(screens.settings(read))


# --- parts ------------------------------------------------------------------------------------------------------------


@contextmanager
def _opened() -> Iterator[FleetTwin]:
    with fleet_twin(Config.read()) as twin:
        yield twin


Vins = dict[str | None, Vin]  # by the name that rows give a vehicle; None: they give none, or frames


def _check(twin: FleetTwin, job: CanJob | RowJob, vin: Vin | None) -> tuple[Vins, Summary]:
    """Read a whole recording, write nothing, and find out whose it is."""
    path = str(job.recording.path)
    with _told_progress(job.recording.path.name) as tell:
        summary = twin.ingest.check(job, tell)
    names = [None] if isinstance(job, CanJob) else summary.vehicles
    if vin is not None:
        if len(names) > 1:
            what = f"it holds several vehicles ({' and '.join(sorted(map(str, names)))})"
            raise BadInputError(what, where=path, remedy="leave --vin away, or split the file")
        return dict.fromkeys(names, vin), summary
    vins: Vins = {}
    for name in names:
        if name is None:
            raise BadInputError("its rows name no vehicle", where=path, remedy="give --vin")
        try:
            vins[name] = Vin.parse(name)
        except InvalidVinError as error:
            raise BadInputError(f"{error.where}: {error.what}", where=path, remedy=error.remedy) from error
    return vins, summary


def _ingest(
    twin: FleetTwin, job: CanJob | RowJob, vins: Vins, checked: Summary, brand: str, model: str | None
) -> Summary:
    def register(name: str | None = None) -> UUID:
        return twin.fleet.register(vins[name], brand=brand, model=model, at=now())

    with _told_progress(job.recording.path.name) as tell:
        if isinstance(job, CanJob):
            return twin.ingest.can(job, register, tell, checked)
        return twin.ingest.rows(job, register, tell, checked)


@contextmanager
def _told_progress(name: str) -> Iterator[Callable[[Done], None]]:
    began = time.monotonic()
    with _progress() as progress:
        task = progress.add_task(name, total=None, detail="")

        def tell(done: Done) -> None:
            rate = done.frames / max(time.monotonic() - began, 1e-3)
            counts = f"{done.frames:,} frames  {done.samples:,} signals  {done.events:,} events  {rate:,.0f} frames/s"
            progress.update(task, completed=done.done, total=done.total or None, detail=counts)

        yield tell


def _catch_up(twin: FleetTwin) -> None:
    with _progress() as progress:
        task = progress.add_task("read models", total=None, detail="")

        def tell(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, detail=f"{done:,} events folded")

        twin.projecting.catch_up(tell)


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[detail]}"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,  # elsewhere it leaves empty lines between the lines that say something
    )


def _serve(twin: FleetTwin, queries: list[str]) -> None:
    host, port = twin.config.host, twin.config.port
    if not _is_loopback(host):
        remedy = "set FLEETTWIN_HOST to 127.0.0.1: there is no authentication yet"
        raise BadInputError(f"{host} is no loopback address", where="host", remedy=remedy)
    server = _Server(uvicorn.Config(twin.app(), host=host, port=port, log_level="warning", access_log=False), queries)
    with _listening(host, port) as listener:
        twin.projecting.start(twin.records.wait)
        try:
            server.run([listener])
        except KeyboardInterrupt:
            err.print("stopped")
        finally:
            twin.projecting.stop()


def _listening(host: str, port: int) -> socket.socket:
    """Return a bound socket: the server library would end the process where the port is taken."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        what = f"port {port} cannot be bound ({error.strerror or error})"
        remedy = "set FLEETTWIN_PORT to another one, or to 0 for any free one"
        raise BadInputError(what, where=host, remedy=remedy) from error


class _Server(uvicorn.Server):
    """A server that says where it is once it listens."""

    def __init__(self, config: uvicorn.Config, queries: list[str]) -> None:
        super().__init__(config)
        self._queries = queries

    async def startup(self, sockets: Any = None) -> None:
        """Bind, then tell."""
        await super().startup(sockets)
        if not self.started:
            return
        port = self.servers[0].sockets[0].getsockname()[1]
        out.print(f"GraphQL: http://{self.config.host}:{port}/graphql")
        out.print("Bound to loopback only: there is no authentication. Ctrl-C stops.")
        for text in self._queries:
            out.print(f"\n{text}", markup=False, highlight=False)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _vehicle(twin: FleetTwin, document: str, vin: str, **variables: Any) -> dict[str, Any]:
    parsed = Vin.parse(vin)
    vehicle: dict[str, Any] | None = _data(twin, document, vin=parsed.text, **variables)["vehicle"]
    if vehicle is None:
        raise BadInputError("no such vehicle", where=f"VIN {parsed.text}", remedy="ingest a recording of it first")
    return vehicle


def _data(twin: FleetTwin, document: str, **variables: Any) -> dict[str, Any]:
    body = twin.api.answer(document, variables).body
    if body.get("errors"):
        first = body["errors"][0]
        remedy = first.get("extensions", {}).get("remedy", "see the message")
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


def _time(text: str) -> Micros:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInputError(
            f"{text!r} is no time", where="--recorded-at", remedy="like 2026-06-01T08:00:00Z"
        ) from error
    if time.tzinfo is None:
        raise BadInputError("the time has no zone", where="--recorded-at", remedy="add Z, or an offset like +02:00")
    return Micros(round(time.timestamp() * MICROS_PER_SECOND))


def _print(found: Any, as_json: bool, screen: Callable[[Any], RenderableType]) -> None:
    if as_json:
        _print_json(found)
    else:
        out.print(screen(found))


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def _stop(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        app(standalone_mode=True)
    except FleettwinError as error:
        one_line = " ".join(str(error).split())
        sys.stderr.write(f"fleettwin: {one_line}\n")
        sys.exit(BAD_INPUT)
    except BrokenPipeError:  # the reader of our output has gone: nothing to tell anyone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.stderr.write("fleettwin: stopped\n")
        sys.exit(128 + signal.SIGINT)
