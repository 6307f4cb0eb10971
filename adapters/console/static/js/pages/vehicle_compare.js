/** A vehicle at two moments, side by side, with what differs marked. */
import { html } from "../html.js";
import { t } from "../i18n.js";
import { ask } from "../api.js";
import { change, useRoute } from "../router.js";
import { moment } from "../format.js";
import { HIDDEN } from "../fleet.js";
import { useLoad } from "../load.js";
import { COMPARED, unnamedOf } from "../twin.js";
import { useNowMs, useWhen, whenOf } from "../time.js";
import { MomentField } from "../parts/moment_field.js";
import { Empty, Loaded } from "../parts/states.js";
import { Explained, Provenance, Told } from "../parts/value.js";
import { followed } from "./vehicle.js";

const HOUR_MS = 3_600_000;
/** Without it there are neither trouble codes nor warnings. */
const OF_LISTS = "diagnostics:read";
const SCOPES = /\b[a-z]+:[a-z]+\b/g;

export function ComparePart({ id }) {
  const { params } = useRoute();
  const right = useWhen();
  const vs = Date.parse(params.vs ?? "");
  const left = whenOf({ params: { at: new Date(Number.isNaN(vs) ? (right.atMs ?? Math.floor(Date.now() / HOUR_MS) * HOUR_MS) - HOUR_MS : vs).toISOString(), by: params.by } });
  const of = (when) => ({ id, asOf: when.asOf, knownAt: when.knownAt });
  const load = useLoad(`compare ${id} ${left.key} ${right.key}`, async (signal) => {
    const [before, after] = await Promise.all([ask(COMPARED, of(left), signal), ask(COMPARED, of(right), signal)]);
    return { rows: differences(factsOf(before), factsOf(after)), before: before.vehicle, left, right };
  }, { followed: followed(id, right), group: id });
  return html`<form class="filters" onSubmit=${(event) => event.preventDefault()}>
      <label>${t("compare.with")}<${MomentField} ms=${left.atMs} onMoment=${(ms) => change({ vs: new Date(ms).toISOString() })} /></label>
      <label class="check"><input type="checkbox" checked=${params.all !== "1"} onChange=${(event) => change({ all: event.target.checked ? null : "1" })} /> ${t("compare.only")}</label></form>
    <${Loaded} load=${load}>${(found) => html`<${Differences} found=${found} all=${params.all === "1"} />`}<//>`;
}

/** What is compared: the signals of a vehicle, its trouble codes and its warnings. */
function factsOf({ vehicle, withheld }) {
  if (!vehicle) return [];
  const { troubleCodes, warnings } = vehicle.diagnostics;
  const lists = [["diag.codes", troubleCodes, ({ ecu, code }) => `${ecu} ${code}`], ["diag.warnings", warnings, ({ warning }) => warning]];
  const held = lists.flatMap(([name, list, pathOf]) => (list === null
    ? [{ path: t(name), status: HIDDEN, reason: OF_LISTS }] : list.map((each) => ({ ...each, path: pathOf(each), value: true, status: "OK" }))));
  const unnamed = unnamedOf(withheld); // how many there are is not told
  if (unnamed) held.push({ path: t("twin.signals"), status: HIDDEN, reason: unnamed });
  return [...held.map((each) => ({ ...each, held: true, unit: null })), ...vehicle.signals];
}

/** Both values of each signal; `differs` where they are not the same, `hidden` where the token does not show enough to say so. */
function differences(before, after) {
  const sides = [before, after].map((signals) => new Map(signals.map((each) => [each.path, each])));
  const paths = [...new Set([...sides[0].keys(), ...sides[1].keys()])].sort();
  return paths.map((path) => {
    const [one, other] = sides.map((side) => side.get(path) ?? null);
    const hidden = [one, other].some((each) => each?.status === HIDDEN);
    return { path, one, other, hidden, differs: !hidden && (one?.value !== other?.value || one?.status !== other?.status) };
  });
}

/** The scopes for want of which values are hidden: the server names them in its reasons. */
const lackingOf = (hidden) => [...new Set(hidden.flatMap(({ one, other }) => [one, other]).filter((each) => each?.status === HIDDEN).flatMap(({ reason }) => reason?.match(SCOPES) ?? []))].sort();

function Differences({ found, all }) {
  const { left, right } = found; // while others load, those that are shown
  const now = useNowMs();
  const rows = all ? found.rows : found.rows.filter(({ differs }) => differs);
  const count = found.rows.filter(({ differs }) => differs).length;
  const hidden = found.rows.filter((row) => row.hidden);
  const vs = new Date(left.atMs).toISOString();
  const explained = (value, when) => {
    if (!value.held) return html`<${Explained} value=${value} more=${when === left ? { side: "vs", vs } : {}} />`;
    return value.eventId ? html`<${Told} by=${value.eventId}>${t("yes")}<//>` : "–";
  };
  const side = (value, when) => (value ? html`${explained(value, when)}<${Provenance} value=${value} at=${when.atMs ?? now} />` : "–");
  return html`<p role="status">${t("compare.count", { count, all: found.rows.length })} ${found.before === null && t("compare.before")}
      ${hidden.length > 0 && html` <span class="status">× ${t("compare.hidden.count", { count: hidden.length, scopes: lackingOf(hidden).join(", ") })}</span>`}</p>
    ${rows.length ? html`<div class="scroll" tabindex="0" role="region" aria-label=${t("twin.compare")}><table>
      <thead><tr><th scope="col">${t("signal.path")}</th><th scope="col"><span class="hidden">${t("compare.differs")}</span></th><th scope="col" class="number">${moment(vs)}</th>
        <th scope="col" class="number">${right.atMs === null ? t("time.live") : moment(new Date(right.atMs).toISOString())}</th></tr></thead>
      <tbody>${rows.map(({ path, one, other, differs, hidden }) => html`<tr key=${path} class=${differs ? "differs" : ""}><th scope="row" class="path">${path.replace(/^Vehicle\./, "")}</th>
        <td>${differs ? html`<span title=${t("compare.differs")}>≠</span>` : hidden && html`<span title=${t("compare.hidden")}>×<span class="hidden">${t("compare.hidden")}</span></span>`}</td><td class="number">${side(one, left)}</td><td class="number">${side(other, right)}</td></tr>`)}</tbody></table></div>` : html`<${Empty} text=${t(hidden.length ? "compare.none.shown" : "compare.none")} />`}`;
}
