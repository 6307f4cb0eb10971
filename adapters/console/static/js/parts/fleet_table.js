/** The vehicles of the filter, page by page, beside the map. */
import { useMemo } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { ask } from "../api.js";
import { address, change, useRoute } from "../router.js";
import { PAGE, SCOPES, SIGNS, countsOf, filterOf, inOrder, orderOf, rowOf } from "../fleet.js";
import { age, moment, quantity } from "../format.js";
import { every, useLoad } from "../load.js";
import { ShownMoment, useNowMs, useWhen } from "../time.js";
import { Paging } from "./paging.js";
import { Empty, Loaded, StateMark } from "./states.js";
import { StatusSign } from "./value.js";

const ROWS = 50;
/** Which vehicles are on the page is asked anew so often; what they tell comes with those of the map. */
const EVERY_MS = 20_000;

/**
 * @param {{live: import("../fleet.js").Row[], of: number | null, state?: string, told: boolean}} shown live: the vehicles of the map, and the moment
 *   that they are of; told: that asking fails is said already
 */
export function FleetTable({ live, of, state, told }) {
  const { params } = useRoute();
  const when = useWhen();
  const filter = filterOf(params);
  const variables = state ? null : { first: ROWS, after: params.after ?? null, filter, orderBy: orderOf(params), asOf: when.asOf, knownAt: when.knownAt };
  const load = useLoad(JSON.stringify(variables), async (signal) => variables && { toldMs: performance.now(), ...await ask(PAGE, variables, signal) }, { followed: when.atMs === null && !state ? every(EVERY_MS) : null, group: state ? "state" : "fleet" });
  const newest = useMemo(() => new Map(of === null ? live.map((row) => [row.id, row]) : []), [live, of]);
  if (state) {
    const chosen = inOrder(live.filter((row) => row.state === state), params);
    if (!chosen.length && countsOf(live)[state] === null) return html`<${Empty} text=${t("fleet.hidden.state")} hint=${SCOPES[state]} />`;
    if (!chosen.length) return live.length ? html`<${Empty} text=${t("fleet.none.state")} />` : null;
    const begin = pageOf(chosen.length, params.after);
    const end = begin + ROWS;
    return html`<${ShownMoment.Provider} value=${of}><${Rows} rows=${chosen.slice(begin, end)} /><//><${Paging} info=${{ hasNextPage: end < chosen.length, endCursor: String(end) }} />`;
  }
  if (told && load.data === null) return null;
  return html`<${Loaded} load=${told ? { ...load, error: null } : load}>${({ vehicles, toldMs }) => html`
    ${vehicles.edges.length > 0 && html`<${Rows} rows=${vehicles.edges.map(({ node }) => (load.atMs === null && newest.get(node.id)?.toldMs > toldMs ? newest.get(node.id) : rowOf(node, load.atMs ?? Date.now())))} />`}
    <${Paging} info=${vehicles.pageInfo} />`}<//>`;
}

/** A state is none of the filter of the API: its vehicles are those of the map, and a page of them begins with a number. */
const pageOf = (count, after) => Math.floor(Math.min(Number.parseInt(after, 10) || 0, count - 1) / ROWS) * ROWS;

/** The head of a column that sorts: once upwards, once downwards, once as they come. */
function Sorted({ name, className = "" }) {
  const { sort } = useRoute().params;
  const up = sort === name;
  const down = sort === `-${name}`;
  const next = up ? `-${name}` : down ? null : name;
  return html`<th scope="col" class=${className} aria-sort=${up ? "ascending" : down ? "descending" : null}>
    <button type="button" class="plain" onClick=${() => change({ sort: next, after: null }, { replace: false })}>${t(`column.${name}`)}<span aria-hidden="true">${up ? " ▲" : down ? " ▼" : ""}</span></button></th>`;
}

function Rows({ rows }) {
  const now = useNowMs();
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("fleet.table")}><table class="vehicles">
    <thead><tr><${Sorted} name="vehicle" /><th scope="col">${t("column.state")}</th><th scope="col" class="number">${t("column.speed")}</th>
      <${Sorted} name="charge" className="number" /><th scope="col">${t("column.faults")}</th><${Sorted} name="seen" /></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.id}>
      <th scope="row"><a href=${address(["vehicle", row.id])}>${row.brand} ${row.model}</a><small>${row.vin}</small>${row.goneAt && html`<span class="chip">${t("twin.gone", { at: moment(row.goneAt) })}</span>`}</th>
      <td><${StateMark} state=${row.state} sign=${SIGNS[row.state]} /></td>
      <td class="number">${quantity(row.speed, "km/h")}<${StatusSign} status=${row.speedStatus} /></td>
      <td class="number">${quantity(row.charge, "percent")}<${StatusSign} status=${row.chargeStatus} /></td>
      <td>${[...row.codes, ...row.warnings].map((each) => html`<span class="chip" key=${each}>${each}</span>`)}<${StatusSign} status=${row.faultsStatus} /></td>
      <td>${age(row.seenMs ? new Date(row.seenMs).toISOString() : null, now)}</td>
    </tr>`)}</tbody></table></div>`;
}
