"""What the commands do that read recordings or a bus: `ingest`, `listen`, and the first half of `demo`."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

from adapters import demo, screens
from adapters.can.live import LiveBus
from adapters.clock import now
from adapters.ingest import CanJob, LiveJob, RowJob
from adapters.jobs import can_dbcs, mapping_of, open_job
from adapters.summary import Summary
from adapters.terminal import out, print_json, told_folding, told_ingest
from adapters.wiring import FleetTwin
from domain.errors import BadInputError, InvalidVinError
from domain.units import Micros
from domain.vin import Vin


class Car(NamedTuple):
    """What a person says of the car; brand and model count where it is new."""

    vin: Vin | None
    brand: str
    model: str | None


def ingest_recordings(
    twin: FleetTwin,
    paths: Sequence[Path],
    car: Car,
    maps: Sequence[str],
    dbc: Sequence[Path],
    recorded_at: Micros | None,
    *,
    as_json: bool,
) -> None:
    """Ingest recordings and print what was found in each; all are checked before anything of one is written."""
    mapping = mapping_of(maps, twin.catalogue)
    dbcs = can_dbcs(mapping, dbc)
    vin = None if car.vin is None else car.vin.text
    jobs = [open_job(path, mapping, dbcs, twin.catalogue, vin=vin, recorded_at=recorded_at) for path in paths]
    checked = [_check(twin, job, car.vin) for job in jobs]
    summaries = []
    try:
        for job, (vins, summary) in zip(jobs, checked, strict=True):
            summaries.append(_ingest(twin, job, vins, summary, car))
            if not as_json:
                out.print(screens.summary_screen(summaries[-1]))
    finally:
        if as_json:
            print_json([screens.summary_data(summary) for summary in summaries])
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
        with told_ingest(f"listening to {channel}") as tell:
            summary = twin.ingest.live(
                job, lambda: twin.fleet.register(vin, brand=car.brand, model=car.model, at=now()), tell
            )
    finally:
        signal.signal(signal.SIGINT, before)
    _catch_up(twin)
    if as_json:
        print_json(screens.summary_data(summary))
    else:
        out.print(screens.summary_screen(summary))


Vins = dict[str | None, Vin]  # by the name that rows give a vehicle; None: they give none, or frames


def _check(twin: FleetTwin, job: CanJob | RowJob, vin: Vin | None) -> tuple[Vins, Summary]:
    """Read a whole recording, write nothing, and find out whose it is."""
    path = str(job.recording.path)
    with told_ingest(job.recording.path.name) as tell:
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


def _ingest(twin: FleetTwin, job: CanJob | RowJob, vins: Vins, checked: Summary, car: Car) -> Summary:
    def register(name: str | None = None) -> UUID:
        return twin.fleet.register(vins[name], brand=car.brand, model=car.model, at=now())

    with told_ingest(job.recording.path.name) as tell:
        if isinstance(job, CanJob):
            return twin.ingest.can(job, register, tell, checked)
        return twin.ingest.rows(job, register, tell, checked)


def _catch_up(twin: FleetTwin) -> None:
    with told_folding() as tell:
        twin.projecting.catch_up(tell)
