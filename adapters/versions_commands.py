"""Versions of projections on the command line: fill one beside the one that is shown, compare, show it; prove rows."""

import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

from rich.console import Group, RenderableType
from rich.text import Text

from adapters.clock import now
from adapters.comparing import VEHICLES_AT_ONCE, compare_screen
from adapters.differences import difference_data
from adapters.event_log import DirectoryEntry, check_position
from adapters.past import check_past
from adapters.projecting import advance
from adapters.projection_versions import Shown, VersionState, at_version, named, no_such_version, versions_there
from adapters.rebuild import WORKERS_MAX, Job, chunks, fill_all
from adapters.tables import Rows, counted
from adapters.terminal import err, out, told_rebuild
from adapters.wiring import FleetTwin
from domain.errors import BadInputError
from domain.units import Micros
from domain.vin import Vin
from projections.history import Verified, told_at, verify
from projections.ports import ReadModelStore
from projections.projection import Projection

GIVES_WAY: Final = 19  # the lowest priority that a process can have (nice(2))
SHARE_BESIDE: Final = 1 / 8  # of the time, while events come in: the slowest of a hundred must not wait for it
LAG_ASKED_S: Final = 0.25  # how old an answer about the live lag may be
LOOKED_AGAIN_MAX: Final = 5  # times, whether everything is there that was filled
WAIT_TOLD_S: Final = 10.0  # after which it is said what a rebuild waits for


class Wish(NamedTuple):
    """What is to be filled."""

    projection: str
    version: int
    after_position: int = 0
    vins: Sequence[str] = ()
    workers: int = 1
    max_live_lag: int | None = None  # events


def shown_version(twin: FleetTwin, name: str) -> Shown:
    """Return which version of a projection is shown. Raises BadInputError where there is none of this name."""
    return twin.versions.shown().get(name) or Shown(named(name).version, None)


def position_at(twin: FleetTwin, known_at: Micros, where: str) -> int:
    """Return the position of the newest event that was recorded by then. Raises BadInputError for a future time."""
    check_past(known_at, where=where)
    with twin.twins.reading() as read:
        return read.position_at(known_at)


def rebuild(twin: FleetTwin, wish: Wish) -> None:
    """Fill a version beside the one that is shown. Raises BadInputError, before anything is written."""
    projection = at_version(named(wish.projection), wish.version)
    if not 1 <= wish.workers <= WORKERS_MAX:
        remedy = f"give a number from 1 to {WORKERS_MAX}"
        raise BadInputError(f"{wish.workers} workers cannot be", where="--workers", remedy=remedy)
    if wish.max_live_lag is not None and wish.max_live_lag < 0:
        what, remedy = f"a lag of {wish.max_live_lag} events cannot be", "give 0 or more"
        raise BadInputError(what, where="--max-live-lag", remedy=remedy)
    end = twin.records.last_position()
    check_position(wish.after_position, end, where="--from")
    vehicle_ids = _vehicle_ids(twin, wish.vins)
    limited = vehicle_ids if wish.vins else None
    wanted = VersionState(projection.name, projection.version, False, end, wish.after_position, limited)
    with twin.versions.held(projection.name, projection.version):
        state = _begin(twin, projection, wanted)
        if wish.after_position:
            twin.read_models.begin_after(projection, wish.after_position)
        _fill(twin, projection, state, vehicle_ids, wish)


def _begin(twin: FleetTwin, projection: Projection, wanted: VersionState) -> VersionState:
    """Note what is filled, or see that the same was begun before. Raises BadInputError, before anything is written."""
    there = versions_there(twin.versions, projection.name)
    found = there.get(projection.version)
    where = f"{projection.name} --version {projection.version}"
    if found is None:
        twin.versions.clear(projection)  # what was left behind under this number is not of what begins now
        twin.read_models.prepare(projection)
        return twin.versions.begin(wanted)
    otherwise = f"give a new number, or `fleettwin discard {projection.name} {projection.version}` first"
    if found.ready:
        shown = projection.version == shown_version(twin, projection.name).version
        remedy = "give a new number" if shown else otherwise
        raise BadInputError("this version is there already", where=where, remedy=remedy)
    if found.part != wanted.part:
        what = f"this version was begun {_told_part(found)}, and is not filled yet"
        raise BadInputError(what, where=where, remedy=f"give the same once more, so that it goes on; or {otherwise}")
    err.print(f"goes on with {projection.id}, which was begun up to position {found.until_position:,}", soft_wrap=True)
    twin.read_models.prepare(projection)
    return found


def _told_part(state: VersionState) -> str:
    begin = f"with --from {state.from_position}" if state.from_position else "from the beginning"
    vehicles = "all vehicles" if state.vehicle_ids is None else f"{len(state.vehicle_ids):,} of --vehicles"
    return f"{begin}, for {vehicles}"


