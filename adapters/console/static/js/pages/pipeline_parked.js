/** Events that a projection could not fold, each with its error; whoever may takes its vehicle up again. */
import { useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { ask } from "../api.js";
import { address, useRoute } from "../router.js";
import { moment, number } from "../format.js";
import { every, useLoad } from "../load.js";
import { Paging } from "../parts/paging.js";
import { Empty, Failed, Loaded, Withheld } from "../parts/states.js";

const EVERY_MS = 5_000;
const FIRST = 50;
const PARKED = `query ($first: Int!, $after: String) { operations { parked(first: $first, after: $after) {
  edges { node { projection version vehicleId type eventVersion position error attempts parkedAt leftOut vehicle { vin brand model } } }
  pageInfo { hasNextPage endCursor } } } }`;
const RETRY = `mutation ($projection: String!, $version: Int!, $vehicleId: ID!) {
  retryParked(projection: $projection, version: $version, vehicleId: $vehicleId) { outcome parked { error } } }`;

const nameOf = ({ vehicle }) => vehicle?.vin ?? t("parked.unregistered");

export function ParkedPart() {
  const { params } = useRoute();
  const after = params.after ?? null;
  const load = useLoad(`parked ${after}`, (signal) => ask(PARKED, { first: FIRST, after }, signal), { followed: every(EVERY_MS), group: "parked" });
  const [said, setSaid] = useState(null); // what became of the last retry
  const [busy, setBusy] = useState(null); // the row that is taken up again
  const line = useRef(null);

  async function retry(row) {
    const { projection, version, vehicleId } = row;
    setBusy(keyOf(row));
    setSaid(null);
    try {
      const { retryParked } = await ask(RETRY, { projection, version, vehicleId });
      setSaid({ outcome: retryParked.outcome, row });
    } catch (error) {
      setSaid({ error });
    }
    setBusy(null);
    load.reload();
    line.current?.focus(); // its button may be gone
  }

  return html`<div class="said" ref=${line} tabindex="-1" role="status">${said?.outcome && t(`retry.${said.outcome}`, { vehicle: nameOf(said.row), projection: `${said.row.projection} v${said.row.version}` })}</div>
    ${said?.error && html`<${Failed} error=${said.error} />`}
    <${Loaded} load=${load}>${({ operations }) => (operations ? html`<${Parked} page=${operations.parked} further=${after !== null} busy=${busy} retry=${retry} />` : html`<${Withheld} scope="operations:read" />`)}<//>`;
}

const keyOf = ({ projection, version, vehicleId }) => `${projection} ${version} ${vehicleId}`;

function Parked({ page, further, busy, retry }) {
  if (!page.edges.length && !further) return html`<${Empty} text=${t("parked.none")} hint=${t("parked.none.hint")} />`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("part.parked")}><table class="parked">
    <thead><tr><th scope="col">${t("column.vehicle")}</th><th scope="col">${t("pipeline.projection")}</th><th scope="col">${t("parked.error")}</th>
      <th scope="col">${t("parked.event")}</th><th scope="col" class="number">${t("parked.leftOut")}</th><th scope="col">${t("parked.tried")}</th><th scope="col"><span class="hidden">${t("parked.retry")}</span></th></tr></thead>
    <tbody>${page.edges.map(({ node }) => html`<tr key=${keyOf(node)}>
      <th scope="row">${node.vehicle ? html`<a href=${address(["vehicle", node.vehicleId, "events"])}>${node.vehicle.brand} ${node.vehicle.model}<small>${node.vehicle.vin}</small></a>` : t("parked.unregistered")}</th>
      <td>${node.projection} v${node.version}</td><td class="error">${node.error}</td>
      <td>${node.type ?? t("parked.absent")}<small>${t("explain.version", { version: node.eventVersion, position: number(Number(node.position)) })}</small></td>
      <td class="number">${number(Number(node.leftOut))}</td><td>${moment(node.parkedAt)}<small>${t("parked.attempts", { count: node.attempts })}</small></td>
      <td><button type="button" disabled=${busy !== null} aria-label=${t("parked.retry.label", { vehicle: nameOf(node), projection: `${node.projection} v${node.version}` })} onClick=${() => retry(node)}>${busy === keyOf(node) ? t("parked.retrying") : t("parked.retry")}</button></td>
    </tr>`)}</tbody></table></div>
    <${Paging} info=${page.pageInfo} />`;
}
