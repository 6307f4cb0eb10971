/** The fleet: on a map, in a table and in numbers, live or as it was. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { address, change, go, useRoute } from "../router.js";
import { useStore } from "../store.js";
import { connection, isLost } from "../api.js";
import { HIDDEN, SCOPES, SIGNS, STATES, countsOf, filterOf, rowOf, stateOf } from "../fleet.js";
import { number } from "../format.js";
import { collect, watchFleet } from "../live.js";
import { again, awaited, waitOf } from "../load.js";
import { useWhen } from "../time.js";
import { Filters } from "../parts/filters.js";
import { FleetTable } from "../parts/fleet_table.js";
import { MapView } from "../parts/map_view.js";
import { Empty, Failed, Loading, StateMark } from "../parts/states.js";

/** Two metres, in degrees: so far beyond its edges is looked for the vehicles of a place. */
const PLACE_DEGREES = 0.00002;
/** States depend on the time that has gone by: so often they are told anew. */
const STATES_EVERY_MS = 15_000;

export function FleetPage() {
  const { params } = useRoute();
  const fleet = useFleet(params);
  const counts = useMemo(() => countsOf(fleet.rows), [fleet.rows]);
  const shown = useMemo(() => (params.state ? fleet.rows.filter((row) => row.state === params.state) : fleet.rows), [fleet.rows, params.state]);
  const open = (row) => go(["vehicle", row.id]);
  const list = ([south, west, north, east]) => {
    const box = [south - PLACE_DEGREES, west - PLACE_DEGREES, north + PLACE_DEGREES, east + PLACE_DEGREES];
    change({ box: box.map((each) => each.toFixed(6)).join(","), after: null }, { replace: false });
    document.querySelector(".beside .scroll")?.focus();
  };
  const label = t("map.label", { count: number(shown.length) });
  return html`<div class="fleet">
    <h1 class="hidden">${t("page.fleet")}</h1>
    <${Filters} />
    <${Counts} counts=${counts} total=${fleet.rows.length} params=${params} busy=${fleet.busy} loading=${fleet.loading} answered=${fleet.answered} />
    ${fleet.error && !(isLost(fleet.error) && fleet.answered) && html`<${Failed} error=${fleet.error} again=${fleet.reload} />`}
    <div class="split">
      <${MapView} rows=${shown} hidden=${shown.length > 0 && shown.every(({ placeStatus }) => placeStatus === HIDDEN)} label=${label} place=${params.view ?? ""} onPick=${open} onPlace=${list} onMoved=${(view) => change({ view: view.toText() })} />
      <div class="beside">
        ${params.state && fleet.loading && !fleet.rows.length && html`<${Loading} />`}
        ${!fleet.loading && !fleet.rows.length && !fleet.error && html`<${Empty} text=${t("fleet.none")} hint=${t(filterOf(params) ? "fleet.none.filter" : params.at ? "fleet.none.past" : "fleet.none.hint")} />`}
        <${FleetTable} live=${fleet.rows} of=${fleet.atMs} state=${params.state} told=${fleet.error !== null} />
      </div>
    </div>
  </div>`;
}

/** How many are in which state; before the first answer nobody knows, and until another comes those of the one before are marked. */
function Counts({ counts, total, params, busy, loading, answered }) {
  const of = (state) => address(["fleet"], { ...params, state, after: null });
  const figure = (count) => (answered ? html`<b>${number(count)}</b>` : html`<span aria-hidden="true">–</span>`);
  return html`<div class="counts" role="group" aria-busy=${String(busy)} aria-label=${t("fleet.counts")}>
    <a href=${of(null)} aria-current=${params.state ? null : "true"}>${figure(total)} ${t("fleet.all", { count: total })}</a>
    ${STATES.filter((state) => state !== "withheld" || counts[state]).map((state) => html`<a key=${state} href=${of(params.state === state ? null : state)} title=${answered && counts[state] === null ? `${t("withheld")} ${SCOPES[state]}` : null} aria-current=${params.state === state ? "true" : null}>
      ${figure(counts[state])} <${StateMark} state=${state} sign=${SIGNS[state]} /></a>`)}
    ${loading && html`<span class="loading">${t("loading")}</span>`}
  </div>`;
}

/** The vehicles of a filter, kept up to date while the present is looked at. */
function useFleet(params) {
  const when = useWhen();
  const filter = filterOf(params);
  const key = `${JSON.stringify(filter)} ${when.key}`;
  const [state, setState] = useState({ key: null, byId: new Map(), atMs: null, loading: true, error: null });
  const [round, setRound] = useState(0);
  const link = useStore(connection);
  useEffect(() => {
    const stop = new AbortController();
    const { signal } = stop;
    const byId = new Map();
    const now = () => when.atMs ?? Date.now();
    const take = (nodes) => {
      for (const node of nodes) byId.set(node.id, rowOf(node, now()));
    };
    const show = (more) => !signal.aborted && setState({ key, byId: new Map(byId), atMs: when.atMs, loading: false, error: null, ...more });
    setState((was) => ({ ...was, loading: true, error: null }));
    const variables = { filter, asOf: when.asOf, knownAt: when.knownAt };
    const answered = awaited();
    let timer = null;
    let failures = 0;
    const changed = (nodes, asked) => {
      const found = new Set(nodes.map(({ id }) => id));
      for (const [id, { vin }] of byId) if (asked(vin) && !found.has(id)) byId.delete(id);
      take(nodes);
      show();
    };
    // before they are loaded: what changes meanwhile is not to be missed
    const watch = when.atMs === null && watchFleet({ filter, known: () => [...byId.values()] }, changed, (error) => show({ error }), signal);
    const begin = () => collect(variables, signal, (nodes) => {
      take(nodes);
      if (byId.size <= nodes.length || byId.size % 1000 < nodes.length) show({ loading: true });
    }).then(() => {
      answered();
      show();
      if (when.atMs !== null) return;
      watch();
      timer = setInterval(() => {
        for (const [id, row] of byId) byId.set(id, { ...row, state: stateOf(row, now()) });
        show();
      }, STATES_EVERY_MS);
    }).catch((error) => {
      if (signal.aborted) return;
      const wait = waitOf(error, failures);
      // of another question, once this one is refused, is nothing to be shown
      setState((was) => ({ ...(wait === null && was.key !== key ? { key, byId: new Map(), atMs: when.atMs } : was), loading: false, error }));
      failures += 1;
      if (wait === null) answered();
      else again(wait, begin, signal);
    });
    begin();
    return () => {
      stop.abort();
      clearInterval(timer);
      answered();
    };
  }, [key, round, link === "closed"]);
  const rows = useMemo(() => [...state.byId.values()], [state.byId]);
  const busy = state.loading || state.key !== key;
  return { rows, atMs: state.atMs, answered: state.key !== null, busy, loading: busy && !state.error, error: state.error, reload: () => setRound(round + 1) };
}