def _fill(
    twin: FleetTwin, projection: Projection, state: VersionState, vehicle_ids: Sequence[UUID], wish: Wish
) -> None:
    apart = state.vehicle_ids is not None
    nice, share = (0, 1.0) if wish.max_live_lag is None else (GIVES_WAY, SHARE_BESIDE / wish.workers)
    job = Job(projection.name, projection.version, state.from_position, state.until_position, apart, nice, share)
    os.nice(nice)  # workers inherit it
    began = time.monotonic()
    events = 0
    shown = at_version(projection, shown_version(twin, projection.name).version)
    with told_rebuild(projection.id, events_left(twin.read_models, shown, state, vehicle_ids)) as show:

        def tell(more: int) -> None:
            nonlocal events
            events += more
            show(events)

        def lag() -> int:
            return twin.records.last_position() - twin.read_models.position(shown)

        over_budget = Budget(lag, shown, wish.max_live_lag)
        fill_all(twin.conninfo, job, vehicle_ids, wish.workers, over_budget, tell)
        # A database that crashed meanwhile may have lost the last of a vehicle, and no process have seen it.
        for _ in range(LOOKED_AGAIN_MAX):
            before = events
            fill_all(twin.conninfo, job, vehicle_ids, 1, over_budget, tell)
            if events == before:
                break
        else:
            remedy = "see why it crashes, then do the same again: it goes on"
            raise BadInputError("the database lost what was filled each time", where=projection.id, remedy=remedy)
    twin.versions.ready(projection.name, projection.version)
    if not state.partial:
        advance(projection, twin.log, twin.read_models, now, twin.records.last_position())
    took_s = max(time.monotonic() - began, 1e-3)
    has = f"{counted(events, 'event')} of {counted(len(vehicle_ids), 'vehicle')}, {events / took_s:,.0f} events/s"
    compared = f"fleettwin compare {projection.name} {shown.version} {projection.version}"
    out.print(f"{projection.id} has {has}; compare it: {compared}")


def events_left(store: ReadModelStore, shown: Projection, state: VersionState, vehicle_ids: Sequence[UUID]) -> int:
    """Return how many events of vehicles are still to be read, as far as is known before: with --from it may be less.

    `shown`: the version that is shown, which knows how many events each vehicle has.
    """
    left = state.until_position - state.from_position
    if state.vehicle_ids is not None:
        left = min(left, sum(store.versions(shown, vehicle_ids).values()))
    done = store.versions(replace(shown, version=state.version), vehicle_ids) if not state.from_position else {}
    return left - sum(done.values())


def _vehicle_ids(twin: FleetTwin, vins: Sequence[str]) -> list[UUID]:
    entries = {entry.vin: entry.vehicle_id for entry in twin.records.vehicles()}
    if not vins:
        return sorted(entries.values())
    for vin in vins:
        if Vin.parse(vin).text not in entries:
            remedy = "ingest a recording of it first"
            raise BadInputError("no such vehicle", where=f"VIN {Vin.parse(vin).text}", remedy=remedy)
    return sorted({entries[Vin.parse(vin).text] for vin in vins})


class Budget:
    """Whether the version that is shown lags by more events than it may; says so where that lasts."""

    def __init__(self, lag: Callable[[], int], shown: Projection, max_lag: int | None) -> None:
        self._lag = lag
        self._shown = shown
        self._max_lag = max_lag
        self._asked_at_s = 0.0
        self._over_since_s: float | None = None
        self._told = False  # once is enough

    def __call__(self) -> bool:
        """Return it, as it was a moment ago."""
        now_s = time.monotonic()
        if self._max_lag is None:
            return False
        if now_s - self._asked_at_s > LAG_ASKED_S:
            lag, self._asked_at_s = self._lag(), now_s
            self._over_since_s = (self._over_since_s or now_s) if lag > self._max_lag else None
            if self._over_since_s and now_s - self._over_since_s > WAIT_TOLD_S and not self._told:
                behind = f"{self._shown.id} is {counted(lag, 'event')} behind the log"
                allowed = f"--max-live-lag allows {self._max_lag:,}; is there a process that follows it?"
                err.print(f"waits: {behind}, and {allowed}", soft_wrap=True)
                self._told = True
        return self._over_since_s is not None


def switch(twin: FleetTwin, name: str, version: int) -> None:
    """Show another version: one moment all readers see the one, the next the other."""
    _show(twin, name, version, shown_version(twin, name))


def _show(twin: FleetTwin, name: str, version: int, shown: Shown) -> None:
    """Show another version in place of the one that the caller saw. Raises BadInputError where it is not shown."""
    projection = at_version(named(name), version, where=f"{name} {version}")
    with twin.versions.held(name, version):
        before = _check_can_be_shown(twin, projection, shown)
        while twin.read_models.position(projection) < twin.read_models.position(before):
            advance(projection, twin.log, twin.read_models, now, twin.read_models.position(before))
        twin.versions.switch(name, version, before.version)
    out.print(f"{projection.id} is shown, {before.id} goes on beside it: fleettwin rollback {name}")


