/** A vehicle at two moments, side by side, with what differs marked. */
import { html } from "../html.js";
import { t } from "../i18n.js";
import { ask } from "../api.js";
import { change, useRoute } from "../router.js";
import { moment } from "../format.js";
import { useLoad } from "../load.js";
import { COMPARED } from "../twin.js";
import { nowMs, useWhen, whenOf } from "../time.js";
import { MomentField } from "../parts/moment_field.js";
import { Empty, Loaded } from "../parts/states.js";
import { Provenance, textOf } from "../parts/value.js";
import { followed } from "./vehicle.js";

const HOUR_MS = 3_600_000;

export function ComparePart({ id }) {
  const { params } = useRoute();
  const right = useWhen();
  const vs = Date.parse(params.vs ?? "");
  const left = whenOf({ params: { at: new Date(Number.isNaN(vs) ? (right.atMs ?? Math.floor(Date.now() / HOUR_MS) * HOUR_MS) - HOUR_MS : vs).toISOString(), by: params.by } });
  const of = (when) => ({ id, asOf: when.asOf, knownAt: when.knownAt });
  const load = useLoad(`compare ${id} ${left.key} ${right.key}`, async (signal) => {
    const [before, after] = await Promise.all([ask(COMPARED, of(left), signal), ask(COMPARED, of(right), signal)]);
    return { rows: differences(factsOf(before.vehicle), factsOf(after.vehicle)), before: before.vehicle };
  }, { followed: followed(id, right), group: id });
  return html`<form class="filters" onSubmit=${(event) => event.preventDefault()}>
      <label>${t("compare.with")}<${MomentField} ms=${left.atMs} onMoment=${(ms) => change({ vs: new Date(ms).toISOString() })} /></label>
      <label class="check"><input type="checkbox" checked=${params.all !== "1"} onChange=${(event) => change({ all: event.target.checked ? null : "1" })} /> ${t("compare.only")}</label></form>
    <${Loaded} load=${load}>${(found) => html`<${Differences} found=${found} left=${left} right=${right} all=${params.all === "1"} />`}<//>`;
}

/** What is compared: the signals of a vehicle, its trouble codes and its warnings. */
function factsOf(vehicle) {
  if (!vehicle) return [];
  const { troubleCodes, warnings } = vehicle.diagnostics;
  const held = [...(troubleCodes ?? []).map((each) => ({ ...each, path: `${each.ecu} ${each.code}` })), ...(warnings ?? []).map((each) => ({ ...each, path: each.warning }))];
  return [...held.map((each) => ({ ...each, value: true, unit: null, status: "OK" })), ...vehicle.signals];
}

/** Both values of each signal; `differs` where they are not the same. */
function differences(before, after) {
  const sides = [before, after].map((signals) => new Map(signals.map((each) => [each.path, each])));
  const paths = [...new Set([...sides[0].keys(), ...sides[1].keys()])].sort();
  return paths.map((path) => {
    const [one, other] = sides.map((side) => side.get(path) ?? null);
    return { path, one, other, differs: one?.value !== other?.value || one?.status !== other?.status };
  });
}

function Differences({ found, left, right, all }) {
  const rows = all ? found.rows : found.rows.filter(({ differs }) => differs);
  const count = found.rows.filter(({ differs }) => differs).length;
  const side = (value, when) => (value ? html`${textOf(value)}<${Provenance} value=${value} at=${when.atMs ?? nowMs()} />` : "–");
  return html`<p role="status">${t("compare.count", { count, all: found.rows.length })} ${found.before === null && t("compare.before")}</p>
    ${rows.length ? html`<div class="scroll" tabindex="0" role="region" aria-label=${t("twin.compare")}><table>
      <thead><tr><th scope="col">${t("signal.path")}</th><th scope="col"><span class="hidden">${t("compare.differs")}</span></th><th scope="col" class="number">${moment(new Date(left.atMs).toISOString())}</th>
        <th scope="col" class="number">${right.atMs === null ? t("time.live") : moment(new Date(right.atMs).toISOString())}</th></tr></thead>
      <tbody>${rows.map(({ path, one, other, differs }) => html`<tr key=${path} class=${differs ? "differs" : ""}><th scope="row" class="path">${path.replace(/^Vehicle\./, "")}</th>
        <td>${differs ? html`<span title=${t("compare.differs")}>≠</span>` : ""}</td><td class="number">${side(one, left)}</td><td class="number">${side(other, right)}</td></tr>`)}</tbody></table></div>` : html`<${Empty} text=${t("compare.none")} />`}`;
}
