/** The vehicles of the filter, page by page, beside the map. */
import { useMemo } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { ask } from "../api.js";
import { address, change, useRoute } from "../router.js";
import { PAGE, SIGNS, filterOf, orderOf, rowOf } from "../fleet.js";
import { age, quantity } from "../format.js";
import { every, useLoad } from "../load.js";
import { useWhen, nowMs } from "../time.js";
import { Loaded, StateMark } from "./states.js";

const ROWS = 50;
/** Which vehicles are on the page is asked anew so often; what they tell comes with those of the map. */
const EVERY_MS = 20_000;

/** @param {{live: import("../fleet.js").Row[], state?: string}} shown */
export function FleetTable({ live, state }) {
  const { params } = useRoute();
  const when = useWhen();
  const filter = filterOf(params);
  const variables = { first: ROWS, after: params.after ?? null, filter, orderBy: orderOf(params), asOf: when.asOf, knownAt: when.knownAt };
  const load = useLoad(JSON.stringify(variables), (signal) => ask(PAGE, variables, signal), { followed: when.atMs === null ? every(EVERY_MS) : null, group: "fleet" });
  const newest = useMemo(() => new Map(when.atMs === null ? live.map((row) => [row.id, row]) : []), [live, when.atMs]);
  if (state) {
    const chosen = live.filter((row) => row.state === state);
    return html`<${Rows} rows=${chosen.slice(0, 500)} />${chosen.length > 500 && html`<p class="note">${t("fleet.more", { count: chosen.length - 500 })}</p>`}`;
  }
  return html`<${Loaded} load=${load}>${({ vehicles }) => html`
    <${Rows} rows=${vehicles.edges.map(({ node }) => newest.get(node.id) ?? rowOf(node, nowMs()))} />
    <nav class="paging" aria-label=${t("paging")}>
      <button type="button" disabled=${!params.after} onClick=${() => history.length > 1 && change({ after: null }, { replace: false })}>${t("paging.first")}</button>
      <button type="button" disabled=${!vehicles.pageInfo.hasNextPage} onClick=${() => change({ after: vehicles.pageInfo.endCursor }, { replace: false })}>${t("paging.next")}</button>
    </nav>`}<//>`;
}

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
  const now = nowMs();
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("fleet.table")}><table class="vehicles">
    <thead><tr><${Sorted} name="vehicle" /><th scope="col">${t("column.state")}</th><th scope="col" class="number">${t("column.speed")}</th>
      <${Sorted} name="charge" className="number" /><th scope="col">${t("column.faults")}</th><${Sorted} name="seen" /></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.id}>
      <th scope="row"><a href=${address(["vehicle", row.id])}>${row.brand} ${row.model}</a><small>${row.vin}</small></th>
      <td><${StateMark} state=${row.state} sign=${SIGNS[row.state]} /></td>
      <td class="number">${quantity(row.speed, "km/h")}</td>
      <td class="number">${quantity(row.charge, "percent")}</td>
      <td>${[...row.codes, ...row.warnings].map((each) => html`<span class="chip" key=${each}>${each}</span>`)}</td>
      <td>${age(row.seenMs ? new Date(row.seenMs).toISOString() : null, now)}</td>
    </tr>`)}</tbody></table></div>`;
}
