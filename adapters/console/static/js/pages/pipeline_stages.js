/** How far the log is, and how far each projection has followed it. */
import { html } from "../html.js";
import { t } from "../i18n.js";
import { ask } from "../api.js";
import { number } from "../format.js";
import { every, useLoad } from "../load.js";
import { Empty, Loaded } from "../parts/states.js";

const EVERY_MS = 2_000;
const STATUS = "{ status { logPosition projections { name version position lag parked } } }";

export function StagesPart() {
  const load = useLoad("pipeline", (signal) => ask(STATUS, {}, signal), { followed: every(EVERY_MS) });
  return html`<div>
    <${Loaded} load=${load}>${({ status }) => html`
      <p>${t("pipeline.log", { position: number(Number(status.logPosition)) })}</p>
      ${status.projections.length ? html`<${Projections} rows=${status.projections} log=${Number(status.logPosition)} />` : html`<${Empty} text=${t("pipeline.none")} />`}
    `}<//>
  </div>`;
}

function Projections({ rows, log }) {
  return html`<table>
    <caption class="hidden">${t("pipeline.projections")}</caption>
    <thead><tr><th scope="col">${t("pipeline.projection")}</th><th scope="col" class="number">${t("pipeline.version")}</th>
      <th scope="col" class="number">${t("pipeline.position")}</th><th scope="col">${t("pipeline.progress")}</th>
      <th scope="col" class="number">${t("pipeline.lag")}</th><th scope="col" class="number">${t("pipeline.parked")}</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${`${row.name} ${row.version}`}>
      <th scope="row">${row.name}</th><td class="number">${row.version}</td><td class="number">${number(Number(row.position))}</td>
      <td><progress max=${Math.max(log, 1)} value=${Number(row.position)} aria-label=${`${row.name} ${row.version}`}></progress></td>
      <td class="number">${number(Number(row.lag))}</td>
      <td class="number">${row.parked ? html`<strong class="bad">⚠ ${row.parked}</strong>` : "0"}</td>
    </tr>`)}</tbody>
  </table>`;
}
