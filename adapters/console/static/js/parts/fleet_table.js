/** The vehicles of the filter, page by page, beside the map. */
import { html } from "../html.js";
import { t } from "../i18n.js";
import { ask } from "../api.js";
import { address, change, useRoute } from "../router.js";
import { PAGE, SIGNS, filterOf, rowOf } from "../fleet.js";
import { age, quantity } from "../format.js";
import { useLoad } from "../load.js";
import { useWhen, nowMs } from "../time.js";
import { Loaded, StateMark } from "./states.js";

const ROWS = 50;
const EVERY_MS = 5_000;

/** @param {{live: import("../fleet.js").Row[], state?: string}} shown */
export function FleetTable({ live, state }) {
  const { params } = useRoute();
  const when = useWhen();
  const filter = filterOf(params);
  const variables = { first: ROWS, after: params.after ?? null, filter, asOf: when.asOf, knownAt: when.knownAt };
  const load = useLoad(JSON.stringify(variables), (signal) => ask(PAGE, variables, signal), { everyMs: when.atMs === null ? EVERY_MS : null, group: "fleet" });
  if (state) {
    const chosen = live.filter((row) => row.state === state);
    return html`<${Rows} rows=${chosen.slice(0, 500)} />${chosen.length > 500 && html`<p class="note">${t("fleet.more", { count: chosen.length - 500 })}</p>`}`;
  }
  return html`<${Loaded} load=${load}>${({ vehicles }) => html`
    <${Rows} rows=${vehicles.edges.map(({ node }) => rowOf(node, nowMs()))} />
    <nav class="paging" aria-label=${t("paging")}>
      <button type="button" disabled=${!params.after} onClick=${() => history.length > 1 && change({ after: null }, { replace: false })}>${t("paging.first")}</button>
      <button type="button" disabled=${!vehicles.pageInfo.hasNextPage} onClick=${() => change({ after: vehicles.pageInfo.endCursor }, { replace: false })}>${t("paging.next")}</button>
    </nav>`}<//>`;
}

function Rows({ rows }) {
  const now = nowMs();
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("fleet.table")}><table class="vehicles">
    <thead><tr><th scope="col">${t("column.vehicle")}</th><th scope="col">${t("column.state")}</th><th scope="col" class="number">${t("column.speed")}</th>
      <th scope="col" class="number">${t("column.charge")}</th><th scope="col">${t("column.faults")}</th><th scope="col">${t("column.seen")}</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.id}>
      <th scope="row"><a href=${address(["vehicle", row.id])}>${row.brand} ${row.model}</a><small>${row.vin}</small></th>
      <td><${StateMark} state=${row.state} sign=${SIGNS[row.state]} /></td>
      <td class="number">${quantity(row.speed, "km/h")}</td>
      <td class="number">${quantity(row.charge, "percent")}</td>
      <td>${[...row.codes, ...row.warnings].map((each) => html`<span class="chip" key=${each}>${each}</span>`)}</td>
      <td>${age(row.seenMs ? new Date(row.seenMs).toISOString() : null, now)}</td>
    </tr>`)}</tbody></table></div>`;
}
