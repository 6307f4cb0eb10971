"""What the commands do that read recordings or a bus: `ingest`, `listen`, and the first half of `demo`."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

from adapters import demo, screens
from adapters.can.live import LiveBus
from adapters.clock import now
from adapters.ingest import CanJob, Ingest, LiveJob, RowJob
from adapters.jobs import can_dbcs, mapping_of, open_job
from adapters.summary import Summary
from adapters.terminal import print_json, print_screen, told_folding, told_ingest
from adapters.wiring import FleetTwin
from domain.errors import BadInputError, DecommissionedError, InvalidVinError
from domain.units import Micros
from domain.vin import Vin


class Car(NamedTuple):
    """What a person says of the car; brand and model count where it is new.

    `any_vin`: it is this one, whatever VIN is heard or written in a recording.
    """

    vin: Vin | None
    brand: str
    model: str | None
    any_vin: bool = False


def ingest_recordings(
    twin: FleetTwin,
    paths: Sequence[Path],
    car: Car,
    maps: Sequence[str],
    dbc: Sequence[Path],
    recorded_at: Micros | None,
    *,
    as_json: bool,
    over_kafka: bool = False,
) -> None:
    """Ingest recordings and print what was found in each; all are checked before anything of one is written.

    `over_kafka`: send the telemetry there instead of taking it.
    """
    mapping = mapping_of(maps, twin.catalogue)
    dbcs = can_dbcs(mapping, dbc)
    jobs = [
        open_job(path, mapping, dbcs, twin.catalogue, vin=car.vin, recorded_at=recorded_at, any_vin=car.any_vin)
        for path in paths
    ]
    with ExitStack() as opened:
        ingest = Ingest(opened.enter_context(twin.fleet_over_kafka()), now) if over_kafka else twin.ingest
        checked = [_check(ingest, job, car) for job in jobs]
        summaries = []
        try:
            for job, (vins, summary) in zip(jobs, checked, strict=True):
                summary.sent = over_kafka
                summaries.append(_ingest(twin, ingest, job, vins, summary, car))
                if not as_json:
                    print_screen(screens.summary_screen(summaries[-1]))
        finally:
            if as_json:
                print_json([screens.summary_data(summary) for summary in summaries])
            if not over_kafka:
                _catch_up(twin)


def ingest_demo(twin: FleetTwin) -> None:
    """Ingest the recording that comes with the package."""
    car = Car(Vin.parse(demo.VIN), demo.BRAND, demo.MODEL)
    with demo.recording() as path:
        ingest_recordings(twin, [path], car, demo.MAPPINGS, [], None, as_json=False)


def listen_to_bus(
    twin: FleetTwin,
    interface: str,
    channel: str,
    car: Car,
    maps: Sequence[str],
    dbc: Sequence[Path],
    *,
    as_json: bool,
) -> None:
    """Ingest what a bus says until Ctrl-C, and print what was found."""
    assert car.vin is not None
    vin = car.vin
    mapping = mapping_of(maps, twin.catalogue)
    bus = LiveBus(interface, channel)
    job = LiveJob(bus, f"{interface} {channel}", mapping, can_dbcs(mapping, dbc), uuid4())
    before = signal.signal(signal.SIGINT, lambda *_: bus.stop())
    try:
        by_id = {vin.vehicle_id(twin.config.vin_key()): vin}
        with told_ingest(f"listening to {channel}") as tell, _named(by_id, job.name):
            summary = twin.ingest.live(
                job, lambda: twin.fleet.register(vin, brand=car.brand, model=car.model, at=now()), tell
            )
    finally:
        signal.signal(signal.SIGINT, before)
    _catch_up(twin)
    if as_json:
        print_json(screens.summary_data(summary))
    else:
        print_screen(screens.summary_screen(summary))


Vins = dict[str | None, Vin]  # by the name that rows give a vehicle; None: they give none, or frames


def _check(ingest: Ingest, job: CanJob | RowJob, car: Car) -> tuple[Vins, Summary]:
    """Read a whole recording, write nothing, and find out whose it is."""
    path = str(job.recording.path)
    with told_ingest(job.recording.path.name) as tell:
        summary = ingest.check(job, tell)
    names = [None] if isinstance(job, CanJob) else summary.vehicles
    if car.vin is not None:
        if len(names) > 1:
            what = f"it holds several vehicles ({' and '.join(sorted(map(str, names)))})"
            raise BadInputError(what, where=path, remedy="leave --vin away, or split the file")
        _check_name(next(iter(names), None), car, path)
        return dict.fromkeys(names, car.vin), summary
    vins: Vins = {}
    for name in names:
        if name is None:
            raise BadInputError("its rows name no vehicle", where=path, remedy="give --vin")
        try:
            vins[name] = Vin.parse(name)
        except InvalidVinError as error:
            raise BadInputError(f"{error.where}: {error.what}", where=path, remedy=error.remedy) from error
    return vins, summary


def _check_name(name: str | None, car: Car, path: str) -> None:
    """Refuse rows that name another VIN; any other name is one that somebody gave the car."""
    if name is None or car.vin is None or car.any_vin:
        return
    with suppress(InvalidVinError):
        named = Vin.parse(name)
        if not car.vin.may_be(named):
            what = f"its rows are of {named.text}, which is not {car.vin.text}"
            remedy = f"give --vin {named.text}, or leave it away; --any-vin if {car.vin.text} is right all the same"
            raise BadInputError(what, where=path, remedy=remedy)


def _ingest(twin: FleetTwin, ingest: Ingest, job: CanJob | RowJob, vins: Vins, checked: Summary, car: Car) -> Summary:
    def register(name: str | None = None) -> UUID:
        return twin.fleet.register(vins[name], brand=car.brand, model=car.model, at=now())

    by_id = {vin.vehicle_id(twin.config.vin_key()): vin for vin in vins.values()}
    with told_ingest(job.recording.path.name) as tell, _named(by_id, str(job.recording.path)):
        if isinstance(job, CanJob):
            return ingest.can(job, register, tell, checked)
        return ingest.rows(job, register, tell, checked)


@contextmanager
def _named(vins: Mapping[UUID, Vin], where: str) -> Iterator[None]:
    """Say by its VIN which vehicle takes no telemetry any more, and of what."""
    try:
        yield
    except DecommissionedError as error:
        vin = vins[error.vehicle_id].text
        remedy = f"leave it out: what it has told stays, `fleettwin show {vin}` shows it"
        raise BadInputError(
            f"{vin} has been decommissioned and takes no telemetry", where=where, remedy=remedy
        ) from error


def _catch_up(twin: FleetTwin) -> None:
    with told_folding() as tell:
        twin.projecting.catch_up(tell)