def _check_can_be_shown(twin: FleetTwin, projection: Projection, shown: Shown) -> Projection:
    """Return what is shown in place of a version that can be. Raises BadInputError for one that cannot."""
    name, version = projection.name, projection.version
    where = f"{name} {version}"
    if version == shown.version:
        raise BadInputError("this version is shown already", where=where, remedy="nothing is to be done")
    state = versions_there(twin.versions, name).get(version)
    if state is None:
        raise no_such_version(name, version)
    if state.partial:
        remedy = f"`fleettwin rebuild {name} --version` with a new number"
        raise BadInputError("this version lacks events or vehicles", where=where, remedy=remedy)
    if not state.ready:
        remedy = f"`fleettwin rebuild {name} --version {version}` goes on with it"
        raise BadInputError("this version is not filled yet", where=where, remedy=remedy)
    return at_version(projection, shown.version)


def rollback(twin: FleetTwin, name: str) -> None:
    """Show the version again that was shown before."""
    shown = shown_version(twin, name)
    if shown.previous is None:
        remedy = "see `fleettwin status` for the versions that there are"
        raise BadInputError("no version was shown before", where=name, remedy=remedy)
    _show(twin, name, shown.previous, shown)


def discard(twin: FleetTwin, name: str, version: int) -> None:
    """Delete a version that is not shown."""
    where = f"{name} {version}"
    projection = at_version(named(name), version, where=where)
    with twin.versions.held(name, version):
        if version == shown_version(twin, name).version:
            raise BadInputError("this version is shown", where=where, remedy="switch to another one first")
        if version not in versions_there(twin.versions, name):
            remedy = "see `fleettwin status` for the versions that there are"
            raise BadInputError("no such version was filled", where=where, remedy=remedy)
        twin.versions.discard(projection)
    out.print(f"{projection.id} is gone")


# --- proving ----------------------------------------------------------------------------------------------------------


def verify_projections(
    twin: FleetTwin, names: Collection[str], tell: Callable[[str, int, int], None] = lambda *_: None
) -> list[dict[str, Any]]:
    """Compare what is shown with a fold of the log, and return digests and the first difference of each projection."""
    entries = {entry.vehicle_id: entry for entry in twin.records.vehicles()}
    found = []
    for name in names:
        base = named(name)
        projection = at_version(base, shown_version(twin, name).version)
        position = twin.read_models.position(projection)
        strangers = sorted(set(twin.read_models.vehicles_with_rows(projection)) - entries.keys())
        result = Verified(0, 0, "0" * 64, "0" * 64, None)
        every = chunks([*sorted(entries), *strangers], VEHICLES_AT_ONCE)
        parked = twin.read_models.parked(projection)
        for result in verify(projection, twin.read_models, twin.log, every, position, parked):
            tell(projection.id, result.vehicles, len(entries) + len(strangers))
        first = result.first
        unknown = DirectoryEntry(first.vehicle_id, "(not registered)", "", None, Micros(0)) if first else None
        found.append(
            {
                "projection": projection.name,
                "version": projection.version,
                "position": position,
                "vehicles": result.vehicles,
                "rows": result.rows,
                "kept": result.kept,
                "told": result.told,
                "equal": result.kept == result.told,
                "parked": len(parked),
                "first": None
                if first is None or unknown is None
                else difference_data(first, entries.get(first.vehicle_id, unknown)),
            }
        )
    return found


def digests_at(
    twin: FleetTwin, names: Collection[str], position: int, tell: Callable[[str, int, int], None] = lambda *_: None
) -> list[dict[str, Any]]:
    """Return the digest of what the log says at a position, for each projection. Raises BadInputError beyond its end.

    Rows that are kept are compared where the projection is at that position.
    """
    end = twin.records.last_position()
    check_position(position, end, where="--position")
    vehicle_ids = sorted(entry.vehicle_id for entry in twin.records.vehicles())
    found = []
    for name in names:
        projection = at_version(named(name), shown_version(twin, name).version)
        if twin.read_models.position(projection) == position == end:
            found += verify_projections(twin, [name], tell)
            continue
        told = told_at(projection, twin.log, vehicle_ids, position, partial(tell, projection.id))
        numbers = {"position": position, "vehicles": len(vehicle_ids), "rows": told.rows}
        of = {"projection": projection.name, "version": projection.version}
        found.append({**of, **numbers, "kept": None, "told": str(told), "equal": None, "parked": None, "first": None})
    return found


def verify_screen(found: Iterable[Mapping[str, Any]]) -> RenderableType:
    """Return what was proved."""
    rows = Rows(("projection", "position", "vehicles", "rows", "digest", ""))
    lines: list[RenderableType] = []
    for each in found:
        name = f"{each['projection']} v{each['version']}"
        counts = (f"{each['position']:,}", f"{each['vehicles']:,}", f"{each['rows']:,}")
        if each["kept"] is None:
            rows.add_row(name, *counts, f"{each['told'][:16]}…", "what the log says; the rows are elsewhere")
            continue
        said = "as the log says" if each["equal"] else f"the log says {each['told'][:16]}…"
        if each["parked"]:
            said += f"; {counted(each['parked'], 'vehicle')} parked"
        rows.add_row(name, *counts, f"{each['kept'][:16]}…", said)
        if each["first"]:
            first = each["first"]
            lines += [Text(f"the first that differs in {name}:"), compare_screen([first], ("kept", "the log says"))]
    return Group(rows, *lines)
